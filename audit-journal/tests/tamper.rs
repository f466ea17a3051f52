//! Everything that can be done to a journal behind its writer's back is found.

mod common;

use std::fs;
use std::path::{Path, PathBuf};

use audit_core::{Body, Stream, Winsize};
use audit_journal::{Journal, Recovery, Report, Status, Trust, recover, verify, verify_root};
use common::{Root, copy, data, spec};

/// A small complete session of two segments, with its root.
fn session(root: &Root, n: u8) -> PathBuf {
    let mut settings = root.settings();
    settings.segment_size = 900;
    let mut tape = root.open_with(n, settings);
    tape.put(Body::Resize(Winsize::new(24, 80)));
    tape.tty(b"$ ");
    tape.sync();
    tape.input(b"id\r");
    tape.sync();
    tape.tty(format!("uid={n}\r\n").as_bytes());
    tape.sync();
    tape.tty(&b"the same text again and again\r\n".repeat(20));
    tape.close()
}

fn check(dir: &Path) -> Report {
    verify(dir, &Trust::FirstUse, None)
}

/// A copy of a whole root, in which a session may be changed.
fn forged(root: &Root, dir: &Path) -> (tempfile::TempDir, PathBuf) {
    let copied = tempfile::tempdir().unwrap();
    copy(root.path(), copied.path());
    let dir = copied.path().join(dir.strip_prefix(root.path()).unwrap());
    for entry in fs::read_dir(&dir).unwrap() {
        let path = entry.unwrap().path();
        let mut mode = fs::metadata(&path).unwrap().permissions();
        #[expect(clippy::permissions_set_readonly_false, reason = "a copy in a test")]
        mode.set_readonly(false);
        fs::set_permissions(&path, mode).unwrap();
    }
    (copied, dir)
}

/// Beginning and length of every frame in a segment.
fn frames(segment: &[u8]) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    let mut at = 0;
    while at < segment.len() {
        let stored = u32::from_le_bytes(segment[at + 12..at + 16].try_into().unwrap());
        found.push((at, 68 + stored as usize));
        at += 68 + stored as usize;
    }
    found
}

#[test]
fn a_complete_session_is_intact() {
    let root = Root::new();
    let dir = session(&root, 1);
    let report = check(&dir);
    assert_eq!((report.status, report.unsealed_frames), (Status::Intact, 0), "{report}");
    assert!(dir.join("000001.atj").exists());
    assert_eq!(verify_root(root.path(), &Trust::FirstUse, None).unwrap().code(), 0);
}

#[test]
fn every_flipped_bit_is_found() {
    let root = Root::new();
    let dir = session(&root, 1);
    let (_copied, dir) = forged(&root, &dir);
    for name in ["000000.atj", "000001.atj"] {
        let path = dir.join(name);
        let whole = fs::read(&path).unwrap();
        let mut bad = whole.clone();
        // Every bit of the header and of one block, and one bit of every other byte.
        let all = frames(&whole);
        let (block, len) = all[all.len() - 2];
        for at in 0..whole.len() {
            let every = at < 68 || (block..block + len).contains(&at);
            for bit in if every { 0..8 } else { at % 8..at % 8 + 1 } {
                bad[at] ^= 1 << bit;
                fs::write(&path, &bad).unwrap();
                let report = check(&dir);
                assert_eq!(report.status, Status::Corrupt, "{name} byte {at} bit {bit}: {report}");
                bad[at] = whole[at];
            }
        }
        fs::write(&path, &whole).unwrap();
    }
    assert_eq!(check(&dir).status, Status::Intact);
}

#[test]
fn every_changed_byte_of_the_heads_is_found() {
    let root = Root::new();
    let dir = session(&root, 1);
    let (_copied, dir) = forged(&root, &dir);
    let path = dir.join("heads.note");
    let whole = fs::read(&path).unwrap();
    for at in 0..whole.len() {
        let mut bad = whole.clone();
        bad[at] ^= 1;
        fs::write(&path, &bad).unwrap();
        let report = check(&dir);
        assert_ne!(report.status, Status::Intact, "byte {at}: {report}");
    }
    // Cut anywhere: what is not signed any more is told.
    for len in 0..whole.len() - 1 {
        fs::write(&path, &whole[..len]).unwrap();
        let report = check(&dir);
        assert_eq!(report.status, Status::Unsealed, "cut at {len}: {report}");
    }
}

