//! `auditty expire`: removes sessions whose time is up.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use audit_journal::{SessionState, SessionSummary, Status, root_of, sessions};

use super::checked::verified;
use super::{locate, since};
use crate::args::ExpireArgs;
use crate::context::Context;
use crate::failure::{self, Failure};
use crate::log::{AuditLog, LogSettings};
use crate::text;

/// Exit status when something that was asked for stays.
const STAYS: u8 = 1;

/// Carries out `auditty expire`. What cannot be removed is told, and the others are removed.
///
/// # Errors
/// A session is not there, the journal directory cannot be listed, or nobody reads what is told.
pub(crate) fn expire(context: &Context, args: &ExpireArgs) -> anyhow::Result<u8> {
    let dirs = match &args.before {
        Some(before) => ended_before(context, since::point_in_time("--before", before)?)?,
        None => args.sessions.iter().map(|s| locate(context, s)).collect::<Result<_, _>>()?,
    };
    let loaded = context.load()?;
    let mut log = AuditLog::new(LogSettings::of(&loaded.config));
    let mut status = 0;
    for dir in dirs {
        let name = dir.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let removed = match args.dry_run {
            true => is_fit(context, args, &dir),
            false => is_fit(context, args, &dir).and_then(|()| remove(&loaded, &dir)),
        };
        match removed {
            Ok(()) if args.dry_run => writeln!(io::stdout(), "{name} would expire")?,
            Ok(()) => {
                writeln!(io::stdout(), "{name} expired")?;
                if let Err(error) = log.expired(&name) {
                    writeln!(io::stderr(), "auditty: audit log: {error}")?;
                }
            }
            Err(error) => {
                status = STAYS;
                let line = text::sanitised(&failure::line(&error));
                writeln!(io::stderr(), "auditty: {line}")?;
            }
        }
    }
    Ok(status)
}

/// Sessions that ended before this time, oldest first.
fn ended_before(context: &Context, before: u64) -> anyhow::Result<Vec<PathBuf>> {
    let Some(root) = super::existing_root(context, 1)? else { return Ok(Vec::new()) };
    let over = |summary: &SessionSummary| {
        !matches!(summary.state, SessionState::Active | SessionState::Blocked)
            && summary.opened_unix_millis.saturating_add(summary.duration_millis) < before
    };
    let mut found = sessions(&root)?;
    found.retain(|(_, summary)| summary.as_ref().is_ok_and(over));
    Ok(found.into_iter().rev().map(|(dir, _)| dir).collect())
}

/// Whether nothing is lost with a session but the session.
fn is_fit(context: &Context, args: &ExpireArgs, dir: &Path) -> anyhow::Result<()> {
    if args.unverified {
        return Ok(());
    }
    let report = verified(context, dir)?;
    match report.status {
        Status::Intact | Status::Truncated => Ok(()),
        status => {
            let message = format!("{report}; --unverified removes it nevertheless");
            Err(Failure::new(status.code(), message).into())
        }
    }
}

fn remove(loaded: &crate::config::Loaded, dir: &Path) -> anyhow::Result<()> {
    let root = root_of(dir).unwrap_or_else(|| loaded.config.journal.dir.clone());
    let settings = loaded.config.journal_settings(&root);
    Ok(audit_journal::expire(dir, &settings, text::now_unix_millis())?)
}
