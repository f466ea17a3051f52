//! Real programs at a real terminal, captured by `tests/data/secrets/capture.py`.

use std::fs;
use std::path::Path;
use std::time::Duration;

use super::rig::{Rig, text};
use crate::moment::Moment;
use crate::terminal::LineState;

/// One line of a capture.
enum Event {
    Typed(Vec<u8>),
    Shown(Vec<u8>),
    Line(LineState),
}

struct Capture {
    events: Vec<(Moment, Event)>,
    secrets: Vec<Vec<u8>>,
    kept: Vec<Vec<u8>>,
}

fn hex(digits: &str) -> Vec<u8> {
    let pair = |at| u8::from_str_radix(&digits[at..at + 2], 16).expect("hex");
    (0..digits.len()).step_by(2).map(pair).collect()
}

fn read(file: &Path) -> Capture {
    let text = fs::read_to_string(file).expect("a capture");
    let mut capture = Capture { events: Vec::new(), secrets: Vec::new(), kept: Vec::new() };
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let fields: Vec<_> = line.split(' ').collect();
        match fields[..] {
            ["secret", bytes] => capture.secrets.push(hex(bytes)),
            ["kept", bytes] => capture.kept.push(hex(bytes)),
            [at, what, bytes, ..] => {
                let at = Duration::from_micros(at.parse().expect("microseconds"));
                let event = match what {
                    "in" => Event::Typed(hex(bytes)),
                    "out" => Event::Shown(hex(bytes)),
                    _ => Event::Line(LineState {
                        echo: bytes.contains('e'),
                        canonical: bytes.contains('c'),
                        echo_newline: bytes.contains('n'),
                        unread: Some(fields[3].parse().expect("a number of bytes")),
                    }),
                };
                capture.events.push((Moment::from(at), event));
            }
            _ => panic!("{line}"),
        }
    }
    capture
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    memchr::memmem::find(text, part).is_some()
}

/// Replays a capture; returns what is wrong with its recording.
fn complaints(name: &str, capture: &Capture) -> Vec<String> {
    let mut rig = Rig::new();
    for (at, event) in &capture.events {
        rig.until(*at);
        match event {
            Event::Typed(bytes) => rig.types(bytes),
            Event::Shown(bytes) => rig.shows(bytes),
            Event::Line(line) => rig.line(*line),
        };
    }
    rig.waits(100);
    let recording = rig.ends();
    let mut complaints = Vec::new();
    for secret in &capture.secrets {
        if contains(&recording.input, secret) || contains(&recording.output, secret) {
            complaints.push(format!("{name}: {:?} was recorded", text(secret)));
        }
        for part in secret.windows(4) {
            if contains(&recording.input, part) {
                complaints.push(format!("{name}: {:?} was recorded in part", text(part)));
                break;
            }
        }
    }
    for kept in &capture.kept {
        if !contains(&recording.input, kept) {
            complaints.push(format!("{name}: {:?} was lost", text(kept)));
        }
    }
    if capture.secrets.is_empty() && !recording.redactions.is_empty() {
        complaints.push(format!("{name}: redacted {:?}", recording.redactions));
    }
    if !complaints.is_empty() {
        complaints.push(format!("  input {:?} {:?}", recording.input(), recording.redactions));
    }
    complaints
}

#[test]
fn captured_sessions_hold_what_was_typed_and_no_secret() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/secrets");
    let mut complained = Vec::new();
    let mut count = 0;
    for entry in fs::read_dir(directory).expect("the captures") {
        let file = entry.expect("an entry").path();
        if file.extension().is_some_and(|end| end == "capture") {
            let name = file.file_stem().expect("a name").to_string_lossy().into_owned();
            complained.extend(complaints(&name, &read(&file)));
            count += 1;
        }
    }
    assert!(count > 25, "the captures are there");
    assert!(complained.is_empty(), "{}", complained.join("\n"));
}
