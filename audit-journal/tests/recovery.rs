//! Mending and going on: a crash is never more than a crash, and what is more than a crash is never
//! mended.

mod common;

use std::fs;
use std::path::{Path, PathBuf};

use audit_core::{Recorder, Stream};
use audit_journal::{
    Journal, JournalError, JournalSettings, Recovery, Status, Trust, Writer, recover, verify_root,
};
use common::forge::{block, check, code, forged, frames, notes};
use common::{Root, copy, data, spec};

/// A session with some records whose writer died, and its directory.
fn crashed(root: &Root, n: u8) -> PathBuf {
    let mut tape = root.open(n);
    for line in ["genuine one", "genuine two", "genuine three"] {
        tape.tty(line.as_bytes());
        tape.sync();
        // A head for each.
        tape.writer.sync(audit_core::Durability::Machine).unwrap();
    }
    tape.dir.clone()
}

/// What lies in a directory, name by name.
fn contents(dir: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found: Vec<_> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.clone(), fs::read(path).unwrap()))
        .collect();
    found.sort();
    found
}

/// That neither mending nor going on touches the session in `dir`, and that it is told as `status`.
fn is_left_alone(root: &Path, dir: &Path, status: Status, what: &str) {
    let report = check(dir);
    assert_eq!(report.status, status, "{what}: {report}");
    let before = contents(dir);
    let error = recover(dir, None).unwrap_err();
    assert!(matches!(error, JournalError::Corrupt { .. }), "{what}: {error}");
    assert!(error.to_string().contains(status.name()), "{what}: {error}");
    Writer::open(&spec(1, root), JournalSettings::new(root)).unwrap_err();
    assert!(contents(dir) == before, "{what}: it was changed");
    assert_eq!(check(dir).status, status, "{what}");
}

#[test]
fn a_forged_tail_under_signed_heads_is_left_alone() {
    let root = Root::new();
    let dir = crashed(&root, 1);
    let segment = fs::read(dir.join("000000.atj")).unwrap();
    let (at, len) = frames(&segment)[1];
    let forged = block(&segment[at..at + len], 1, b"never shown");
    fs::write(dir.join("000000.atj"), [&segment[..at + len], &forged].concat()).unwrap();
    is_left_alone(root.path(), &dir, Status::Corrupt, "one forged block");
}

#[test]
fn records_first_signed_at_recovery_are_told_for_ever() {
    let root = Root::new();
    let dir = crashed(&root, 1);
    let segment = fs::read(dir.join("000000.atj")).unwrap();
    let heads = fs::read_to_string(dir.join("heads.note")).unwrap();
    // Nothing tells a tail that was forged, with the heads cut, from one that nobody had signed.
    let (at, len) = frames(&segment)[1];
    let forged = block(&segment[at..at + len], 1, b"never shown");
    fs::write(dir.join("000000.atj"), [&segment[..at + len], &forged].concat()).unwrap();
    fs::write(dir.join("heads.note"), &notes(&heads)[0]).unwrap();
    assert_eq!(check(&dir).status, Status::Truncated);
    assert!(matches!(recover(&dir, None).unwrap(), Recovery::Mended { records: 1, cut: 0 }));
    let report = check(&dir);
    assert_eq!((report.status, report.late.len()), (Status::Intact, 1), "{report}");
    let late = report.late[0];
    assert_eq!((late.first, late.last, late.at_recovery), (1, 1, true));
    assert!(report.reason.contains("records 1 to 1 were first signed at recovery"), "{report}");
    // A crash that loses no head leaves nothing to tell.
    let other = Root::new();
    let dir = crashed(&other, 1);
    recover(&dir, None).unwrap();
    assert_eq!((check(&dir).status, check(&dir).late.len()), (Status::Intact, 0));
}

#[test]
fn records_first_signed_by_another_writer_are_told_too() {
    let root = Root::new();
    let mut tape = root.open(1);
    tape.tty(b"one");
    tape.sync();
    let heads = fs::read(tape.dir.join("heads.note")).unwrap();
    tape.tty(b"two");
    tape.tty(b"three");
    tape.sync();
    let dir = tape.dir.clone();
    drop(tape);
    fs::write(dir.join("heads.note"), heads).unwrap();
    let mut writer = Writer::open(&spec(1, root.path()), root.settings()).unwrap();
    writer.close().unwrap();
    let report = check(&dir);
    let late: Vec<_> = report.late.iter().map(|l| (l.first, l.last, l.at_recovery)).collect();
    assert_eq!((report.status, late), (Status::Intact, vec![(1, 3, false)]), "{report}");
}

