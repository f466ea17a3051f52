//! What somebody can do who has the files, knows the format, and has no key.

use std::fs;
use std::path::{Path, PathBuf};

use audit_journal::{Report, Trust, verify, verify_root};
use sha2::{Digest, Sha256};

use super::{Root, copy};

/// Kind of a block frame.
pub(crate) const BLOCK: u8 = 15;

pub(crate) fn check(dir: &Path) -> Report {
    verify(dir, &Trust::FirstUse, None)
}

/// Exit code of the verification of a whole root.
pub(crate) fn code(root: &Path) -> u8 {
    verify_root(root, &Trust::FirstUse, None).unwrap().code()
}

/// A copy of a whole root, in which a session may be changed.
pub(crate) fn forged(root: &Root, dir: &Path) -> (tempfile::TempDir, PathBuf) {
    let copied = tempfile::tempdir().unwrap();
    copy(root.path(), copied.path());
    let dir = copied.path().join(dir.strip_prefix(root.path()).unwrap());
    unlock(&dir);
    (copied, dir)
}

/// Makes the files in `dir` writable.
pub(crate) fn unlock(dir: &Path) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let mut mode = fs::metadata(&path).unwrap().permissions();
        #[expect(clippy::permissions_set_readonly_false, reason = "a copy in a test")]
        mode.set_readonly(false);
        fs::set_permissions(&path, mode).unwrap();
    }
}

/// Beginning and length of every whole frame in a segment.
pub(crate) fn frames(segment: &[u8]) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    let mut at = 0;
    while at + 68 <= segment.len() {
        let stored = u32::from_le_bytes(segment[at + 12..at + 16].try_into().unwrap());
        let len = 68 + stored as usize;
        if at + len > segment.len() {
            break;
        }
        found.push((at, len));
        at += len;
    }
    found
}

/// The notes in `heads.note`, each with the empty line behind it.
pub(crate) fn notes(heads: &str) -> Vec<String> {
    let mut parts = heads.split_inclusive("\n\n");
    std::iter::from_fn(|| Some(parts.next()?.to_owned() + parts.next().unwrap_or_default()))
        .collect()
}

/// A block of one record on the terminal, number `record`, behind a frame with number and link
/// `previous`. Everything is right but the signature that nobody makes.
pub(crate) fn block(previous: &[u8], record: u64, text: &[u8]) -> Vec<u8> {
    let seq = u64::from_le_bytes(previous[16..24].try_into().unwrap()) + 1;
    let time = u64::from_le_bytes(previous[24..32].try_into().unwrap()) + 1000;
    let mut meta = [record.to_le_bytes(), record.to_le_bytes()].concat();
    meta.extend([0, 0, u8::try_from(text.len()).unwrap()]);
    let empty = Sha256::digest(b"");
    let mut content = Sha256::new()
        .chain_update(b"auditty/journal/block/v1\0")
        .chain_update((meta.len() as u32).to_le_bytes())
        .chain_update(&meta)
        .chain_update((text.len() as u64).to_le_bytes())
        .chain_update(Sha256::digest(text));
    for _ in 0..3 {
        content.update([0; 8]);
        content.update(empty);
    }
    let payload = [&(meta.len() as u32).to_le_bytes()[..], &meta, text].concat();
    frame(BLOCK, 0x10, seq, time, &previous[36..68], &content.finalize(), &payload)
}

/// A frame whose link and checksum are right.
fn frame(
    kind: u8,
    flags: u8,
    seq: u64,
    time: u64,
    previous: &[u8],
    content: &[u8],
    payload: &[u8],
) -> Vec<u8> {
    let len = (payload.len() as u32).to_le_bytes();
    let link = Sha256::new()
        .chain_update(b"auditty/journal/link/v1\0")
        .chain_update(previous)
        .chain_update([kind, flags, 1, 0])
        .chain_update(len)
        .chain_update(seq.to_le_bytes())
        .chain_update(time.to_le_bytes())
        .chain_update(content)
        .finalize();
    let mut header = b"ATJ1".to_vec();
    header.extend([kind, flags, 0, 1]);
    header.extend([len, len].concat());
    header.extend(seq.to_le_bytes());
    header.extend(time.to_le_bytes());
    let mut crc = crc32fast::Hasher::new();
    for part in [&header[..], &link, payload] {
        crc.update(part);
    }
    [&header, &crc.finalize().to_le_bytes()[..], &link, payload].concat()
}
