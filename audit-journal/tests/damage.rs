//! Reading what is damaged, and what lies: nothing is missing silently, nothing overflows.

mod common;

use std::fs;
use std::path::{Path, PathBuf};

use audit_core::{Body, Identity, SessionId, Stream};
use audit_journal::{
    Format, ImportFacts, ImportFormat, Journal, JournalError, JournalSettings, Pattern,
    SessionState, Status, Trust, export, export_script, import, search, sessions, summary, verify,
};
use common::Root;
use common::forge::{forged, frames};

/// A closed session of three segments, in a copy that may be damaged.
fn session() -> (tempfile::TempDir, PathBuf) {
    let root = Root::new();
    let mut settings = root.settings();
    settings.segment_size = 700;
    let mut tape = root.open_with(1, settings);
    for n in 1..=6 {
        tape.tty(format!("line {n}\r\n").as_bytes());
        tape.sync();
    }
    let dir = tape.close();
    assert!(dir.join("000002.atj").exists());
    forged(&root, &dir)
}

/// What is done to a session, and how.
type Damage = (&'static str, fn(&Path));

/// How each way of reading ends.
fn outcomes(dir: &Path) -> Vec<(String, Result<(), JournalError>)> {
    let journal = Journal::open(dir).unwrap();
    let mut found: Vec<_> = Format::ALL
        .iter()
        .map(|(format, name)| {
            ((*name).to_owned(), export(&journal, *format, None, &mut std::io::sink()))
        })
        .collect();
    let pattern = Pattern::literal("line").unwrap();
    let mut lines = search(&journal, &Stream::ALL, &pattern).unwrap();
    found.push(("search".to_owned(), lines.try_for_each(|line| line.map(drop))));
    let out = dir.join("exported");
    found.push(("script files".to_owned(), export_script(&journal, &out)));
    let left = fs::read_dir(&out).unwrap().count();
    assert_eq!(left, if found.last().unwrap().1.is_ok() { 3 } else { 0 });
    fs::remove_dir_all(out).unwrap();
    found
}

#[test]
fn whatever_is_missing_in_the_middle_is_told_by_every_reader() {
    let damages: [Damage; 4] = [
        ("a flipped bit", |dir| {
            let path = dir.join("000001.atj");
            let mut bytes = fs::read(&path).unwrap();
            bytes[300] ^= 1;
            fs::write(path, bytes).unwrap();
        }),
        ("a missing segment", |dir| fs::remove_file(dir.join("000001.atj")).unwrap()),
        ("a missing last segment", |dir| fs::remove_file(dir.join("000002.atj")).unwrap()),
        ("a frame cut out", |dir| {
            let path = dir.join("000001.atj");
            let mut bytes = fs::read(&path).unwrap();
            let (at, len) = frames(&bytes)[1];
            bytes.drain(at..at + len);
            fs::write(path, bytes).unwrap();
        }),
    ];
    let (_root, whole) = session();
    for (name, outcome) in outcomes(&whole) {
        outcome.unwrap_or_else(|e| panic!("{name}: {e}"));
    }
    for (what, damage) in damages {
        let (_root, dir) = session();
        damage(&dir);
        for (name, outcome) in outcomes(&dir) {
            assert!(
                matches!(outcome, Err(JournalError::Damaged { .. })),
                "{what}, {name}: {outcome:?}"
            );
        }
        // What comes before the damage is given.
        let entries = Journal::open(&dir).unwrap().entries().unwrap();
        assert!(entries.filter(Result::is_ok).count() > 0, "{what}");
    }
}

#[test]
fn a_torn_tail_is_the_end_of_what_there_is() {
    let root = Root::new();
    let mut tape = root.open(1);
    for n in 1..=3 {
        tape.tty(format!("line {n}\r\n").as_bytes());
        tape.sync();
    }
    let dir = tape.dir.clone();
    drop(tape);
    let segment = fs::read(dir.join("000000.atj")).unwrap();
    let (last, _) = *frames(&segment).last().unwrap();
    for len in last..segment.len() {
        fs::write(dir.join("000000.atj"), &segment[..len]).unwrap();
        let mut entries = Journal::open(&dir).unwrap().entries().unwrap();
        let read: Vec<_> = entries.by_ref().map(Result::unwrap).collect();
        assert_eq!(read.len(), 2, "cut at {len}");
        assert!(entries.is_whole_or_torn() && entries.damage().is_some() == (len > last));
    }
}

#[test]
fn how_far_a_reader_is_is_told_in_bytes() {
    use std::sync::{Arc, Mutex};
    let (_root, dir) = session();
    let told = Arc::new(Mutex::new(Vec::new()));
    let telling = Arc::clone(&told);
    let journal = Journal::open(&dir)
        .unwrap()
        .telling(Arc::new(move |done, total| telling.lock().unwrap().push((done, total))));
    export(&journal, Format::Raw, None, &mut std::io::sink()).unwrap();
    let told = told.lock().unwrap();
    let stored = summary(&dir).unwrap().stored_bytes;
    assert!(told.is_sorted() && told.len() > 3);
    assert_eq!(*told.last().unwrap(), (stored, stored));
    // And of a whole root.
    let root = dir.ancestors().nth(3).unwrap();
    let told = Mutex::new(Vec::new());
    let progress = |done, total| told.lock().unwrap().push((done, total));
    audit_journal::verify_root(root, &Trust::FirstUse, Some(&progress)).unwrap();
    let told = told.into_inner().unwrap();
    assert!(told.len() > 3 && told.contains(&(stored, stored)), "{told:?}");
}

fn facts(n: u8, opened_unix_millis: u64) -> ImportFacts {
    ImportFacts {
        id: SessionId::new(1_800_000_000_000, [n; 10]),
        user: Identity::person("mia", 1000),
        host: "there".to_owned(),
        opened_unix_millis,
    }
}

fn asciicast(root: &Root, n: u8, cast: &str, opened: u64) -> Result<PathBuf, JournalError> {
    let settings = JournalSettings::new(root.path());
    import(&mut cast.as_bytes(), ImportFormat::Asciicast, settings, &facts(n, opened))
}

/// The sessions that are there.
fn listed(root: &Root) -> usize {
    sessions(root.path()).unwrap().len()
}

#[test]
fn a_session_at_the_end_of_time_is_read_like_any_other() {
    let root = Root::new();
    let cast = "{\"version\": 2, \"width\": 80, \"height\": 24}\n[9e9, \"o\", \"late\"]\n";
    let dir = asciicast(&root, 1, cast, u64::MAX).unwrap();
    for (name, outcome) in outcomes(&dir) {
        outcome.unwrap_or_else(|e| panic!("{name}: {e}"));
    }
    assert_eq!(summary(&dir).unwrap().opened_unix_millis, u64::MAX);
    assert_eq!(verify(&dir, &Trust::FirstUse, None).status, Status::Intact);
    // A signed one as well.
    let mut spec = common::spec(2, root.path());
    spec.opened_unix_millis = u64::MAX;
    let writer = audit_journal::Writer::open(&spec, root.settings()).unwrap();
    let dir = writer.dir().to_owned();
    let mut tape = common::Tape { writer, dir, seq: 0, at: 1 << 62 };
    tape.put(Body::Suspended);
    tape.sync();
    assert_eq!(verify(&tape.close(), &Trust::FirstUse, None).status, Status::Intact);
}

#[test]
fn times_beyond_all_time_are_refused() {
    let root = Root::new();
    let head = |more: &str| format!("{{\"version\": 2, \"width\": 80, \"height\": 24{more}}}\n");
    let v3 = "{\"version\": 3, \"term\": {\"cols\": 80, \"rows\": 24}}\n";
    let v1 = "{\"version\": 1, \"width\": 80, \"height\": 24, \"stdout\": [[1e10, \"a\"], [1e10, \"b\"]]}";
    for cast in [
        head("") + "[1e300, \"o\", \"x\"]\n",
        head("") + "[1e11, \"o\", \"x\"]\n",
        head(", \"timestamp\": 1e300") + "[1, \"o\", \"x\"]\n",
        head(", \"timestamp\": -1") + "[1, \"o\", \"x\"]\n",
        v3.to_owned() + "[1e10, \"o\", \"x\"]\n[1e10, \"o\", \"x\"]\n",
        v1.to_owned(),
    ] {
        let error = asciicast(&root, 1, &cast, 1).unwrap_err();
        assert!(error.to_string().contains("time"), "{cast}: {error}");
        assert_eq!(listed(&root), 0, "{cast}");
    }
}

#[test]
fn an_import_that_fails_leaves_nothing_behind() {
    let root = Root::new();
    let whole = "{\"version\": 2, \"width\": 80, \"height\": 24}\n[0.1, \"o\", \"one\"]\n";
    for bad in ["no event\n[0.2, \"o\", \"x\"]\n", "{}\n\n", "[0.2]\n"] {
        let error = asciicast(&root, 1, &format!("{whole}{bad}"), 1).unwrap_err();
        assert!(error.to_string().contains("line 3"), "{error}");
        assert_eq!(listed(&root), 0);
    }
    // Two recordings, one behind the other as cat(1) puts them, are not one.
    asciicast(&root, 1, &[whole, whole].concat(), 1).unwrap_err();
    assert_eq!(listed(&root), 0);
    let ttyrec = [&[1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, b'x'][..], &[0xff; 20]].concat();
    let settings = JournalSettings::new(root.path());
    import(&mut &ttyrec[..], ImportFormat::Ttyrec, settings, &facts(1, 1)).unwrap_err();
    assert_eq!(listed(&root), 0);
    // The name is free for one that is whole.
    asciicast(&root, 1, whole, 1).unwrap();
    assert_eq!(listed(&root), 1);
}

#[test]
fn an_import_that_was_killed_is_not_complete() {
    let root = Root::new();
    let whole = "{\"version\": 2, \"width\": 80, \"height\": 24}\n[0.1, \"o\", \"one\"]\n";
    let dir = asciicast(&root, 1, whole, 1).unwrap();
    assert_eq!(summary(&dir).unwrap().state, SessionState::Complete);
    let path = dir.join("000000.atj");
    let bytes = fs::read(&path).unwrap();
    let (end, _) = *frames(&bytes).last().unwrap();
    fs::remove_file(&path).unwrap();
    fs::write(&path, &bytes[..end]).unwrap();
    assert_eq!(summary(&dir).unwrap().state, SessionState::Truncated);
    audit_journal::recover(&dir, None).unwrap();
    assert_eq!(summary(&dir).unwrap().state, SessionState::Truncated);
    assert_eq!(verify(&dir, &Trust::FirstUse, None).status, Status::Intact);
}
