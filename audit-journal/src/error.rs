//! What can go wrong with a journal.

use std::io;
use std::path::Path;

use audit_core::RecorderError;

/// Why a journal cannot be read, written or mended.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JournalError {
    /// The system refused an operation.
    #[error("{operation}: {source}")]
    Io {
        /// What was tried, with the path.
        operation: String,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
    /// The journal holds something that no writer of ours writes.
    #[error("{place}: {reason}")]
    Corrupt {
        /// Where: file, and offset or frame.
        place: String,
        /// What is wrong there.
        reason: String,
    },
    /// Something is missing or changed behind what was read, and no crash explains it.
    #[error("{place}: {reason}")]
    Damaged {
        /// Directory of the session.
        place: String,
        /// What is wrong there.
        reason: String,
    },
    /// Another process writes this journal.
    #[error("{path}: another process is writing this journal")]
    Busy {
        /// Directory of the session.
        path: String,
    },
    /// The session is over; nothing can be added.
    #[error("{path}: the journal is closed")]
    Closed {
        /// Directory of the session.
        path: String,
    },
    /// No session, or no journal, is where one was looked for.
    #[error("{what}: no such session")]
    NotFound {
        /// What was looked for.
        what: String,
    },
    /// A prefix fits several sessions.
    #[error("{what}: fits {count} sessions")]
    Ambiguous {
        /// What was looked for.
        what: String,
        /// How many sessions it fits.
        count: usize,
    },
    /// A key cannot be used.
    #[error("{place}: {reason}")]
    Key {
        /// Path or name of the key.
        place: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The log of the host does not fit what the host has signed; somebody changed it.
    #[error("{place}: {reason}")]
    HostLog {
        /// Directory of the log.
        place: String,
        /// What does not fit.
        reason: String,
    },
    /// What was to be imported or searched for cannot be understood.
    #[error("{reason}")]
    Input {
        /// What is wrong, one line.
        reason: String,
    },
}

/// The result of everything in this crate that can fail.
pub type Result<T, E = JournalError> = std::result::Result<T, E>;

impl JournalError {
    /// An error of the system while doing `what` to `path`.
    pub(crate) fn io(what: &str, path: &Path, source: io::Error) -> Self {
        Self::Io { operation: format!("{what} {}", path.display()), source }
    }

    /// Something at `place` that no writer of ours writes.
    pub(crate) fn corrupt(place: impl ToString, reason: impl ToString) -> Self {
        Self::Corrupt { place: place.to_string(), reason: reason.to_string() }
    }

    /// Whether room is what is missing: a full disk, a quota, a limit on the size of files.
    pub fn is_no_space(&self) -> bool {
        matches!(self, Self::Io { source, .. } if is_no_space(source))
    }
}

/// Whether `error` says that there is no room.
pub(crate) fn is_no_space(error: &io::Error) -> bool {
    use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    matches!(error.kind(), StorageFull | QuotaExceeded | FileTooLarge)
}

impl From<JournalError> for RecorderError {
    fn from(error: JournalError) -> Self {
        let no_space = error.is_no_space();
        let (operation, reason) = match error {
            JournalError::Io { operation, source } => (operation, source.to_string()),
            other => ("journal".to_owned(), other.to_string()),
        };
        if no_space { Self::NoSpace { operation } } else { Self::Failed { operation, reason } }
    }
}
