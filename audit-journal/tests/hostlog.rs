//! The log of a host, with many writers at once.

mod common;

use std::path::{Path, PathBuf};

use audit_journal::{
    HostLogProofs, Trust, leaf_hash, node_hash, verify_checkpoint, verify_consistency,
    verify_inclusion, verify_root,
};
use common::Root;

const LEAVES: &str = "leaves";
const CHECKPOINT: &str = "checkpoint";

/// A file of the log.
fn log(root: &Root, name: &str) -> PathBuf {
    root.path().join("hostlog").join(name)
}

fn code(root: &Root) -> u8 {
    verify_root(root.path(), &Trust::FirstUse, None).unwrap().code()
}

fn append(path: &Path, bytes: &[u8]) {
    let file = std::fs::OpenOptions::new().append(true).open(path);
    std::io::Write::write_all(&mut file.unwrap(), bytes).unwrap();
}

/// A copy of a whole root, and its path.
fn copied(root: &Root) -> (tempfile::TempDir, PathBuf) {
    let copied = tempfile::tempdir().unwrap();
    common::copy(root.path(), copied.path());
    let path = copied.path().to_owned();
    (copied, path)
}

fn leaves(root: &Root) -> Vec<String> {
    let text = std::fs::read_to_string(root.path().join("hostlog/leaves")).unwrap();
    text.lines().map(str::to_owned).collect()
}

#[test]
fn many_sessions_at_once_lose_no_leaf() {
    let root = Root::new();
    std::thread::scope(|scope| {
        for n in 1..=12 {
            let root = &root;
            scope.spawn(move || {
                let mut tape = root.open(n);
                tape.tty(b"hello\r\n");
                tape.sync();
                tape.close();
            });
        }
    });
    let leaves = leaves(&root);
    assert_eq!(leaves.len(), 24);
    for kind in ["start ", "end "] {
        assert_eq!(leaves.iter().filter(|l| l.starts_with(kind)).count(), 12);
    }
    let report = verify_root(root.path(), &Trust::FirstUse, None).unwrap();
    assert_eq!((report.code(), report.sessions.len()), (0, 12), "{report:?}");
}

#[test]
fn proofs_of_the_log_hold() {
    let root = Root::new();
    for n in 1..=5 {
        root.open(n).close();
    }
    let proofs = HostLogProofs::open(root.path()).unwrap();
    let size = proofs.size();
    assert_eq!(size, 10);
    let top = proofs.root(size).unwrap();
    for (index, leaf) in leaves(&root).iter().enumerate() {
        let proof = proofs.inclusion(index as u64, size).unwrap();
        assert!(verify_inclusion(&leaf_hash(leaf.as_bytes()), index as u64, size, &top, &proof));
    }
    for old in 1..=size {
        let proof = proofs.consistency(old, size).unwrap();
        assert!(verify_consistency(old, &proofs.root(old).unwrap(), size, &top, &proof));
    }
    for (index, size) in [(10, 10), (9, 9), (5, 3), (u64::MAX, 10)] {
        assert!(proofs.inclusion(index, size).is_err(), "leaf {index} of {size}");
    }
    assert!(proofs.consistency(0, 10).is_err());
    assert!(proofs.root(11).is_err());
}

#[test]
fn hashes_that_a_crash_left_behind_are_made_anew() {
    let root = Root::new();
    root.open(1).close();
    root.open(2).close();
    let hashes = std::fs::read(log(&root, "hashes")).unwrap();
    for (n, len) in (0..hashes.len()).step_by(17).enumerate() {
        std::fs::write(log(&root, "hashes"), &hashes[..len]).unwrap();
        let before = leaves(&root).len();
        root.open(3 + n as u8).close();
        assert_eq!(leaves(&root).len(), before + 2, "cut at {len}");
        assert_eq!(code(&root), 0, "cut at {len}");
    }
}

#[test]
fn an_append_cut_short_at_any_byte_is_finished_or_undone() {
    let root = Root::new();
    root.open(1).close();
    let tape = root.open(2);
    let before: Vec<_> =
        [LEAVES, "hashes", CHECKPOINT].map(|n| std::fs::read(log(&root, n)).unwrap()).into();
    tape.close();
    let (after, next) = (
        std::fs::read(log(&root, LEAVES)).unwrap(),
        std::fs::read(log(&root, CHECKPOINT)).unwrap(),
    );
    let old = before[0].len();
    for len in old..=after.len() {
        let (copied, _) = copied(&root);
        let path = |name: &str| copied.path().join("hostlog").join(name);
        std::fs::write(path(LEAVES), &after[..len]).unwrap();
        std::fs::write(path("hashes"), &before[1]).unwrap();
        std::fs::write(path(CHECKPOINT), &before[2]).unwrap();
        std::fs::write(path("checkpoint.next"), &next).unwrap();
        let verified = || verify_root(copied.path(), &Trust::FirstUse, None).unwrap();
        assert_eq!(verified().code(), 0, "cut at {len}: {:?}", verified());
        let settings = audit_journal::JournalSettings::new(copied.path());
        let spec = common::spec(3, copied.path());
        audit_journal::Writer::open(&spec, settings).map(drop).unwrap();
        let lines = std::fs::read_to_string(path(LEAVES)).unwrap().lines().count();
        // The leaf that was cut short is whole or gone, and one more came.
        assert_eq!(lines, if len == after.len() { 5 } else { 4 }, "cut at {len}");
        assert_eq!(verified().code(), 10, "the third session runs: {:?}", verified());
        // Without the tree head that vouches for it nobody knows where the leaf comes from.
        if len > old {
            std::fs::write(path(LEAVES), &after[..len]).unwrap();
            std::fs::write(path(CHECKPOINT), &before[2]).unwrap();
            let _ = std::fs::remove_file(path("checkpoint.next"));
            assert_eq!(verified().code(), 15, "cut at {len}");
        }
    }
}

