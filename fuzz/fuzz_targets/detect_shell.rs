//! Command lines taken apart and decoded: bounded work, no panic.
#![no_main]

use audit_detect::shell::{Variables, base64, hex, hidden_texts, resolve};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    base64(bytes);
    hex(bytes);
    let text = String::from_utf8_lossy(bytes);
    hidden_texts(&text);
    let mut variables = Variables::new();
    for line in text.split('\0') {
        let resolved = resolve(line, &mut variables);
        assert!(resolved.commands.len() <= 256);
        assert!(resolved.line.len() <= 128 << 10);
    }
});
