//! Job control of the user's terminal: who has it, and stopping together with the child.
//!
//! The child always leads the session of its own terminal. While we have the user's terminal it is
//! in the foreground of its own; while we are in the background, so is it: the guard takes its
//! place. Its first use of the terminal then stops it (`SIGTTIN`, `SIGTTOU`), and that is how we
//! learn that it wants a terminal: either it can have it at once, or we stop like any background
//! job that asks for the terminal. A member of a pipeline starts like that too, since the terminal
//! may be another member's (a pager).

use std::time::Duration;

use audit_core::Event;
use nix::sys::signal::{SigSet, Signal};

use super::{Ends, Outer};
use crate::spawn::Child;
use crate::sys;

/// How often to look whether we have come into the foreground: shells tell a running job nothing.
const LOOK: Duration = Duration::from_millis(250);

impl Outer {
    /// Whether the terminal is for us and the child now.
    pub(super) fn is_ours(&self) -> bool {
        self.wanted && (!self.typed || self.raw.in_foreground())
    }
}

impl Ends {
    /// How soon [`Ends::look_for_foreground`] should be called; `None` when it need not be.
    pub fn look_within(&self) -> Option<Duration> {
        let waits =
            |outer: &Outer| outer.typed && outer.wanted && !outer.lost && !outer.raw.is_raw();
        (self.child_runs() && self.terminal.as_ref().is_some_and(waits)).then_some(LOOK)
    }

    /// Takes the user's terminal if it has become ours meanwhile.
    pub fn look_for_foreground(&mut self) {
        if self.look_within().is_some() && self.terminal.as_ref().is_some_and(Outer::is_ours) {
            self.take_terminal();
        }
    }

    /// Makes the user's terminal raw and puts the child into the foreground of its own, if the
    /// terminal is ours now; else leaves both in the background.
    pub(super) fn take_terminal(&mut self) {
        if !self.child_runs() {
            return;
        }
        let Some(outer) = self.terminal.as_mut().filter(|outer| outer.typed) else { return };
        let ours = outer.is_ours();
        if ours {
            // Changed behind our back if somebody else stopped us.
            outer.lost = outer.raw.renew().and_then(|()| outer.raw.enter()).is_err();
        }
        if let Some(guard) = self.child.as_ref().and_then(Child::guard) {
            guard.watch_terminal(outer.raw.modes());
            guard.give_foreground(ours);
        }
        // The size may have changed while nobody told us; `SIGWINCH` has us look.
        let _ = sys::kill(sys::getpid(), libc::SIGWINCH);
    }

    /// Puts the user's terminal back, for good unless it is taken again.
    pub(super) fn release_terminal(&mut self) {
        if let Some(outer) = &mut self.terminal {
            outer.raw.leave();
            if let Some(guard) = self.child.as_ref().and_then(Child::guard) {
                guard.watch_terminal(None);
            }
        }
    }

    /// The child was stopped. If it was for using its terminal, it can have it if we have the
    /// user's; if we do not, we must stop like it until somebody gives us the terminal.
    pub(super) fn must_stop_too(&mut self, signal: i32) -> bool {
        let asks = matches!(signal, libc::SIGTTIN | libc::SIGTTOU);
        let Some(outer) = self.terminal.as_mut().filter(|outer| asks && outer.typed) else {
            return false;
        };
        outer.wanted = true;
        let ours = outer.is_ours();
        if ours {
            self.take_terminal();
        }
        !ours
    }

    /// Stops together with the child, as a job of the user's shell.
    pub(super) fn stop(&mut self, signal: i32) -> Event {
        self.release_terminal();
        if self.pty.is_some() {
            self.signal_job(libc::SIGTSTP);
        }
        if self.signals.is_some() {
            stop_job(signal);
        }
        self.take_terminal();
        Event::Resumed
    }
}

/// Stops our process group, as the terminal would: the whole pipeline is one job. Returns when it
/// goes on, or at once when nobody is there to continue us (an orphaned group).
fn stop_job(signal: i32) {
    let signal = match Signal::try_from(signal) {
        Ok(signal @ (Signal::SIGTTIN | Signal::SIGTTOU)) => signal,
        // Unlike SIGSTOP the kernel withholds this one where it would stop us for ever.
        _ => Signal::SIGTSTP,
    };
    let _ = sys::kill(0, signal as i32);
    let set = SigSet::from(signal);
    // It was blocked; unblocked it stops us right here.
    if set.thread_unblock().is_ok() {
        let _ = set.thread_block();
    }
}