#[test]
fn a_cut_at_every_offset_is_told_with_the_last_whole_frame() {
    let root = Root::new();
    let dir = session(&root, 1);
    let (_copied, dir) = forged(&root, &dir);
    let segments = ["000000.atj", "000001.atj"].map(|n| fs::read(dir.join(n)).unwrap());
    let before = frames(&segments[0]).len();
    // In the last segment: a clean beginning. Heads may be there or not.
    for heads in [true, false] {
        if !heads {
            fs::remove_file(dir.join("heads.note")).unwrap();
        }
        for len in 0..segments[1].len() {
            fs::write(dir.join("000001.atj"), &segments[1][..len]).unwrap();
            let report = check(&dir);
            let whole = frames(&segments[1]).iter().filter(|(at, l)| at + l <= len).count();
            let expected = if heads { Status::Truncated } else { Status::Unsealed };
            if heads {
                assert_eq!(report.status, expected, "cut at {len}: {report}");
            } else {
                assert_ne!(report.status, Status::Intact, "cut at {len}: {report}");
            }
            assert_eq!(report.frame, Some((before + whole) as u64 - 1), "cut at {len}: {report}");
        }
    }
    // In the first, with the second gone: the same, down to nothing.
    fs::remove_file(dir.join("000001.atj")).unwrap();
    for len in 0..segments[0].len() {
        fs::write(dir.join("000000.atj"), &segments[0][..len]).unwrap();
        let report = check(&dir);
        assert_ne!(report.status, Status::Intact, "cut at {len}: {report}");
        let whole = frames(&segments[0]).iter().filter(|(at, l)| at + l <= len).count();
        assert_eq!(report.frame, (whole as u64).checked_sub(1), "cut at {len}: {report}");
    }
    fs::write(dir.join("000000.atj"), &segments[0]).unwrap();
    assert_eq!(check(&dir).status, Status::MissingSegment);
}

#[test]
fn a_removed_doubled_or_swapped_frame_is_found() {
    let root = Root::new();
    let dir = session(&root, 1);
    let (_copied, dir) = forged(&root, &dir);
    let path = dir.join("000000.atj");
    let whole = fs::read(&path).unwrap();
    let all = frames(&whole);
    let part = |n: usize| &whole[all[n].0..all[n].0 + all[n].1];
    let join = |order: &[usize]| order.iter().flat_map(|n| part(*n)).copied().collect::<Vec<_>>();
    let straight: Vec<usize> = (0..all.len()).collect();
    for n in straight.iter().copied() {
        let mut without = straight.clone();
        without.remove(n);
        let mut doubled = straight.clone();
        doubled.insert(n, n);
        let mut swapped = straight.clone();
        swapped.swap(n, (n + 1) % all.len());
        for order in [without, doubled, swapped] {
            fs::write(&path, join(&order)).unwrap();
            let report = check(&dir);
            assert_eq!(report.status, Status::Corrupt, "{order:?}: {report}");
        }
    }
}

#[test]
fn a_missing_segment_is_told() {
    let root = Root::new();
    let dir = session(&root, 1);
    let (_copied, dir) = forged(&root, &dir);
    let second = fs::read(dir.join("000001.atj")).unwrap();
    fs::remove_file(dir.join("000001.atj")).unwrap();
    assert_eq!(check(&dir).status, Status::MissingSegment);
    fs::write(dir.join("000001.atj"), second).unwrap();
    fs::remove_file(dir.join("000000.atj")).unwrap();
    assert_eq!(check(&dir).status, Status::MissingSegment);
}

#[test]
fn segments_of_another_session_are_found() {
    let root = Root::new();
    let (one, two) = (session(&root, 1), session(&root, 2));
    let (_copied, dir) = forged(&root, &one);
    fs::copy(two.join("000001.atj"), dir.join("000001.atj")).unwrap();
    assert_eq!(check(&dir).status, Status::Corrupt);
    // All of it, under the first one's name: the log knows another beginning.
    for name in ["000000.atj", "heads.note"] {
        fs::remove_file(dir.join(name)).unwrap();
        fs::copy(two.join(name), dir.join(name)).unwrap();
    }
    assert_eq!(check(&dir).status, Status::HostLogMismatch);
    let copied = dir.ancestors().nth(3).unwrap();
    assert_eq!(verify_root(copied, &Trust::FirstUse, None).unwrap().code(), 15);
}

