//! Why the outside of a session could not be made.

use std::io;

/// A failed operation on terminals, descriptors or processes.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PtyError {
    /// A system call failed.
    #[error("{operation}: {source}")]
    System {
        /// What was tried.
        operation: &'static str,
        /// Why it failed.
        source: io::Error,
    },
    /// The command cannot be started; the session's own outcome and not a fault of ours.
    #[error("{message}")]
    Command {
        /// `errno(3)` of the failed step.
        errno: i32,
        /// What was tried and why it failed, such as `bash: not found`.
        message: String,
    },
}

/// Names the operation an error of the system belongs to.
pub(crate) trait During<T> {
    /// The same result, with the name of the operation in its error.
    fn during(self, operation: &'static str) -> Result<T, PtyError>;
}

impl<T> During<T> for io::Result<T> {
    fn during(self, operation: &'static str) -> Result<T, PtyError> {
        self.map_err(|source| PtyError::System { operation, source })
    }
}

impl<T> During<T> for nix::Result<T> {
    fn during(self, operation: &'static str) -> Result<T, PtyError> {
        self.map_err(|errno| PtyError::System { operation, source: errno.into() })
    }
}
