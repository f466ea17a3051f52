//! Input and output of a session through the whole monitor.
#![no_main]

use audit_core::{Monitor, Moment, Stream, Window};
use audit_detect::{Detector, LocalMonitor};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|windows: Vec<(bool, Vec<u8>)>| {
    let mut monitor = LocalMonitor::with_detector(Detector::embedded());
    let mut offsets = [0u64; 2];
    for (id, (typed, bytes)) in windows.into_iter().enumerate() {
        let offset = offsets[usize::from(typed)];
        offsets[usize::from(typed)] += bytes.len() as u64;
        let window = Window {
            id: id as u64 + 1,
            at: Moment::from_nanos(id as u64),
            stream: if typed { Stream::Input } else { Stream::Tty },
            offset,
            bytes: bytes.into(),
        };
        let verdict = monitor.inspect(&window).expect("every window is judged");
        assert!((0.0..=1.0).contains(&verdict.score.value()));
        for secret in verdict.secrets {
            assert!(secret.start < secret.end && secret.end <= offsets[0]);
        }
    }
});
