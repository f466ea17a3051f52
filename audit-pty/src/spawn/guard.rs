//! The guard: a tiny process beside the child that outlives a `kill -9` of ours.
//!
//! It lives inside the child's session, in a process group of its own, and has one child, the
//! *anchor*, inside the child's process group. That anchor's parent is what makes the child's
//! group not an orphaned one although the child leads the session, so that stop signals of the
//! terminal really stop it, as they would under a shell (`credentials(7)`, `setpgid(2)`).
//!
//! It waits on a pipe whose only writer we are. When that pipe ends without a farewell, we have
//! died: it puts the user's terminal back and hangs the child up. The terminal is not its
//! controlling terminal, so the kernel asks for no foreground there.
//!
//! Both are forked and never exec, hold no other descriptor, give back what memory they inherited,
//! block every signal, and cannot be read by others of the same user. Everything in here that runs in them is async-signal-safe.

use std::os::fd::{AsRawFd, OwnedFd, RawFd};

use super::shed::shed;
use super::{Guarding, pipe, receive, send};
use crate::error::{During, PtyError};
use crate::sys;
use crate::terminal::{Modes, put_back};

/// What `ps(1)` shows for guard and anchor.
const NAME: &std::ffi::CStr = c"auditty-guard";

/// How long a guard is given to end by itself, in milliseconds, before it is killed.
const FAREWELL: i32 = 200;

/// What we tell the guard. Plain, so that it crosses a pipe.
#[derive(Clone, Copy)]
#[repr(C)]
struct Message {
    /// One of the constants below. Bytes that are none mean nothing.
    kind: i32,
    modes: Modes,
}

/// The user's terminal is raw; these are its modes.
const RAW: i32 = 1;
/// The user's terminal is not ours now.
const COOKED: i32 = 2;
/// The child's group is to be in the foreground of its terminal.
const FOREGROUND: i32 = 3;
/// The guard's is, and so the child's is not.
const BACKGROUND: i32 = 4;
/// All is over: end.
const END: i32 = 5;

/// A guard that runs.
#[derive(Debug)]
pub(crate) struct Guard {
    pid: i32,
    pipe: OwnedFd,
}

impl Guard {
    /// Its process id, which is also its process group.
    pub(crate) fn pid(&self) -> i32 {
        self.pid
    }

    /// Tells it what the user's terminal is to be put back to, should we die: `None` is nothing.
    pub(crate) fn watch_terminal(&self, modes: Option<&Modes>) {
        match modes {
            Some(modes) => self.tell(RAW, *modes),
            None => self.tell(COOKED, no_modes()),
        }
    }

    /// Has it put the child's process group into the foreground of the child's terminal, or out
    /// of it.
    pub(crate) fn give_foreground(&self, to_child: bool) {
        self.tell(if to_child { FOREGROUND } else { BACKGROUND }, no_modes());
    }

    fn tell(&self, kind: i32, modes: Modes) {
        send(self.pipe.as_raw_fd(), &Message { kind, modes });
    }

    /// Ends it, and with it the anchor.
    pub(crate) fn dismiss(self) {
        self.tell(END, no_modes());
        // Stopped by somebody, it would not hear us.
        let gone = sys::pidfd(self.pid)
            .is_ok_and(|fd| sys::poll(fd.as_raw_fd(), libc::POLLIN, FAREWELL) != 0);
        if !gone {
            let _ = sys::kill(self.pid, libc::SIGKILL);
        }
        let _ = sys::wait(self.pid, libc::WEXITED);
    }
}

/// A guard to be started by the child.
pub(super) struct Plan {
    /// Our end, and the guard's.
    writer: OwnedFd,
    reader: Option<OwnedFd>,
    /// Tells the child that guard and anchor stand: the guard's end, and the child's.
    ready: Option<OwnedFd>,
    wait: OwnedFd,
    terminal: Option<RawFd>,
    foreground: bool,
}

impl Plan {
    pub(super) fn new(guarding: &Guarding<'_>) -> Result<Self, PtyError> {
        let (reader, writer) = pipe()?;
        let (wait, ready) = pipe()?;
        sys::set_nonblocking(writer.as_raw_fd()).during("open a pipe")?;
        let terminal = guarding.terminal.map(|fd| fd.as_raw_fd());
        let (reader, ready) = (Some(reader), Some(ready));
        Ok(Self { writer, reader, ready, wait, terminal, foreground: guarding.foreground })
    }

    /// Called by us once the child is forked: closes the guard's ends, or nobody would ever see
    /// them close.
    pub(super) fn forked(&mut self) {
        self.reader = None;
        self.ready = None;
    }

