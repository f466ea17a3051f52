//! What the tests of this crate share: a session and a place for it.
#![allow(dead_code, reason = "each test uses its own part")]

pub(crate) mod forge;

use std::path::{Path, PathBuf};

use audit_core::{
    Body, CommandSpec, Durability, End, Exit, Identity, Moment, Outcome, Part, Policy, Record,
    Recorder, SessionId, SessionSpec, Stream, Winsize,
};
use audit_journal::{JournalSettings, Writer};

/// A root that is removed at the end.
pub(crate) struct Root {
    dir: tempfile::TempDir,
}

impl Root {
    pub(crate) fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn settings(&self) -> JournalSettings {
        JournalSettings::new(self.path())
    }

    pub(crate) fn open(&self, n: u8) -> Tape {
        self.open_with(n, self.settings())
    }

    pub(crate) fn open_with(&self, n: u8, settings: JournalSettings) -> Tape {
        let writer = Writer::open(&spec(n, self.path()), settings).unwrap();
        let dir = writer.dir().to_owned();
        Tape { writer, dir, seq: 0, at: 0 }
    }
}

/// A session's facts; sessions with other numbers have other names.
pub(crate) fn spec(n: u8, root: &Path) -> SessionSpec {
    let settings = serde_json::to_value(JournalSettings::new(root)).unwrap();
    SessionSpec {
        id: SessionId::new(1_795_000_000_000 + u64::from(n), [n; 10]),
        parent: None,
        user: Identity::person("mia", 1000),
        host: "here".to_owned(),
        opened_unix_millis: 1_795_000_000_000,
        engine: "poll".to_owned(),
        command: CommandSpec::new("/bin/sh", ["-c", "echo hello"]),
        pty: true,
        winsize: Winsize::new(24, 80),
        buffer_size: 65536,
        policy: Policy::default(),
        recorder: Part::new("journal", settings),
        monitor: None,
        controller: None,
    }
}

/// Where session `n` lies below `root`.
pub(crate) fn session_dir(root: &Path, n: u8) -> PathBuf {
    root.join("2026/11").join(spec(n, root).id.to_string())
}

/// A writer that counts and keeps time.
pub(crate) struct Tape {
    pub(crate) writer: Writer,
    pub(crate) dir: PathBuf,
    pub(crate) seq: u64,
    pub(crate) at: u64,
}

impl Tape {
    pub(crate) fn put(&mut self, body: Body) {
        self.seq += 1;
        self.at += 10_000_000;
        let record = Record { seq: self.seq, at: Moment::from_nanos(self.at), body };
        self.writer.record(&record).unwrap();
    }

    pub(crate) fn tty(&mut self, bytes: &[u8]) {
        self.put(data(Stream::Tty, bytes));
    }

    pub(crate) fn input(&mut self, bytes: &[u8]) {
        self.put(data(Stream::Input, bytes));
    }

    pub(crate) fn sync(&mut self) -> u64 {
        self.writer.sync(Durability::Process).unwrap()
    }

    /// Records the end and closes.
    pub(crate) fn close(mut self) -> PathBuf {
        self.put(end());
        self.writer.close().unwrap();
        self.dir
    }
}

pub(crate) fn data(stream: Stream, bytes: &[u8]) -> Body {
    Body::Data { stream, bytes: bytes.to_vec().into() }
}

pub(crate) fn end() -> Body {
    Body::End(Outcome { exit: Some(Exit::Code(0)), end: End::Exited, lost: None })
}

/// Copies a session's directory, or a root.
pub(crate) fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), &target).unwrap();
        }
    }
}
