//! Verdicts and blocks.

use std::time::Duration;

use sha2::{Digest, Sha256};

use super::banner::{Message, sanitise};
use super::{End, Phase, SessionCore};
use crate::approval::{Answer, Approval, Decision};
use crate::control::News;
use crate::event::Effect;
use crate::identity::Identity;
use crate::ids::BlockId;
use crate::interfaces::Durability;
use crate::moment::Moment;
use crate::monitor::{Ruling, Score, Verdict};
use crate::policy::OnTimeout;
use crate::record::Body;
use crate::stream::Port;

/// A block that waits for a decision.
#[derive(Debug)]
pub(super) struct Block {
    pub(super) id: BlockId,
    approval: Approval,
    verdict: Option<Verdict>,
    /// Record that must be durable before anything is shown of the block.
    record: u64,
    announced: bool,
    /// Whether input was dropped and the user was told.
    pub(super) refused: bool,
}

impl Block {
    pub(super) const fn until(&self) -> Moment {
        self.approval.deadline
    }
}

impl SessionCore {
    pub(super) fn verdict(&mut self, window: u64, verdict: Result<Verdict, String>) {
        let Some(watch) = &mut self.watch else { return };
        let back = watch.judged(window);
        self.passed.judged = watch.judged_through();
        if let Some(skipped) = back {
            self.trouble(
                "monitor.back".into(),
                format!("the monitor answers again; {skipped} bytes were not judged"),
            );
        }
        match verdict {
            Ok(verdict) => self.weigh(verdict, self.policy.blocking.threshold),
            Err(reason) => {
                self.trouble("monitor.failed".into(), format!("window {window}: {reason}"));
            }
        }
    }

    pub(super) fn ruling(&mut self, request: u64, ruling: Result<Ruling, String>) {
        match ruling {
            Ok(Ruling::Allow) => {}
            // The monitor has decided: no score is too low for that.
            Ok(Ruling::Deny(verdict) | Ruling::Ask(verdict)) => self.weigh(verdict, Score::ZERO),
            Err(reason) => {
                self.trouble("monitor.failed".into(), format!("request {request}: {reason}"));
            }
        }
    }

    fn weigh(&mut self, verdict: Verdict, threshold: Score) {
        if self.policy.blocking.enabled
            && verdict.score >= threshold
            && matches!(self.phase, Phase::Running)
        {
            let worst = verdict.findings.first();
            let subject = worst.map_or_else(
                || "a monitor's verdict".to_owned(),
                |finding| format!("{} [{}]", finding.title, finding.rule),
            );
            let by = Identity::service("monitor");
            self.block(subject, by, Some(verdict));
        } else if !verdict.findings.is_empty() || !verdict.secrets.is_empty() {
            self.record(Body::Verdict(verdict.clone()));
            if verdict.score > Score::ZERO {
                self.publish(News::Verdict(verdict));
            }
        }
    }

    /// Blocks a running session: input stops and the child freezes at once; it is shown when it is
    /// in the journal.
    pub(super) fn block(&mut self, subject: String, by: Identity, verdict: Option<Verdict>) {
        let mut digest = Sha256::new();
        digest.update(subject.as_bytes());
        for finding in verdict.iter().flat_map(|v| &v.findings) {
            digest.update(finding.rule.as_bytes());
            digest.update(finding.excerpt.as_bytes());
        }
        if let Some(verdict) = &verdict {
            self.record(Body::Verdict(verdict.clone()));
        }
        self.blocks += 1;
        let id = BlockId(self.blocks);
        let approval = Approval {
            subject: sanitise(&subject),
            digest: digest.finalize().into(),
            asked_by: by,
            needed: 1,
            deadline: self.now + self.policy.blocking.approval_timeout,
        };
        self.effects.push_back(Effect::Freeze);
        if self.pty {
            // What is typed is refused; the data of a pipe waits for the decision.
            let refused = self.egress.clear(Port::Child);
            if refused > 0 {
                self.record(Body::Refused { bytes: refused });
            }
        }
        let record = self.record_durably(Body::Blocked { block: id, approval: approval.clone() });
        self.phase = Phase::Blocked(Block {
            id,
            approval,
            verdict,
            record,
            announced: false,
            refused: false,
        });
        self.announce_block();
    }

    /// Shows a block whose record is durable, or cannot be.
    pub(super) fn announce_block(&mut self) {
        let Phase::Blocked(block) = &mut self.phase else { return };
        if block.announced || !self.recording.is_settled(block.record) {
            return;
        }
        block.announced = true;
        let (id, approval) = (block.id, block.approval.clone());
        let verdict = block.verdict.take();
        let wait = approval.deadline.since(self.now).max(Duration::from_secs(1));
        self.tell(Message::Blocked { block: id, reason: &approval.subject, wait });
        self.publish(News::Blocked { block: id, approval, verdict });
    }

    /// Carries out the decision of a block.
    pub(super) fn decide(&mut self, decision: Decision) {
        let Phase::Blocked(block) = &self.phase else { return };
        let id = block.id;
        let by = decision.by.name.clone();
        let answer = decision.answer;
        self.record_durably(Body::Decided { block: id, decision: decision.clone() });
        self.publish(News::Decided { block: id, decision });
        let message = match answer {
            Answer::Approve => Message::Approved { block: id, by: &by },
            Answer::Reject => Message::Rejected { block: id, by: &by },
            Answer::ExpireResume => Message::Expired { block: id, resumed: true },
            Answer::ExpireTerminate => Message::Expired { block: id, resumed: false },
        };
        self.tell(message);
        match answer {
            Answer::Approve | Answer::ExpireResume => {
                self.phase = Phase::Running;
                self.effects.push_back(Effect::Thaw);
            }
            Answer::Reject => self.terminate(End::Rejected),
            Answer::ExpireTerminate => self.terminate(End::Expired),
        }
    }

    /// Nobody decided in time.
    pub(super) fn block_expires(&mut self) {
        let answer = match self.policy.blocking.on_timeout {
            OnTimeout::Terminate => Answer::ExpireTerminate,
            OnTimeout::Resume => Answer::ExpireResume,
        };
        let by = Identity::service("deadline");
        self.decide(Decision { by, answer, comment: String::new(), own: false });
    }

    /// The monitor's time is up.
    pub(super) fn check_monitor(&mut self) {
        let now = self.now;
        let Some(watch) = &mut self.watch else { return };
        while let Some(window) = watch.due(now, false) {
            self.effects.push_back(Effect::Inspect(window));
        }
        if watch.stalls(now) {
            self.passed.judged = watch.judged_through();
            self.trouble(
                "monitor.stalled".into(),
                "the monitor did not answer in time; the session goes on unjudged".into(),
            );
        }
    }

    /// Hands the last windows over at the end.
    pub(super) fn inspect_rest(&mut self) {
        let now = self.now;
        let Some(watch) = &mut self.watch else { return };
        while let Some(window) = watch.due(now, true) {
            self.effects.push_back(Effect::Inspect(window));
        }
    }

    /// Makes what was recorded survive before the process stops or something is shown.
    pub(super) fn flush(&mut self, durability: Durability) {
        let durability = self.recording.flush(durability);
        self.effects.push_back(Effect::Flush(durability));
    }
}
