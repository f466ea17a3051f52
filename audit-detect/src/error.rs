//! What can go wrong while detection is set up or asked.

use std::path::PathBuf;

/// Why a detector, rule file, model or link cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DetectError {
    /// A rule file is wrong; none of its rules is used.
    #[error("{file}:{line}: {reason}")]
    Rule {
        /// The file, or the name of an embedded one.
        file: String,
        /// Line the mistake is in, from 1.
        line: usize,
        /// What is wrong.
        reason: String,
    },
    /// A model file is not one, or of another version.
    #[error("model {path}: {reason}")]
    Model {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A labelled record cannot be read.
    #[error("record {line}: {reason}")]
    Record {
        /// Line of the data, from 1.
        line: usize,
        /// What is wrong.
        reason: String,
    },
    /// The analyser cannot be used as configured.
    #[error("analyser {url}: {reason}")]
    Analyser {
        /// Its address.
        url: String,
        /// What is wrong.
        reason: String,
    },
    /// A file or stream failed.
    #[error("{operation}: {source}")]
    Io {
        /// What was tried.
        operation: String,
        /// The cause.
        source: std::io::Error,
    },
}