    /// The guard, if the child has started it.
    pub(super) fn started(self, pid: Option<i32>) -> Option<Guard> {
        pid.map(|pid| Guard { pid, pipe: self.writer })
    }

    /// Called in the child, which leads its session: starts the guard as a sibling, so that the
    /// command never has a child it does not know, and waits until it stands.
    pub(super) fn start(&self) -> Option<i32> {
        let (reader, ready) = (self.reader.as_ref()?.as_raw_fd(), self.ready.as_ref()?.as_raw_fd());
        let leader = sys::getpid();
        // SAFETY: we are between fork and exec; `watch` is async-signal-safe and never returns.
        let pid = unsafe { sys::fork_bare(true) }.ok()?;
        if pid == 0 {
            watch(self, reader, ready, leader);
        }
        // Ours must go first, or the end of a guard that failed would never be seen.
        close(ready);
        // SAFETY: any byte is a `u8`.
        let _ = unsafe { receive::<u8>(self.wait.as_raw_fd()) };
        Some(pid)
    }
}

/// The guard's whole life.
fn watch(plan: &Plan, reader: RawFd, ready: RawFd, leader: i32) -> ! {
    const PIPE: RawFd = 0;
    const TERMINAL: RawFd = 1;
    const READY: RawFd = 2;
    let _ = sys::setpgid(0, 0);
    sys::disguise(NAME);
    // All of these are numbered from 3 on.
    let _ = sys::dup2(reader, PIPE);
    let _ = sys::dup2(ready, READY);
    match plan.terminal {
        Some(terminal) => drop(sys::dup2(terminal, TERMINAL)),
        None => close(TERMINAL),
    }
    sys::close_from(3);
    let foreground = plan.foreground;
    let frame = std::ptr::from_ref(&foreground) as usize;
    let title = sys::Title::find();
    // SAFETY: a forked process has one thread, this function never returns, and from here on it
    // uses nothing of the plan.
    unsafe { shed(frame) };
    title.set(NAME);
    let guard = sys::getpid();
    // SAFETY: we are a forked child; `hold` is async-signal-safe and never returns.
    let anchor = unsafe { sys::fork_bare(false) };
    match anchor {
        Ok(0) => hold(guard),
        Ok(pid) => drop(sys::setpgid(pid, leader)),
        Err(_) => {}
    }
    if !foreground {
        give_foreground(guard);
    }
    send(READY, &1_u8);
    close(READY);

    let mut modes = None;
    let farewell = loop {
        // SAFETY: every field is made of integers.
        match unsafe { receive::<Message>(PIPE) } {
            Some(Message { kind: RAW, modes: raw }) => modes = Some(raw),
            Some(Message { kind: COOKED, .. }) => modes = None,
            Some(Message { kind: FOREGROUND, .. }) => give_foreground(leader),
            Some(Message { kind: BACKGROUND, .. }) => give_foreground(guard),
            Some(Message { kind: END, .. }) => break true,
            Some(_) => {}
            None => break false,
        }
    };
    if !farewell {
        // The shell may have mended the terminal before us: then it stays as the shell has it.
        if let Some(modes) = modes {
            put_back(TERMINAL, &modes, false);
        }
        // The numbers are still theirs: this session and the anchor's group keep them in use.
        for signal in [libc::SIGHUP, libc::SIGCONT] {
            let _ = sys::kill(leader, signal);
            let _ = sys::kill(-leader, signal);
        }
    }
    if let Ok(pid) = anchor {
        let _ = sys::kill(pid, libc::SIGKILL);
        let _ = sys::wait(pid, libc::WEXITED);
    }
    sys::exit(0)
}

/// The anchor's whole life.
fn hold(guard: i32) -> ! {
    sys::close_from(0);
    sys::die_with_parent();
    // The guard may have died before we asked.
    while sys::getppid() == guard {
        sys::pause();
    }
    sys::exit(0)
}

/// Puts a process group into the foreground of our controlling terminal.
fn give_foreground(group: i32) {
    if let Ok(terminal) = sys::open(c"/dev/tty", libc::O_RDWR | libc::O_NOCTTY) {
        let _ = sys::set_foreground(terminal.as_raw_fd(), group);
    }
}

fn close(fd: RawFd) {
    // SAFETY: a forked child owns its copy of every descriptor.
    unsafe { libc::close(fd) };
}

fn no_modes() -> Modes {
    // SAFETY: all bytes zero is a value of these plain structures.
    unsafe { std::mem::MaybeUninit::zeroed().assume_init() }
}
