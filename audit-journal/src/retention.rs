//! Deleting journals whose time is up, so that it can be told from theft.

use std::path::Path;

use crate::entries::Journal;
use crate::error::{JournalError, Result};
use crate::hostlog::{HostLog, Leaf};
use crate::keys::HostKey;
use crate::layout::{self, Lock};
use crate::settings::JournalSettings;

/// Deletes the journal in `dir` and says so in the host log, with the time `unix_millis`
/// (milliseconds since the Unix epoch). `verify` then does not miss it.
///
/// # Errors
/// [`JournalError::Busy`] while the session is being recorded; [`JournalError::NotFound`] when
/// `dir` is no session below the root of `settings`. Nothing is deleted unless the host log says
/// so.
pub fn expire(dir: &Path, settings: &JournalSettings, unix_millis: u64) -> Result<()> {
    let session = Journal::open(dir)?.header().session;
    let expected = layout::session_dir(&settings.root, session);
    let same = |a: &Path, b: &Path| {
        std::fs::canonicalize(a)
            .ok()
            .zip(std::fs::canonicalize(b).ok())
            .is_some_and(|(a, b)| a == b)
    };
    if !same(dir, &expected) {
        return Err(JournalError::NotFound { what: dir.display().to_string() });
    }
    let _lock = Lock::take(dir)?;
    let host = HostKey::open(&settings.host_key_path())?;
    HostLog::open(&settings.root, &host)?.append(&Leaf::Expired { session, unix_millis })?;
    std::fs::remove_dir_all(dir).map_err(|e| JournalError::io("remove", dir, e))
}
