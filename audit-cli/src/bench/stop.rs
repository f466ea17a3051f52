//! Being told to stop: what was started is ended and what was made is removed first.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

/// What asks a measurement to stop: Ctrl-C, a closed terminal, a shutdown.
const SIGNALS: [Signal; 3] = [Signal::SIGINT, Signal::SIGHUP, Signal::SIGTERM];

/// Waits for a signal that asks to stop. Such signals do nothing else from now on; programs that
/// are started get them as usual, for the standard library unblocks all of them (`Command`).
#[derive(Debug)]
pub(super) struct Stop(SignalFd);

/// Somebody asked to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("stopped by signal {0}")]
pub(super) struct Stopped(u8);

impl Stop {
    /// Begins to listen. No thread may have been started before.
    ///
    /// # Errors
    /// No descriptor is left.
    pub(super) fn open() -> io::Result<Self> {
        let signals: SigSet = SIGNALS.into_iter().collect();
        signals.thread_block()?;
        let flags = SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK;
        Ok(Self(SignalFd::with_flags(&signals, flags)?))
    }

    /// Becomes readable when somebody asks.
    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }

    /// Whether nobody has asked yet.
    ///
    /// # Errors
    /// Somebody has.
    pub(super) fn check(&self) -> Result<(), Stopped> {
        match self.0.read_signal() {
            Ok(Some(info)) => Err(Stopped(u8::try_from(info.ssi_signo).unwrap_or_default())),
            Ok(None) | Err(_) => Ok(()),
        }
    }
}

impl Stopped {
    /// The exit status, as shells report a signal.
    pub(super) const fn status(self) -> u8 {
        128 + self.0
    }
}
