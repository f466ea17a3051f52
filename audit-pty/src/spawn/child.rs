//! The child between fork and exec. Async-signal-safe throughout.

use std::os::fd::{AsRawFd, OwnedFd, RawFd};

use super::guard;
use super::prepare::Prepared;
use super::{receive, send};
use crate::sys;

/// The signals Linux has.
const SIGNALS: std::ops::RangeInclusive<i32> = 1..=64;

/// What the child is to do, all of it prepared.
pub(super) struct Plan<'a> {
    pub(super) prepared: &'a Prepared,
    pub(super) stdio: [RawFd; 3],
    pub(super) terminal: Option<RawFd>,
    pub(super) guard: Option<&'a guard::Plan>,
    pub(super) status: RawFd,
    pub(super) ignored: u64,
}

/// A step of the child that can fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Leading a session of its own.
    Session,
    /// Taking its controlling terminal.
    Terminal,
    /// Taking its standard descriptors.
    Descriptors,
    /// Going to its directory.
    Directory,
    /// Becoming the program.
    Execute,
}

impl Step {
    const ALL: [Self; 5] =
        [Self::Session, Self::Terminal, Self::Descriptors, Self::Directory, Self::Execute];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Session => "new session",
            Self::Terminal => "controlling terminal",
            Self::Descriptors => "standard descriptors",
            Self::Directory => "working directory",
            Self::Execute => "execute",
        }
    }
}

/// A message of the child, plain so that it crosses a pipe: which, and a value.
type Message = [i32; 2];

/// Marks the message that carries the guard's process id. Others are a step's number and `errno`.
const GUARD: i32 = -1;

/// What the child has told when it ended or became the program.
#[derive(Debug, Default)]
pub(super) struct Report {
    pub(super) guard: Option<i32>,
    pub(super) failure: Option<Failure>,
}

/// A failed step.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) step: Step,
    pub(super) errno: i32,
}

impl Report {
    /// Reads until the child has become the program or has ended: both close the pipe.
    pub(super) fn read(status: &OwnedFd) -> Self {
        let mut report = Self::default();
        // SAFETY: any bytes make two integers.
        while let Some([kind, value]) = unsafe { receive::<Message>(status.as_raw_fd()) } {
            if kind == GUARD {
                report.guard = Some(value);
            } else if let Some(step) = usize::try_from(kind).ok().and_then(|n| Step::ALL.get(n)) {
                report.failure = Some(Failure { step: *step, errno: value });
            }
        }
        report
    }
}

/// Becomes the command, or says what failed and ends.
pub(super) fn run(plan: &Plan<'_>) -> ! {
    let (step, errno) = match become_command(plan) {
        Ok(errno) => (Step::Execute, errno),
        Err((step, error)) => (step, error.raw_os_error().unwrap_or(libc::EIO)),
    };
    send::<Message>(plan.status, &[step as i32, errno]);
    sys::exit(127)
}

/// Returns `errno(3)` of a failed exec, or the step before it that failed.
fn become_command(plan: &Plan<'_>) -> Result<i32, (Step, std::io::Error)> {
    if let Some(terminal) = plan.terminal {
        sys::setsid().map_err(|error| (Step::Session, error))?;
        sys::set_controlling(terminal).map_err(|error| (Step::Terminal, error))?;
        if let Some(pid) = plan.guard.and_then(guard::Plan::start) {
            send::<Message>(plan.status, &[GUARD, pid]);
        }
    }
    for (target, source) in plan.stdio.into_iter().enumerate() {
        sys::dup2(source, target as RawFd).map_err(|error| (Step::Descriptors, error))?;
    }
    sys::close_from_on_exec(3);
    for signal in SIGNALS.filter(|signal| plan.ignored & (1 << (signal - 1)) == 0) {
        sys::set_default(signal);
    }
    if let Some(cwd) = plan.prepared.cwd() {
        sys::chdir(cwd).map_err(|error| (Step::Directory, error))?;
    }
    sys::set_mask(&sys::empty_mask());
    Ok(plan.prepared.execute())
}
