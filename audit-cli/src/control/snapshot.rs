//! How a session stands, put together from its notices.

use std::time::{Duration, Instant};

use audit_core::{BlockId, News, Notice, Outcome, Score, SessionId, SessionSpec, State, Verdict};
use serde_json::{Value, json};

use crate::text;

/// How a session stands.
#[derive(Debug)]
pub(super) struct Snapshot {
    spec: SessionSpec,
    owner: i32,
    state: State,
    pid: Option<i32>,
    block: Option<Block>,
    /// The highest score found so far.
    score: Option<Score>,
    alarm: Option<String>,
    outcome: Option<Outcome>,
}

/// A block that waits.
#[derive(Debug)]
struct Block {
    id: BlockId,
    subject: String,
    asked_by: String,
    until: Instant,
}

impl Snapshot {
    /// A session that was just opened by the process `owner`.
    pub(super) fn new(spec: &SessionSpec, owner: i32) -> Self {
        Self {
            spec: spec.clone(),
            owner,
            state: State::Running,
            pid: None,
            block: None,
            score: None,
            alarm: None,
            outcome: None,
        }
    }

    /// The session as it was opened.
    pub(super) const fn spec(&self) -> &SessionSpec {
        &self.spec
    }

    /// Name of the session.
    pub(super) const fn id(&self) -> SessionId {
        self.spec.id
    }

    /// The process that holds the session; all of the session's descend from it.
    pub(super) const fn owner(&self) -> i32 {
        self.owner
    }

    /// The child, once it runs.
    pub(super) const fn pid(&self) -> Option<i32> {
        self.pid
    }

    /// Takes news in.
    pub(super) fn take(&mut self, notice: &Notice) {
        match &notice.news {
            News::Opened { pid } => self.pid = Some(*pid),
            News::State(state) => self.state = *state,
            News::Blocked { block, approval, verdict } => {
                self.weigh(verdict.as_ref());
                let left = approval.deadline.since(notice.at);
                let now = Instant::now();
                self.block = Some(Block {
                    id: *block,
                    subject: approval.subject.clone(),
                    asked_by: approval.asked_by.to_string(),
                    until: now.checked_add(left).unwrap_or(now + Duration::from_secs(1 << 32)),
                });
            }
            News::Decided { .. } => self.block = None,
            News::Verdict(verdict) => self.weigh(Some(verdict)),
            News::Alarm { name, text } => self.alarm = Some(format!("{name}: {text}")),
            News::Finished(outcome) => self.outcome = Some(outcome.clone()),
            _ => {}
        }
    }

    fn weigh(&mut self, verdict: Option<&Verdict>) {
        if let Some(verdict) = verdict
            && self.score.is_none_or(|highest| verdict.score > highest)
        {
            self.score = Some(verdict.score);
        }
    }

    /// It as JSON.
    pub(super) fn to_json(&self) -> Value {
        let block = self.block.as_ref().map(|block| {
            json!({
                "block": block.id,
                "subject": block.subject,
                "asked_by": block.asked_by,
                "seconds_left": block.until.saturating_duration_since(Instant::now()).as_secs(),
            })
        });
        json!({
            "session": self.spec.id,
            "state": self.state,
            "user": self.spec.user.name,
            "host": self.spec.host,
            "engine": self.spec.engine,
            "pty": self.spec.pty,
            "opened": text::rfc3339(self.spec.opened_unix_millis),
            "command": text::command_line(&self.spec.command),
            "pid": self.pid,
            "block": block,
            "score": self.score.map(text::score),
            "alarm": self.alarm,
            "outcome": self.outcome,
        })
    }
}
