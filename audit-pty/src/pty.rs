//! A pseudo-terminal: the master we hold and the slave the child lives on (`pty(7)`).

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use audit_core::{LineState, Winsize};

use crate::error::{During, PtyError};
use crate::sys;

/// A new pseudo-terminal.
///
/// The slave is kept open until [`Pty::close_slave`]: without it a child that closes its terminal
/// for a moment would make the master report the end, once and too early.
#[derive(Debug)]
pub struct Pty {
    master: OwnedFd,
    slave: Option<OwnedFd>,
}

impl Pty {
    /// Opens a pseudo-terminal whose master does not block. Both ends are closed on `execve(2)`.
    ///
    /// # Errors
    /// The system has no `/dev/ptmx` for us or no pseudo-terminal left.
    pub fn open() -> Result<Self, PtyError> {
        let flags = libc::O_RDWR | libc::O_NOCTTY | libc::O_NONBLOCK;
        let master = sys::open(c"/dev/ptmx", flags).during("open /dev/ptmx")?;
        let master = sys::duplicate(master.as_fd()).during("open /dev/ptmx")?;
        sys::unlock(master.as_raw_fd()).during("unlock the pseudo-terminal")?;
        let flags = libc::O_RDWR | libc::O_NOCTTY | libc::O_CLOEXEC;
        let slave = sys::open_peer(master.as_raw_fd(), flags)
            .and_then(|slave| sys::duplicate(slave.as_fd()))
            .during("open the slave")?;
        Ok(Self { master, slave: Some(slave) })
    }

    /// The master: what is written to it the child reads, and the other way round.
    pub fn master(&self) -> BorrowedFd<'_> {
        self.master.as_fd()
    }

    /// The slave, until it is closed.
    pub fn slave(&self) -> Option<BorrowedFd<'_>> {
        self.slave.as_ref().map(AsFd::as_fd)
    }

    /// Closes our slave, so that the master tells when the last process has closed its own.
    pub fn close_slave(&mut self) {
        self.slave = None;
    }

    /// Size of the window.
    ///
    /// # Errors
    /// The terminal was hung up.
    pub fn winsize(&self) -> io::Result<Winsize> {
        sys::winsize(self.master.as_raw_fd())
    }

    /// Sets the size of the window; the foreground process group is told if it changes.
    ///
    /// # Errors
    /// The terminal was hung up.
    pub fn set_winsize(&self, size: Winsize) -> io::Result<()> {
        sys::set_winsize(self.master.as_raw_fd(), size)
    }

    /// The line discipline's flags; [`LineState::unread`] is left out.
    ///
    /// # Errors
    /// The terminal was hung up.
    pub fn line_state(&self) -> io::Result<LineState> {
        let flags = sys::tcgetattr(self.master.as_raw_fd())?.c_lflag;
        Ok(LineState {
            echo: flags & libc::ECHO != 0,
            canonical: flags & libc::ICANON != 0,
            echo_newline: flags & libc::ECHONL != 0,
            unread: None,
        })
    }

    /// Bytes the child has not read yet, in canonical mode only those of whole lines; `None` once
    /// the slave is closed.
    pub fn unread(&self) -> Option<u32> {
        sys::unread(self.slave.as_ref()?.as_raw_fd()).ok()
    }

    /// The character that ends input in canonical mode (`VEOF`), 0 when it is disabled.
    ///
    /// # Errors
    /// The terminal was hung up.
    pub fn end_of_file(&self) -> io::Result<u8> {
        Ok(sys::tcgetattr(self.master.as_raw_fd())?.c_cc[libc::VEOF])
    }

    /// The foreground process group, `None` when there is none.
    pub fn foreground(&self) -> Option<i32> {
        sys::foreground(self.master.as_raw_fd()).ok().filter(|group| *group > 0)
    }

    /// Takes over the modes of another terminal, or without one says that input is UTF-8.
    pub(crate) fn adopt_modes(&self, outer: Option<BorrowedFd<'_>>) -> io::Result<()> {
        let master = self.master.as_raw_fd();
        let modes = match outer {
            Some(outer) => sys::tcgetattr(outer.as_raw_fd())?,
            None => {
                let mut modes = sys::tcgetattr(master)?;
                modes.c_iflag |= libc::IUTF8;
                modes
            }
        };
        sys::tcsetattr(master, &modes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_terminal_is_cooked_and_tells_its_size() {
        let pty = Pty::open().unwrap();
        pty.set_winsize(Winsize::new(33, 111)).unwrap();
        assert_eq!(pty.winsize().unwrap(), Winsize::new(33, 111));
        assert_eq!(pty.line_state().unwrap(), LineState::COOKED);
    }

    #[test]
    fn what_is_not_read_yet_counts_in_whole_lines() {
        let pty = Pty::open().unwrap();
        assert_eq!(pty.unread(), Some(0));
        sys::write(pty.master().as_raw_fd(), b"line\nrest").unwrap();
        let slave = pty.slave().unwrap().as_raw_fd();
        assert_ne!(sys::poll(slave, libc::POLLIN, -1), 0);
        assert_eq!(pty.unread(), Some(5));
    }

    #[test]
    fn the_master_shows_the_modes_of_the_slave() {
        let pty = Pty::open().unwrap();
        let slave = pty.slave().unwrap().as_raw_fd();
        let mut modes = sys::tcgetattr(slave).unwrap();
        modes.c_lflag &= !libc::ECHO;
        sys::tcsetattr(slave, &modes).unwrap();
        assert!(pty.line_state().unwrap().hides_input());
    }

    #[test]
    fn both_ends_are_closed_on_exec() {
        let pty = Pty::open().unwrap();
        for fd in [pty.master(), pty.slave().unwrap()] {
            let flags = nix::fcntl::fcntl(fd, nix::fcntl::FcntlArg::F_GETFD).unwrap();
            assert_eq!(flags & libc::FD_CLOEXEC, libc::FD_CLOEXEC);
            assert!(fd.as_raw_fd() > 2);
        }
    }

    #[test]
    fn without_a_slave_the_master_is_at_its_end() {
        let mut pty = Pty::open().unwrap();
        let mut buffer = [std::mem::MaybeUninit::uninit(); 16];
        let master = pty.master().as_raw_fd();
        assert!(sys::is(&sys::read(master, &mut buffer).unwrap_err(), libc::EAGAIN));
        pty.close_slave();
        assert!(sys::is(&sys::read(master, &mut buffer).unwrap_err(), libc::EIO));
    }
}
