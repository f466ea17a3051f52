//! Messages and model files of strangers are read or refused.
#![no_main]

use audit_detect::link::{read_analysis, read_analyze};
use audit_detect::model::Model;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = Model::read(bytes);
    let text = String::from_utf8_lossy(bytes);
    if let Ok(question) = read_analyze(&text) {
        assert!((0.0..=1.0).contains(&question.score));
    }
    if let Ok(answer) = read_analysis(&text, 1, "s") {
        assert!((0.0..=1.0).contains(&answer.score));
        assert!(answer.label.chars().all(|c| !c.is_control()));
    }
});