#[test]
fn a_session_signed_with_another_key_is_found() {
    let (root, other) = (Root::new(), Root::new());
    let dir = session(&root, 1);
    let forger = session(&other, 1);
    let (copied, dir) = forged(&root, &dir);
    for name in ["000000.atj", "000001.atj", "heads.note"] {
        fs::remove_file(dir.join(name)).unwrap();
        fs::copy(forger.join(name), dir.join(name)).unwrap();
    }
    assert_eq!(check(&dir).status, Status::BadSignature);
    // Outside its root nobody vouches for a key, and the report says so.
    let alone = tempfile::tempdir().unwrap();
    copy(&dir, alone.path());
    let report = check(alone.path());
    assert_eq!(report.status, Status::Intact);
    assert!(report.reason.contains("nobody vouches"), "{report}");
    let key = Trust::from_file(&copied.path().join("hostlog/host.pub")).unwrap();
    assert_eq!(verify(alone.path(), &key, None).status, Status::BadSignature);
    let key = Trust::from_file(&other.path().join("hostlog/host.pub")).unwrap();
    assert_eq!(verify(alone.path(), &key, None).status, Status::Intact);
}

#[test]
fn heads_of_another_session_are_found() {
    let root = Root::new();
    let (one, two) = (session(&root, 1), session(&root, 2));
    let (_copied, dir) = forged(&root, &one);
    fs::copy(two.join("heads.note"), dir.join("heads.note")).unwrap();
    assert_eq!(check(&dir).status, Status::BadSignature);
}

#[test]
fn a_missing_session_is_missed_by_the_host_log() {
    let root = Root::new();
    let (one, _two) = (session(&root, 1), session(&root, 2));
    fs::remove_dir_all(&one).unwrap();
    let found = verify_root(root.path(), &Trust::FirstUse, None).unwrap();
    assert_eq!((found.code(), found.sessions.len()), (15, 2));
    assert_eq!(found.sessions[0].status, Status::HostLogMismatch);
    assert_eq!(found.sessions[1].status, Status::Intact);
}

#[test]
fn a_changed_host_log_is_found() {
    let root = Root::new();
    let dir = session(&root, 1);
    session(&root, 2);
    let log = root.path().join("hostlog");
    let leaves = fs::read_to_string(log.join("leaves")).unwrap();
    let without: String = leaves.lines().skip(3).map(|l| format!("{l}\n")).collect();
    fs::write(log.join("leaves"), &without).unwrap();
    assert_eq!(verify_root(root.path(), &Trust::FirstUse, None).unwrap().code(), 15);
    assert_eq!(check(&dir).status, Status::HostLogMismatch);
    fs::write(log.join("leaves"), &leaves).unwrap();
    assert_eq!(verify_root(root.path(), &Trust::FirstUse, None).unwrap().code(), 0);
    // Gone as a whole: every session says that there was one.
    fs::rename(&log, root.path().join("aside")).unwrap();
    assert_eq!(verify_root(root.path(), &Trust::FirstUse, None).unwrap().code(), 15);
    fs::rename(root.path().join("aside"), &log).unwrap();
    let checkpoint = fs::read_to_string(log.join("checkpoint")).unwrap();
    fs::write(log.join("checkpoint"), checkpoint.replacen('=', "A", 1)).unwrap();
    assert_eq!(verify_root(root.path(), &Trust::FirstUse, None).unwrap().code(), 15);
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
    for len in 0..whole.len() {
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

#[test]
fn an_unsigned_journal_on_a_host_that_signs_is_refused() {
    let root = Root::new();
    let dir = session(&root, 1);
    let (copied, dir) = forged(&root, &dir);
    // As a forger without the key would write it, were it not for the host log.
    fs::remove_file(dir.join("heads.note")).unwrap();
    assert_eq!(check(&dir).status, Status::Unsealed);
    let facts = audit_journal::ImportFacts {
        id: spec(1, root.path()).id,
        user: audit_core::Identity::person("mia", 1000),
        host: "here".to_owned(),
        opened_unix_millis: 1,
    };
    fs::remove_dir_all(&dir).unwrap();
    let cast = b"{\"version\": 2, \"width\": 80, \"height\": 24}\n[0.1, \"o\", \"nothing\"]\n";
    let imported = audit_journal::import(
        &mut &cast[..],
        audit_journal::ImportFormat::Asciicast,
        audit_journal::JournalSettings::new(copied.path()),
        &facts,
    )
    .unwrap();
    assert_eq!(imported, dir);
    assert_eq!(check(&dir).status, Status::HostLogMismatch);
}
