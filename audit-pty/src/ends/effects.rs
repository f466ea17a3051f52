//! Doing what the core asks for.

use std::collections::HashSet;

use audit_core::{Effect, Event, Step};

use super::Ends;
use crate::process::{group_of, is_stopped, members, until_stopped};
use crate::spawn::{Child, Guard};
use crate::sys;

/// How often processes are looked for that were started while others were stopped.
const SWEEPS: usize = 16;

impl Ends {
    /// Does what an effect asks of the outside; effects that are the lanes' are passed over. The
    /// event, if any, is the answer the core waits for.
    pub fn apply(&mut self, effect: &Effect) -> Option<Event> {
        match effect {
            Effect::Sample => return self.sample().map(Event::Line),
            Effect::Stop(signal) => return Some(self.stop(*signal)),
            Effect::Resize(winsize) => {
                // A terminal that is gone has no size.
                let _ = self.pty.as_ref().map(|pty| pty.set_winsize(*winsize));
            }
            Effect::Freeze => self.freeze(),
            Effect::Thaw => self.thaw(),
            Effect::Forward(signal) => self.forward(*signal),
            Effect::ContinueChild => self.signal_job(libc::SIGCONT),
            Effect::CloseInput => self.close_input(),
            Effect::CloseOutput(stream) => self.close_source(*stream),
            Effect::Terminate(Step::HangUp) => self.end(libc::SIGHUP),
            Effect::Terminate(Step::Terminate) => self.end(libc::SIGTERM),
            Effect::Terminate(Step::Kill) => self.kill(),
            Effect::ReleaseTerminal => self.release_terminal(),
            Effect::Record(_)
            | Effect::Flush(_)
            | Effect::Close
            | Effect::Inspect(_)
            | Effect::Judge(_)
            | Effect::Publish(_)
            | Effect::Finish(_) => {}
        }
        None
    }

    /// The shells first, and only once they stand still what the user waits for: a shell that sees
    /// its job stop takes that for job control and goes on without it.
    fn freeze(&mut self) {
        let foreground = self.foreground();
        let is_behind = |pid| foreground.is_none() || group_of(pid) != foreground;
        if self.pid().is_some_and(is_behind) {
            self.signal_child(libc::SIGSTOP);
            until_stopped(&self.pid());
        }
        let behind = self.stop_members(|pid| !is_stopped(pid) && is_behind(pid));
        until_stopped(&behind);
        self.signal_group(foreground, libc::SIGSTOP);
        self.frozen.extend(behind);
        let rest = self.stop_members(|pid| !is_stopped(pid));
        self.frozen.extend(rest);
    }

    /// Those go on that a freeze has stopped; a job that was stopped before stays so. What the user
    /// waits for comes first and the child last, so that a shell finds its job running.
    fn thaw(&mut self) {
        let child = self.pid();
        self.signal_group(self.foreground(), libc::SIGCONT);
        for pid in std::mem::take(&mut self.frozen) {
            // A number is not given away anew while its process is stopped.
            if Some(pid) != child && is_stopped(pid) {
                let _ = sys::kill(pid, libc::SIGCONT);
            }
        }
        self.signal_child(libc::SIGCONT);
    }

    /// Stops the members of the session that `which` picks, and returns them. A process may start
    /// another while it is looked for: that one is found in the next sweep.
    fn stop_members(&self, which: impl Fn(i32) -> bool) -> HashSet<i32> {
        let mut seen = HashSet::new();
        let mut stopped = HashSet::new();
        for _ in 0..SWEEPS {
            let fresh: Vec<_> =
                self.members().into_iter().filter(|pid| seen.insert(*pid)).collect();
            if fresh.is_empty() {
                break;
            }
            for pid in fresh.into_iter().filter(|pid| which(*pid)) {
                if sys::kill(pid, libc::SIGSTOP).is_ok() {
                    stopped.insert(pid);
                }
            }
        }
        stopped
    }

    /// A signal that was meant for the child reached us. It gets it once: as a member of the
    /// foreground process group, or else beside it. In pipe mode the child is in our own process
    /// group and already has what the kernel sent (Ctrl-C).
    fn forward(&mut self, signal: i32) {
        let bit = 1 << (signal - 1);
        let already = self.pty.is_none() && self.kernel_sent & bit != 0;
        self.kernel_sent &= !bit;
        if already {
            return;
        }
        match self.foreground() {
            Some(group) if Some(group) != self.pid() => {
                self.signal_group(Some(group), signal);
                self.signal_child(signal);
            }
            _ => self.signal_job(signal),
        }
    }

    /// As a closed terminal or a shutdown ends processes: stopped ones must go on to notice.
    fn end(&mut self, signal: i32) {
        if self.child_runs() {
            for signal in [signal, libc::SIGCONT] {
                self.kernel_sent = 0;
                self.forward(signal);
            }
            return;
        }
        // The child is gone, yet something of its session is left.
        for pid in self.members() {
            let _ = sys::kill(pid, signal);
            let _ = sys::kill(pid, libc::SIGCONT);
        }
    }

    /// Everything of the session. Stopped first: a process killed while it starts another would
    /// leave that one behind as nobody's descendant.
    fn kill(&self) {
        for pid in self.stop_members(|_| true) {
            let _ = sys::kill(pid, libc::SIGKILL);
        }
    }

    /// Processes of the session, without the guard and its anchor.
    fn members(&self) -> Vec<i32> {
        let Some(child) = &self.child else { return Vec::new() };
        members(child.pid(), self.pty.is_some(), child.guard().map(Guard::pid))
    }

    /// The foreground process group of the child's terminal, unless that is our guard's.
    fn foreground(&self) -> Option<i32> {
        let guard = self.child.as_ref().and_then(Child::guard).map(Guard::pid);
        self.pty.as_ref()?.foreground().filter(|group| Some(*group) != guard)
    }

    /// The child as a job: its process group where it has one of its own.
    pub(super) fn signal_job(&self, signal: i32) {
        if self.pty.is_some() && self.child_runs() {
            self.signal_group(self.pid(), signal);
        } else {
            self.signal_child(signal);
        }
    }

    fn signal_child(&self, signal: i32) {
        // Not ours to signal any more (a set-user-id program): then it stays as it is.
        let _ = self.child.as_ref().map(|child| child.signal(signal));
    }

    fn signal_group(&self, group: Option<i32>, signal: i32) {
        // Group 1 would be every process there is (`kill(2)`).
        if let Some(group) = group.filter(|group| *group > 1) {
            let _ = sys::kill(-group, signal);
        }
    }
}
