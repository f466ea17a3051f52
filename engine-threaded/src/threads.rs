//! The threads that wait for one thing each.
//!
//! Every thread waits in `poll(2)` for its descriptor and for the stop signal beside it, so that
//! none outlives its session.

use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use audit_core::{Port, Stream};
use audit_pty::{Intake, Read, read_once};
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded, never};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::drive::News;

/// Stack of a thread that only waits, reads and sends.
const STACK: usize = 64 << 10;
/// How often the owner asks again whether a chunk that must be there has come.
const ASK_AGAIN: Duration = Duration::from_millis(10);

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

/// The owner's end of a thread that reads an output stream of the child.
#[derive(Clone, Debug)]
pub(crate) struct Output {
    /// What it has read; [`never()`] once there is nothing more, or where there is no such stream.
    pub(crate) chunks: Receiver<Read>,
    fd: Option<Arc<OwnedFd>>,
    /// Set from before a read until the owner was given what came of it.
    in_hand: Arc<AtomicBool>,
}

impl Output {
    /// A stream that nothing comes from.
    pub(crate) fn none() -> Self {
        Self { chunks: never(), fd: None, in_hand: Arc::default() }
    }

    /// The next chunk that is there already, be it in the channel, in the reader's hands or still
    /// in the kernel, which a reader that was not run for long has not asked yet. `None` when
    /// there is none.
    pub(crate) fn next_there(&self) -> Option<Read> {
        let fd = self.fd.as_ref()?;
        loop {
            // In this order: what leaves the kernel meanwhile is in the reader's hands by then.
            let there = is_readable(fd.as_fd()) || self.in_hand.load(Ordering::SeqCst);
            match self.chunks.recv_timeout(if there { ASK_AGAIN } else { Duration::ZERO }) {
                Ok(read) => return Some(read),
                Err(RecvTimeoutError::Disconnected) => return None,
                Err(RecvTimeoutError::Timeout) if there => {}
                Err(RecvTimeoutError::Timeout) => return None,
            }
        }
    }
}

/// Whether a read would give something, be it the end.
fn is_readable(fd: BorrowedFd<'_>) -> bool {
    let mut fds = [PollFd::new(fd, PollFlags::POLLIN)];
    poll(&mut fds, PollTimeout::ZERO).is_ok_and(|ready| ready > 0)
}

/// Starts a thread that reads an output stream of the child ahead by one chunk: the owner takes
/// chunks only while it wants them, and a full channel stops the reader.
pub(crate) fn read_output(
    stream: Stream,
    fd: OwnedFd,
    buffer_size: usize,
    stopped: Stopped,
) -> io::Result<Output> {
    let (sender, chunks) = bounded(1);
    let (fd, in_hand) = (Arc::new(fd), Arc::new(AtomicBool::new(false)));
    let output = Output { chunks, fd: Some(Arc::clone(&fd)), in_hand: Arc::clone(&in_hand) };
    start(stream.name(), move || {
        let mut buffer = Intake::default();
        while stopped.wait(fd.as_fd(), PollFlags::POLLIN) {
            in_hand.store(true, Ordering::SeqCst);
            let read = read(fd.as_fd(), &mut buffer, buffer_size);
            let last = matches!(read, Read::Closed);
            if read != Read::WouldBlock && (sender.send(read).is_err() || last) {
                return;
            }
            in_hand.store(false, Ordering::SeqCst);
        }
    })?;
    Ok(output)
}

/// One read of a child's output. `EIO` on a PTY master is its end (`pty(7)`).
fn read(fd: BorrowedFd<'_>, buffer: &mut Intake, size: usize) -> Read {
    match read_once(fd, buffer, size) {
        Ok(Some(bytes)) => Read::Data(bytes),
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {
            Read::WouldBlock
        }
        Ok(None) | Err(_) => Read::Closed,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chunk_that_a_late_reader_has_not_brought_yet_is_there() {
        let (from, to) = nix::unistd::pipe().expect("a pipe");
        nix::unistd::write(&to, b"last words").expect("a pipe has room");
        let (sender, chunks) = bounded(1);
        let (fd, in_hand) = (Arc::new(from), Arc::new(AtomicBool::new(false)));
        let output = Output { chunks, fd: Some(Arc::clone(&fd)), in_hand: Arc::clone(&in_hand) };
        let reader = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(50));
            in_hand.store(true, Ordering::SeqCst);
            let read = read(fd.as_fd(), &mut Intake::default(), 64);
            std::thread::sleep(Duration::from_millis(50));
            sender.send(read).expect("the owner waits");
            in_hand.store(false, Ordering::SeqCst);
            sender
        });
        assert_eq!(output.next_there(), Some(Read::Data("last words".into())));
        let sender = reader.join().expect("the reader ends");
        assert_eq!(output.next_there(), None, "the pipe is open and empty");
        drop((sender, to));
        assert_eq!(output.next_there(), None, "the reader is gone");
    }
}
