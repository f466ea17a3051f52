//! One descriptor of a session, read or written without ever waiting.

use std::ffi::CString;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

use bytes::{BufMut, Bytes, BytesMut};

use crate::sys;

/// A buffer is replaced when less than this is left of it, in bytes. Reads share an allocation
/// until then.
const SPARE: usize = 4096;

/// The size of a buffer for little: of a session in which somebody types, in bytes.
const SMALL: usize = 8192;

/// Where reads put their bytes: an allocation that is used up piece by piece. The next one is large
/// when the last read found much, and small otherwise.
#[derive(Debug, Default)]
pub struct Intake {
    bytes: BytesMut,
    busy: bool,
}

/// The most written at once to a descriptor that would wait, in bytes: a pipe that is ready has
/// room for this much (`PIPE_BUF`).
const PIECE: usize = 4096;

/// What one read came to.
#[derive(Debug, PartialEq, Eq)]
pub enum Read {
    /// These bytes, at least one.
    Data(Bytes),
    /// Nothing now.
    WouldBlock,
    /// Nothing more: end of a file, a pipe, or a PTY master (`EIO`).
    Closed,
    /// The user's terminal or connection is gone.
    HungUp,
}

/// What one write came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Write {
    /// So many bytes, at least one.
    Wrote(usize),
    /// Nothing now.
    WouldBlock,
    /// Nobody reads any more.
    Closed,
    /// The bytes have no place there, as on a full disk; with the `errno(3)`.
    Failed(i32),
}

/// Which way bytes flow through a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    /// We read.
    In,
    /// We write.
    Out,
}

/// How not to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Manner {
    /// `O_NONBLOCK` on an open file of our own.
    NonBlocking,
    /// A flag with each call.
    Socket,
    /// Never waits, and `epoll(7)` refuses it: regular files, `/dev/null`.
    AlwaysReady,
    /// An open file shared with others that cannot be reopened: ask before each call.
    Ask,
}

/// A descriptor and how it is read or written without waiting.
#[derive(Debug)]
pub(crate) struct Channel {
    fd: OwnedFd,
    manner: Manner,
    terminal: bool,
}

impl Channel {
    /// Takes over one end of the user's. The open file may be shared with the user's shell, so
    /// `O_NONBLOCK` is never set on it; where possible it is opened anew instead.
    pub(crate) fn of_user(fd: OwnedFd, direction: Direction) -> io::Result<Self> {
        let file = nix::sys::stat::fstat(&fd)?;
        let terminal = sys::tcgetattr(fd.as_raw_fd()).is_ok();
        let kind = file.st_mode & libc::S_IFMT;
        let manner = match kind {
            libc::S_IFREG | libc::S_IFDIR | libc::S_IFBLK => Manner::AlwaysReady,
            libc::S_IFSOCK => Manner::Socket,
            _ if sys::status_flags(fd.as_raw_fd())? & libc::O_NONBLOCK != 0 => Manner::NonBlocking,
            libc::S_IFCHR if !terminal && !pollable(fd.as_fd()) => Manner::AlwaysReady,
            // Opening another device anew may do something: a tape rewinds.
            _ if !terminal && kind != libc::S_IFIFO => Manner::Ask,
            _ => match reopen(fd.as_raw_fd(), direction) {
                Some(own) => return Ok(Self { fd: own, manner: Manner::NonBlocking, terminal }),
                None => Manner::Ask,
            },
        };
        Ok(Self { fd, manner, terminal })
    }

    /// Takes over a descriptor whose open file is ours alone.
    pub(crate) fn own(fd: OwnedFd) -> io::Result<Self> {
        sys::set_nonblocking(fd.as_raw_fd())?;
        Ok(Self { fd, manner: Manner::NonBlocking, terminal: false })
    }

    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// Whether it is a terminal of the user's.
    pub(crate) fn is_terminal(&self) -> bool {
        self.terminal
    }

    /// Whether it is a connection, which can break where a pipe can only end.
    pub(crate) fn is_socket(&self) -> bool {
        self.manner == Manner::Socket
    }

    /// Whether it need not be waited for, and cannot be.
    pub(crate) fn always_ready(&self) -> bool {
        self.manner == Manner::AlwaysReady
    }

    /// One read of at most `size` bytes, as [`read_once`] does it.
    pub(crate) fn read(&self, buffer: &mut Intake, size: usize) -> io::Result<Option<Bytes>> {
        let fd = self.fd.as_raw_fd();
        if self.manner == Manner::Ask && sys::poll(fd, libc::POLLIN, 0) == 0 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        match self.manner {
            Manner::Socket => fill(buffer, size, |spare| sys::receive(fd, spare)),
            _ => read_once(self.fd.as_fd(), buffer, size),
        }
    }

    /// One write.
    pub(crate) fn write(&self, bytes: &[u8]) -> Write {
        let fd = self.fd.as_raw_fd();
        let result = match self.manner {
            Manner::Socket => sys::send(fd, bytes),
            Manner::Ask => match sys::poll(fd, libc::POLLOUT, 0) {
                0 => return Write::WouldBlock,
                _ => sys::write(fd, &bytes[..bytes.len().min(PIECE)]),
            },
            Manner::NonBlocking | Manner::AlwaysReady => sys::write(fd, bytes),
        };
        match result {
            Ok(0) => Write::WouldBlock,
            Ok(count) => Write::Wrote(count),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Write::WouldBlock,
            Err(error) if self.is_gone(&error) => Write::Closed,
            Err(error) => Write::Failed(error.raw_os_error().unwrap_or(libc::EIO)),
        }
    }

