//! Output that finds no place where the user wants it: a full disk behind a redirection.
//!
//! The journal has it, and the child goes on as without us: it finds its stream closed when it
//! writes more. The user is told, and the session ends with a status of its own, for a command that
//! had written all it had before the disk was full does not know of it.

use super::banner::Message;
use super::{Child, Phase, SessionCore};
use crate::outcome::End;
use crate::stream::{Port, Stream};

/// Name of the record and the alarm.
const NAME: &str = "output.failed";

impl SessionCore {
    /// What waits at this port cannot be written. A screen that fails is one that is gone.
    pub(super) fn port_failed(&mut self, port: Port, reason: &str) {
        if let Port::User(stream @ (Stream::Stdout | Stream::Stderr)) = port {
            let name = stream.name();
            let lost = self.egress.clear(port);
            self.undelivered = true;
            self.trouble(
                NAME.into(),
                format!(
                    "{name}: {reason}; {lost} recorded bytes were not written, and no more are"
                ),
            );
            self.tell(Message::OutputFailed { stream: name, reason });
        }
        self.port_closed(port);
    }

    /// Makes it the reason of the end, if nothing else ends the session.
    pub(super) fn remember_undelivered(&mut self) {
        let child_is_gone = matches!(self.child, Child::Exited(_));
        if self.undelivered && child_is_gone && matches!(self.phase, Phase::Draining(_)) {
            self.end.get_or_insert(End::OutputFailed);
        }
    }
}