#[test]
fn a_head_of_another_key_is_left_alone() {
    let (root, other) = (Root::new(), Root::new());
    let (dir, foreign) = (crashed(&root, 1), crashed(&other, 1));
    let whole = fs::read_to_string(dir.join("heads.note")).unwrap();
    let theirs = fs::read_to_string(foreign.join("heads.note")).unwrap();
    let (whole, theirs) = (notes(&whole), notes(&theirs));
    // The statement is ours, the signature theirs.
    let signature = |note: &str| note.rsplit_once("\n— ").unwrap().1.to_owned();
    let mixed = whole[1].replace(&signature(&whole[1]), &signature(&theirs[1]));
    fs::write(dir.join("heads.note"), whole[0].clone() + &mixed).unwrap();
    is_left_alone(root.path(), &dir, Status::BadSignature, "a foreign signature");
}

#[test]
fn a_closed_session_that_was_cut_is_left_alone() {
    let root = Root::new();
    let mut tape = root.open(1);
    tape.tty(b"hello");
    tape.sync();
    let heads = fs::read(tape.dir.join("heads.note")).unwrap();
    let dir = tape.close();
    let (copied, dir) = forged(&root, &dir);
    let segment = fs::read(dir.join("000000.atj")).unwrap();
    let (at, _) = *frames(&segment).last().unwrap();
    fs::write(dir.join("heads.note"), &heads).unwrap();
    is_left_alone(copied.path(), &dir, Status::Unsealed, "the last heads gone");
    fs::write(dir.join("000000.atj"), &segment[..at]).unwrap();
    is_left_alone(copied.path(), &dir, Status::HostLogMismatch, "the end gone");
}

#[test]
fn an_announced_segment_that_is_gone_is_left_alone() {
    let root = Root::new();
    let mut settings = root.settings();
    settings.segment_size = 700;
    let mut tape = root.open_with(1, settings);
    for _ in 0..3 {
        tape.tty(b"some text");
        tape.sync();
    }
    let dir = tape.dir.clone();
    drop(tape);
    let last = (0..9).map(|n| dir.join(format!("{n:06}.atj"))).rfind(|p| p.exists()).unwrap();
    assert!(!last.ends_with("000000.atj"));
    fs::remove_file(last).unwrap();
    is_left_alone(root.path(), &dir, Status::MissingSegment, "the last segment gone");
}

#[test]
fn without_the_hosts_own_key_nothing_is_mended() {
    let (root, other) = (Root::new(), Root::new());
    let dir = crashed(&root, 1);
    crashed(&other, 1);
    fs::copy(other.path().join("host.key"), root.path().join("host.key")).unwrap();
    recover(&dir, None).unwrap_err();
    fs::remove_file(root.path().join("host.key")).unwrap();
    recover(&dir, None).unwrap_err();
    assert!(!root.path().join("host.key").exists(), "another key was made");
}

/// A session killed as it begins, anywhere in its first two frames: before the log knows of it,
/// and behind.
#[test]
fn a_writer_killed_anywhere_in_its_beginning_is_a_crash() {
    let root = Root::new();
    root.open(1).close();
    let log_before = tempfile::tempdir().unwrap();
    copy(&root.path().join("hostlog"), log_before.path());
    let tape = root.open(2);
    let dir = tape.dir.clone();
    let segment = fs::read(dir.join("000000.atj")).unwrap();
    let heads = fs::read(dir.join("heads.note")).unwrap();
    drop(tape);
    // Around the ends of frames, and here and there between them.
    let near = |len: &usize| frames(&segment).iter().any(|(at, l)| (at + l).abs_diff(*len) < 2);
    let cuts = (0..=segment.len()).filter(|len| len % 31 == 0 || near(len));
    let states = cuts
        .map(|len| (len, 0, false))
        .chain((0..=heads.len()).step_by(37).map(|len| (segment.len(), len, true)));
    for (len, head, logged) in states {
        let what = format!("{len} bytes, {head} of the head, logged: {logged}");
        let (copied, dir) = forged(&root, &dir);
        fs::write(dir.join("000000.atj"), &segment[..len]).unwrap();
        fs::write(dir.join("heads.note"), &heads[..head]).unwrap();
        if !logged {
            let log = copied.path().join("hostlog");
            fs::remove_dir_all(&log).unwrap();
            copy(log_before.path(), &log);
        }
        assert_eq!(code(copied.path()), 10, "{what}: {}", check(&dir));
        let again = tempfile::tempdir().unwrap();
        copy(copied.path(), again.path());
        let mended = recover(&dir, None).unwrap();
        let expected = if mended == Recovery::Empty { 10 } else { 0 };
        assert_eq!(code(copied.path()), expected, "{what}: {mended:?} {}", check(&dir));
        assert_eq!(mended == Recovery::Empty, frames(&segment[..len]).is_empty(), "{what}");
        // Or another writer goes on.
        let settings = JournalSettings::new(again.path());
        Writer::open(&spec(2, again.path()), settings).unwrap().close().unwrap();
        let found = verify_root(again.path(), &Trust::FirstUse, None).unwrap();
        assert_eq!(found.code(), 0, "{what}: {found:?}");
    }
}

