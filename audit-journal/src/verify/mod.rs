//! Checking that nothing was changed: chain, signatures, epochs, digests, host log.

mod root;
mod session;

use std::fmt;
use std::path::Path;

use audit_core::SessionId;
use ed25519_dalek::VerifyingKey;

use crate::error::{JournalError, Result};
use crate::note::Verifier;

pub use root::{RootReport, verify_root};
pub use session::verify;

/// What a verification found. The numbers are the exit codes of `auditty verify`; a session with
/// several faults has the status of the gravest, which is the first of them in its journal.
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

/// Which host key is believed.
#[derive(Clone, Debug, Default)]
pub enum Trust {
    /// The key the root itself holds, or, outside a root, the key the session names: proves that
    /// nobody without that key changed anything, and nothing about whose key it is.
    #[default]
    FirstUse,
    /// This key and no other.
    Key(TrustedKey),
}

/// A host's public key that somebody vouches for.
#[derive(Clone, Debug)]
pub struct TrustedKey(pub(crate) VerifyingKey);

impl Trust {
    /// Reads the key in `path`: a verifier key (`name+hash+base64`, as in `hostlog/host.pub`) or 64
    /// hexadecimal digits.
    ///
    /// # Errors
    /// The file cannot be read or holds no key.
    pub fn from_file(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).map_err(|e| JournalError::io("read", path, e))?;
        let text = text.trim();
        let key = Verifier::parse(text)
            .map(|v| v.key)
            .or_else(|| VerifyingKey::from_bytes(&crate::facts::unhex32(text)?).ok());
        key.map(|key| Self::Key(TrustedKey(key))).ok_or_else(|| JournalError::Key {
            place: path.display().to_string(),
            reason: "expected a verifier key or 64 hexadecimal digits".to_owned(),
        })
    }
}

/// Where the key came from that was believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeySource {
    /// It was given.
    Given,
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
    /// One line for people.
    pub reason: String,
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
