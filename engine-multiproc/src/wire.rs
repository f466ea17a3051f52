//! The relay's end of the socket to one worker: never waits, and believes nothing.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::net::UnixStream;

use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, recv, send};
use serde::Serialize;

use crate::message::{self, FromWorker, MessageError, PREFIX};

/// The longest answer a worker may send: a verdict with many findings is a few KiB.
const LONGEST: usize = 1 << 20;
/// A worker that sends more than this at once is out of its mind.
const FLOOD: usize = 4 << 20;
/// Bytes per read.
const READ: usize = 16 << 10;

/// A socket with what could not be sent yet and what is not whole yet.
#[derive(Debug)]
pub(crate) struct Wire {
    socket: UnixStream,
    outbound: VecDeque<u8>,
    inbound: Vec<u8>,
}

/// Why nothing more comes from a worker.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WireError {
    /// It is gone.
    #[error("it has hung up")]
    HungUp,
    /// It sends what no worker sends.
    #[error("it sent {0}")]
    Nonsense(#[from] MessageError),
    /// It sends without end.
    #[error("it sent too much at once")]
    Flood,
    /// The socket does not work.
    #[error("its socket: {0}")]
    Socket(#[source] io::Error),
}

impl Wire {
    pub(crate) fn new(socket: UnixStream) -> Self {
        Self { socket, outbound: VecDeque::new(), inbound: Vec::new() }
    }

    /// Sends a message, or as much as there is room for now.
    pub(crate) fn send(&mut self, message: &impl Serialize) -> Result<(), WireError> {
        let mut frame = Vec::new();
        message::encode(message, &mut frame)?;
        self.outbound.extend(frame);
        self.flush()
    }

    /// Sends what is left to be sent, as far as there is room.
    pub(crate) fn flush(&mut self) -> Result<(), WireError> {
        while !self.outbound.is_empty() {
            match push(&self.socket, self.outbound.as_slices().0)? {
                0 => return Ok(()),
                sent => drop(self.outbound.drain(..sent)),
            }
        }
        Ok(())
    }

    /// Whether everything is sent.
    pub(crate) fn is_flushed(&self) -> bool {
        self.outbound.is_empty()
    }

    /// Wakes a recorder. It needs no wake-up while its greeting or earlier ones are unread.
    pub(crate) fn wake(&mut self) -> Result<(), WireError> {
        if self.outbound.is_empty() {
            push(&self.socket, &[1])?;
        }
        Ok(())
    }

    /// Reads all there is and appends whole messages to `into`. Messages before an error count.
    pub(crate) fn receive(&mut self, into: &mut Vec<FromWorker>) -> Result<(), WireError> {
        let mut total = 0;
        let end = loop {
            let start = self.inbound.len();
            self.inbound.resize(start + READ, 0);
            let flags = MsgFlags::MSG_DONTWAIT;
            let read = recv(self.socket.as_raw_fd(), &mut self.inbound[start..], flags);
            self.inbound.truncate(start + read.unwrap_or(0));
            match read {
                Ok(0) | Err(Errno::ECONNRESET) => break Err(WireError::HungUp),
                Ok(count) => total += count,
                Err(Errno::EAGAIN) => break Ok(()),
                Err(Errno::EINTR) => {}
                Err(error) => break Err(WireError::Socket(error.into())),
            }
            self.take_messages(into)?;
            if total > FLOOD {
                break Err(WireError::Flood);
            }
        };
        if self.inbound.is_empty() {
            // Idle sessions keep nothing.
            self.inbound = Vec::new();
        }
        end
    }

    fn take_messages(&mut self, into: &mut Vec<FromWorker>) -> Result<(), MessageError> {
        let mut rest = self.inbound.as_slice();
        while let Some((prefix, behind)) = rest.split_first_chunk::<PREFIX>() {
            let len = message::length(*prefix, LONGEST)?;
            let Some((frame, next)) = behind.split_at_checked(len) else { break };
            into.push(message::decode(frame)?);
            rest = next;
        }
        let taken = self.inbound.len() - rest.len();
        self.inbound.drain(..taken);
        Ok(())
    }
}

impl AsFd for Wire {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// Sends once; 0 when there is no room.
fn push(socket: &UnixStream, bytes: &[u8]) -> Result<usize, WireError> {
    let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
    loop {
        match send(socket.as_raw_fd(), bytes, flags) {
            Ok(sent) => return Ok(sent),
            Err(Errno::EINTR) => {}
            Err(Errno::EAGAIN) => return Ok(0),
            // What it sent before can still be read; the read tells that it is gone.
            Err(Errno::EPIPE | Errno::ECONNRESET) => return Err(WireError::HungUp),
            Err(error) => return Err(WireError::Socket(error.into())),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use proptest::prelude::*;

    use super::*;

    fn pair() -> (Wire, UnixStream) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        (Wire::new(ours), theirs)
    }

    #[test]
    fn messages_are_whole_however_they_are_cut() {
        let (mut wire, mut worker) = pair();
        let mut frames = Vec::new();
        message::encode(&FromWorker::Ready, &mut frames).unwrap();
        message::encode(&FromWorker::Told { notice: 900 }, &mut frames).unwrap();
        let mut received = Vec::new();
        for byte in frames {
            worker.write_all(&[byte]).unwrap();
            wire.receive(&mut received).unwrap();
        }
        assert_eq!(received, [FromWorker::Ready, FromWorker::Told { notice: 900 }]);
    }

    #[test]
    fn what_a_dead_worker_sent_is_read_before_its_end() {
        let (mut wire, mut worker) = pair();
        let mut frame = Vec::new();
        message::encode(&FromWorker::Ready, &mut frame).unwrap();
        worker.write_all(&frame).unwrap();
        drop(worker);
        let mut received = Vec::new();
        assert!(matches!(wire.receive(&mut received), Err(WireError::HungUp)));
        assert_eq!(received, [FromWorker::Ready]);
    }

    #[test]
    fn a_worker_that_reads_nothing_does_not_stop_the_relay() {
        let (mut wire, _worker) = pair();
        let text = "x".repeat(1 << 20);
        wire.send(&FromWorker::Trouble { name: text.clone(), text }).unwrap();
        assert!(!wire.is_flushed());
        wire.wake().unwrap();
    }

    #[test]
    fn a_length_beyond_reason_is_an_error() {
        let (mut wire, mut worker) = pair();
        worker.write_all(&u32::MAX.to_le_bytes()).unwrap();
        let result = wire.receive(&mut Vec::new());
        assert!(matches!(result, Err(WireError::Nonsense(MessageError::TooLong(_)))));
    }

    proptest! {
        #[test]
        fn garbage_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..500)) {
            let (mut wire, mut worker) = pair();
            worker.write_all(&bytes).unwrap();
            drop(worker);
            prop_assert!(wire.receive(&mut Vec::new()).is_err());
        }
    }
}
