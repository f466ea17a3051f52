//! Where things are: `<root>/<yyyy>/<mm>/<session-id>/`, and what is in there.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use audit_core::SessionId;

use crate::error::{JournalError, Result};

/// Signed heads.
pub(crate) const HEADS: &str = "heads.note";
/// Copy of the header for people; not trusted.
pub(crate) const SESSION_JSON: &str = "session.json";

/// Directory of a session below `root`. The month is the one of the session's name, UTC.
pub(crate) fn session_dir(root: &Path, session: SessionId) -> PathBuf {
    let millis = session.unix_millis().and_then(|m| i64::try_from(m).ok()).unwrap_or(0);
    let time = jiff::Timestamp::from_millisecond(millis).unwrap_or_default();
    let date = jiff::tz::TimeZone::UTC.to_datetime(time).date();
    root.join(format!("{:04}", date.year()))
        .join(format!("{:02}", date.month()))
        .join(session.to_string())
}

/// The journal root a session's directory lies in, if it lies in one.
pub(crate) fn root_of(session_dir: &Path) -> Option<PathBuf> {
    let session_dir = fs::canonicalize(session_dir).ok()?;
    let month = session_dir.parent()?;
    let year = month.parent()?;
    let digits = |p: &Path, n: usize| {
        p.file_name()
            .and_then(|s| s.to_str())
            .is_some_and(|s| s.len() == n && s.bytes().all(|b| b.is_ascii_digit()))
    };
    (digits(month, 2) && digits(year, 4)).then(|| year.parent().map(Path::to_owned)).flatten()
}

/// The session a directory is named after.
pub(crate) fn named(dir: &Path) -> Option<SessionId> {
    let name = match dir.file_name() {
        Some(name) => name.to_owned(),
        None => fs::canonicalize(dir).ok()?.file_name()?.to_owned(),
    };
    name.to_str()?.parse().ok()
}

/// Bytes the segments in `dir` take on the disk.
pub(crate) fn stored(dir: &Path) -> u64 {
    let segments = segments(dir).unwrap_or_default();
    segments.into_iter().map(|n| fs::metadata(segment(dir, n)).map_or(0, |m| m.len())).sum()
}

/// Path of a segment.
pub(crate) fn segment(dir: &Path, number: u32) -> PathBuf {
    dir.join(format!("{number:06}.atj"))
}

/// Path of a segment while it is written anew, compressed.
pub(crate) fn compact(dir: &Path, number: u32) -> PathBuf {
    dir.join(format!("{number:06}.atj.compact"))
}

/// Path under which the torn tail of `file` is kept: the first that is free.
pub(crate) fn torn(file: &Path) -> PathBuf {
    let named = |suffix: &str| {
        let mut name = file.as_os_str().to_owned();
        name.push(suffix);
        PathBuf::from(name)
    };
    std::iter::once(named(".torn"))
        .chain((2..).map(|n| named(&format!(".torn{n}"))))
        .find(|p| !p.exists())
        .unwrap_or_default()
}

/// Numbers of the segments in `dir`, in order.
pub(crate) fn segments(dir: &Path) -> Result<Vec<u32>> {
    let io = |e| JournalError::io("list", dir, e);
    let mut numbers = Vec::new();
    for entry in fs::read_dir(dir).map_err(io)? {
        let name = entry.map_err(io)?.file_name();
        let number = name.to_str().and_then(|n| n.strip_suffix(".atj"));
        if let Some(number) = number.filter(|n| n.len() >= 6).and_then(|n| n.parse().ok()) {
            numbers.push(number);
        }
    }
    numbers.sort_unstable();
    Ok(numbers)
}

/// Directories of all sessions below `root`, oldest first.
pub(crate) fn sessions(root: &Path) -> Result<Vec<(SessionId, PathBuf)>> {
    let mut found = Vec::new();
    for year in numbered(root, 4)? {
        for month in numbered(&year, 2)? {
            let io = |e| JournalError::io("list", &month, e);
            for entry in fs::read_dir(&month).map_err(io)? {
                let entry = entry.map_err(io)?;
                if let Some(id) = entry.file_name().to_str().and_then(|n| n.parse().ok()) {
                    found.push((id, entry.path()));
                }
            }
        }
    }
    found.sort_unstable();
    Ok(found)
}

fn numbered(dir: &Path, digits: usize) -> Result<Vec<PathBuf>> {
    let io = |e| JournalError::io("list", dir, e);
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).map_err(io)? {
        let entry = entry.map_err(io)?;
        let name = entry.file_name();
        let fits = |n: &str| n.len() == digits && n.bytes().all(|b| b.is_ascii_digit());
        if name.to_str().is_some_and(fits) && entry.path().is_dir() {
            found.push(entry.path());
        }
    }
    found.sort_unstable();
    Ok(found)
}

/// Whether `dir` is a journal root: it has a host log, or the directory of a month.
pub(crate) fn is_root(dir: &Path) -> bool {
    let months = || numbered(dir, 4).ok()?.iter().find_map(|year| numbered(year, 2).ok()?.pop());
    crate::hostlog::dir(dir).is_dir() || months().is_some()
}

/// Whether `dir` is the directory of a session.
pub(crate) fn is_session(dir: &Path) -> bool {
    dir.join(SESSION_JSON).exists()
        || dir.join(HEADS).exists()
        || segments(dir).is_ok_and(|s| !s.is_empty())
}

/// The right to write a session: a lock on its directory, given back when dropped or when the
/// process dies.
#[derive(Debug)]
pub(crate) struct Lock(File);

impl Lock {
    /// Takes the right, or says that somebody else has it.
    pub(crate) fn take(dir: &Path) -> Result<Self> {
        let file = File::open(dir).map_err(|e| JournalError::io("open", dir, e))?;
        // Somebody who only asks whether the writer lives holds the lock for a moment.
        for _ in 0..100 {
            match file.try_lock() {
                Ok(()) => return Ok(Self(file)),
                Err(fs::TryLockError::WouldBlock) => {
                    std::thread::sleep(std::time::Duration::from_millis(3));
                }
                Err(fs::TryLockError::Error(e)) => {
                    return Err(JournalError::io("lock", dir, e));
                }
            }
        }
        Err(JournalError::Busy { path: dir.display().to_string() })
    }

    /// The same right once more; it is given back when both are gone.
    pub(crate) fn again(&self) -> Result<Self> {
        let file = self.0.try_clone();
        file.map(Self).map_err(|e| JournalError::Io { operation: "lock".into(), source: e })
    }

    /// Whether somebody writes the session now.
    pub(crate) fn is_taken(dir: &Path) -> bool {
        File::open(dir)
            .is_ok_and(|file| matches!(file.try_lock_shared(), Err(fs::TryLockError::WouldBlock)))
    }
}
