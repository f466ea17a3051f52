//! A segment of any bytes: reading, verifying, exporting and mending it never panics, and what was
//! mended once is not mended again.
#![no_main]

use std::fs;
use std::path::PathBuf;
use std::sync::LazyLock;

use audit_journal::{JournalSettings, Recovery, recover};
use libfuzzer_sys::fuzz_target;

static ROOT: LazyLock<PathBuf> = LazyLock::new(auditty_fuzz::scratch);

fuzz_target!(|bytes: &[u8]| {
    let dir = ROOT.join("2023/11/018bcfe5-6800-7303-8303-030303030303");
    let _ = fs::remove_dir_all(&dir);
    fs::create_dir_all(&dir).expect("a directory");
    fs::write(dir.join("000000.atj"), bytes).expect("a segment");
    auditty_fuzz::read(&dir);
    let settings = || Some(JournalSettings::new(&*ROOT));
    if let Ok(Recovery::Mended { .. }) = recover(&dir, settings()) {
        let again = recover(&dir, settings()).expect("it was mended");
        assert_eq!(again, Recovery::Closed);
        auditty_fuzz::read(&dir);
    }
});
