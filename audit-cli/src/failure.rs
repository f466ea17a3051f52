//! How a command fails: one line for people, and an exit status for scripts.

use std::fmt;
use std::io;

use crate::config::ConfigError;

/// Exit status of wrong usage, as clap reports it.
pub(crate) const USAGE: u8 = 2;

/// A failure with an exit status of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    status: u8,
    message: String,
}

impl Failure {
    /// A failure that ends with `status`.
    pub(crate) fn new(status: u8, message: impl Into<String>) -> Self {
        Self { status, message: message.into() }
    }

    /// The command was used wrongly.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(USAGE, message)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

/// The exit status of `error`, and its one line unless nobody is there to read it.
pub(crate) fn report(error: &anyhow::Error) -> (u8, Option<String>) {
    if error.chain().any(is_broken_pipe) {
        return (0, None);
    }
    let status = if let Some(failure) = error.downcast_ref::<Failure>() {
        failure.status
    } else if error.downcast_ref::<ConfigError>().is_some() {
        ConfigError::STATUS
    } else {
        1
    };
    let is_alone = error.chain().len() == 1;
    let is_full = is_alone && error.downcast_ref::<io::Error>().is_some_and(is_full);
    let place = if is_full { OUTPUT } else { "" };
    let line = format!("{place}{}", line(error));
    (status, Some(line.replace(|c: char| c.is_control(), " ")))
}

/// Where there is no room, if nothing else is said: files are named by whoever writes them.
const OUTPUT: &str = "standard output: ";

/// Whether there is no room.
pub(crate) fn is_full(error: &io::Error) -> bool {
    use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    matches!(error.kind(), StorageFull | QuotaExceeded | FileTooLarge)
}

/// What failed and why, cause by cause. Some errors tell their cause themselves; it is not said
/// twice.
pub(crate) fn line(error: &anyhow::Error) -> String {
    error.chain().fold(String::new(), |line, cause| {
        let cause = without_numbers(&cause.to_string());
        match line.as_str() {
            "" => cause,
            line if line.ends_with(&cause) => line.to_owned(),
            line => format!("{line}: {cause}"),
        }
    })
}

/// `text` without the numbers of system errors, which only repeat what stands before them.
fn without_numbers(text: &str) -> String {
    let mut parts = text.split(" (os error ");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |clean, part| clean + part.split_once(')').map_or("", |(_, rest)| rest))
}

fn is_broken_pipe(cause: &(dyn std::error::Error + 'static)) -> bool {
    cause.downcast_ref::<io::Error>().is_some_and(|e| e.kind() == io::ErrorKind::BrokenPipe)
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context as _;

    #[test]
    fn a_cause_is_told_once() {
        let denied = || io::Error::from_raw_os_error(nix::libc::EACCES);
        let plain = Err::<(), _>(denied()).context("open x").context("export").unwrap_err();
        assert_eq!(line(&plain), "export: open x: Permission denied");
        #[derive(Debug, thiserror::Error)]
        #[error("open x: {0}")]
        struct Talkative(#[source] io::Error);
        assert_eq!(line(&Talkative(denied()).into()), "open x: Permission denied");
    }

    #[test]
    fn output_that_finds_no_room_is_named() {
        let full = || io::Error::from_raw_os_error(nix::libc::ENOSPC);
        let said = |error: anyhow::Error| report(&error).1.unwrap();
        assert_eq!(said(full().into()), "standard output: No space left on device");
        let named = anyhow::Error::from(full()).context("write x.cast");
        assert_eq!(said(named), "write x.cast: No space left on device");
    }

    #[test]
    fn a_reader_that_has_enough_is_no_failure() {
        let gone = io::Error::from(io::ErrorKind::BrokenPipe);
        assert_eq!(report(&anyhow::Error::from(gone).context("write")), (0, None));
        assert_eq!(report(&Failure::new(9, "no").into()), (9, Some("no".to_owned())));
    }
}
