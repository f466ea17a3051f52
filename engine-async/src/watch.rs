//! Descriptors of a session on tokio's reactor.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::task::{Context, Poll};

use audit_core::lanes::Lanes;
use audit_pty::{Driver, Side};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// A duplicate of a session's descriptor, so that the registration's lifetime is ours alone.
#[derive(Debug)]
struct Owned(OwnedFd);

impl AsRawFd for Owned {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

/// How a side becomes ready.
#[derive(Debug)]
enum Watched {
    /// There is no such side, or it is closed.
    Nothing,
    /// `epoll(7)` refuses it, and it never makes one wait.
    AlwaysReady,
    /// The reactor tells.
    Registered(AsyncFd<Owned>),
}

/// The sides of one session, in the order of [`Side::ALL`].
#[derive(Debug)]
pub(crate) struct Watch(Vec<Watched>);

impl Watch {
    pub(crate) fn new<L: Lanes>(driver: &Driver<L>) -> io::Result<Self> {
        let watched = Side::ALL.into_iter().map(|side| match driver.ends().fd(side) {
            None => Ok(Watched::Nothing),
            Some(_) if driver.ends().always_ready(side) => Ok(Watched::AlwaysReady),
            Some(fd) => {
                let writes = matches!(side, Side::To(_));
                let interest = if writes { Interest::WRITABLE } else { Interest::READABLE };
                register(Owned(fd.try_clone_to_owned()?), interest).map(Watched::Registered)
            }
        });
        watched.collect::<io::Result<_>>().map(Self)
    }

    /// Drops what the session has closed: a duplicate would keep a pipe open.
    pub(crate) fn follow<L: Lanes>(&mut self, driver: &Driver<L>) {
        for (watched, side) in self.0.iter_mut().zip(Side::ALL) {
            if matches!(watched, Watched::Registered(_)) && driver.ends().fd(side).is_none() {
                *watched = Watched::Nothing;
            }
        }
    }

    /// Whether a side is ready; if not, the task is woken when it is.
    pub(crate) fn poll_ready(&self, index: usize, cx: &mut Context<'_>) -> bool {
        match &self.0[index] {
            Watched::Nothing => false,
            Watched::AlwaysReady => true,
            Watched::Registered(fd) => match Side::ALL[index] {
                Side::To(_) => matches!(fd.poll_write_ready(cx), Poll::Ready(Ok(_))),
                _ => matches!(fd.poll_read_ready(cx), Poll::Ready(Ok(_))),
            },
        }
    }

    /// There was nothing after all: the next [`Watch::poll_ready`] waits for the reactor to tell
    /// anew. Nothing is lost between the attempt and this call: the reactor runs on this thread,
    /// and only between turns.
    pub(crate) fn clear(&self, index: usize, cx: &mut Context<'_>) {
        let Watched::Registered(fd) = &self.0[index] else { return };
        let ready = match Side::ALL[index] {
            Side::To(_) => fd.poll_write_ready(cx),
            _ => fd.poll_read_ready(cx),
        };
        if let Poll::Ready(Ok(mut ready)) = ready {
            ready.clear_ready();
        }
    }
}

fn register(fd: Owned, interest: Interest) -> io::Result<AsyncFd<Owned>> {
    // SAFETY: `Owned` never gives its descriptor away or replaces it, so it stays open and the
    // same for as long as the `AsyncFd` that owns it is registered.
    unsafe { AsyncFd::register_with_interest(fd, interest) }.map_err(io::Error::from)
}
