//! Lines of text out of terminal bytes: the same lines however the bytes are split into reads.
#![no_main]

use audit_journal::TextLines;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (Vec<u8>, Vec<u8>)| {
    let (bytes, splits) = input;
    let mut whole = Vec::new();
    let mut lines = TextLines::new();
    lines.feed(&bytes, |line| whole.push(line.to_owned()));
    whole.extend(lines.rest());

    let mut parts = Vec::new();
    let mut lines = TextLines::new();
    let mut rest = bytes.as_slice();
    for size in splits {
        let (part, behind) = rest.split_at(usize::from(size).min(rest.len()));
        lines.feed(part, |line| parts.push(line.to_owned()));
        rest = behind;
    }
    lines.feed(rest, |line| parts.push(line.to_owned()));
    parts.extend(lines.rest());
    assert_eq!(parts, whole);
    assert!(whole.iter().all(|line| !line.contains('\x1b')), "an escape sequence is left");
});
