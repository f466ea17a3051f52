//! The monitor's post: windows and requests until they are judged.

use std::collections::VecDeque;
use std::time::Instant;

use audit_core::{Mail, Request, SessionSpec, Window};

use super::lane::{Lane, Violation};
use super::post::Post;
use crate::message::{FromWorker, Hello, ToWorker};

/// A monitor that dies so many times over the same work is not asked about it again.
const DEATHS: u32 = 3;
/// So many windows are kept that are judged but for a late answer: about a MiB.
const OPEN: usize = 16;

/// The monitor's lane.
///
/// Work is judged in order, one at a time, so a death is the doing of the first that was sent.
/// What a dead monitor remembered of earlier windows is gone; the first window that was not judged
/// is judged again by its successor, and so are windows of which a late answer was to come.
#[derive(Debug)]
pub(super) struct JudgeLane {
    post: Post,
    spec: SessionSpec,
    /// What is not judged, in order. The core bounds the windows among it.
    work: VecDeque<ToWorker>,
    /// How many of them the worker has got.
    sent: usize,
    /// How many workers died over the first of them.
    deaths: u32,
    /// The last window that was judged.
    judged: u64,
    open: Open,
}

impl JudgeLane {
    pub(super) fn new(post: Post, spec: SessionSpec) -> Self {
        let work = VecDeque::new();
        Self { post, spec, work, sent: 0, deaths: 0, judged: 0, open: Open::default() }
    }

    pub(super) fn inspect(&mut self, window: Window) {
        self.work.push_back(ToWorker::Inspect(window));
        self.send();
    }

    pub(super) fn judge(&mut self, request: Request) {
        self.work.push_back(ToWorker::Judge(request));
        self.send();
    }

    /// Whether something is out for judgement.
    pub(super) fn is_busy(&self) -> bool {
        !self.work.is_empty()
    }

    /// Sends the worker as much as it takes now; what it does not take is not copied either.
    fn send(&mut self) {
        let Some(worker) = self.post.ready() else { return };
        while worker.wire.is_flushed() {
            let Some(next) = self.work.get(self.sent) else { return };
            self.sent += 1;
            if worker.wire.send(next).is_err() {
                // It is gone, which is noticed when it is read from.
                return;
            }
        }
    }

    /// Takes off the first work if it is what was judged.
    fn judged(
        &mut self,
        answers: impl FnOnce(&ToWorker) -> bool,
    ) -> Result<Option<ToWorker>, Violation> {
        if self.sent == 0 || !self.work.front().is_some_and(answers) {
            return Err(Violation("a judgement nobody asked for"));
        }
        Ok(self.drop_first())
    }

    fn drop_first(&mut self) -> Option<ToWorker> {
        self.sent = self.sent.saturating_sub(1);
        self.deaths = 0;
        self.work.pop_front()
    }
}

/// The answer to work that nobody judges.
fn unjudged(work: ToWorker, reason: &str) -> Option<Mail> {
    let reason = reason.to_owned();
    match work {
        ToWorker::Inspect(window) => {
            Some(Mail::Verdict { window: window.id, verdict: Err(reason) })
        }
        ToWorker::Judge(request) => Some(Mail::Ruling { request: request.id, ruling: Err(reason) }),
        ToWorker::Hello(_) | ToWorker::Tell(_) => None,
    }
}

impl Lane for JudgeLane {
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
        let answer = match message {
            FromWorker::Verdict { window, verdict, open } => {
                let work =
                    self.judged(|work| matches!(work, ToWorker::Inspect(w) if w.id == window))?;
                self.judged = self.judged.max(window);
                self.open.note(work, open);
                Mail::Verdict { window, verdict }
            }
            FromWorker::Settled => {
                self.open.windows.clear();
                return Ok(());
            }
            FromWorker::Late { window, verdict } if window <= self.judged => {
                Mail::Verdict { window, verdict: Ok(verdict) }
            }
            FromWorker::Ruling { request, ruling } => {
                self.judged(|work| matches!(work, ToWorker::Judge(r) if r.id == request))?;
                Mail::Ruling { request, ruling }
            }
            _ => return Err(Violation("what only other workers say")),
        };
        mail.push_back(answer);
        self.send();
        Ok(())
    }

    fn refused(&mut self, reason: &str, mail: &mut VecDeque<Mail>) {
        self.sent = 0;
        mail.extend(self.work.drain(..).filter_map(|work| unjudged(work, reason)));
        self.deaths = 0;
    }

    fn died(&mut self, reason: &str, mail: &mut VecDeque<Mail>) {
        // Otherwise it died of nothing it was asked.
        if self.sent > 0 {
            self.deaths += 1;
        }
        self.sent = 0;
        if self.deaths >= DEATHS {
            let work = self.drop_first();
            mail.extend(work.and_then(|work| unjudged(work, reason)));
        }
        self.open.recall(&mut self.work);
    }
}

/// Windows that are judged, but of which an analyser may have more to say.
#[derive(Debug, Default)]
struct Open {
    windows: VecDeque<Window>,
    /// The last window that was judged again because a monitor died: once must do.
    recalled: u64,
}

impl Open {
    /// A window was judged; `open` tells whether more may come of this and earlier ones.
    fn note(&mut self, work: Option<ToWorker>, open: bool) {
        if !open {
            self.windows.clear();
        } else if let Some(ToWorker::Inspect(window)) = work
            && window.id > self.recalled
        {
            self.windows.push_back(window);
            if self.windows.len() > OPEN {
                self.windows.pop_front();
            }
        }
    }

    /// Puts them before all other work.
    fn recall(&mut self, work: &mut VecDeque<ToWorker>) {
        self.recalled = self.windows.back().map_or(self.recalled, |window| window.id);
        for window in self.windows.drain(..).rev() {
            work.push_front(ToWorker::Inspect(window));
        }
    }
}
