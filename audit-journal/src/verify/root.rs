//! Checking all sessions of a root, and that none is missing.

use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use super::session::verify_with;
use super::{Believed, Progress, Report, Status, Trust};
use crate::error::Result;
use crate::hostlog::{self, HostLogFault, HostLogView};
use crate::keys::{fingerprint, host_verifier};
use crate::layout;

/// What the verification of a root found.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RootReport {
    /// Each session, oldest first; sessions only the host log knows are among them.
    pub sessions: Vec<Report>,
    /// What is wrong with the host log itself.
    pub host_log: Option<HostLogFault>,
    /// Sixteen hexadecimal digits of the fingerprint of the key the root holds, where it holds one.
    pub fingerprint: Option<String>,
}

impl RootReport {
    /// The gravest status, [`Status::Intact`] where there is nothing.
    pub fn status(&self) -> Status {
        let log = self.host_log.as_ref().map(|fault| fault.status);
        self.sessions.iter().map(|r| r.status).chain(log).fold(Status::Intact, Status::graver)
    }

    /// The exit code of `auditty verify`: that of the gravest status.
    pub fn code(&self) -> u8 {
        self.status().code()
    }
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
    let held = hostlog::published(root).map(|v| v.key);
    let believed = Believed::new(trust, held);
    // The log first: sessions that begin while we look are then simply more than it knows.
    let log = HostLogView::read(root, believed.key().map(host_verifier).as_ref(), None)?;
    let sessions = layout::sessions(root)?;
    let found = Mutex::new(Vec::with_capacity(sessions.len()));
    let next = AtomicUsize::new(0);
    let threads = super::threads();
    // Where there are fewer sessions than processors, the rest helps to unpack.
    let helpers = (threads / sessions.len().max(1)).saturating_sub(1).min(3);
    let meter = Meter::new(progress, sessions.iter().map(|(_, dir)| layout::stored(dir)).sum());
    std::thread::scope(|scope| {
        for _ in 0..threads.min(sessions.len()) {
            scope.spawn(|| {
                loop {
                    let n = next.fetch_add(1, Ordering::Relaxed);
                    let Some((_, dir)) = sessions.get(n) else { return };
                    let part = AtomicU64::new(0);
                    let report = verify_with(
                        dir,
                        believed,
                        log.as_ref(),
                        helpers,
                        Some(&|done, _| meter.add(done - part.swap(done, Ordering::Relaxed))),
                    );
                    found.lock().unwrap_or_else(|e| e.into_inner()).push((n, report));
                }
            });
        }
    });
    let mut found = found.into_inner().unwrap_or_else(|e| e.into_inner());
    found.sort_unstable_by_key(|(n, _)| *n);
    let mut reports: Vec<Report> = found.into_iter().map(|(_, report)| report).collect();
    let there = |session| sessions.binary_search_by_key(&session, |(id, _)| *id).is_ok();
    let missing = log.iter().flat_map(HostLogView::expected).filter(|session| !there(*session));
    reports.extend(missing.map(|session| Report {
        key: believed.source,
        fingerprint: believed.key().as_ref().map(fingerprint),
        ..Report::missing(session)
    }));
    reports.sort_by_key(|report| report.session);
    let strange = matches!(trust, Trust::Known(_)) && held != believed.key();
    let strange = strange
        .then(|| HostLogFault::stranger("the root does not hold the host key it is known by"));
    Ok(RootReport {
        sessions: reports,
        host_log: strange.or_else(|| log.and_then(|l| l.fault)),
        fingerprint: held.as_ref().map(fingerprint),
    })
}

/// Adds up how far all threads are.
struct Meter<'a> {
    progress: Option<Progress<'a>>,
    done: AtomicU64,
    total: u64,
}

impl<'a> Meter<'a> {
    fn new(progress: Option<Progress<'a>>, total: u64) -> Self {
        Self { progress, done: AtomicU64::new(0), total }
    }

    fn add(&self, bytes: u64) {
        let done = self.done.fetch_add(bytes, Ordering::Relaxed) + bytes;
        if let Some(progress) = self.progress {
            progress(done, self.total);
        }
    }
}
