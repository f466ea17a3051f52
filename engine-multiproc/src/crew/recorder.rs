//! The recorder's post.

use std::collections::VecDeque;
use std::time::Instant;

use audit_core::{Durability, Mail, Record, SessionSpec};

use super::backlog::Backlog;
use super::lane::{Lane, Violation};
use super::post::Post;
use crate::message::{FromWorker, Hello};

/// So many deaths in a row, without one flush done, and the recorder counts as failed.
const DEATHS: u32 = 5;

/// The recorder's lane.
///
/// A recorder that keeps dying, or that cannot be built again, counts as failed: the core decides
/// what becomes of the session, and is told when another one works.
#[derive(Debug)]
pub(super) struct RecorderLane {
    post: Post,
    backlog: Backlog,
    spec: SessionSpec,
    deaths: u32,
    /// Whether the core was told that nothing is recorded.
    failed: bool,
    closed: bool,
}

impl RecorderLane {
    pub(super) fn new(post: Post, backlog: Backlog, spec: SessionSpec) -> Self {
        Self { post, backlog, spec, deaths: 0, failed: false, closed: false }
    }

    pub(super) fn record(&mut self, record: Record) {
        if self.backlog.record(record) {
            self.wake();
        }
    }

    pub(super) fn flush(&mut self, durability: Durability) {
        if self.backlog.point(Some(durability)) {
            self.wake();
        }
    }

    pub(super) fn close(&mut self) {
        if self.backlog.point(None) {
            self.wake();
        }
    }

    fn wake(&mut self) {
        if let Some(worker) = self.post.ready() {
            // A worker that is gone is noticed when it is read from.
            let _ = worker.wire.wake();
        }
    }

    fn fail(&mut self, reason: String, mail: &mut VecDeque<Mail>) {
        self.deaths = 0;
        if self.backlog.write_off() {
            self.closed = true;
            mail.push_back(Mail::RecorderClosed { failure: Some(reason) });
        } else if !self.closed {
            self.failed = true;
            mail.push_back(Mail::RecorderFailed { reason });
        }
    }
}

impl Lane for RecorderLane {
    fn post(&mut self) -> &mut Post {
        &mut self.post
    }

    fn restart(&mut self, now: Instant) -> bool {
        let hello = Hello { spec: self.spec.clone(), staged: Some(self.backlog.settled()) };
        self.post.restart(Some(self.backlog.memory()), &hello, now)
    }

    fn took_office(&mut self, mail: &mut VecDeque<Mail>) {
        if std::mem::take(&mut self.failed) {
            mail.push_back(Mail::RecorderRecovered);
        }
        self.wake();
    }

    fn heard(&mut self, message: FromWorker, mail: &mut VecDeque<Mail>) -> Result<(), Violation> {
        match message {
            FromWorker::Flushed { number, recorded, failure } => {
                let last = self.backlog.settle(number, false)?;
                if recorded.is_some_and(|through| through > last.seq) {
                    return Err(Violation("a receipt for records it never got"));
                }
                mail.extend(recorded.map(|through| Mail::Recorded { through }));
                if let Some(reason) = failure {
                    self.backlog.pass_over();
                    mail.push_back(Mail::RecorderFailed { reason });
                }
            }
            FromWorker::Closed { number, failure } => {
                self.backlog.settle(number, true)?;
                self.closed = true;
                mail.push_back(Mail::RecorderClosed { failure });
            }
            _ => return Err(Violation("what only other workers say")),
        }
        self.deaths = 0;
        if self.backlog.catch_up() {
            self.wake();
        }
        Ok(())
    }

    fn refused(&mut self, reason: &str, mail: &mut VecDeque<Mail>) {
        self.fail(reason.to_owned(), mail);
    }

    fn died(&mut self, reason: &str, mail: &mut VecDeque<Mail>) {
        if self.closed {
            // It has done all its work and ends.
            self.post.abolish();
            return;
        }
        self.deaths += 1;
        if self.deaths >= DEATHS {
            self.fail(reason.to_owned(), mail);
        }
    }
}
