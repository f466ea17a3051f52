//! Deleting journals whose time is up, so that it can be told from theft.

use std::path::Path;

use crate::disk::sync_dir;
use crate::error::{JournalError, Result};
use crate::hostlog::{self, HostLog, Leaf};
use crate::keys::HostKey;
use crate::layout::{self, Lock};
use crate::settings::JournalSettings;

/// What the directory of a session that is being removed is called, behind its name.
const EXPIRED: &str = "expired";

/// Deletes the journal in `dir` and says so in the host log, with the time `unix_millis`
/// (milliseconds since the Unix epoch). `verify` then does not miss it. Whether it should be deleted
/// is for the caller to say, and so is whether it must be whole before: evidence of meddling is lost
/// with it.
///
/// # Errors
/// [`JournalError::Busy`] while the session is being recorded; [`JournalError::NotFound`] when
/// `dir` is not where a session of the root of `settings` belongs; [`JournalError::HostLog`] when
/// the log does not fit what the host signed. Nothing is deleted unless the host log says so.
pub fn expire(dir: &Path, settings: &JournalSettings, unix_millis: u64) -> Result<()> {
    let not_found = || JournalError::NotFound { what: dir.display().to_string() };
    let session = layout::named(dir).ok_or_else(not_found)?;
    let expected = layout::session_dir(&settings.root, session);
    let (here, there) = (std::fs::canonicalize(dir), std::fs::canonicalize(expected));
    if !matches!((&here, &there), (Ok(here), Ok(there)) if here == there) {
        return Err(not_found());
    }
    let _lock = Lock::take(dir)?;
    // Where there is no log nobody misses it.
    if hostlog::dir(&settings.root).join("leaves").exists() {
        let host = HostKey::open(&settings.host_key_path())?;
        let mut log = HostLog::open(&settings.root, &host)?;
        // Another attempt may have come so far and no further.
        if !matches!(log.of(session)?.last(), Some(Leaf::Expired { .. })) {
            log.append(&Leaf::Expired { session, unix_millis })?;
        }
    }
    // Gone at once, whatever happens while its files are removed one by one.
    let aside = dir.with_extension(EXPIRED);
    let io = |e| JournalError::io("remove", dir, e);
    std::fs::rename(dir, &aside).map_err(io)?;
    let month = aside.parent().unwrap_or(&aside);
    sync_dir(month)?;
    // And what another attempt left of others.
    for entry in std::fs::read_dir(month).map_err(io)? {
        let path = entry.map_err(io)?.path();
        if path.extension().is_some_and(|extension| extension == EXPIRED) {
            std::fs::remove_dir_all(&path).map_err(|e| JournalError::io("remove", &path, e))?;
        }
    }
    Ok(())
}
