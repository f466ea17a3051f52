//! The log of a host, with many writers at once.

mod common;

use audit_journal::{
    HostLogProofs, Trust, leaf_hash, verify_consistency, verify_inclusion, verify_root,
};
use common::Root;

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
    assert!(proofs.inclusion(10, 10).is_err());
    assert!(proofs.consistency(0, 10).is_err());
    assert!(proofs.root(11).is_err());
}

#[test]
fn hashes_that_a_crash_left_behind_are_made_anew() {
    let root = Root::new();
    root.open(1).close();
    root.open(2).close();
    let log = root.path().join("hostlog");
    let hashes = std::fs::read(log.join("hashes")).unwrap();
    for (n, len) in (0..hashes.len()).step_by(17).enumerate() {
        std::fs::write(log.join("hashes"), &hashes[..len]).unwrap();
        std::fs::OpenOptions::new()
            .append(true)
            .open(log.join("leaves"))
            .and_then(|mut f| std::io::Write::write_all(&mut f, b"start torn"))
            .unwrap();
        let before = leaves(&root).len();
        root.open(3 + n as u8).close();
        // The torn line is gone, and two leaves came.
        assert_eq!(leaves(&root).len(), before + 1, "cut at {len}");
        assert_eq!(verify_root(root.path(), &Trust::FirstUse, None).unwrap().code(), 0);
    }
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
    let root = Root::new();
    root.open(1).close();
    let mut settings = root.settings();
    settings.host_key = Some(root.path().join("other.key"));
    let error = audit_journal::Writer::open(&common::spec(2, root.path()), settings).unwrap_err();
    assert!(error.to_string().contains("another host key"), "{error}");
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
