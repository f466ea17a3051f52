//! Sessions that are verified before anything is made of them.

use std::io::{Write as _, stderr};
use std::path::Path;

use audit_journal::{Report, SessionState, Status, root_of};

use super::progress::Progress;
use crate::context::Context;
use crate::failure::Failure;
use crate::known::KnownKeys;

/// What to do with a session that fails verification.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted<'a> {
    /// What would be done with it, as in "`plays` it nevertheless".
    pub(super) verb: &'a str,
    /// Take it all the same, with a warning.
    pub(super) unverified: bool,
    /// Whether what a crash cut off is refused as well.
    pub(super) whole: bool,
}

/// Verifies the session in `dir` with the key its directory is known by. A session that still runs
/// has no end yet; that is no fault.
///
/// # Errors
/// It is not fit for what is wanted; the exit status is that of `auditty verify`.
pub(super) fn checked(context: &Context, dir: &Path, wanted: Wanted<'_>) -> anyhow::Result<()> {
    let report = verified(context, dir)?;
    let running = || {
        let state = audit_journal::summary(dir).map(|s| s.state);
        matches!(state, Ok(SessionState::Active | SessionState::Blocked))
    };
    match report.status {
        Status::Intact => return Ok(()),
        Status::Truncated if running() => return Ok(()),
        Status::Truncated if !wanted.whole && !wanted.unverified => {
            writeln!(stderr(), "auditty: note: {}", line(&report))?;
            return Ok(());
        }
        _ => {}
    }
    if wanted.unverified {
        writeln!(stderr(), "auditty: warning: {}", line(&report))?;
        return Ok(());
    }
    let message = format!("{report}; --unverified {} it nevertheless", wanted.verb);
    Err(Failure::new(report.status.code(), message).into())
}

/// What the verification of the session in `dir` finds.
///
/// # Errors
/// The configuration is wrong, or the known keys cannot be read.
pub(super) fn verified(context: &Context, dir: &Path) -> anyhow::Result<Report> {
    let trust = KnownKeys::of(&context.load()?.config).trust(root_of(dir).as_deref())?;
    let progress = Progress::new("verify");
    Ok(audit_journal::verify(dir, &trust, Some(&|done, all| progress.at(done, all))))
}

fn line(report: &Report) -> String {
    crate::text::sanitised(&report.to_string())
}
