//! A recording of any bytes as asciicast: what can be imported becomes a journal that verifies.
#![no_main]

use std::path::PathBuf;
use std::sync::LazyLock;

use audit_journal::ImportFormat;
use libfuzzer_sys::fuzz_target;

static ROOT: LazyLock<PathBuf> = LazyLock::new(auditty_fuzz::scratch);

fuzz_target!(|bytes: &[u8]| {
    auditty_fuzz::imported(&ROOT.join("root"), bytes, ImportFormat::Asciicast);
});
