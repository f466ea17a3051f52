//! The signals of this process, as things to be read (`signalfd(2)`).

use std::os::fd::{AsFd, BorrowedFd};
use std::sync::OnceLock;

use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

use crate::error::{During, PtyError};
use crate::sys;

/// The signals a session takes. `SIGCHLD` and `SIGWINCH` are always taken; the others only if the
/// process was not started with them ignored (`nohup(1)`, background jobs of a script).
const TAKEN: [Signal; 13] = [
    Signal::SIGCHLD,
    Signal::SIGWINCH,
    Signal::SIGCONT,
    Signal::SIGHUP,
    Signal::SIGINT,
    Signal::SIGQUIT,
    Signal::SIGTERM,
    Signal::SIGUSR1,
    Signal::SIGUSR2,
    Signal::SIGALRM,
    Signal::SIGTSTP,
    Signal::SIGTTIN,
    Signal::SIGTTOU,
];

/// A signal that reached this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caught {
    /// Its number.
    pub number: i32,
    /// The process that sent it, 0 when the kernel did.
    pub sender: i32,
}

/// Takes the signals of this process in place of their dispositions.
///
/// Threads inherit the mask of the thread that starts them, so this must be opened before any
/// other thread is started; see [`block_signals`].
#[derive(Debug)]
pub struct Signals {
    fd: SignalFd,
    before: SigSet,
    ignored: u64,
}

impl Signals {
    /// Blocks the signals and opens a descriptor to read them from.
    ///
    /// # Errors
    /// No descriptor is left.
    pub fn open() -> Result<Self, PtyError> {
        let before = SigSet::thread_get_mask().during("read the signal mask")?;
        let (set, ignored) = block()?;
        let flags = SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC;
        let fd = SignalFd::with_flags(&set, flags).during("open a signalfd")?;
        Ok(Self { fd, before, ignored })
    }

    /// The next signal, if one is waiting.
    pub fn next(&self) -> Option<Caught> {
        let info = self.fd.read_signal().ok()??;
        // Positive codes are the kernel's own; zero and below come from kill(2) and its like.
        let sender = if info.ssi_code <= 0 { info.ssi_pid as i32 } else { 0 };
        Some(Caught { number: info.ssi_signo as i32, sender })
    }

    /// Readable when a signal is waiting.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// Signals this process was started with ignored, bit `number - 1` each: the command should
    /// ignore them too.
    pub(crate) fn ignored(&self) -> u64 {
        self.ignored
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        // Signals that came meanwhile concern a session that is over: they must not kill us now.
        while self.next().is_some() {}
        let _ = self.before.thread_set_mask();
    }
}

/// Blocks the signals a session takes in the calling thread and all threads it starts from now
/// on, so that only [`Signals`] sees them, and has the process ignore `SIGXFSZ`. For the start of a
/// program, before its first thread.
///
/// # Errors
/// None the system is known to give.
pub fn block_signals() -> Result<(), PtyError> {
    block().map(drop)
}

/// Blocks the signals; returns them, and those that stay ignored.
fn block() -> Result<(SigSet, u64), PtyError> {
    /// Whether the signal was ignored before we did it.
    static LIMITS: OnceLock<bool> = OnceLock::new();
    let mut set = SigSet::empty();
    let mut ignored = 0;
    // A file that may not grow (`setrlimit(2)`) is a write that fails and not our death.
    let limits = Signal::SIGXFSZ as i32;
    let was_ignored = LIMITS.get_or_init(|| {
        let before = sys::ignored(limits);
        sys::ignore(limits);
        before
    });
    if *was_ignored {
        ignored |= 1 << (limits - 1);
    }
    for signal in TAKEN {
        let always = matches!(signal, Signal::SIGCHLD | Signal::SIGWINCH | Signal::SIGCONT);
        if !always && sys::ignored(signal as i32) {
            ignored |= 1 << (signal as i32 - 1);
        } else {
            set.add(signal);
        }
    }
    set.thread_block().during("block signals")?;
    Ok((set, ignored))
}
