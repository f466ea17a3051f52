//! Bytes pass and are recorded exactly, whatever they are and however they come.

use std::time::Duration;

use audit_core::Stream;

use super::scenarios;
use crate::live::{check_equal, watch_for};
use crate::parts::{STALL, Switch};
use crate::patience::until_true;
use crate::scene::{Scene, Stage};

scenarios![
    every_byte_value_passes,
    ten_random_megabytes_pass,
    a_line_of_a_megabyte_passes,
    broken_text_split_anywhere_passes,
    strict_recording_changes_nothing_on_the_screen,
    in_strict_mode_what_is_shown_is_recorded,
    in_strict_mode_nothing_is_shown_that_cannot_be_recorded,
    held_output_is_shown_once_judged,
    held_output_is_shown_without_a_judgement_in_time,
];

/// The child shows a file with output processing off.
fn shows(stage: &Stage, contents: &[u8], command: &str) -> Scene {
    let scene = stage.sh(&format!("stty raw; {command}; exit 3"));
    scene.file("data", contents);
    scene
}

fn check_exact(scene: Scene, contents: &[u8]) {
    let ended = scene.play().end();
    check_equal(&ended.terminal.shown(), contents);
    check_equal(&ended.journal.stream(Stream::Tty), contents);
    assert_eq!(ended.status(), 3);
}

fn every_byte_value_passes(stage: &Stage) {
    let contents: Vec<u8> = (0..=255).chain((0..=255).rev()).collect();
    check_exact(shows(stage, &contents, "cat data"), &contents);
}

fn ten_random_megabytes_pass(stage: &Stage) {
    let contents = noise(10_000_000);
    check_exact(shows(stage, &contents, "cat data"), &contents);
}

fn a_line_of_a_megabyte_passes(stage: &Stage) {
    let contents: Vec<u8> = (0..1_000_000).map(|i| b'a' + (i % 26) as u8).collect();
    check_exact(shows(stage, &contents, "cat data"), &contents);
}

fn broken_text_split_anywhere_passes(stage: &Stage) {
    let piece = b"\xe3\x83\x91\xff\xfe\xe3\x83\x1b[1;31mred\x1b[0m\x1b]0;title\x07\xc3\x1b[?1049h\
                  \x1b[2J\x1b[?1049l\xf0\x9f\x98\x80\x1bP$q\x1b\\\x9b1m\x18\x1b[\x1b[";
    let contents = piece.repeat(4);
    for size in [1, 3, 7] {
        let command = format!("dd if=data bs={size} status=none");
        check_exact(shows(stage, &contents, &command), &contents);
    }
    // And the other way round: small reads by us.
    let mut scene = shows(stage, &contents, "cat data");
    scene.spec.buffer_size = 1;
    check_exact(scene, &contents);
}

fn strict_recording_changes_nothing_on_the_screen(stage: &Stage) {
    let contents = noise(400_000);
    let mut scene = shows(stage, &contents, "cat data");
    scene.policy().recording.strict = true;
    check_exact(scene, &contents);
}

fn in_strict_mode_what_is_shown_is_recorded(stage: &Stage) {
    let mut scene = stage.sh("echo ready; while read -r line; do echo \"got $line\"; done");
    scene.policy().recording.strict = true;
    let mut live = scene.play();
    live.expect("ready");
    for number in 0..20 {
        live.send(format!("word{number}\r"));
        live.expect(&format!("got word{number}"));
        let journal = live.files().journal();
        let recorded = journal.text(Stream::Tty);
        assert!(recorded.contains(&format!("got word{number}")), "{}", journal.summary());
        assert!(!journal.stream(Stream::Input).is_empty());
    }
    live.send("\x04");
    live.end().check_screen();
}

fn in_strict_mode_nothing_is_shown_that_cannot_be_recorded(stage: &Stage) {
    let mut scene = stage.sh("echo hidden");
    scene.policy().recording.strict = true;
    Switch::RecorderStalls.on(scene.dir());
    let mut live = scene.play();
    until_true("the recorder stalls", || Switch::RecorderIsStalled.is_on(live.files().dir()));
    watch_for(Duration::from_millis(200));
    assert_eq!(live.text(), "", "nothing is shown while nothing is recorded");
    Switch::RecorderStalls.off(live.files().dir());
    live.expect("hidden");
    live.end().check_screen();
}

fn held_output_is_shown_once_judged(stage: &Stage) {
    let mut scene = stage.sh("echo ready; read -r line; echo \"got $line\"; seq 1 20000");
    // Longer than patience: only a judgement can let anything through.
    scene.policy().blocking.hold_output = Duration::from_secs(1000);
    scene.policy().blocking.analysis_timeout = Duration::from_secs(1000);
    let mut live = scene.play();
    live.expect("ready");
    live.send("word\r");
    live.expect("got word");
    let ended = live.end();
    ended.check_screen();
    assert!(ended.terminal.text().ends_with("\r\n20000\r\n"));
    let judged: u64 = ended
        .files
        .windows()
        .iter()
        .filter(|window| window.stream == Stream::Tty)
        .map(|window| window.length)
        .sum();
    assert_eq!(judged as usize, ended.terminal.shown_len(), "all of it was judged");
}

fn held_output_is_shown_without_a_judgement_in_time(stage: &Stage) {
    let mut scene = stage.sh(&format!("echo {}; echo shown all the same", STALL));
    Switch::MonitorStalls.on(scene.dir());
    scene.policy().blocking.hold_output = Duration::from_millis(300);
    scene.policy().blocking.analysis_timeout = Duration::from_millis(900);
    let mut live = scene.play();
    live.expect("shown all the same");
    Switch::MonitorStalls.off(live.files().dir());
    live.end().check_screen();
}

/// Bytes without a pattern, always the same (xorshift64*).
fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let next = || {
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        state.wrapping_mul(0x2545_f491_4f6c_dd1d).to_be_bytes()
    };
    let mut bytes: Vec<u8> = std::iter::repeat_with(next).take(length / 8 + 1).flatten().collect();
    bytes.truncate(length);
    bytes
}
