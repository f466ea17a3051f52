//! The threads that wait for one thing each.
//!
//! Every thread waits in `poll(2)` for its descriptor and for the stop signal beside it, so that
//! none outlives its session.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use audit_core::{Port, Stream};
use audit_pty::Read;
use bytes::BytesMut;
use crossbeam_channel::{Receiver, Sender, bounded};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::drive::News;

/// Stack of a thread that only waits, reads and sends.
const STACK: usize = 64 << 10;
/// A buffer is replaced when less than this is left of it; reads share an allocation until then.
const SPARE: usize = 4096;

/// Ends the threads of one session when it is dropped: closing the write end of a pipe wakes them.
#[derive(Debug)]
pub(crate) struct Stop(Option<OwnedFd>);

/// What the threads wait for beside their own descriptor.
#[derive(Clone, Debug)]
pub(crate) struct Stopped(Arc<OwnedFd>);

/// A stop signal and what hears it.
pub(crate) fn stop() -> io::Result<(Stop, Stopped)> {
    let (heard, stop) = nix::unistd::pipe2(nix::fcntl::OFlag::O_CLOEXEC)?;
    Ok((Stop(Some(stop)), Stopped(Arc::new(heard))))
}

impl Drop for Stop {
    fn drop(&mut self) {
        self.0 = None;
    }
}

impl Stopped {
    /// Waits until `fd` is ready. `false` when the session is over.
    fn wait(&self, fd: BorrowedFd<'_>, flags: PollFlags) -> bool {
        loop {
            let mut fds = [PollFd::new(self.0.as_fd(), PollFlags::POLLIN), PollFd::new(fd, flags)];
            match poll(&mut fds, PollTimeout::NONE) {
                Err(Errno::EINTR) => continue,
                Err(_) => return false,
                Ok(_) => {}
            }
            if fds[0].any() == Some(true) {
                return false;
            }
            if fds[1].any() == Some(true) {
                return true;
            }
        }
    }
}

/// Starts a thread that reads an output stream of the child ahead by one chunk: the owner takes
/// chunks only while it wants them, and a full channel stops the reader.
pub(crate) fn read_output(
    stream: Stream,
    fd: OwnedFd,
    buffer_size: usize,
    stopped: Stopped,
) -> io::Result<Receiver<Read>> {
    let (chunks, taken) = bounded(1);
    start(stream.name(), move || {
        let mut buffer = BytesMut::new();
        while stopped.wait(fd.as_fd(), PollFlags::POLLIN) {
            let read = read(fd.as_fd(), &mut buffer, buffer_size);
            let last = matches!(read, Read::Closed);
            if read != Read::WouldBlock && (chunks.send(read).is_err() || last) {
                return;
            }
        }
    })?;
    Ok(taken)
}

/// One read of a child's output. `EIO` on a PTY master is its end (`pty(7)`).
fn read(fd: BorrowedFd<'_>, buffer: &mut BytesMut, size: usize) -> Read {
    if buffer.capacity() - buffer.len() < SPARE {
        *buffer = BytesMut::with_capacity(size.max(SPARE));
    }
    let len = buffer.len();
    let room = buffer.capacity().min(len + size);
    buffer.resize(room, 0);
    let got = nix::unistd::read(fd, &mut buffer[len..]);
    let count = got.unwrap_or(0);
    buffer.truncate(len + count);
    match got {
        Ok(0) => Read::Closed,
        Ok(_) => Read::Data(buffer.split().freeze()),
        Err(Errno::EAGAIN | Errno::EINTR) => Read::WouldBlock,
        Err(_) => Read::Closed,
    }
}

/// Starts a thread that tells the owner whenever `fd` can be read, once per answer on the returned
/// channel.
pub(crate) fn tell_readable(
    name: &'static str,
    fd: OwnedFd,
    news: Sender<News>,
    what: fn() -> News,
    stopped: Stopped,
) -> io::Result<Sender<()>> {
    let (again, asked) = bounded(1);
    start(name, move || {
        while asked.recv().is_ok() && stopped.wait(fd.as_fd(), PollFlags::POLLIN) {
            if news.send(what()).is_err() {
                return;
            }
        }
    })?;
    Ok(again)
}

/// Starts a writer: for each port asked for, it waits for room and tells the owner.
pub(crate) fn await_room(
    name: &'static str,
    news: Sender<News>,
    stopped: Stopped,
) -> io::Result<Sender<(Port, OwnedFd)>> {
    let (asks, asked) = crossbeam_channel::unbounded::<(Port, OwnedFd)>();
    start(name, move || {
        for (port, fd) in asked {
            if !stopped.wait(fd.as_fd(), PollFlags::POLLOUT) || news.send(News::Room(port)).is_err()
            {
                return;
            }
        }
    })?;
    Ok(asks)
}

fn start(name: &'static str, work: impl FnOnce() + Send + 'static) -> io::Result<()> {
    std::thread::Builder::new().name(name.into()).stack_size(STACK).spawn(work).map(drop)
}
