//! The files of a host log: reading leaves line by line, replacing small files for good.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Write as _};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::disk::sync_dir;
use crate::error::{JournalError, Result};

/// Names of the files.
pub(super) const LEAVES: &str = "leaves";
pub(super) const HASHES: &str = "hashes";
pub(super) const CHECKPOINT: &str = "checkpoint";
pub(super) const NEXT: &str = "checkpoint.next";

/// A line of `leaves` is never longer than this, in bytes.
pub(super) const MAX_LEAF: u64 = 4096;

/// A checkpoint is never longer than this, in bytes: room for the signatures of many witnesses.
const MAX_CHECKPOINT: u64 = 64 << 10;

/// What comes next in `leaves`.
pub(super) enum Line<'a> {
    /// A leaf.
    Whole(&'a [u8]),
    /// The file ends without a line feed, or a line is longer than any leaf.
    Torn,
}

/// The lines of `leaves`, from the first to the last.
pub(super) struct Lines<R> {
    from: BufReader<R>,
    line: Vec<u8>,
}

impl<R: Read> Lines<R> {
    pub(super) fn new(from: R) -> Self {
        Self { from: BufReader::with_capacity(64 << 10, from), line: Vec::new() }
    }

    /// The next line; `None` behind the last. Nothing follows [`Line::Torn`].
    pub(super) fn next(&mut self) -> io::Result<Option<Line<'_>>> {
        self.line.clear();
        if self.from.by_ref().take(MAX_LEAF).read_until(b'\n', &mut self.line)? == 0 {
            return Ok(None);
        }
        Ok(Some(self.line.strip_suffix(b"\n").map_or(Line::Torn, Line::Whole)))
    }
}

/// Opens a file to read and append, which is made when it is not there.
pub(super) fn open(path: &Path) -> Result<File> {
    OpenOptions::new()
        .read(true)
        .append(true)
        .create(true)
        .mode(0o600)
        .custom_flags(nix::libc::O_NOFOLLOW)
        .open(path)
        .map_err(|e| JournalError::io("open", path, e))
}

/// The text of a checkpoint, `None` when the file is not there. What is too long or no text reads
/// as text that is no checkpoint.
pub(super) fn read_checkpoint(path: &Path) -> Result<Option<String>> {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|f| f.take(MAX_CHECKPOINT).read_to_end(&mut bytes));
    match read {
        Ok(_) => Ok(Some(String::from_utf8(bytes).unwrap_or_default())),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(JournalError::io("read", path, e)),
    }
}

/// Replaces a small file as a whole; both the bytes and the name survive the machine.
pub(super) fn replace(path: &Path, bytes: &[u8]) -> Result<()> {
    let mut random = [0; 8];
    crate::keys::fill(&mut random)?;
    let own = path.with_extension(format!("new-{}", crate::facts::hex(&random)));
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o644)
        .open(&own)
        .and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()))
        .and_then(|()| std::fs::rename(&own, path));
    if written.is_err() {
        let _ = std::fs::remove_file(&own);
    }
    written.map_err(|e| JournalError::io("write", path, e))?;
    sync_dir(path.parent().unwrap_or(Path::new(".")))
}

/// Paths in the directory of a log.
#[derive(Clone, Debug)]
pub(super) struct Places {
    dir: PathBuf,
}

impl Places {
    pub(super) fn new(root: &Path) -> Self {
        Self { dir: super::dir(root) }
    }

    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    pub(super) fn of(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }
}
