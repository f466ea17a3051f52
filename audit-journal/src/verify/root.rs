//! Checking all sessions of a root, and that none is missing.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use audit_core::SessionId;
use ed25519_dalek::VerifyingKey;

use super::session::verify_with;
use super::{KeySource, Progress, Report, Status, Trust};
use crate::error::Result;
use crate::hostlog::{self, HostLogView, Leaf};
use crate::keys::{fingerprint, host_verifier};
use crate::layout;
use crate::note::Verifier;

/// What the verification of a root found.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RootReport {
    /// Each session, oldest first; sessions only the host log knows are among them.
    pub sessions: Vec<Report>,
    /// What is wrong with the host log itself.
    pub host_log: Option<String>,
}

impl RootReport {
    /// The exit code of `auditty verify`: the gravest, or 0.
    pub fn code(&self) -> u8 {
        let log = self.host_log.as_ref().map(|_| Status::HostLogMismatch);
        self.sessions
            .iter()
            .map(|r| r.status)
            .chain(log)
            .map(Status::code)
            .max_by_key(|c| gravity(*c))
            .unwrap_or(0)
    }
}

/// Graver codes have greater numbers here: a running or crashed session is no proof of meddling.
fn gravity(code: u8) -> u8 {
    match code {
        0 => 0,
        10 => 1,
        1 => 2,
        other => other,
    }
}

/// The key the root itself holds.
pub(super) fn key_of(root: &Path) -> Option<VerifyingKey> {
    let text = std::fs::read_to_string(hostlog::dir(root).join("host.pub")).ok()?;
    Verifier::parse(&text).map(|v| v.key)
}

/// Verifies every session below `root`, as many at a time as there are processors, and finds those
/// that the host log knows and that are not there.
///
/// # Errors
/// The root cannot be listed or its host log cannot be read.
pub fn verify_root(
    root: &Path,
    trust: &Trust,
    progress: Option<Progress<'_>>,
) -> Result<RootReport> {
    let root_key = key_of(root);
    let key = match trust {
        Trust::Key(key) => Some(key.0),
        Trust::FirstUse => root_key,
    };
    // The log first: sessions that begin while we look are then simply more than it knows.
    let log = HostLogView::read(root, key.map(host_verifier).as_ref())?;
    let sessions = layout::sessions(root)?;
    let reports = Mutex::new(BTreeMap::new());
    let next = AtomicUsize::new(0);
    let threads = super::threads();
    // Where there are fewer sessions than processors, the rest helps to unpack.
    let helpers = (threads / sessions.len().max(1)).saturating_sub(1).min(3);
    std::thread::scope(|scope| {
        for _ in 0..threads.min(sessions.len()) {
            scope.spawn(|| {
                while let Some((id, dir)) = sessions.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let report = verify_with(dir, trust, root_key, log.as_ref(), helpers, None);
                    let mut reports = reports.lock().unwrap_or_else(|e| e.into_inner());
                    reports.insert(*id, report);
                    if let Some(progress) = progress {
                        progress(reports.len() as u64, sessions.len() as u64);
                    }
                }
            });
        }
    });
    let mut reports = reports.into_inner().unwrap_or_else(|e| e.into_inner());
    let leaves = log.as_ref().map_or(&[][..], |l| &l.leaves);
    for session in missing(leaves) {
        reports.entry(session).or_insert_with(|| Report {
            session: Some(session),
            status: Status::HostLogMismatch,
            records: 0,
            sealed: 0,
            frame: None,
            unsealed_frames: 0,
            bytes: 0,
            key: KeySource::Root,
            fingerprint: key.as_ref().map(fingerprint),
            reason: "the host log knows this session, and its journal is not there".to_owned(),
        });
    }
    Ok(RootReport {
        sessions: reports.into_values().collect(),
        host_log: log.and_then(|l| l.sound.err()),
    })
}

/// Sessions that must be there: begun, and not expired.
fn missing(leaves: &[Leaf]) -> BTreeSet<SessionId> {
    let mut begun = BTreeSet::new();
    for leaf in leaves {
        match leaf {
            Leaf::Start { session, .. } => begun.insert(*session),
            Leaf::Expired { session, .. } => begun.remove(session),
            Leaf::Head { .. } | Leaf::End { .. } => false,
        };
    }
    begun
}
