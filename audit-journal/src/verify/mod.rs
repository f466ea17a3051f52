//! Checking that nothing was changed: chain, signatures, epochs, digests, host log.

mod against;
mod check;
mod root;
mod session;
mod trust;

use std::fmt;
use std::path::{Path, PathBuf};

use audit_core::SessionId;

use crate::layout;

pub(crate) use check::{Check, Found};
pub use root::{RootReport, verify_root};
pub use session::verify;
pub(crate) use trust::Believed;
pub use trust::{Trust, TrustedKey};

/// What a verification found. The numbers are the exit codes of `auditty verify`. A session with
/// several faults has the status of the first that is met: on the way through its journal, then
/// against the host log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Status {
    /// Nothing was changed and nothing is missing.
    Intact,
    /// The files cannot be read.
    Unreadable,
    /// A clean beginning without its end: a crash, or the session still runs, or the end was cut.
    Truncated,
    /// Something was changed, inserted, removed or put out of order.
    Corrupt,
    /// A head is not signed by the key of its epoch, or the host is not the one that is trusted.
    BadSignature,
    /// A segment is not there.
    MissingSegment,
    /// An epoch is not there, or is not certified by the one before it.
    BrokenEpoch,
    /// The host log knows better: another end, or a session that is not there.
    HostLogMismatch,
    /// The header says that the journal is sealed, and it is not; or a key was demanded and nothing
    /// is signed.
    Unsealed,
}

impl Status {
    /// Exit code of `auditty verify`.
    pub const fn code(self) -> u8 {
        match self {
            Self::Intact => 0,
            Self::Unreadable => 1,
            Self::Truncated => 10,
            Self::Corrupt => 11,
            Self::BadSignature => 12,
            Self::MissingSegment => 13,
            Self::BrokenEpoch => 14,
            Self::HostLogMismatch => 15,
            Self::Unsealed => 16,
        }
    }

    /// The graver of two. A running or crashed session is no proof of meddling, and less than one
    /// that cannot be read.
    #[must_use]
    pub const fn graver(self, other: Self) -> Self {
        if other.gravity() > self.gravity() { other } else { self }
    }

    const fn gravity(self) -> u8 {
        match self {
            Self::Intact => 0,
            Self::Truncated => 1,
            Self::Unreadable => 2,
            fault => fault.code(),
        }
    }

    /// Name in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Intact => "intact",
            Self::Unreadable => "unreadable",
            Self::Truncated => "truncated",
            Self::Corrupt => "corrupt",
            Self::BadSignature => "bad-signature",
            Self::MissingSegment => "missing-segment",
            Self::BrokenEpoch => "broken-epoch",
            Self::HostLogMismatch => "host-log-mismatch",
            Self::Unsealed => "unsealed",
        }
    }
}

/// Where the key came from that was believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeySource {
    /// It was given.
    Given,
    /// It is the one the root has been known by.
    Known,
    /// It is the key of the root the session lies in.
    Root,
    /// The session names it; nobody vouches for it.
    Session,
    /// There is none: nothing is signed.
    None,
}

/// What the verification of a session found.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// Name of the session, where its journal tells.
    pub session: Option<SessionId>,
    /// Its directory, unless it is gone.
    pub dir: Option<PathBuf>,
    /// What was found.
    pub status: Status,
    /// Last record that is proved by the chain.
    pub records: u64,
    /// Last record that is covered by a signed head.
    pub sealed: u64,
    /// Last frame that is proved by the chain, `None` when not even the first is.
    pub frame: Option<u64>,
    /// Frames behind the last signed head.
    pub unsealed_frames: u64,
    /// Bytes of user and child data.
    pub bytes: u64,
    /// Whose key was believed.
    pub key: KeySource,
    /// Sixteen hexadecimal digits of that key's fingerprint.
    pub fingerprint: Option<String>,
    /// Records that no head covered while they were recorded.
    pub late: Vec<LateSigned>,
    /// One line for people.
    pub reason: String,
}

/// Records that were first signed when their writer had died: what lay behind the last head then.
/// Whoever could write the files in between could have written them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LateSigned {
    /// The first of them.
    pub first: u64,
    /// The last of them; of this one there may be a part only.
    pub last: u64,
    /// At recovery; else when another writer went on.
    pub at_recovery: bool,
}

impl fmt::Display for LateSigned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let when = if self.at_recovery { "at recovery" } else { "when its writer was replaced" };
        write!(f, "records {} to {} were first signed {when}", self.first, self.last)
    }
}

impl Report {
    /// The report of a session of which nothing is known but its name.
    fn bare(session: Option<SessionId>, status: Status, reason: String) -> Self {
        Self {
            session,
            dir: None,
            status,
            records: 0,
            sealed: 0,
            frame: None,
            unsealed_frames: 0,
            bytes: 0,
            key: KeySource::None,
            fingerprint: None,
            late: Vec::new(),
            reason,
        }
    }

    fn unreadable(dir: &Path, reason: String) -> Self {
        let report = Self::bare(layout::named(dir), Status::Unreadable, reason);
        Self { dir: Some(dir.to_owned()), ..report }
    }

    fn missing(session: SessionId) -> Self {
        let reason = "the host log knows this session, and its journal is not there";
        Self::bare(Some(session), Status::HostLogMismatch, reason.to_owned())
    }
}

impl fmt::Display for Report {
    /// One line: `ID STATUS seq=N sealed=M reason`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.session {
            Some(session) => write!(f, "{session}")?,
            None => f.write_str("-")?,
        }
        let (status, seq, sealed) = (self.status.name(), self.records, self.sealed);
        write!(f, " {status} seq={seq} sealed={sealed} {}", self.reason)
    }
}

/// Told how far a verification is: bytes done, and bytes in all.
pub type Progress<'a> = &'a (dyn Fn(u64, u64) + Sync);

/// How many threads may work at a time.
fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, |n| n.get())
}

/// How many threads are worth having to unpack ahead of one that hashes, which takes about half as
/// long.
pub(crate) fn helpers() -> usize {
    threads().saturating_sub(1).min(3)
}
