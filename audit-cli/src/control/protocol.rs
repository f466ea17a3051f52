//! What goes over a session's socket: one JSON object a line, one answer for each request.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The longest line either side reads, in bytes.
pub(super) const LONGEST_LINE: usize = 64 << 10;

/// The longest reason or comment, in bytes.
pub(super) const LONGEST_TEXT: usize = 4 << 10;

/// A request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "action", rename_all = "lowercase", deny_unknown_fields)]
pub(super) enum Request {
    /// Tell how the session stands.
    Status,
    /// Stop the session until somebody decides.
    Block {
        /// Why; may be empty.
        #[serde(default)]
        reason: String,
    },
    /// Let a blocked session go on.
    Approve {
        /// Which block; the present one when it is left out.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        block: Option<u32>,
        /// What is said about it; may be empty.
        #[serde(default)]
        comment: String,
    },
    /// End a blocked session.
    Reject {
        /// Which block; the present one when it is left out.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        block: Option<u32>,
        /// What is said about it; may be empty.
        #[serde(default)]
        comment: String,
    },
    /// End the session.
    Terminate,
}

impl Request {
    /// Whether this decides a block.
    pub(super) const fn decides(&self) -> bool {
        matches!(self, Self::Approve { .. } | Self::Reject { .. })
    }

    /// The free text in it.
    pub(super) fn text(&self) -> &str {
        match self {
            Self::Block { reason } => reason,
            Self::Approve { comment, .. } | Self::Reject { comment, .. } => comment,
            Self::Status | Self::Terminate => "",
        }
    }
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Answer {
    /// Whether the request was followed.
    pub(super) ok: bool,
    /// Why it was not, one line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) error: Option<String>,
    /// How the session stands, when that was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) status: Option<Value>,
}

impl Answer {
    /// The request was followed.
    pub(super) const fn done() -> Self {
        Self { ok: true, error: None, status: None }
    }

    /// How the session stands.
    pub(super) const fn status(status: Value) -> Self {
        Self { ok: true, error: None, status: Some(status) }
    }

    /// The request was refused.
    pub(super) fn refused(error: impl Into<String>) -> Self {
        Self { ok: false, error: Some(error.into()), status: None }
    }
}
