//! Arguments of `ctl`.

use clap::{Args, Subcommand};

/// Arguments of `ctl`.
#[derive(Debug, Args)]
pub(crate) struct CtlArgs {
    /// Which session: an id or a unique prefix. Not needed when exactly one is running.
    #[arg(long, global = true, value_name = "S")]
    pub(crate) session: Option<String>,
    /// What is ordered.
    #[command(subcommand)]
    pub(crate) action: CtlAction,
}

/// Orders to a running session.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum CtlAction {
    /// Print how the session stands.
    Status {
        /// One JSON object.
        #[arg(long)]
        json: bool,
    },
    /// Stop the session until somebody decides.
    Block {
        /// Why.
        #[arg(long, value_name = "R", default_value = "")]
        reason: String,
    },
    /// Let a blocked session go on.
    Approve {
        /// What is said about it.
        #[arg(long, value_name = "C", default_value = "")]
        comment: String,
    },
    /// End a blocked session.
    Reject {
        /// What is said about it.
        #[arg(long, value_name = "C", default_value = "")]
        comment: String,
    },
    /// End the session.
    Terminate,
}
