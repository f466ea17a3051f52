//! Verifying one session.

use std::path::Path;

use super::{Believed, Check, Progress, Report, Status, Trust};
use crate::hostlog::{self, HostLogView};
use crate::keys::host_verifier;
use crate::layout;

/// Verifies the session in `dir`, and what the host log of its root says about it. Safe while the
/// session is being recorded.
pub fn verify(dir: &Path, trust: &Trust, progress: Option<Progress<'_>>) -> Report {
    let root = layout::root_of(dir);
    let held = root.as_deref().and_then(hostlog::published).map(|v| v.key);
    let believed = Believed::new(trust, held);
    // The log is read before the journal, so that it is never ahead of it.
    let log = root.as_deref().map(|root| {
        HostLogView::read(root, believed.key().map(host_verifier).as_ref(), layout::named(dir))
    });
    match log.transpose() {
        Ok(log) => verify_with(dir, believed, log.flatten().as_ref(), super::helpers(), progress),
        Err(e) => Report::unreadable(dir, e.to_string()),
    }
}

/// Verifies a session of a root whose key and log are read already.
pub(super) fn verify_with(
    dir: &Path,
    believed: Believed,
    log: Option<&HostLogView>,
    helpers: usize,
    progress: Option<Progress<'_>>,
) -> Report {
    let mut check = Check::new(dir, believed, log, helpers);
    let mut found = match check.run(dir, progress, &mut |_, _| {}) {
        Ok((found, _)) => found,
        Err(e) => (Status::Unreadable, e.to_string()),
    };
    if matches!(found.0, Status::Intact | Status::Truncated) {
        let against = match log {
            Some(log) => check.against(log),
            None => check.misses_log(dir),
        };
        if let Some(against) = against.or_else(|| misplaced(dir)) {
            found = against;
        }
    }
    check.report(dir.to_owned(), found)
}

/// A session that lies elsewhere in its root than it should: there may be another in its place.
fn misplaced(dir: &Path) -> Option<(Status, String)> {
    let (root, session) = (layout::root_of(dir)?, layout::named(dir)?);
    let expected = layout::session_dir(&root, session);
    let here = std::fs::canonicalize(dir).ok()?;
    (here != expected).then(|| {
        let reason = format!("lies where no session of its name belongs; {}", expected.display());
        (Status::HostLogMismatch, format!("{reason} is its place"))
    })
}
