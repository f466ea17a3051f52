//! Everything that can be done to a journal behind its writer's back is found.

mod common;

use std::fs;
use std::path::{Path, PathBuf};

use audit_core::{Body, Winsize};
use audit_journal::{Status, Trust, verify, verify_root};
use common::forge::{check, code, forged, frames, notes, unlock};
use common::{Root, copy, spec};

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

#[test]
fn a_complete_session_is_intact() {
    let root = Root::new();
    let dir = session(&root, 1);
    let report = check(&dir);
    assert_eq!((report.status, report.unsealed_frames), (Status::Intact, 0), "{report}");
    assert!(dir.join("000001.atj").exists());
    assert_eq!(verify_root(root.path(), &Trust::FirstUse, None).unwrap().code(), 0);
}

/// Files whose bytes prove nothing, and why they need not.
const IRRELEVANT: [(&str, &str); 3] = [
    ("session.json", "a copy of the header for people, which nothing reads"),
    ("hashes", "derived from the leaves; a writer checks it and makes it anew"),
    ("host.key", "the secret half; a writer refuses one that does not fit `host.pub`"),
];

/// Every file below `dir`.
fn files(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

fn is_irrelevant(path: &Path) -> bool {
    IRRELEVANT.iter().any(|(name, _)| path.ends_with(name))
}

/// A session as small as one of two segments can be.
fn small(root: &Root) -> PathBuf {
    let mut settings = root.settings();
    settings.segment_size = 700;
    let mut tape = root.open_with(1, settings);
    tape.tty(b"$ ");
    tape.sync();
    tape.input(b"x");
    tape.close()
}

#[test]
fn every_single_bit_of_every_file_counts() {
    let root = Root::new();
    let dir = small(&root);
    assert!(dir.join("000001.atj").exists());
    let names: Vec<PathBuf> = files(root.path())
        .iter()
        .map(|p| p.strip_prefix(root.path()).unwrap().to_owned())
        .collect();
    for name in ["000000.atj", "000001.atj", "heads.note", "leaves", "checkpoint", "host.pub"] {
        assert!(names.iter().any(|n| n.ends_with(name)), "{name} in {names:?}");
    }
    // Every thread has a copy of its own, and takes every so manieth byte.
    let threads = 4;
    std::thread::scope(|scope| {
        for thread in 0..threads {
            let (names, root, dir) = (&names, &root, &dir);
            scope.spawn(move || {
                let (copied, _) = forged(root, dir);
                assert_eq!(code(copied.path()), 0);
                for name in names.iter().filter(|name| !is_irrelevant(name)) {
                    let path = copied.path().join(name);
                    let whole = fs::read(&path).unwrap();
                    let mut bad = whole.clone();
                    for at in (thread..whole.len()).step_by(threads) {
                        for bit in 0..8 {
                            bad[at] = whole[at] ^ 1 << bit;
                            fs::write(&path, &bad).unwrap();
                            let code = code(copied.path());
                            assert!(code >= 11, "{}: byte {at} bit {bit}: {code}", name.display());
                        }
                        bad[at] = whole[at];
                    }
                    fs::write(&path, &whole).unwrap();
                }
                assert_eq!(code(copied.path()), 0);
            });
        }
    });
}

#[test]
fn bytes_that_prove_nothing_change_no_verdict() {
    let root = Root::new();
    let dir = small(&root);
    let (copied, _) = forged(&root, &dir);
    let mut seen = 0;
    for path in files(copied.path()).into_iter().filter(|path| is_irrelevant(path)) {
        let whole = fs::read(&path).unwrap();
        let bad: Vec<u8> = whole.iter().zip(0..).map(|(byte, at)| byte ^ 1 << (at % 8)).collect();
        fs::write(&path, &bad).unwrap();
        assert_eq!(code(copied.path()), 0, "{}", path.display());
        let settings = audit_journal::JournalSettings::new(copied.path());
        let written = audit_journal::Writer::open(&spec(2, copied.path()), settings);
        match path.ends_with("host.key") {
            true => assert!(written.is_err()),
            false => {
                audit_core::Recorder::close(&mut written.unwrap()).unwrap();
                assert_eq!(code(copied.path()), 0, "{}", path.display());
                fs::remove_dir_all(common::session_dir(copied.path(), 2)).unwrap();
                fs::remove_dir_all(copied.path().join("hostlog")).unwrap();
                copy(&root.path().join("hostlog"), &copied.path().join("hostlog"));
            }
        }
        fs::write(&path, &whole).unwrap();
        seen += 1;
    }
    assert_eq!(seen, IRRELEVANT.len());
}

#[test]
fn a_file_cut_or_continued_anywhere_is_found() {
    let root = Root::new();
    let dir = small(&root);
    let (copied, _) = forged(&root, &dir);
    for path in files(copied.path()).into_iter().filter(|path| !is_irrelevant(path)) {
        let whole = fs::read(&path).unwrap();
        let name = path.file_name().unwrap().display();
        for len in 0..whole.len() {
            fs::write(&path, &whole[..len]).unwrap();
            let code = code(copied.path());
            assert!(code >= 11, "{name} cut at {len}: {code}");
        }
        for more in [&b"z"[..], b"\n", b"\n\n", b"\0", &[b'z'; 5000], &whole] {
            fs::write(&path, [&whole, more].concat()).unwrap();
            let code = code(copied.path());
            assert!(code >= 11, "{name} continued by {} bytes: {code}", more.len());
        }
        fs::write(&path, &whole).unwrap();
    }
    assert_eq!(code(copied.path()), 0);
}

#[test]
fn a_cut_at_every_offset_is_told_with_the_last_whole_frame() {
    let root = Root::new();
    let mut settings = root.settings();
    settings.segment_size = 700;
    let mut tape = root.open_with(1, settings);
    for text in ["one", "two", "three"] {
        tape.tty(text.as_bytes());
        tape.sync();
    }
    // Its writer died: the host log knows no end.
    let dir = tape.dir.clone();
    drop(tape);
    let segments = ["000000.atj", "000001.atj"].map(|n| fs::read(dir.join(n)).unwrap());
    let before = frames(&segments[0]).len();
    // The log knows the first frame of the second segment, which was synced before it was told.
    let known = frames(&segments[1])[0].1;
    for len in 0..segments[1].len() {
        fs::write(dir.join("000001.atj"), &segments[1][..len]).unwrap();
        let report = check(&dir);
        let whole = frames(&segments[1][..len]).len();
        let expected = if len < known { Status::HostLogMismatch } else { Status::Truncated };
        assert_eq!(report.status, expected, "cut at {len}: {report}");
        assert_eq!(report.frame, Some((before + whole) as u64 - 1), "cut at {len}: {report}");
    }
    fs::remove_file(dir.join("000001.atj")).unwrap();
    assert_eq!(check(&dir).status, Status::MissingSegment);
    for len in 0..segments[0].len() {
        fs::write(dir.join("000000.atj"), &segments[0][..len]).unwrap();
        let report = check(&dir);
        assert_eq!(report.status, Status::HostLogMismatch, "cut at {len}: {report}");
        let whole = frames(&segments[0][..len]).len() as u64;
        assert_eq!(report.frame, whole.checked_sub(1), "cut at {len}: {report}");
    }
}

#[test]
fn a_closed_session_that_is_cut_or_emptied_is_no_crash() {
    let root = Root::new();
    let dir = session(&root, 1);
    let (_copied, dir) = forged(&root, &dir);
    let segment = fs::read(dir.join("000000.atj")).unwrap();
    let heads = fs::read_to_string(dir.join("heads.note")).unwrap();
    fs::remove_file(dir.join("000001.atj")).unwrap();
    // Cut behind the second frame, with the head that covers it.
    let (at, _) = frames(&segment)[2];
    fs::write(dir.join("000000.atj"), &segment[..at]).unwrap();
    fs::write(dir.join("heads.note"), &notes(&heads)[0]).unwrap();
    assert_eq!(check(&dir).status, Status::HostLogMismatch, "{}", check(&dir));
    fs::write(dir.join("000000.atj"), b"").unwrap();
    assert_eq!(check(&dir).status, Status::HostLogMismatch, "{}", check(&dir));
    fs::remove_file(dir.join("heads.note")).unwrap();
    assert_eq!(check(&dir).status, Status::HostLogMismatch, "{}", check(&dir));
}

#[test]
fn a_second_directory_of_a_session_hides_nothing() {
    let root = Root::new();
    let dir = session(&root, 1);
    let elsewhere = root.path().join("2020/01").join(dir.file_name().unwrap());
    copy(&dir, &elsewhere);
    for changed in [false, true] {
        if changed {
            unlock(&elsewhere);
            let mut bytes = fs::read(elsewhere.join("000000.atj")).unwrap();
            bytes[300] ^= 1;
            fs::write(elsewhere.join("000000.atj"), bytes).unwrap();
        }
        let found = verify_root(root.path(), &Trust::FirstUse, None).unwrap();
        let status = |at: &Path| {
            let report = found.sessions.iter().find(|r| r.dir.as_deref() == Some(at));
            report.unwrap().status
        };
        assert_eq!((found.sessions.len(), status(&dir)), (2, Status::Intact), "{found:?}");
        let expected = if changed { Status::Corrupt } else { Status::HostLogMismatch };
        assert_eq!(status(&elsewhere), expected, "{found:?}");
        assert_eq!(check(&elsewhere).status, expected);
        assert_eq!(found.code(), 15 - 4 * u8::from(changed), "{found:?}");
    }
    // The only one, but not where it belongs.
    fs::remove_dir_all(&elsewhere).unwrap();
    fs::rename(&dir, &elsewhere).unwrap();
    assert_eq!(code(root.path()), 15);
}

#[test]
fn a_root_signed_anew_is_a_stranger_to_those_who_knew_it() {
    let (root, other) = (Root::new(), Root::new());
    session(&root, 1);
    let known = audit_journal::TrustedKey::of_root(root.path()).unwrap();
    let trust = Trust::Known(known);
    let code = |root: &Root| verify_root(root.path(), &trust, None).unwrap().code();
    assert_eq!(code(&root), 0);
    // The same session by somebody else, with log, keys and all.
    let dir = session(&other, 1);
    assert_eq!(verify_root(other.path(), &Trust::FirstUse, None).unwrap().code(), 0);
    assert_eq!(code(&other), 12);
    assert_eq!(verify(&dir, &trust, None).status, Status::BadSignature);
    // Nothing left that is signed, only something that claims to be imported.
    let facts = audit_journal::ImportFacts {
        id: spec(7, other.path()).id,
        user: audit_core::Identity::person("mia", 1000),
        host: "here".to_owned(),
        opened_unix_millis: 1,
    };
    fs::remove_dir_all(&dir).unwrap();
    fs::remove_dir_all(other.path().join("hostlog")).unwrap();
    let cast = b"{\"version\": 2, \"width\": 80, \"height\": 24}\n[0.1, \"o\", \"x\"]\n";
    let format = audit_journal::ImportFormat::Asciicast;
    audit_journal::import(&mut &cast[..], format, other.settings(), &facts).unwrap();
    assert_eq!(code(&other), 12);
    // In a root that is known, an imported session is what it says.
    audit_journal::import(&mut &cast[..], format, root.settings(), &facts).unwrap();
    assert_eq!(code(&root), 0);
    let demanded = Trust::from_file(&root.path().join("hostlog/host.pub")).unwrap();
    assert_eq!(verify_root(root.path(), &demanded, None).unwrap().code(), 16);
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