#[test]
fn a_forged_expiry_excuses_nothing() {
    let root = Root::new();
    let (one, _two) = (root.open(1).close(), root.open(2).close());
    let id = one.file_name().unwrap().to_str().unwrap().to_owned();
    std::fs::remove_dir_all(&one).unwrap();
    let forged = format!("expired {id} 1795569826711\n");
    append(&log(&root, LEAVES), forged.as_bytes());
    let found = verify_root(root.path(), &Trust::FirstUse, None).unwrap();
    assert_eq!(found.code(), 15);
    assert!(found.sessions[0].reason.contains("is not there"), "{:?}", found.sessions);
    // Nor does the host ever sign it.
    let checkpoint = std::fs::read(log(&root, CHECKPOINT)).unwrap();
    root.open(3).close();
    assert_eq!(code(&root), 15);
    assert_eq!(std::fs::read(log(&root, CHECKPOINT)).unwrap(), checkpoint);
}

#[test]
fn a_rewritten_log_is_never_signed() {
    for what in ["leaves cut", "leaves and hashes", "leaves gone", "everything gone", "one changed"]
    {
        let root = Root::new();
        let (one, two) = (root.open(1).close(), {
            let mut tape = root.open(2);
            tape.tty(b"hello");
            tape.close()
        });
        assert_eq!(code(&root), 0);
        let id = one.file_name().unwrap().to_str().unwrap().to_owned();
        let all = std::fs::read_to_string(log(&root, LEAVES)).unwrap();
        let kept: Vec<_> = all.lines().filter(|l| !l.contains(&id)).collect();
        std::fs::remove_dir_all(&one).unwrap();
        match what {
            "leaves cut" => std::fs::write(log(&root, LEAVES), kept.join("\n") + "\n").unwrap(),
            "leaves and hashes" => {
                std::fs::write(log(&root, LEAVES), kept.join("\n") + "\n").unwrap();
                // As a forger computes them, who knows how.
                let hashes: Vec<_> = kept.iter().map(|l| leaf_hash(l.as_bytes())).collect();
                let nodes = [hashes[0], hashes[1], node_hash(&hashes[0], &hashes[1])];
                std::fs::write(log(&root, "hashes"), nodes.concat()).unwrap();
            }
            "leaves gone" => std::fs::remove_file(log(&root, LEAVES)).unwrap(),
            "one changed" => {
                std::fs::write(log(&root, LEAVES), all.replacen("17950", "17951", 1)).unwrap();
                std::fs::write(log(&root, "hashes"), b"").unwrap();
            }
            _ => std::fs::remove_dir_all(root.path().join("hostlog")).unwrap(),
        }
        assert_eq!(code(&root), 15, "{what}");
        let checkpoint = std::fs::read(log(&root, CHECKPOINT)).ok();
        let three = root.open(3).close();
        assert_eq!(code(&root), 15, "{what}: laundered by one more session");
        if what == "leaves cut" {
            // What is signed from now on still covers the leaves that are gone.
            let now = std::fs::read_to_string(log(&root, LEAVES)).unwrap();
            let back = now.replacen(&(kept.join("\n") + "\n"), &all, 1);
            std::fs::write(log(&root, LEAVES), back).unwrap();
            let found = verify_root(root.path(), &Trust::FirstUse, None).unwrap();
            assert_eq!((found.host_log, found.sessions[0].status.code()), (None, 15));
            continue;
        }
        assert_eq!(std::fs::read(log(&root, CHECKPOINT)).ok(), checkpoint, "{what}");
        // What was recorded meanwhile is signed by itself.
        let report = audit_journal::verify(&three, &Trust::FirstUse, None);
        assert_eq!(report.status.code(), 15, "{what}: {report}");
        assert!(two.exists() && report.sealed > 0, "{what}: {report}");
    }
}

