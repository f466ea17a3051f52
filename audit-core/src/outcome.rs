//! How a child and a session end.

use serde::{Deserialize, Serialize};

/// How a child ended, as `waitid(2)` tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Exit {
    /// It returned this code, `0..=255`.
    Code(i32),
    /// A signal killed it.
    Signal {
        /// Number of the signal.
        number: i32,
        /// Whether a core was dumped.
        core: bool,
    },
}

impl Exit {
    /// The status a shell would report: the code itself, or 128 + the signal's number.
    pub const fn status(self) -> i32 {
        match self {
            Self::Code(code) => code,
            Self::Signal { number, .. } => 128 + number,
        }
    }
}

/// Why a session ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// The child ended by itself.
    Exited,
    /// The user's terminal went away, or a hang-up signal came.
    HangUp,
    /// A block was rejected.
    Rejected,
    /// A block's deadline passed without a decision.
    Expired,
    /// Somebody with the right to do so ended the session.
    Terminated,
    /// The session lasted longer than `session_timeout`.
    TimedOut,
    /// The journal could not be written and the policy is `closed`.
    JournalFailed,
    /// The child ended, and something it wrote could not be written where the user wanted it.
    OutputFailed,
    /// The command could not be started.
    SpawnFailed {
        /// `errno(3)` of the failed step.
        errno: i32,
        /// What was tried, and why it failed.
        message: String,
    },
}

impl End {
    /// Stable name, as reports and the audit log write it.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Exited => "exited",
            Self::HangUp => "hangup",
            Self::Rejected => "rejected",
            Self::Expired => "expired",
            Self::Terminated => "terminated",
            Self::TimedOut => "timed_out",
            Self::JournalFailed => "journal_failed",
            Self::OutputFailed => "output_failed",
            Self::SpawnFailed { .. } => "spawn_failed",
        }
    }
}

/// What a session came to. Its last record and its last effect carry it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// How the child ended; `None` when it never started or could not be waited for.
    pub exit: Option<Exit>,
    /// Why the session ended.
    pub end: End,
    /// What was shown or typed but is not in the journal, if anything.
    pub lost: Option<Loss>,
}

impl Outcome {
    /// Exit status when output could not be written where the user wanted it (`EX_CANTCREAT` of
    /// `sysexits.h`).
    pub const OUTPUT_FAILED: i32 = 73;
    /// Exit status of a journal failure under the `closed` policy (`EX_IOERR` of `sysexits.h`).
    pub const JOURNAL_FAILED: i32 = 74;
    /// Exit status of a session that a block ended.
    pub const BLOCKED: i32 = 77;

    /// The exit status `auditty run` reports for this outcome.
    pub fn status(&self) -> i32 {
        match &self.end {
            End::OutputFailed => Self::OUTPUT_FAILED,
            End::JournalFailed => Self::JOURNAL_FAILED,
            End::Rejected | End::Expired => Self::BLOCKED,
            // ENOENT and ENOTDIR: not found; anything else: found, yet not executable.
            End::SpawnFailed { errno: 2 | 20, .. } => 127,
            End::SpawnFailed { .. } => 126,
            _ => self.exit.map_or(1, Exit::status),
        }
    }
}

/// Bytes which the journal does not hold, stated instead of hidden.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Loss {
    /// First record that is missing.
    pub from: u64,
    /// Last record that is missing.
    pub through: u64,
    /// How many bytes of user and child data those records held.
    pub bytes: u64,
    /// Why they are missing.
    pub reason: String,
}
