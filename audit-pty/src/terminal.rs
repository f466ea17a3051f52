//! The user's terminal: raw while a session has it, and put back whatever happens.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::sync::{Mutex, Once, PoisonError};

use audit_core::Winsize;

use crate::error::{During, PtyError};
use crate::sys;

/// The user's terminal, and the modes it had before it was made raw.
///
/// Dropping it puts the modes back, also while a panic unwinds.
#[derive(Debug)]
pub struct RawTerminal {
    fd: OwnedFd,
    raw: Option<Modes>,
}

/// The modes of a terminal before and since it is raw.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Modes {
    pub(crate) before: libc::termios,
    pub(crate) raw: libc::termios,
}

impl RawTerminal {
    /// Takes a terminal and leaves its modes as they are.
    ///
    /// # Errors
    /// No descriptor is left.
    pub fn new(terminal: BorrowedFd<'_>) -> Result<Self, PtyError> {
        let fd = sys::duplicate(terminal).during("duplicate the terminal")?;
        Ok(Self { fd, raw: None })
    }

    /// The terminal.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// Whether it is raw by our doing.
    pub fn is_raw(&self) -> bool {
        self.raw.is_some()
    }

    /// Whether our process group may use the terminal now. True also where it is not our
    /// controlling terminal, for then nobody asks.
    pub fn in_foreground(&self) -> bool {
        match sys::foreground(self.fd.as_raw_fd()) {
            Ok(group) => group == sys::getpgrp(),
            Err(error) => sys::is(&error, libc::ENOTTY),
        }
    }

    /// Makes the terminal raw, unless it is or we are in the background. The modes it has at this
    /// moment are those to be put back. `SIGTTOU` must be blocked or ignored.
    ///
    /// # Errors
    /// The terminal was hung up.
    pub fn enter(&mut self) -> io::Result<()> {
        if self.raw.is_some() || !self.in_foreground() {
            return Ok(());
        }
        let fd = self.fd.as_raw_fd();
        let before = sys::tcgetattr(fd)?;
        let mut raw = before;
        make_raw(&mut raw);
        sys::tcsetattr(fd, &raw)?;
        // What the driver made of it: some flags are not the asker's to choose.
        let modes = Modes { before, raw: sys::tcgetattr(fd)? };
        self.raw = Some(modes);
        remember(Some((fd, modes)));
        Ok(())
    }

    /// Makes the terminal raw again if it was by our doing and somebody has changed it since, as
    /// a shell does when it stops us.
    pub(crate) fn renew(&self) -> io::Result<()> {
        match &self.raw {
            Some(modes) if self.in_foreground() => sys::tcsetattr(self.fd.as_raw_fd(), &modes.raw),
            _ => Ok(()),
        }
    }

    /// Puts the modes back, once. In the background a terminal which somebody else has changed
    /// since is left alone: it is theirs now.
    pub fn leave(&mut self) {
        let Some(modes) = self.raw.take() else { return };
        remember(None);
        put_back(self.fd.as_raw_fd(), &modes, self.in_foreground());
    }

    pub(crate) fn modes(&self) -> Option<&Modes> {
        self.raw.as_ref()
    }

    /// Size of the terminal's window, `None` when it does not tell.
    pub fn winsize(&self) -> Option<Winsize> {
        sys::winsize(self.fd.as_raw_fd()).ok().filter(|size| size.rows > 0 && size.columns > 0)
    }
}

impl Drop for RawTerminal {
    fn drop(&mut self) {
        self.leave();
    }
}

/// Has the terminal put back when the process ends by `exit(3)` with a session still open, which
/// runs no destructor of ours.
pub fn restore_on_exit() {
    static ONCE: Once = Once::new();
    extern "C" fn restore() {
        let remembered = REMEMBERED.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some((fd, modes)) = remembered {
            put_back(fd, &modes, true);
        }
    }
    ONCE.call_once(|| {
        // SAFETY: the function takes nothing, returns nothing and never unwinds.
        unsafe { libc::atexit(restore) };
    });
}

/// The terminal that is raw now: a process has one.
static REMEMBERED: Mutex<Option<(RawFd, Modes)>> = Mutex::new(None);

fn remember(terminal: Option<(RawFd, Modes)>) {
    *REMEMBERED.lock().unwrap_or_else(PoisonError::into_inner) = terminal;
}

/// Puts modes back; if not `always`, only while they are still those of ours. Async-signal-safe.
pub(crate) fn put_back(fd: RawFd, modes: &Modes, always: bool) {
    let ours = || sys::tcgetattr(fd).is_ok_and(|now| same(&now, &modes.raw));
    if always || ours() {
        let _ = sys::tcsetattr(fd, &modes.before);
    }
}

fn same(a: &libc::termios, b: &libc::termios) -> bool {
    (a.c_iflag, a.c_oflag, a.c_cflag, a.c_lflag) == (b.c_iflag, b.c_oflag, b.c_cflag, b.c_lflag)
        && a.c_cc == b.c_cc
}

fn make_raw(modes: &mut libc::termios) {
    // SAFETY: the pointer is to borrowed modes.
    unsafe { libc::cfmakeraw(modes) };
    modes.c_cc[libc::VMIN] = 1;
    modes.c_cc[libc::VTIME] = 0;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Pty;

    fn modes(pty: &Pty) -> libc::termios {
        sys::tcgetattr(pty.master().as_raw_fd()).unwrap()
    }

    #[test]
    fn raw_mode_ends_with_its_guard() {
        let pty = Pty::open().unwrap();
        let before = modes(&pty);
        let mut terminal = RawTerminal::new(pty.slave().unwrap()).unwrap();
        terminal.enter().unwrap();
        assert_eq!(modes(&pty).c_lflag & (libc::ICANON | libc::ECHO | libc::ISIG), 0);
        drop(terminal);
        assert!(same(&modes(&pty), &before));
    }

    #[test]
    fn raw_mode_ends_when_a_panic_unwinds() {
        let pty = Pty::open().unwrap();
        let before = modes(&pty);
        let slave = pty.slave().unwrap();
        let panicked = std::panic::catch_unwind(|| {
            let mut terminal = RawTerminal::new(slave).unwrap();
            terminal.enter().unwrap();
            std::panic::resume_unwind(Box::new("on purpose"));
        });
        assert!(panicked.is_err());
        assert!(same(&modes(&pty), &before));
    }

    #[test]
    fn modes_changed_before_raw_mode_are_the_ones_put_back() {
        let pty = Pty::open().unwrap();
        let mut terminal = RawTerminal::new(pty.slave().unwrap()).unwrap();
        terminal.enter().unwrap();
        terminal.leave();
        let mut changed = modes(&pty);
        changed.c_lflag &= !libc::ECHO;
        sys::tcsetattr(pty.master().as_raw_fd(), &changed).unwrap();
        terminal.enter().unwrap();
        terminal.leave();
        terminal.leave();
        assert!(same(&modes(&pty), &changed));
    }
}
