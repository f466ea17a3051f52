//! A line of the host log: whatever stands in it, it is a leaf or it is none.
#![no_main]

use audit_journal::Leaf;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|line: &str| {
    if let Some(leaf) = Leaf::parse(line) {
        let _ = leaf.session();
    }
});
