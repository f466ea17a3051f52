//! What the fuzz targets share: a directory that is emptied between runs, and a small journal.

use std::fs;
use std::path::{Path, PathBuf};

use audit_core::{
    Body, CommandSpec, Durability, End, Exit, Identity, Moment, Outcome, Part, Policy, Record,
    Recorder as _, SessionId, SessionSpec, Stream, Winsize,
};
use audit_journal::{
    Format, ImportFacts, ImportFormat, Journal, JournalSettings, Status, Trust, Writer, export,
    import, verify,
};

/// A directory of this process, in memory where the machine has one.
pub fn scratch() -> PathBuf {
    let base = Path::new("/dev/shm");
    let base = if base.is_dir() { base.to_owned() } else { std::env::temp_dir() };
    let dir = base.join(format!("auditty-fuzz-{}", std::process::id()));
    let _ = fs::remove_dir_all(&dir);
    fs::create_dir_all(&dir).expect("a directory");
    dir
}

/// A session of two megabytes at most and a few records, closed and signed; its directory.
pub fn journal(root: &Path) -> PathBuf {
    let settings = JournalSettings::new(root);
    let part = serde_json::to_value(&settings).expect("plain data");
    let spec = SessionSpec {
        id: SessionId::new(1_700_000_000_000, [3; 10]),
        parent: None,
        user: Identity::person("user", 1000),
        host: "host".to_owned(),
        opened_unix_millis: 1_700_000_000_000,
        engine: "poll".to_owned(),
        command: CommandSpec::new("sh", ["-c", "true"]),
        pty: true,
        winsize: Winsize::new(24, 80),
        buffer_size: 4096,
        policy: Policy::default(),
        recorder: Part::new("journal", part),
        monitor: None,
        controller: None,
    };
    let mut writer = Writer::open(&spec, settings).expect("a journal");
    let data = |stream, text: &'static str| Body::Data { stream, bytes: text.as_bytes().into() };
    let end = Outcome { exit: Some(Exit::Code(0)), end: End::Exited, lost: None };
    let bodies = [
        Body::Resize(Winsize::new(24, 80)),
        data(Stream::Tty, "$ "),
        data(Stream::Input, "ls\r"),
        data(Stream::Tty, "ls\r\nCargo.toml  README.md\r\n$ "),
        Body::Marker { name: "note".to_owned(), text: "somebody looked".to_owned() },
        Body::End(end),
    ];
    for (seq, body) in (1..).zip(bodies) {
        let at = Moment::from(std::time::Duration::from_millis(seq));
        writer.record(&Record { seq, at, body }).expect("it is kept");
        writer.sync(Durability::Process).expect("it is durable");
    }
    writer.close().expect("it is closed");
    writer.dir().to_owned()
}

/// Reads and exports everything of a journal; whatever is in it, that must not panic.
pub fn read(dir: &Path) {
    let Ok(journal) = Journal::open(dir) else { return };
    let Ok(entries) = journal.entries() else { return };
    let mut last = 0;
    for entry in entries {
        let Ok(entry) = entry else { break };
        last = last.max(entry.last);
    }
    let report = verify(dir, &Trust::FirstUse, None);
    assert!(report.status != Status::Intact || report.records == last, "{report}, read {last}");
    for format in [Format::Raw, Format::AsciicastV2, Format::AsciicastV3, Format::Ttyrec] {
        let _ = export(&journal, format, None, &mut std::io::sink());
    }
}

/// Imports `bytes`; what can be imported verifies as an unsigned journal and can be read.
pub fn imported(root: &Path, bytes: &[u8], format: ImportFormat) {
    let facts = ImportFacts {
        id: SessionId::new(1_700_000_000_000, [5; 10]),
        user: Identity::person("user", 1000),
        host: "host".to_owned(),
        opened_unix_millis: 1_700_000_000_000,
    };
    let mut input = bytes;
    if let Ok(dir) = import(&mut input, format, JournalSettings::new(root), &facts) {
        let report = verify(&dir, &Trust::FirstUse, None);
        assert_eq!(report.status, Status::Intact, "{report}");
        read(&dir);
    }
    let _ = fs::remove_dir_all(root);
}
