//! Reading `heads.note`, one head at a time.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Take};
use std::path::Path;

use crate::error::{JournalError, Result};
use crate::head::Head;
use crate::layout::HEADS;
use crate::note::Note;

/// A note is never longer than this, in bytes.
const MAX_NOTE: usize = 8 << 10;

/// The heads of a session, in the order they were written, up to the length the file had when it
/// was opened.
pub(crate) struct Heads {
    file: Take<BufReader<File>>,
    /// Bytes up to the end of the head read last.
    position: u64,
}

/// A head as it lies in the file, its signature as yet unchecked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SignedHead {
    pub(crate) head: Head,
    note: String,
}

impl SignedHead {
    /// The note that carries the head.
    pub(crate) fn note(&self) -> Option<Note<'_>> {
        Note::parse(&self.note)
    }
}

/// What comes next in `heads.note`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    Head(Box<SignedHead>),
    End,
    /// The file ends within a head: its writer died.
    Torn,
    /// What is there is no head.
    Bad,
}

impl Heads {
    /// Opens the heads of the session in `dir`; `None` when there are none.
    pub(crate) fn open(dir: &Path) -> Result<Option<Self>> {
        let path = dir.join(HEADS);
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(JournalError::io("read", &path, e)),
        };
        let len = file.metadata().map_err(|e| JournalError::io("read", &path, e))?.len();
        Ok(Some(Self { file: BufReader::with_capacity(16 << 10, file).take(len), position: 0 }))
    }

    /// Bytes up to the end of the head read last.
    pub(crate) fn position(&self) -> u64 {
        self.position
    }

    /// The next head.
    pub(crate) fn next(&mut self) -> Result<Next> {
        let mut note = String::new();
        let mut empty_lines = 0;
        loop {
            let mut line = Vec::new();
            let io = |e| JournalError::Io { operation: format!("read {HEADS}"), source: e };
            let limit = (MAX_NOTE - note.len()) as u64;
            self.file.by_ref().take(limit).read_until(b'\n', &mut line).map_err(io)?;
            if line.is_empty() && note.len() < MAX_NOTE {
                return Ok(if note.is_empty() { Next::End } else { Next::Torn });
            }
            if !line.ends_with(b"\n") {
                let torn = note.len() + line.len() < MAX_NOTE;
                return Ok(if torn { Next::Torn } else { Next::Bad });
            }
            let Ok(line) = String::from_utf8(line) else { return Ok(Next::Bad) };
            if line == "\n" {
                empty_lines += 1;
                if empty_lines == 2 {
                    break;
                }
            }
            note.push_str(&line);
        }
        // The empty line behind it belongs to it.
        self.position += note.len() as u64 + 1;
        let head = Note::parse(&note).and_then(|n| Head::parse(n.text));
        Ok(head.map_or(Next::Bad, |head| Next::Head(Box::new(SignedHead { head, note }))))
    }

    /// The last head, as it stands: no signature is checked.
    pub(crate) fn last(dir: &Path) -> Result<Option<Head>> {
        let path = dir.join(HEADS);
        let io = |e| JournalError::io("read", &path, e);
        let mut file = match File::open(&path) {
            Ok(file) => file,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(io(e)),
        };
        let len = file.metadata().map_err(io)?.len();
        file.seek(SeekFrom::Start(len.saturating_sub(2 * MAX_NOTE as u64))).map_err(io)?;
        let mut tail = Vec::new();
        file.take(2 * MAX_NOTE as u64).read_to_end(&mut tail).map_err(io)?;
        let tail = String::from_utf8_lossy(&tail);
        // Heads are text, an empty line, a signature and an empty line.
        let mut parts = tail.rsplit("\n\n").peekable();
        let mut below: Option<&str> = None;
        for part in parts.by_ref() {
            if below.is_some_and(|b| b.starts_with("— "))
                && let Some(at) = part.find("auditty/session-head/")
                && let Some(head) = Head::parse(&format!("{}\n", &part[at..]))
            {
                return Ok(Some(head));
            }
            below = Some(part);
        }
        Ok(None)
    }
}
