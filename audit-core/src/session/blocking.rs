//! Blocks and decisions.

use std::time::Duration;

use sha2::{Digest, Sha256};

use super::banner::{Message, sanitise};
use super::verdicts::subject;
use super::{End, Phase, SessionCore};
use crate::approval::{Answer, Approval, Decision};
use crate::control::News;
use crate::event::Effect;
use crate::identity::Identity;
use crate::ids::BlockId;
use crate::interfaces::Durability;
use crate::moment::Moment;
use crate::monitor::Verdict;
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
    /// Rule and text of everything it is about: the same is no further threat.
    known: Vec<(String, String)>,
    /// Further threats that came while it waits, as one. They are a block of their own once this
    /// one is approved.
    further: Option<Verdict>,
}

/// The approval of further threats names no more findings than this.
const FURTHER: usize = 16;

impl Block {
    pub(super) const fn until(&self) -> Moment {
        self.approval.deadline
    }

    /// Whether a verdict tells of something else than what is asked, or is asked next.
    pub(super) fn is_new(&self, verdict: &Verdict) -> bool {
        verdict.findings.is_empty() || !findings(verdict).all(|found| self.known.contains(&found))
    }

    /// Keeps a further threat for the decision after this one.
    pub(super) fn keep(&mut self, verdict: Verdict) {
        self.known.extend(findings(&verdict));
        let further = self.further.get_or_insert_with(Verdict::default);
        if verdict.score > further.score {
            further.score = verdict.score;
        }
        further.findings.extend(verdict.findings);
        further.findings.sort_by(|a, b| b.score.value().total_cmp(&a.score.value()));
        further.findings.truncate(FURTHER);
    }
}

fn findings(verdict: &Verdict) -> impl Iterator<Item = (String, String)> {
    verdict.findings.iter().map(|found| (found.rule.clone(), found.excerpt.clone()))
}

impl SessionCore {
    /// Blocks a running session: input stops and the child freezes at once; it is shown when it is
    /// in the journal.
    pub(super) fn block(&mut self, subject: String, by: Identity, verdict: Option<Verdict>) {
        if let Some(verdict) = &verdict {
            self.record(Body::Verdict(verdict.clone()));
        }
        self.effects.push_back(Effect::Freeze);
        if self.pty {
            // What is typed is refused; the data of a pipe waits for the decision.
            let refused = self.egress.clear(Port::Child);
            if refused > 0 {
                self.record(Body::Refused { bytes: refused });
            }
        }
        self.ask(subject, by, verdict);
    }

    /// Puts the question a block waits on. The child is frozen.
    fn ask(&mut self, subject: String, by: Identity, verdict: Option<Verdict>) {
        let mut digest = Sha256::new();
        digest.update(subject.as_bytes());
        for finding in verdict.iter().flat_map(|v| &v.findings) {
            digest.update(finding.rule.as_bytes());
            digest.update(finding.excerpt.as_bytes());
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
        let record = self.record_durably(Body::Blocked { block: id, approval: approval.clone() });
        self.phase = Phase::Blocked(Box::new(Block {
            id,
            approval,
            known: verdict.iter().flat_map(findings).collect(),
            further: None,
            verdict,
            record,
            announced: false,
            refused: false,
        }));
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
        let Phase::Blocked(block) = &mut self.phase else { return };
        let (id, further) = (block.id, block.further.take());
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
            Answer::Approve | Answer::ExpireResume => match further {
                // Nobody was asked about it yet, so the child stays frozen.
                Some(verdict) => {
                    self.ask(subject(&verdict), Identity::service("monitor"), Some(verdict));
                }
                None => {
                    self.phase = Phase::Running;
                    self.effects.push_back(Effect::Thaw);
                }
            },
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

    /// Makes what was recorded survive before the process stops or something is shown.
    pub(super) fn flush(&mut self, durability: Durability) {
        let durability = self.recording.flush(durability);
        self.effects.push_back(Effect::Flush(durability));
    }
}
