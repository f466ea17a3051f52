//! Approvals as data: one type for a block, a held command, a step of alert response.

use serde::{Deserialize, Serialize};

use crate::identity::Identity;
use crate::moment::Moment;

/// A question that people decide before a deadline.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Approval {
    /// What is to be decided, for people: sanitised, one line.
    pub subject: String,
    /// SHA-256 of exactly what was judged, so that a decision cannot be moved to something else.
    pub digest: [u8; 32],
    /// Who or what asked.
    pub asked_by: Identity,
    /// How many distinct people must agree, from 1.
    pub needed: u8,
    /// When the question closes.
    pub deadline: Moment,
}

/// An answer to an [`Approval`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Decision {
    /// Who decided.
    pub by: Identity,
    /// What was decided.
    pub answer: Answer,
    /// What was said about it; may be empty.
    pub comment: String,
    /// Whether the one who decided is the one who was blocked.
    pub own: bool,
}

/// The answers to an [`Approval`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// Go on.
    Approve,
    /// End the session.
    Reject,
    /// Nobody answered in time and the policy is to end the session.
    ExpireTerminate,
    /// Nobody answered in time and the policy is to go on.
    ExpireResume,
}
