//! Orders of operators and their answers.

use super::{End, Phase, SessionCore};
use crate::approval::{Answer, Decision};
use crate::control::{Action, Command, News};
use crate::identity::Identity;
use crate::ids::BlockId;
use crate::policy::SelfApproval;
use crate::record::Body;

impl SessionCore {
    pub(super) fn order(&mut self, command: Command) {
        let Command { id, by, action } = command;
        let result = match action {
            Action::Block { reason } => self.order_block(reason, by),
            Action::Approve { block, comment } => {
                self.order_decision(block, Answer::Approve, by, comment)
            }
            Action::Reject { block, comment } => {
                self.order_decision(block, Answer::Reject, by, comment)
            }
            Action::Terminate => self.order_end(by),
            Action::Resize(winsize) if self.pty => {
                self.resized(winsize);
                Ok(())
            }
            Action::Resize(_) => Err("the session has no terminal".to_owned()),
        };
        self.publish(News::Answer { command: id, result });
    }

    fn order_block(&mut self, reason: String, by: Identity) -> Result<(), String> {
        match &self.phase {
            Phase::Running => {
                let reason = if reason.is_empty() { format!("by {}", by.name) } else { reason };
                self.block(reason, by, None);
                Ok(())
            }
            Phase::Blocked(block) => Err(format!("already blocked (block {})", block.id)),
            _ => Err("the session is ending".to_owned()),
        }
    }

    fn order_decision(
        &mut self,
        wanted: Option<BlockId>,
        answer: Answer,
        by: Identity,
        comment: String,
    ) -> Result<(), String> {
        let Phase::Blocked(block) = &self.phase else {
            return Err("the session is not blocked".to_owned());
        };
        if let Some(wanted) = wanted.filter(|wanted| *wanted != block.id) {
            return Err(format!("block {wanted} is not open; block {} is", block.id));
        }
        let own = self.is_user(&by);
        if own
            && answer == Answer::Approve
            && self.policy.blocking.self_approval == SelfApproval::Never
        {
            return Err("the blocked user may not approve his own block".to_owned());
        }
        self.decide(Decision { by, answer, comment: super::banner::sanitise(&comment), own });
        Ok(())
    }

    /// Whether it is the session's own user who orders.
    fn is_user(&self, by: &Identity) -> bool {
        *by == self.user || (by.uid.is_some() && by.uid == self.user.uid)
    }

    fn order_end(&mut self, by: Identity) -> Result<(), String> {
        match &self.phase {
            Phase::Running | Phase::Blocked(_) => {
                let who = super::banner::sanitise(&by.name);
                let own = if self.is_user(&by) { ", the session's own user" } else { "" };
                self.record(Body::Marker {
                    name: "session.terminated".into(),
                    text: format!("ordered by {who}{own}"),
                });
                self.publish(News::Terminated { by });
                self.tell(super::Message::Terminated);
                self.terminate(End::Terminated);
                Ok(())
            }
            _ => Err("the session is ending already".to_owned()),
        }
    }
}
