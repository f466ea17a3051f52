//! The controller's post: notices until they are told, and orders.

use std::collections::VecDeque;
use std::time::Instant;

use audit_core::{Mail, News, Notice, SessionSpec};

use super::lane::{Lane, Violation};
use super::post::Post;
use crate::message::{FromWorker, Hello, ToWorker};

/// So many notices wait for a link that does not work; beyond it the oldest are dropped.
const BACKLOG: usize = 4096;

/// The controller's lane.
#[derive(Debug)]
pub(super) struct LinkLane {
    post: Post,
    spec: SessionSpec,
    /// What is not told, in order.
    notices: VecDeque<Notice>,
    /// How many of them the worker has got.
    sent: usize,
    standing: Standing,
}

impl LinkLane {
    pub(super) fn new(post: Post, spec: SessionSpec) -> Self {
        let (notices, standing) = (VecDeque::new(), Standing::default());
        Self { post, spec, notices, sent: 0, standing }
    }

    pub(super) fn publish(&mut self, notice: Notice) {
        if self.notices.len() >= BACKLOG {
            self.notices.pop_front();
            self.sent = self.sent.saturating_sub(1);
        }
        self.notices.push_back(notice);
        self.send();
    }

    /// Whether something is not told.
    pub(super) fn is_busy(&self) -> bool {
        !self.notices.is_empty()
    }

    fn send(&mut self) {
        let Some(worker) = self.post.ready() else { return };
        while worker.wire.is_flushed() {
            let Some(next) = self.notices.get(self.sent) else { return };
            self.sent += 1;
            if worker.wire.send(&ToWorker::Tell(next.clone())).is_err() {
                // It is gone, which is noticed when it is read from.
                return;
            }
        }
    }

    /// A new controller knows nothing: what still holds comes before what was not told.
    fn recall(&mut self) {
        self.sent = 0;
        let first = self.notices.front().map_or(u64::MAX, |notice| notice.id);
        for notice in self.standing.notices().into_iter().rev() {
            if notice.id < first {
                self.notices.push_front(notice);
            }
        }
    }
}

impl Lane for LinkLane {
    fn post(&mut self) -> &mut Post {
        &mut self.post
    }

    fn restart(&mut self, now: Instant) -> bool {
        let hello = Hello { spec: self.spec.clone(), staged: None };
        self.post.restart(None, &hello, now)
    }

    fn took_office(&mut self, _mail: &mut VecDeque<Mail>) {
        self.send();
    }

    fn heard(&mut self, message: FromWorker, mail: &mut VecDeque<Mail>) -> Result<(), Violation> {
        match message {
            FromWorker::Told { notice } => {
                // One that was dropped meanwhile is older than all that wait.
                if self.sent > 0 && self.notices.front().is_some_and(|first| first.id == notice) {
                    self.sent -= 1;
                    self.standing.keep(self.notices.pop_front());
                }
            }
            FromWorker::Command(command) => mail.push_back(Mail::Command(command)),
            FromWorker::Trouble { name, text } => mail.push_back(Mail::Trouble { name, text }),
            _ => return Err(Violation("what only other workers say")),
        }
        self.send();
        Ok(())
    }

    fn refused(&mut self, reason: &str, mail: &mut VecDeque<Mail>) {
        self.recall();
        mail.push_back(Mail::Trouble { name: "link.failed".into(), text: reason.to_owned() });
    }

    fn died(&mut self, _reason: &str, _mail: &mut VecDeque<Mail>) {
        self.recall();
    }
}

/// The notices already told that still describe the session.
#[derive(Debug, Default)]
struct Standing {
    opened: Option<Notice>,
    state: Option<Notice>,
    blocked: Option<Notice>,
    resized: Option<Notice>,
}

impl Standing {
    fn keep(&mut self, notice: Option<Notice>) {
        let Some(notice) = notice else { return };
        match notice.news {
            News::Opened { .. } => self.opened = Some(notice),
            News::State(_) => self.state = Some(notice),
            News::Blocked { .. } => self.blocked = Some(notice),
            News::Decided { .. } => self.blocked = None,
            News::Resized(_) => self.resized = Some(notice),
            _ => {}
        }
    }

    /// In the order they came.
    fn notices(&self) -> Vec<Notice> {
        let all = [&self.opened, &self.state, &self.blocked, &self.resized];
        let mut notices: Vec<_> = all.into_iter().flatten().cloned().collect();
        notices.sort_by_key(|notice| notice.id);
        notices
    }
}

#[cfg(test)]
mod tests {
    use audit_core::{Moment, State, Winsize};

    use super::*;

    fn notice(id: u64, news: News) -> Option<Notice> {
        Some(Notice { id, at: Moment::from_nanos(id), news })
    }

    #[test]
    fn only_what_still_holds_stands() {
        let mut standing = Standing::default();
        standing.keep(notice(1, News::Opened { pid: 7 }));
        standing.keep(notice(2, News::State(State::Running)));
        standing.keep(notice(3, News::Resized(Winsize::new(24, 80))));
        standing.keep(notice(4, News::State(State::Draining)));
        let ids: Vec<_> = standing.notices().iter().map(|notice| notice.id).collect();
        assert_eq!(ids, [1, 3, 4]);
    }
}