    /// Whether a write failed because nobody is at the other end. From a terminal `EIO` says that
    /// it was hung up; from a file, that the disk is broken.
    fn is_gone(&self, error: &io::Error) -> bool {
        match error.raw_os_error() {
            Some(libc::EPIPE | libc::ECONNRESET) => true,
            Some(libc::EIO) => self.terminal,
            _ => false,
        }
    }
}

/// One read of at most `size` bytes; `None` at the end.
///
/// # Errors
/// As `read(2)`; a PTY master whose slave is closed gives `EIO` (`pty(7)`).
pub fn read_once(
    fd: BorrowedFd<'_>,
    buffer: &mut Intake,
    size: usize,
) -> io::Result<Option<Bytes>> {
    fill(buffer, size, |spare| sys::read(fd.as_raw_fd(), spare))
}

fn fill(
    buffer: &mut Intake,
    size: usize,
    read: impl FnOnce(&mut [MaybeUninit<u8>]) -> io::Result<usize>,
) -> io::Result<Option<Bytes>> {
    let bytes = &mut buffer.bytes;
    if bytes.capacity() - bytes.len() < SPARE.min(size) {
        bytes.reserve(if buffer.busy { size } else { SMALL.min(size) });
    }
    let spare = bytes.spare_capacity_mut();
    let room = spare.len().min(size);
    let count = read(&mut spare[..room])?;
    if count == 0 {
        return Ok(None);
    }
    buffer.busy = count >= SPARE / 2;
    // SAFETY: the call has filled so many bytes of the spare capacity.
    unsafe { bytes.advance_mut(count) };
    Ok(Some(bytes.split().freeze()))
}

/// The same file or terminal as an open file of our own, without waiting. `None` when we may not
/// (a terminal after `su`) or cannot (no `/proc`).
fn reopen(fd: RawFd, direction: Direction) -> Option<OwnedFd> {
    let access = match direction {
        Direction::In => libc::O_RDONLY,
        Direction::Out => libc::O_WRONLY,
    };
    let path = CString::new(format!("/proc/self/fd/{fd}")).ok()?;
    let own = sys::open(&path, access | libc::O_NOCTTY | libc::O_NONBLOCK).ok()?;
    sys::duplicate(own.as_fd()).ok()
}

/// Whether `epoll(7)` takes this descriptor.
fn pollable(fd: BorrowedFd<'_>) -> bool {
    use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags};
    Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)
        .and_then(|epoll| epoll.add(fd, EpollEvent::new(EpollFlags::EPOLLIN, 0)))
        .is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pipe(manner: Manner) -> (Channel, Channel) {
        let (reader, writer) = nix::unistd::pipe().unwrap();
        let channel = |fd| Channel { fd, manner, terminal: false };
        (channel(reader), channel(writer))
    }

    fn read(channel: &Channel) -> Option<Bytes> {
        match channel.read(&mut Intake::default(), 65_536) {
            Ok(bytes) => Some(bytes.unwrap_or_default()),
            Err(error) => {
                assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
                None
            }
        }
    }

    #[test]
    fn a_shared_open_file_is_asked_first() {
        let (reader, writer) = pipe(Manner::Ask);
        assert_eq!(read(&reader), None);
        assert_eq!(writer.write(&[b'x'; 10_000]), Write::Wrote(PIECE));
        assert_eq!(read(&reader).unwrap().len(), PIECE);
        while writer.write(&[b'x'; 10_000]) != Write::WouldBlock {}
        drop(writer);
        while !read(&reader).unwrap().is_empty() {}
    }

    #[test]
    fn a_pipe_is_opened_anew() {
        let (reader, _writer) = nix::unistd::pipe().unwrap();
        let number = reader.as_raw_fd();
        let channel = Channel::of_user(reader, Direction::In).unwrap();
        assert_eq!(channel.manner, Manner::NonBlocking);
        assert_ne!(channel.fd().as_raw_fd(), number);
    }

    #[test]
    fn a_device_that_can_be_waited_for_is_not_opened_anew() {
        let device = std::fs::File::open("/dev/random").unwrap();
        let channel = Channel::of_user(device.into(), Direction::In).unwrap();
        assert_eq!(channel.manner, Manner::Ask);
        assert!(read(&channel).is_some());
    }

    #[test]
    fn a_buffer_is_replaced_when_little_is_left_of_it_and_used_again_when_nobody_holds_it() {
        let (reader, writer) = pipe(Manner::NonBlocking);
        let mut buffer = Intake::default();
        let mut read = |size: usize| {
            assert_eq!(writer.write(&vec![b'x'; size]), Write::Wrote(size));
            reader.read(&mut buffer, 65_536).unwrap().unwrap()
        };
        let place = |bytes: &Bytes| bytes.as_ptr() as usize;
        assert_eq!(read(8192).len(), SMALL, "nothing is known yet");
        let (first, second, third) = (read(60_000), read(1000), read(1000));
        assert_eq!(place(&second), place(&first) + 60_000);
        assert_eq!(place(&third), place(&first) + 61_000);
        let next = read(1000);
        assert!(!(place(&first)..place(&first) + 65_536).contains(&place(&next)));
        let start = place(&next);
        drop(next);
        (0..3).for_each(|_| drop(read(1500)));
        assert_eq!(place(&read(1000)), start);
    }
}
