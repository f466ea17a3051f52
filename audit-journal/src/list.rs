//! Finding sessions, and what can be said of them without reading their journals.

use std::path::{Path, PathBuf};

use audit_core::SessionId;
use serde::Serialize;

use crate::entries::Journal;
use crate::error::{JournalError, Result};
use crate::facts::{Ended, Header};
use crate::head::Phase;
use crate::heads::Heads;
use crate::layout::{self, Lock};

/// Where a session stands, as far as its files show without being verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum SessionState {
    /// It is being recorded.
    Active,
    /// It is being recorded and waits for a decision.
    Blocked,
    /// It ended, and its journal was closed.
    Complete,
    /// Its writer died; the journal may have been recovered since.
    Truncated,
}

impl SessionState {
    /// Name on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Blocked => "blocked",
            Self::Complete => "complete",
            Self::Truncated => "truncated",
        }
    }
}

/// A session as a list shows it. Nothing of it is verified.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct SessionSummary {
    /// Name of the session.
    pub id: SessionId,
    /// Its directory.
    pub dir: PathBuf,
    /// Where it stands.
    pub state: SessionState,
    /// When it began, milliseconds since the Unix epoch.
    pub opened_unix_millis: u64,
    /// How long it lasted, or lasts so far as its last signed head says; milliseconds.
    pub duration_millis: u64,
    /// Last record its last signed head covers.
    pub records: u64,
    /// Bytes of user and child data its last signed head covers.
    pub bytes: u64,
    /// Bytes its segments take on the disk.
    pub stored_bytes: u64,
    /// The facts of the session, as its first frame states them.
    pub header: Header,
}

/// What can be said of the session in `dir` without reading its journal.
///
/// # Errors
/// There is no journal, or its first frame is damaged.
pub fn summary(dir: &Path) -> Result<SessionSummary> {
    let header = Journal::open(dir)?.header().clone();
    let head = Heads::last(dir)?;
    let phase = head.as_ref().map_or(Phase::Running, |h| h.phase);
    // Where nothing is signed, the end says as much.
    let end = if head.is_none() { Journal::open(dir)?.end_and_time()? } else { None };
    let state = match phase {
        Phase::Ended => SessionState::Complete,
        Phase::Recovered => SessionState::Truncated,
        Phase::Running | Phase::Blocked if !Lock::is_taken(dir) => match &end {
            // Nobody signs what is imported; it is whole when it has an end.
            Some((end, _)) if header.imported.is_some() && end.how == Ended::Closed => {
                SessionState::Complete
            }
            _ => SessionState::Truncated,
        },
        Phase::Running => SessionState::Active,
        Phase::Blocked => SessionState::Blocked,
    };
    let stored_bytes = layout::stored(dir);
    let opened = header.opened_unix_millis;
    Ok(SessionSummary {
        id: header.session,
        dir: dir.to_owned(),
        state,
        opened_unix_millis: opened,
        duration_millis: match (&head, &end) {
            (Some(head), _) => head.unix_millis.saturating_sub(opened),
            (None, Some((_, nanos))) => nanos / 1_000_000,
            (None, None) => 0,
        },
        records: match (&head, &end) {
            (Some(head), _) => head.record,
            (None, Some((end, _))) => end.records,
            (None, None) => 0,
        },
        bytes: match (&head, &end) {
            (Some(head), _) => head.streams.iter().map(|(_, len, _)| len).sum(),
            (None, Some((end, _))) => end.streams.iter().map(|s| s.len).sum(),
            (None, None) => 0,
        },
        stored_bytes,
        header,
    })
}

/// All sessions below `root`, newest first, with those that cannot be read as errors.
///
/// # Errors
/// The root cannot be listed. A root that does not exist has no sessions.
pub fn sessions(root: &Path) -> Result<Vec<(PathBuf, Result<SessionSummary>)>> {
    if !root.exists() {
        return Ok(Vec::new());
    }
    let found = layout::sessions(root)?;
    Ok(found.into_iter().rev().map(|(_, dir)| (dir.clone(), summary(&dir))).collect())
}

/// What lies at a path.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Place {
    /// A session, or what is left of one: a directory with the files or the name of one.
    Session(PathBuf),
    /// A journal root: a directory of sessions, or one with a host log.
    Root(PathBuf),
    /// Neither.
    Nothing,
}

/// What lies at `path`; a file of a session stands for the session.
pub fn place(path: &Path) -> Place {
    let dir = if path.is_file() { path.parent().unwrap_or(path) } else { path };
    if layout::is_session(dir) || (dir.is_dir() && layout::named(dir).is_some()) {
        return Place::Session(dir.to_owned());
    }
    match path.is_dir() && layout::is_root(path) {
        true => Place::Root(path.to_owned()),
        false => Place::Nothing,
    }
}

/// The journal root that the session in `dir` lies in, if it lies in one.
pub fn root_of(dir: &Path) -> Option<PathBuf> {
    layout::root_of(dir)
}

/// Finds the directory of the session that somebody means: an id, a prefix that fits one session
/// only, a path to a session, or a path to a journal root that holds exactly one. Ids and prefixes
/// are looked up below `root`.
///
/// # Errors
/// [`JournalError::NotFound`] when nothing fits, [`JournalError::Ambiguous`] when several do.
pub fn resolve(root: &Path, what: &str) -> Result<PathBuf> {
    let path = Path::new(what);
    if what.contains('/') || path.is_dir() || path.is_file() {
        match place(path) {
            Place::Session(dir) => return Ok(dir),
            Place::Root(root) => return one(layout::sessions(&root)?, what),
            Place::Nothing => {}
        }
    }
    let not_found = || JournalError::NotFound { what: what.to_owned() };
    if what.is_empty() || !root.is_dir() {
        return Err(not_found());
    }
    if let Ok(id) = what.parse::<SessionId>() {
        let dir = layout::session_dir(root, id);
        return if layout::is_session(&dir) { Ok(dir) } else { Err(not_found()) };
    }
    let prefix = what.to_ascii_lowercase();
    let mut found = layout::sessions(root)?;
    found.retain(|(id, _)| id.to_string().starts_with(&prefix));
    one(found, what)
}

fn one(mut found: Vec<(SessionId, PathBuf)>, what: &str) -> Result<PathBuf> {
    match (found.pop(), found.len()) {
        (Some((_, dir)), 0) => Ok(dir),
        (None, _) => Err(JournalError::NotFound { what: what.to_owned() }),
        (Some(_), others) => {
            Err(JournalError::Ambiguous { what: what.to_owned(), count: others + 1 })
        }
    }
}
