//! Starting a command: everything that allocates happens before the fork, everything after it is
//! async-signal-safe.

mod child;
mod guard;
mod prepare;
mod shed;

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use audit_core::CommandSpec;

use crate::error::{During, PtyError};
use crate::process::{self, Change};
use crate::sys;

pub(crate) use guard::Guard;
use prepare::Prepared;

/// What a child gets from us.
#[derive(Clone, Copy, Debug)]
pub struct Wiring<'a> {
    /// Its standard input, output and error. Numbered from 3 on.
    pub stdio: [BorrowedFd<'a>; 3],
    /// The terminal that becomes the controlling terminal of a new session which the child leads.
    /// `None` leaves the child in our session and process group.
    pub terminal: Option<BorrowedFd<'a>>,
    /// The guard to keep beside it, only with a terminal.
    pub guard: Option<Guarding<'a>>,
    /// Signals to stay ignored, bit `number - 1` each; all others get their defaults.
    pub ignored: u64,
}

/// What a guard process is to do.
#[derive(Clone, Copy, Debug)]
pub struct Guarding<'a> {
    /// The user's terminal, to be put back should we die while it is raw.
    pub terminal: Option<BorrowedFd<'a>>,
    /// Whether the child starts in the foreground of its terminal. In the background its first
    /// use of the terminal stops it, which tells us that it wants it.
    pub foreground: bool,
}

/// A child of ours.
#[derive(Debug)]
pub struct Child {
    pid: i32,
    pidfd: OwnedFd,
    guard: Option<Guard>,
    exited: bool,
}

impl Child {
    /// Starts `command`. It sees the three standard descriptors and nothing else of ours, an empty
    /// signal mask and default dispositions, and runs when this returns.
    ///
    /// # Errors
    /// [`PtyError::Command`] when the command cannot be run; [`PtyError::System`] when no process
    /// or descriptor is left.
    pub fn spawn(command: &CommandSpec, wiring: &Wiring<'_>) -> Result<Self, PtyError> {
        let prepared = Prepared::new(command)?;
        let (status, status_in) = pipe()?;
        let mut guard = match wiring.guard.filter(|_| wiring.terminal.is_some()) {
            Some(guarding) => Some(guard::Plan::new(&guarding)?),
            None => None,
        };
        let plan = child::Plan {
            prepared: &prepared,
            stdio: wiring.stdio.map(|fd| fd.as_raw_fd()),
            terminal: wiring.terminal.map(|fd| fd.as_raw_fd()),
            guard: guard.as_ref(),
            status: status_in.as_raw_fd(),
            ignored: wiring.ignored,
        };
        // No handler may run in the child before its dispositions are its own.
        let mask = sys::block_all();
        // SAFETY: `child::run` keeps to async-signal-safe calls and never returns.
        let forked = unsafe { sys::fork() };
        if matches!(forked, Ok(0)) {
            child::run(&plan);
        }
        sys::set_mask(&mask);
        let pid = forked.during("fork")?;
        drop(status_in);
        if let Some(plan) = &mut guard {
            plan.forked();
        }
        let report = child::Report::read(&status);
        let guard = guard.and_then(|plan| plan.started(report.guard));
        let pidfd = match sys::pidfd(pid) {
            Ok(pidfd) => pidfd,
            Err(error) => {
                let _ = sys::kill(pid, libc::SIGKILL);
                let _ = sys::wait(pid, libc::WEXITED);
                guard.into_iter().for_each(Guard::dismiss);
                return Err(error).during("open a pidfd");
            }
        };
        let mut child = Self { pid, pidfd, guard, exited: false };
        if let Some(failure) = report.failure {
            child.reap_now();
            return Err(prepared.failed(command, failure.step, failure.errno));
        }
        Ok(child)
    }

    /// Its process id; with a terminal also its session and process group.
    pub fn pid(&self) -> i32 {
        self.pid
    }

    /// Becomes readable when it has ended.
    pub fn pidfd(&self) -> BorrowedFd<'_> {
        self.pidfd.as_fd()
    }

    /// Whether it has ended and is reaped.
    pub fn exited(&self) -> bool {
        self.exited
    }

    /// The next news of it, without waiting. With `ended_only`, stops and continues are left for
    /// whoever else waits for them.
    pub fn news(&mut self, ended_only: bool) -> Option<Change> {
        if self.exited {
            return None;
        }
        let change = process::news(self.pid, ended_only)?;
        self.exited = matches!(change, Change::Exited(_));
        Some(change)
    }

    /// Sends it a signal, unless it is gone.
    ///
    /// # Errors
    /// We may not: it has become another user's.
    pub fn signal(&self, signal: i32) -> io::Result<()> {
        if self.exited { Ok(()) } else { sys::kill(self.pid, signal) }
    }

    pub(crate) fn guard(&self) -> Option<&Guard> {
        self.guard.as_ref()
    }

    /// Ends the guard; the child must be gone or no longer be ours to hang up.
    pub(crate) fn release_guard(&mut self) {
        if let Some(guard) = self.guard.take() {
            guard.dismiss();
        }
    }

    /// Waits for a child that is about to end.
    fn reap_now(&mut self) {
        while !self.exited {
            sys::poll(self.pidfd.as_raw_fd(), libc::POLLIN, -1);
            self.news(true);
        }
        self.release_guard();
    }
}

impl Drop for Child {
    /// A child that still runs is hung up, as a closed terminal does it.
    fn drop(&mut self) {
        if !self.exited {
            let _ = self.signal(libc::SIGHUP);
            let _ = self.signal(libc::SIGCONT);
            self.news(true);
        }
        self.release_guard();
    }
}

/// A pipe whose ends are numbered from 3 on and closed on `execve(2)`: reader, writer.
pub(crate) fn pipe() -> Result<(OwnedFd, OwnedFd), PtyError> {
    let (reader, writer) =
        nix::unistd::pipe2(nix::fcntl::OFlag::O_CLOEXEC).during("open a pipe")?;
    let above = |fd: OwnedFd| match fd.as_raw_fd() {
        0..=2 => sys::duplicate(fd.as_fd()).during("open a pipe"),
        _ => Ok(fd),
    };
    Ok((above(reader)?, above(writer)?))
}

/// Writes a plain value into a pipe that has room for it.
fn send<T: Copy>(fd: i32, value: &T) -> bool {
    let size = size_of::<T>();
    let start: *const T = value;
    // SAFETY: the pointer and the length describe the borrowed value; padding is copied as it is.
    let written = unsafe { libc::write(fd, start.cast(), size) };
    usize::try_from(written) == Ok(size)
}

/// Reads a plain value out of a pipe; `None` when its writers are gone.
///
/// # Safety
/// Any bytes must make a value of this type.
unsafe fn receive<T: Copy>(fd: i32) -> Option<T> {
    let mut value = MaybeUninit::<T>::uninit();
    let size = size_of::<T>();
    let mut have = 0;
    while have < size {
        // SAFETY: `have` is within the value.
        let at = unsafe { value.as_mut_ptr().cast::<MaybeUninit<u8>>().add(have) };
        // SAFETY: from there `size - have` bytes belong to the value.
        let rest = unsafe { std::slice::from_raw_parts_mut(at, size - have) };
        match sys::read(fd, rest) {
            Ok(0) | Err(_) => return None,
            Ok(count) => have += count,
        }
    }
    // SAFETY: all bytes are there, and any bytes make a value.
    Some(unsafe { value.assume_init() })
}
