//! A signed journal that somebody changed without its key: that is always noticed.
#![no_main]

use std::fs;
use std::path::PathBuf;
use std::sync::LazyLock;

use arbitrary::Arbitrary;
use audit_journal::{Status, Trust, verify};
use libfuzzer_sys::fuzz_target;

/// A closed journal and what is in its only segment.
static JOURNAL: LazyLock<(PathBuf, Vec<u8>)> = LazyLock::new(|| {
    let dir = auditty_fuzz::journal(&auditty_fuzz::scratch());
    let bytes = fs::read(dir.join("000000.atj")).expect("a segment");
    assert_eq!(verify(&dir, &Trust::FirstUse, None).status, Status::Intact);
    (dir, bytes)
});

#[derive(Arbitrary, Debug)]
enum Change {
    Set(u16, u8),
    Cut(u16),
    Remove(u16, u16),
    Insert(u16, Vec<u8>),
    Repeat(u16, u16),
    Swap(u16, u16, u16),
}

fuzz_target!(|changes: Vec<Change>| {
    let (dir, original) = &*JOURNAL;
    let mut bytes = original.clone();
    changes.into_iter().take(8).for_each(|change| apply(&mut bytes, change));
    let path = dir.join("000000.atj");
    // Read-only since it was closed.
    let _ = fs::remove_file(&path);
    fs::write(&path, &bytes).expect("a segment");
    let status = verify(dir, &Trust::FirstUse, None).status;
    assert_eq!(status == Status::Intact, bytes == *original, "{status:?}");
    auditty_fuzz::read(dir);
});

fn apply(bytes: &mut Vec<u8>, change: Change) {
    let len = bytes.len();
    let place = |at: u16| usize::from(at) % (len + 1);
    let range = |at: u16, size: u16| {
        let start = place(at);
        start..(start + usize::from(size)).min(len)
    };
    match change {
        Change::Set(at, value) => {
            if let Some(byte) = bytes.get_mut(place(at)) {
                *byte = value;
            }
        }
        Change::Cut(at) => bytes.truncate(place(at)),
        Change::Remove(at, size) => drop(bytes.drain(range(at, size))),
        Change::Insert(at, new) => drop(bytes.splice(place(at)..place(at), new)),
        Change::Repeat(at, size) => {
            let part = bytes[range(at, size)].to_vec();
            bytes.splice(place(at)..place(at), part);
        }
        Change::Swap(a, b, size) => {
            let (a, b) = (range(a, size), range(b, size));
            for (x, y) in a.zip(b) {
                bytes.swap(x, y);
            }
        }
    }
}