#[test]
fn whatever_follows_the_last_leaf_is_found() {
    for bytes in [&b"garbage"[..], b"\n", b"\0", b"start torn", &[b'x'; 9000]] {
        let root = Root::new();
        root.open(1).close();
        append(&log(&root, LEAVES), bytes);
        assert_eq!(code(&root), 15, "{bytes:?}");
        root.open(2).close();
        assert_eq!(code(&root), 15, "{bytes:?}: the next session hides it");
    }
}

#[test]
fn a_log_must_continue_the_checkpoint_that_was_kept() {
    let root = Root::new();
    root.open(1).close();
    let kept = std::fs::read_to_string(log(&root, CHECKPOINT)).unwrap();
    let (early, early_root) = copied(&root);
    root.open(2).close();
    let later = std::fs::read_to_string(log(&root, CHECKPOINT)).unwrap();
    let check = |root: &std::path::Path, kept: &str| {
        verify_checkpoint(root, &Trust::FirstUse, kept).unwrap().map(|fault| fault.status.code())
    };
    assert_eq!(check(root.path(), &kept), None);
    assert_eq!(check(root.path(), &later), None);
    // An old state of everything, put back: by itself it is in order.
    assert_eq!(verify_root(&early_root, &Trust::FirstUse, None).unwrap().code(), 0);
    assert_eq!(check(&early_root, &later), Some(15));
    // Another history by the same key, from there.
    let key = early.path().join("host.key");
    let mut settings = audit_journal::JournalSettings::new(&early_root);
    settings.host_key = Some(key);
    let writer = audit_journal::Writer::open(&common::spec(9, &early_root), settings).unwrap();
    drop(writer);
    assert_eq!(check(&early_root, &kept), None);
    assert_eq!(check(&early_root, &later), Some(15));
    // What is no checkpoint of this host proves nothing.
    let other = Root::new();
    other.open(1).close();
    let foreign = std::fs::read_to_string(log(&other, CHECKPOINT)).unwrap();
    assert_eq!(check(root.path(), &foreign), Some(12));
    assert_eq!(check(root.path(), &kept.replace("\n2\n", "\n1\n")), Some(15));
    assert_eq!(check(root.path(), "hello\n"), Some(15));
}

#[test]
fn an_expired_session_is_not_missed() {
    let root = Root::new();
    let (one, two) = (root.open(1), root.open(2));
    assert!(matches!(
        audit_journal::expire(&one.dir, &root.settings(), 1),
        Err(audit_journal::JournalError::Busy { .. })
    ));
    let (one, _two) = (one.close(), two.close());
    audit_journal::expire(&one, &root.settings(), 1_800_000_000_000).unwrap();
    assert!(!one.exists());
    let report = verify_root(root.path(), &Trust::FirstUse, None).unwrap();
    assert_eq!((report.code(), report.sessions.len()), (0, 1));
    // Only what lies in the root it is said of is deleted.
    let other = Root::new();
    let foreign = other.open(3).close();
    audit_journal::expire(&foreign, &root.settings(), 1).unwrap_err();
    assert!(foreign.exists());
}

#[test]
fn a_root_has_one_host_key() {
    let (root, other) = (Root::new(), Root::new());
    root.open(1).close();
    other.open(1).close();
    let refused = |key: &std::path::Path| {
        let mut settings = root.settings();
        settings.host_key = Some(key.to_owned());
        let spec = common::spec(2, root.path());
        audit_journal::Writer::open(&spec, settings).unwrap_err().to_string()
    };
    let error = refused(&other.path().join("host.key"));
    assert!(error.contains("another host key"), "{error}");
    // A key that is gone is not replaced by one that signed nothing.
    let gone = root.path().join("gone.key");
    let error = refused(&gone);
    assert!(error.contains("the host key is gone") && !gone.exists(), "{error}");
}

#[test]
fn a_host_key_may_lie_outside_of_what_it_signs() {
    let (root, keys) = (Root::new(), tempfile::tempdir().unwrap());
    let mut settings = root.settings();
    settings.host_key = Some(keys.path().join("host.key"));
    let mut tape = root.open_with(1, settings.clone());
    tape.tty(b"hello");
    tape.sync();
    let dir = tape.dir.clone();
    drop(tape);
    assert!(!root.path().join("host.key").exists() && keys.path().join("host.key").exists());
    audit_journal::recover(&dir, None).unwrap_err();
    audit_journal::recover(&dir, Some(settings)).unwrap();
    assert_eq!(code(&root), 0);
}

#[test]
fn without_a_log_the_root_still_names_its_key() {
    let root = Root::new();
    let mut settings = root.settings();
    settings.host_log = false;
    let dir = root.open_with(1, settings).close();
    assert!(!root.path().join("hostlog/leaves").exists());
    let report = audit_journal::verify(&dir, &Trust::FirstUse, None);
    assert_eq!(report.status, audit_journal::Status::Intact, "{report}");
    assert_eq!(report.key, audit_journal::KeySource::Root);
}
