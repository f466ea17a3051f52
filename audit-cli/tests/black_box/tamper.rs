//! Every kind of damage has its own exit status, and nothing damaged is played as if it were not.

use std::path::{Path, PathBuf};

use crate::chance::Chance;
use crate::sandbox::{Ran, Sandbox, files};

/// Journals of several segments.
fn sandbox() -> (Sandbox, Vec<String>) {
    let sandbox = Sandbox::new();
    let noise = Chance::new(3).bytes(300 << 10);
    std::fs::write(sandbox.path("home/noise"), noise).unwrap();
    for _ in 0..2 {
        let mut command = sandbox.command(["run", "--", "cat", "noise"]);
        command.env("AUDITTY_JOURNAL__SEGMENT_SIZE", "64KiB");
        assert_eq!(Ran::of(command.spawn().unwrap()).status, 0);
    }
    let ids = sandbox.sessions();
    assert!(segments(&sandbox, &ids[0]).len() > 3);
    (sandbox, ids)
}

fn segments(sandbox: &Sandbox, id: &str) -> Vec<PathBuf> {
    let mut found: Vec<_> = files(&sandbox.session_dir(id))
        .into_iter()
        .filter(|path| path.extension().is_some_and(|e| e == "atj"))
        .collect();
    found.sort();
    found
}

fn heads(sandbox: &Sandbox, id: &str) -> PathBuf {
    sandbox.session_dir(id).join("heads.note")
}

/// Writes a file that its owner made read-only.
fn rewrite(path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = std::fs::read(path).unwrap();
    change(&mut bytes);
    std::fs::remove_file(path).unwrap();
    std::fs::write(path, bytes).unwrap();
}

fn flip(path: &Path, at: impl FnOnce(usize) -> usize) {
    rewrite(path, |bytes| {
        let at = at(bytes.len());
        bytes[at] ^= 0x10;
    });
}

fn swap(one: &Path, other: &Path) {
    let (first, second) = (std::fs::read(one).unwrap(), std::fs::read(other).unwrap());
    rewrite(one, |bytes| *bytes = second);
    rewrite(other, |bytes| *bytes = first);
}

/// What is done, the statuses `verify` may end with, and how.
type Damage = (&'static str, &'static [i32], fn(&Sandbox, &[String]));

/// The first session is damaged; the second stays whole.
const DAMAGES: &[Damage] = &[
    ("a bit in the first segment", &[11], |s, ids| {
        flip(&segments(s, &ids[0])[0], |len| len / 2);
    }),
    ("a bit in a segment in the middle", &[11], |s, ids| {
        flip(&segments(s, &ids[0])[2], |len| len / 3);
    }),
    ("the last bit", &[10, 11, 12, 15], |s, ids| {
        flip(segments(s, &ids[0]).last().unwrap(), |len| len - 1);
    }),
    ("the end cut off", &[10, 15], |s, ids| {
        rewrite(segments(s, &ids[0]).last().unwrap(), |b| b.truncate(b.len() / 2));
    }),
    ("a segment cut in the middle", &[11], |s, ids| {
        rewrite(&segments(s, &ids[0])[1], |b| b.truncate(b.len() - 100));
    }),
    ("a segment in the middle gone", &[13], |s, ids| {
        std::fs::remove_file(&segments(s, &ids[0])[1]).unwrap();
    }),
    ("the first segment gone", &[13], |s, ids| {
        std::fs::remove_file(&segments(s, &ids[0])[0]).unwrap();
    }),
    ("two segments swapped", &[11], |s, ids| {
        let all = segments(s, &ids[0]);
        swap(&all[1], &all[2]);
    }),
    ("a segment of another session", &[11], |s, ids| {
        let other = std::fs::read(&segments(s, &ids[1])[1]).unwrap();
        rewrite(&segments(s, &ids[0])[1], |b| *b = other);
    }),
    ("bytes behind the end", &[11], |s, ids| {
        rewrite(segments(s, &ids[0]).last().unwrap(), |b| b.extend([0; 64]));
    }),
    ("a changed head", &[11, 12], |s, ids| flip(&heads(s, &ids[0]), |len| len / 2)),
    ("heads of another session", &[11, 12], |s, ids| {
        let other = std::fs::read(heads(s, &ids[1])).unwrap();
        rewrite(&heads(s, &ids[0]), |b| *b = other);
    }),
    ("no heads", &[16], |s, ids| std::fs::remove_file(heads(s, &ids[0])).unwrap()),
];

#[test]
fn every_damage_is_found_and_has_its_status() {
    for (what, statuses, damage) in DAMAGES {
        let (sandbox, ids) = sandbox();
        damage(&sandbox, &ids);
        let verified = sandbox.run(["verify", &ids[0]]);
        assert!(statuses.contains(&verified.status), "{what}: {verified:?}");
        assert_eq!(verified.lines().len(), 1, "{what}: {verified:?}");
        assert_eq!(verified.stderr, "", "{what}");
        let all = sandbox.run(["verify"]);
        assert!(all.status >= verified.status, "{what}: the gravest counts: {all:?}");
        assert_eq!(sandbox.run(["verify", &ids[1]]).status, 0, "{what}: the other is whole");
        let replayed = sandbox.run(["replay", "--no-timing", &ids[0]]);
        if verified.status > 10 {
            assert_ne!(replayed.status, 0, "{what}: it is played all the same");
            assert!(replayed.stderr.contains("--unverified"), "{what}: {}", replayed.stderr);
        }
        let recovered = sandbox.run(["recover", &ids[0]]);
        let again = sandbox.run(["verify", &ids[0]]);
        assert!(
            verified.status == 10 || again.status != 0,
            "{what}: recovery makes damage look whole: {recovered:?}"
        );
    }
}

#[test]
fn a_session_that_is_gone_is_missed() {
    let (sandbox, ids) = sandbox();
    assert_eq!(sandbox.run(["verify"]).status, 0);
    std::fs::remove_dir_all(sandbox.session_dir(&ids[0])).unwrap();
    let verified = sandbox.run(["verify"]);
    assert_eq!(verified.status, 15, "{verified:?}");
    assert!(verified.text().contains(&ids[0][..8]), "it is named: {verified:?}");
}

#[test]
fn another_key_is_not_believed() {
    let (sandbox, ids) = sandbox();
    let (other, _) = self::sandbox();
    let key = other.path("journal/hostlog/host.pub");
    let verified = sandbox.run(["verify", "--key", key.to_str().unwrap(), &ids[0]]);
    assert_eq!(verified.status, 12, "{verified:?}");
    let key = sandbox.path("journal/hostlog/host.pub");
    let verified = sandbox.run(["verify", "--key", key.to_str().unwrap(), &ids[0]]);
    assert_eq!(verified.status, 0, "{verified:?}");
}
