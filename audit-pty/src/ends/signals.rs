//! News of the child and of this process.

use audit_core::Event;

use super::Ends;
use crate::process::{Change, belongs_to};
use crate::signals::{Caught, Signals};

impl Ends {
    /// The next event that follows from the signals that came. Handle each before asking for
    /// the next: a signal may concern what the one before it led to (a stop, after which a signal
    /// to stop is void).
    pub fn next_signal(&mut self) -> Option<Event> {
        loop {
            if self.news_due {
                if let Some(event) = self.news(false) {
                    return Some(event);
                }
                self.news_due = false;
            }
            let caught = self.signals.as_ref().and_then(Signals::next)?;
            match caught.number {
                libc::SIGCHLD => self.news_due = true,
                libc::SIGCONT => self.take_terminal(),
                libc::SIGWINCH => {
                    if let Some(event) = self.measure() {
                        return Some(event);
                    }
                }
                _ => return Some(self.signal(caught)),
            }
        }
    }

    /// The end of the child, once, when it has come. For sessions that own the process this is
    /// also told by [`Ends::next_signal`], with stops and continues.
    pub fn reap(&mut self) -> Option<Event> {
        self.news(true)
    }

    fn news(&mut self, ended_only: bool) -> Option<Event> {
        Some(match self.child.as_mut()?.news(ended_only)? {
            Change::Exited(exit) => {
                // From now on the master tells when the last process has closed the slave.
                self.pty.iter_mut().for_each(crate::Pty::close_slave);
                Event::ChildExited(exit)
            }
            Change::Stopped(signal) if self.must_stop_too(signal) => {
                Event::Signal { number: signal, sender: 0, own_child: false }
            }
            Change::Stopped(signal) => Event::ChildStopped(signal),
            Change::Continued => Event::ChildContinued,
        })
    }

    fn signal(&mut self, Caught { number, sender }: Caught) -> Event {
        if sender == 0 {
            self.kernel_sent |= 1 << (number - 1);
        }
        let child = self.pid().filter(|_| sender > 0);
        let own_session = self.pty.is_some();
        let own_child = child.is_some_and(|child| belongs_to(sender, child, own_session));
        Event::Signal { number, sender, own_child }
    }

    /// The size of the user's terminal, if it has changed.
    fn measure(&mut self) -> Option<Event> {
        let outer = self.terminal.as_mut()?;
        let winsize = outer.raw.winsize().filter(|winsize| *winsize != outer.winsize)?;
        outer.winsize = winsize;
        Some(Event::Resized(winsize))
    }
}
