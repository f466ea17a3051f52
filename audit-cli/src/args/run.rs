//! Arguments of `run`.

use std::ffi::OsString;

use audit_core::{OnFailure, SessionId};
use clap::{Args, ValueEnum, ValueHint};

/// Arguments of `run`.
#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// Drive the terminal with this engine instead of `audit.implementation`.
    #[arg(long, value_name = "NAME")]
    pub(crate) engine: Option<String>,
    /// Name the session: a UUID that no session has yet. One of another version than 1, 6 and 7 holds
    /// no time and is kept under `1970/01`; sessions are listed by the bytes of their names.
    #[arg(long, value_name = "ID")]
    pub(crate) session_id: Option<SessionId>,
    /// What happens when the journal cannot be written.
    #[arg(long, value_name = "POLICY")]
    pub(crate) on_journal_failure: Option<OnFailureChoice>,
    /// Write nothing to the terminal but what must be seen.
    #[arg(long, short)]
    pub(crate) quiet: bool,
    /// The command and its arguments; without one, the configured shell.
    #[arg(trailing_var_arg = true, value_name = "COMMAND")]
    #[arg(value_hint = ValueHint::CommandWithArguments)]
    pub(crate) command: Vec<OsString>,
}

/// What happens when the journal cannot be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum OnFailureChoice {
    /// End the session.
    Closed,
    /// Go on and say what is missing.
    Open,
    /// Keep records in memory up to a limit, then end the session.
    Spill,
}

impl OnFailureChoice {
    /// The word the configuration uses.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::Spill => "spill",
        }
    }
}

impl From<OnFailureChoice> for OnFailure {
    fn from(choice: OnFailureChoice) -> Self {
        match choice {
            OnFailureChoice::Closed => Self::Closed,
            OnFailureChoice::Open => Self::Open,
            OnFailureChoice::Spill => Self::Spill,
        }
    }
}
