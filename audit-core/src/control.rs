//! What a controller is told and what it may order.

use serde::{Deserialize, Serialize};

use crate::approval::{Approval, Decision};
use crate::identity::Identity;
use crate::ids::BlockId;
use crate::moment::Moment;
use crate::monitor::Verdict;
use crate::outcome::Outcome;
use crate::session::State;
use crate::terminal::Winsize;

/// Something those who watch a session are told. Never holds typed or shown bytes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Notice {
    /// Number of the notice in its session, from 1.
    pub id: u64,
    /// When it happened.
    pub at: Moment,
    /// What happened.
    pub news: News,
}

/// The kinds of notice.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum News {
    /// The child runs.
    Opened {
        /// Process id of the child.
        pid: i32,
    },
    /// The session's state changed.
    State(State),
    /// The session is blocked; comes once the block is in the journal.
    Blocked {
        /// Which block.
        block: BlockId,
        /// What is asked.
        approval: Approval,
        /// What blocked it; `None` when an operator did.
        verdict: Option<Verdict>,
    },
    /// A block was decided.
    Decided {
        /// Which block.
        block: BlockId,
        /// How.
        decision: Decision,
    },
    /// An operator ended the session.
    Terminated {
        /// Who.
        by: Identity,
    },
    /// A verdict worth telling that did not block.
    Verdict(Verdict),
    /// The terminal has a new size.
    Resized(Winsize),
    /// Something is wrong with the recording or a lane, for people.
    Alarm {
        /// Stable name, such as `recorder.failed`.
        name: String,
        /// One line.
        text: String,
    },
    /// Answer to the [`Command`] with this number.
    Answer {
        /// [`Command::id`].
        command: u64,
        /// `Ok`, or why the command cannot be followed, one line.
        result: Result<(), String>,
    },
    /// The session is over.
    Finished(Outcome),
}

/// An order from outside.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Command {
    /// Number the answer will carry; chosen by the controller.
    pub id: u64,
    /// Who gives the order.
    pub by: Identity,
    /// What is ordered.
    pub action: Action,
}

/// The orders.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Action {
    /// Stop the session until somebody decides.
    Block {
        /// Why; may be empty.
        reason: String,
    },
    /// Let a blocked session go on.
    Approve {
        /// Which block; `None` for the present one.
        block: Option<BlockId>,
        /// What is said about it; may be empty.
        comment: String,
    },
    /// End a blocked session.
    Reject {
        /// Which block; `None` for the present one.
        block: Option<BlockId>,
        /// What is said about it; may be empty.
        comment: String,
    },
    /// End the session.
    Terminate,
    /// Give the terminal a new size.
    Resize(Winsize),
}
