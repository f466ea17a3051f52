//! What the host log says against a journal.

use std::path::Path;

use super::Status;
use super::check::{Check, Found};
use crate::hostlog::{HostLogView, Leaf};
use crate::layout;

impl Check {
    /// What the host log says against this session, if anything.
    pub(crate) fn against(&self, log: &HostLogView) -> Option<Found> {
        if let Some(accused) = self.accused(log) {
            return Some(accused);
        }
        if let Some(fault) = &log.fault {
            return Some((fault.status, fault.reason.clone()));
        }
        let started = self.leaves(log).iter().any(|leaf| matches!(leaf, Leaf::Start { .. }));
        (self.should_be_logged() && !started)
            .then(|| mismatch("the host log does not know the session"))
    }

    /// What the leaves of this session contradict.
    pub(crate) fn accused(&self, log: &HostLogView) -> Option<Found> {
        self.leaves(log).iter().find_map(|leaf| match leaf {
            Leaf::Start { link, .. } => match self.first_link {
                None => Some(mismatch("the host log knows its beginning, which is gone")),
                Some(found) if found != *link => {
                    Some(mismatch("the host log knows another beginning"))
                }
                Some(_) => None,
            },
            Leaf::Head { frame, link, .. } => match self.known.get(frame).copied().flatten() {
                None => Some(mismatch(format!("the host log knows frame {frame}, which is gone"))),
                Some(found) if found != *link => {
                    Some(mismatch(format!("the host log knows another frame {frame}")))
                }
                Some(_) => None,
            },
            Leaf::End { frame, link, .. } => {
                if Some(*frame) != self.frame || *link != self.last_link {
                    return Some(mismatch(format!(
                        "the host log knows another end, frame {frame}"
                    )));
                }
                // What the log was told had been signed before.
                let gone = || "the head that signed the end is gone".to_owned();
                self.end_unsigned.then(|| (Status::Unsealed, gone()))
            }
            Leaf::Expired { .. } => None,
        })
    }

    fn leaves<'l>(&self, log: &'l HostLogView) -> &'l [Leaf] {
        self.named.or(self.session()).map_or(&[], |session| log.of(session))
    }

    /// Whether the host log must know the session. One that was killed as it began may not have
    /// come so far.
    fn should_be_logged(&self) -> bool {
        self.header.as_ref().is_some_and(|h| h.host_log) && self.sealed_record > 0
    }

    /// A session in a root whose host log should know it, and there is no host log.
    pub(super) fn misses_log(&self, dir: &Path) -> Option<Found> {
        (self.should_be_logged() && layout::root_of(dir).is_some())
            .then(|| mismatch("the host log is not there"))
    }
}

fn mismatch(reason: impl Into<String>) -> Found {
    (Status::HostLogMismatch, reason.into())
}