#[test]
fn a_writer_killed_before_it_signs_the_end_is_a_crash() {
    let root = Root::new();
    let mut tape = root.open(1);
    tape.tty(b"hello");
    tape.sync();
    let log_before = tempfile::tempdir().unwrap();
    copy(&root.path().join("hostlog"), log_before.path());
    let dir = tape.close();
    let (copied, dir) = forged(&root, &dir);
    let log = copied.path().join("hostlog");
    fs::remove_dir_all(&log).unwrap();
    copy(log_before.path(), &log);
    let heads = fs::read_to_string(dir.join("heads.note")).unwrap();
    let last = notes(&heads).pop().unwrap();
    let signed = heads.len() - last.len();
    for len in signed..heads.len() {
        fs::write(dir.join("heads.note"), &heads.as_bytes()[..len]).unwrap();
        assert_eq!(check(&dir).status, Status::Truncated, "{len}: {}", check(&dir));
    }
    fs::write(dir.join("heads.note"), &heads[..signed]).unwrap();
    let Recovery::Mended { records: 2, cut } = recover(&dir, None).unwrap() else {
        panic!("{}", check(&dir))
    };
    assert!(cut > 0 && dir.join("000000.atj.torn").exists());
    let report = check(&dir);
    assert_eq!((report.status, report.records), (Status::Intact, 2), "{report}");
    assert!(report.reason.contains("the end was not signed"), "{report}");
    assert_eq!(recover(&dir, None).unwrap(), Recovery::Closed);
    assert_eq!(code(copied.path()), 0);
}

#[test]
fn what_is_cut_off_the_heads_is_kept() {
    let root = Root::new();
    let dir = crashed(&root, 1);
    let mut heads = fs::read(dir.join("heads.note")).unwrap();
    heads.extend(b"auditty/session-head/v1\nsess");
    fs::write(dir.join("heads.note"), &heads).unwrap();
    assert_eq!(check(&dir).status, Status::Truncated);
    recover(&dir, None).unwrap();
    assert_eq!(check(&dir).status, Status::Intact, "{}", check(&dir));
    assert_eq!(fs::read(dir.join("heads.note.torn")).unwrap(), b"auditty/session-head/v1\nsess");
}

#[test]
fn a_torn_tail_is_mended_once_and_never_more() {
    let root = Root::new();
    let mut tape = root.open(1);
    for n in 0..10 {
        tape.tty(format!("line {n}\r\n").as_bytes());
        tape.sync();
    }
    let dir = tape.dir.clone();
    assert!(matches!(recover(&dir, None), Err(audit_journal::JournalError::Busy { .. })));
    drop(tape);
    let path = dir.join("000000.atj");
    let len = fs::metadata(&path).unwrap().len();
    fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(len - 5).unwrap();
    let cut = match recover(&dir, None).unwrap() {
        Recovery::Mended { records: 9, cut } => cut,
        other => panic!("{other:?}"),
    };
    assert_eq!(fs::metadata(dir.join("000000.atj.torn")).unwrap().len(), cut);
    let report = check(&dir);
    assert_eq!((report.status, report.records), (Status::Intact, 9), "{report}");
    assert!(report.reason.contains("recovered"), "{report}");
    let before = fs::read(&path).unwrap();
    assert_eq!(recover(&dir, None).unwrap(), Recovery::Closed);
    assert_eq!(fs::read(&path).unwrap(), before);
    let entries = Journal::open(&dir).unwrap().entries().unwrap().count();
    assert_eq!(entries, 9);
}

