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
    ("the last bit", &[11], |s, ids| {
        flip(segments(s, &ids[0]).last().unwrap(), |len| len - 1);
    }),
    ("the end cut off", &[15], |s, ids| {
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
    ("the last head gone", &[16], |s, ids| {
        rewrite(&heads(s, &ids[0]), |b| {
            let title = b"auditty/session-head/v1";
            let last = b.windows(title.len()).rposition(|w| w == title).unwrap();
            b.truncate(last);
        });
    }),
    ("bytes behind the last head", &[11], |s, ids| {
        rewrite(&heads(s, &ids[0]), |b| b.extend([b'z'; 5000]));
    }),
    ("half a head behind the last", &[11], |s, ids| {
        rewrite(&heads(s, &ids[0]), |b| b.extend(b"auditty/session-head/v1\nsession "));
    }),
    ("everything emptied", &[15], |s, ids| {
        for path in segments(s, &ids[0]).iter().skip(1) {
            std::fs::remove_file(path).unwrap();
        }
        rewrite(&segments(s, &ids[0])[0], Vec::clear);
        std::fs::remove_file(heads(s, &ids[0])).unwrap();
    }),
    ("cut behind the second frame, with the heads", &[15], |s, ids| {
        let mut all = segments(s, &ids[0]);
        let first = all.remove(0);
        all.iter().for_each(|path| std::fs::remove_file(path).unwrap());
        let third = frames(&std::fs::read(&first).unwrap())[2];
        rewrite(&first, |b| b.truncate(third));
        rewrite(&heads(s, &ids[0]), |b| {
            let ends: Vec<_> =
                (0..b.len() - 1).filter(|at| b[*at..].starts_with(b"\n\n")).collect();
            b.truncate(ends[1] + 2);
        });
    }),
    ("an epoch that nobody certified", &[14], |s, ids| {
        // The signature in the second frame, with everything made to fit it that needs no key.
        let path = &segments(s, &ids[0])[0];
        rewrite(path, |b| {
            let (at, end) = (frames(b)[1], frames(b)[2]);
            b[end - 1] ^= 1;
            relink(b, at);
        });
    }),
    ("the journal of another session", &[15], |s, ids| {
        let (here, there) = (s.session_dir(&ids[0]), s.session_dir(&ids[1]));
        std::fs::remove_dir_all(&here).unwrap();
        copy(&there, &here);
    }),
    ("the same session elsewhere too", &[0], |s, ids| {
        let elsewhere = s.path("journal/2020/01").join(&ids[0]);
        copy(&s.session_dir(&ids[0]), &elsewhere);
    }),
];

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for path in files(from) {
        std::fs::copy(&path, to.join(path.file_name().unwrap())).unwrap();
    }
}

/// Where the frames of a segment begin, and where the last ends.
fn frames(segment: &[u8]) -> Vec<usize> {
    let mut found = vec![0];
    while let Some(length) =
        segment.get(found[found.len() - 1] + 12..).and_then(|s| s.first_chunk())
    {
        found.push(found[found.len() - 1] + 68 + u32::from_le_bytes(*length) as usize);
    }
    found
}

/// Gives the frame at `at`, which is no block, the link and the checksum that fit its payload.
fn relink(segment: &mut [u8], at: usize) {
    use sha2::{Digest as _, Sha256};
    let all = frames(segment);
    let number = all.iter().position(|begin| *begin == at).unwrap();
    let (before, end) = (all[number - 1], all[number + 1]);
    let link = Sha256::new()
        .chain_update(b"auditty/journal/link/v1\0")
        .chain_update(&segment[before + 36..before + 68])
        .chain_update([segment[at + 4], segment[at + 5], 1, 0])
        .chain_update(&segment[at + 8..at + 12])
        .chain_update(&segment[at + 16..at + 32])
        .chain_update(Sha256::digest(&segment[at + 68..end]))
        .finalize();
    segment[at + 36..at + 68].copy_from_slice(&link);
    let frame = [&segment[at..at + 32], &segment[at + 36..end]].concat();
    segment[at + 32..at + 36].copy_from_slice(&crc32(&frame).to_le_bytes());
}

/// CRC-32 as IEEE 802.3 has it, bit by bit.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg())
        })
    })
}

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
        assert!(all.status >= verified.status.max(11), "{what}: the gravest counts: {all:?}");
        assert_eq!(sandbox.run(["verify", &ids[1]]).status, 0, "{what}: the other is whole");
        let replayed = sandbox.run(["replay", "--no-timing", &ids[0]]);
        let exported = sandbox.run(["export", "--format", "raw", &ids[0]]);
        for ran in [replayed, exported] {
            assert_eq!(ran.status, verified.status, "{what}: taken all the same");
            let told = ran.stderr.contains("--unverified");
            assert!(told || verified.status == 0, "{what}: {}", ran.stderr);
        }
        let recovered = sandbox.run(["recover", &ids[0]]);
        let again = sandbox.run(["verify", &ids[0]]);
        assert_eq!(again.status, verified.status, "{what}: recovery hides it: {recovered:?}");
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
