//! A worker's end of its socket: waits.

use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use serde::Serialize;

use crate::message::{self, PREFIX, ToWorker};

/// The longest message of a relay: a window holds at most a read buffer more than 64 KiB.
const LONGEST: usize = 1 << 30;

/// The way to the relay.
#[derive(Debug)]
pub(super) struct Home(UnixStream);

impl Home {
    pub(super) fn new(socket: UnixStream) -> Self {
        Self(socket)
    }

    /// A second handle, for another thread. Only one of them may read, and only one may send.
    pub(super) fn share(&self) -> io::Result<Self> {
        self.0.try_clone().map(Self)
    }

    /// Waits for the next message; `None` when the relay is gone or has no more.
    pub(super) fn read(&mut self) -> io::Result<Option<ToWorker>> {
        let mut prefix = [0; PREFIX];
        if !self.fill(&mut prefix)? {
            return Ok(None);
        }
        let len = message::length(prefix, LONGEST).map_err(io::Error::other)?;
        let mut frame = vec![0; len];
        if !self.fill(&mut frame)? {
            return Ok(None);
        }
        message::decode(&frame).map(Some).map_err(io::Error::other)
    }

    fn fill(&mut self, into: &mut [u8]) -> io::Result<bool> {
        match self.0.read_exact(into) {
            Ok(()) => Ok(true),
            Err(error) if is_end(&error) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Sends a message, waiting for room.
    pub(super) fn send(&self, message: &impl Serialize) -> io::Result<()> {
        let mut frame = Vec::new();
        message::encode(message, &mut frame).map_err(io::Error::other)?;
        (&self.0).write_all(&frame)
    }

    /// Waits for a wake-up, at most `millis` (for ever without), and takes all there are.
    pub(super) fn wait(&mut self, millis: Option<u16>) -> io::Result<Woken> {
        let timeout = millis.map_or(PollTimeout::NONE, PollTimeout::from);
        let mut entry = [PollFd::new(self.0.as_fd(), PollFlags::POLLIN)];
        match poll(&mut entry, timeout) {
            Ok(0) => return Ok(Woken::Late),
            Ok(_) => {}
            Err(Errno::EINTR) => return Ok(Woken::Call),
            Err(error) => return Err(error.into()),
        }
        match self.0.read(&mut [0; 256]) {
            Ok(0) => Ok(Woken::Gone),
            Ok(_) => Ok(Woken::Call),
            Err(error) if is_end(&error) => Ok(Woken::Gone),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(Woken::Call),
            Err(error) => Err(error),
        }
    }

    /// Whether a message is there, or the relay is gone: whether [`Home::read`] will not wait.
    pub(super) fn is_called(&self) -> bool {
        let mut entry = [PollFd::new(self.0.as_fd(), PollFlags::POLLIN)];
        poll(&mut entry, PollTimeout::ZERO) != Ok(0)
    }

    /// Waits, on a thread of its own, until the relay is gone altogether.
    pub(super) fn wait_for_hang_up(&self) {
        let mut entry = [PollFd::new(self.0.as_fd(), PollFlags::empty())];
        while poll(&mut entry, PollTimeout::NONE) == Err(Errno::EINTR) {}
    }
}

impl AsFd for Home {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// What ended a wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Woken {
    /// There may be something to do.
    Call,
    /// Nothing happened in the time given.
    Late,
    /// The relay is gone.
    Gone,
}

fn is_end(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionReset, UnexpectedEof};
    matches!(error.kind(), UnexpectedEof | ConnectionReset | BrokenPipe)
}