#[test]
fn signed_frames_that_the_machine_lost_are_set_aside_with_their_heads() {
    let root = Root::new();
    let mut tape = root.open(1);
    let mut lengths = Vec::new();
    for n in 0..4 {
        tape.tty(format!("line {n}\r\n").as_bytes());
        audit_core::Recorder::sync(&mut tape.writer, audit_core::Durability::Machine).unwrap();
        lengths.push(fs::metadata(tape.dir.join("000000.atj")).unwrap().len());
    }
    let dir = tape.dir.clone();
    drop(tape);
    let file = fs::OpenOptions::new().write(true).open(dir.join("000000.atj")).unwrap();
    file.set_len(lengths[1]).unwrap();
    let report = check(&dir);
    assert_eq!((report.status, report.sealed), (Status::Truncated, 2), "{report}");
    assert!(report.reason.contains("was signed"), "{report}");
    assert!(matches!(recover(&dir, None).unwrap(), Recovery::Mended { records: 2, cut: 0 }));
    let report = check(&dir);
    assert_eq!((report.status, report.records), (Status::Intact, 2), "{report}");
    assert!(report.reason.contains("2 signed heads are of frames"), "{report}");
    let aside = fs::read_to_string(dir.join("heads.note.torn")).unwrap();
    assert_eq!(aside.matches("auditty/session-head/v1").count(), 2);
}

#[test]
fn a_recording_killed_at_any_byte_is_gone_on_with() {
    let root = Root::new();
    let mut settings = root.settings();
    settings.segment_size = 700;
    let mut tape = root.open_with(1, settings.clone());
    for n in 0..6 {
        tape.tty(format!("line {n} {}\r\n", "x".repeat(60)).as_bytes());
        tape.sync();
    }
    let dir = tape.dir.clone();
    drop(tape);
    let segments: Vec<PathBuf> =
        (0..9).map(|n| dir.join(format!("{n:06}.atj"))).filter(|p| p.exists()).collect();
    assert!(segments.len() > 1);
    let last = segments.last().unwrap();
    let whole = fs::read(last).unwrap();
    // The first frame of a segment is synced before the host log is told of it.
    for len in frames(&whole)[0].1..whole.len() {
        let (copied, copy) = forged(&root, &dir);
        let name = last.file_name().unwrap();
        fs::write(copy.join(name), &whole[..len]).unwrap();
        let mut settings = settings.clone();
        settings.root = copied.path().to_owned();
        let mut writer = audit_journal::Writer::open(&spec(1, copied.path()), settings).unwrap();
        // The engine gives everything again; each record is there once.
        for n in 0..8u64 {
            let body = data(Stream::Tty, format!("line {n} {}\r\n", "x".repeat(60)).as_bytes());
            let at = audit_core::Moment::from_nanos((n + 1) * 10_000_000);
            let record = audit_core::Record { seq: n + 1, at, body };
            audit_core::Recorder::record(&mut writer, &record).unwrap();
        }
        audit_core::Recorder::close(&mut writer).unwrap();
        let report = check(&copy);
        assert_eq!((report.status, report.records), (Status::Intact, 8), "cut at {len}: {report}");
        let lines: Vec<_> =
            Journal::open(&copy).unwrap().entries().unwrap().map(|e| e.unwrap().first).collect();
        assert_eq!(lines, (1..=8).collect::<Vec<_>>(), "cut at {len}");
    }
}

#[test]
fn damage_in_the_middle_is_never_mended() {
    let root = Root::new();
    let mut tape = root.open(1);
    for _ in 0..5 {
        tape.tty(b"text\r\n");
        tape.sync();
    }
    let dir = tape.dir.clone();
    drop(tape);
    let path = dir.join("000000.atj");
    let mut bytes = fs::read(&path).unwrap();
    let (at, _) = frames(&bytes)[3];
    bytes[at + 70] ^= 1;
    fs::write(&path, &bytes).unwrap();
    let error = recover(&dir, None).unwrap_err();
    assert!(matches!(error, audit_journal::JournalError::Corrupt { .. }), "{error}");
    assert_eq!(fs::read(&path).unwrap(), bytes);
    assert_eq!(check(&dir).status, Status::Corrupt);
}
