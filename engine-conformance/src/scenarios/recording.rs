//! The recorder fails, stalls and recovers.

use std::time::Duration;

use audit_core::{Body, End, OnFailure, Part, Stream};

use super::scenarios;
use crate::live::watch_for;
use crate::parts::Switch;
use crate::patience::until_true;
use crate::scene::{Scene, Stage};

scenarios![
    a_recorder_that_cannot_be_built_starts_nothing,
    where_the_rule_is_closed_a_failing_recorder_ends_the_session,
    where_the_rule_is_open_a_failing_recorder_leaves_a_gap,
    where_the_rule_is_open_a_recorder_that_stays_broken_is_a_loss,
    where_the_rule_is_spill_a_failing_recorder_loses_nothing,
    where_the_rule_is_spill_the_memory_is_bounded,
    a_recorder_that_panics_does_not_take_the_session_with_it,
    a_recorder_that_stalls_stops_the_child_and_loses_nothing,
];

fn echoes(stage: &Stage, rule: OnFailure) -> Scene {
    let mut scene = stage.sh("echo ready; while read -r line; do echo \"got $line\"; done; exit 3");
    scene.policy().recording.on_failure = rule;
    scene
}

fn is_gap(body: &Body) -> bool {
    matches!(body, Body::Gap { .. })
}

fn a_recorder_that_cannot_be_built_starts_nothing(stage: &Stage) {
    let mut scene = stage.sh("echo > ran");
    scene.spec.recorder = Part::new("no such recorder", serde_json::Value::Null);
    let files = scene.fails_to_open();
    assert!(!files.dir().join("ran").exists(), "nothing was started");
}

fn where_the_rule_is_closed_a_failing_recorder_ends_the_session(stage: &Stage) {
    let mut scene = stage.sh("while :; do echo tick; sleep 0.02; done");
    scene.policy().recording.on_failure = OnFailure::Closed;
    let mut live = scene.play();
    live.expect("tick");
    Switch::RecorderFails.on(live.files().dir());
    live.expect("the journal cannot be written");
    let ended = live.end_unchecked();
    ended.journal.check();
    assert_eq!(ended.outcome.end, End::JournalFailed);
    assert_eq!(ended.status(), 74);
    assert!(ended.outcome.lost.is_some(), "the loss is stated");
    let (shown, recorded) = (ended.terminal.shown(), ended.journal.stream(Stream::Tty));
    assert!(shown.starts_with(&recorded), "what is recorded was shown");
}

fn where_the_rule_is_open_a_failing_recorder_leaves_a_gap(stage: &Stage) {
    let mut live = echoes(stage, OnFailure::Open).play();
    live.expect("ready");
    live.send("one\r");
    live.expect("got one");
    until_true("the first line is recorded", || {
        live.files().journal().text(Stream::Tty).contains("got one")
    });
    Switch::RecorderFails.on(live.files().dir());
    live.send("two\r");
    live.expect("WITHOUT RECORD");
    live.send("three\r");
    live.expect("got three");
    Switch::RecorderFails.off(live.files().dir());
    live.expect("the journal is written again");
    live.send("four\r");
    live.expect("got four");
    live.send("\x04");
    let ended = live.end();
    assert_eq!(ended.status(), 3);
    // One, or two when the recorder worked again before the first was refused.
    let gaps: Vec<_> = ended
        .journal
        .bodies()
        .filter_map(|body| match body {
            Body::Gap { from, through, bytes, .. } => Some((*from, *through, *bytes)),
            _ => None,
        })
        .collect();
    let (Some(first), Some(last)) = (gaps.first(), gaps.last()) else {
        panic!("no gap");
    };
    assert!(gaps.len() <= 2, "{gaps:?}");
    let bytes = gaps.iter().map(|gap| gap.2).sum::<u64>();
    let lost = ended.outcome.lost.as_ref().expect("the loss is stated");
    assert_eq!((lost.from, lost.through, lost.bytes), (first.0, last.1, bytes));
    assert!(bytes >= "two\rthree\rgot two\r\ngot three\r\n".len() as u64, "{bytes}");
    let text = ended.journal.text(Stream::Tty);
    assert!(text.contains("got one") && text.contains("got four"), "{text:?}");
    assert!(!text.contains("got three"), "{text:?}");
}

fn where_the_rule_is_open_a_recorder_that_stays_broken_is_a_loss(stage: &Stage) {
    let mut live = echoes(stage, OnFailure::Open).play();
    live.expect("ready");
    Switch::RecorderFails.on(live.files().dir());
    live.send("one\r");
    live.expect("WITHOUT RECORD");
    live.send("\x04");
    let ended = live.end_unchecked();
    ended.journal.check();
    assert_eq!(ended.outcome.end, End::Exited);
    assert_eq!(ended.status(), 3, "the session is not disturbed");
    assert!(ended.outcome.lost.is_some(), "the loss is stated");
}

fn where_the_rule_is_spill_a_failing_recorder_loses_nothing(stage: &Stage) {
    let mut live = echoes(stage, OnFailure::Spill).play();
    live.expect("ready");
    Switch::RecorderFails.on(live.files().dir());
    live.send("one\r");
    live.expect("got one");
    live.files().await_alarm("recorder.failed");
    live.send("two\r");
    live.expect("got two");
    Switch::RecorderFails.off(live.files().dir());
    live.files().await_alarm("recorder.recovered");
    live.send("three\r");
    live.expect("got three");
    live.send("\x04");
    let ended = live.end();
    assert_eq!(ended.outcome.lost, None);
    assert_eq!(ended.journal.count(is_gap), 0);
    ended.check_screen();
}

fn where_the_rule_is_spill_the_memory_is_bounded(stage: &Stage) {
    let mut scene =
        stage.sh("echo ready; read -r go; yes 0123456789012345678901234567890123456789");
    scene.policy().recording.on_failure = OnFailure::Spill;
    scene.policy().recording.spill_limit = 256 << 10;
    scene.policy().recording.window = 64 << 10;
    scene.policy().recording.flush_bytes = 16 << 10;
    let mut live = scene.play();
    live.expect("ready");
    Switch::RecorderFails.on(live.files().dir());
    live.send("go\r");
    live.expect("the session ends");
    let ended = live.end_unchecked();
    assert_eq!(ended.outcome.end, End::JournalFailed);
    assert_eq!(ended.status(), 74);
    let shown = ended.terminal.shown_len();
    assert!(shown < 4 << 20, "{shown} bytes were shown without a record");
}

fn a_recorder_that_panics_does_not_take_the_session_with_it(stage: &Stage) {
    let mut live = echoes(stage, OnFailure::Open).play();
    // Others on the same engine must not notice.
    let mut other = echoes(stage, OnFailure::Open).play();
    live.expect("ready");
    other.expect("ready");
    Switch::RecorderPanics.on(live.files().dir());
    live.send("one\r");
    live.expect("got one");
    until_true("the recorder has panicked", || !Switch::RecorderPanics.is_on(live.files().dir()));
    live.send("two\r");
    live.expect("got two");
    live.send("\x04");
    let ended = live.end_unchecked();
    ended.journal.check();
    assert_eq!(ended.status(), 3);
    // An engine may start another recorder; what is recorded nowhere is stated.
    if ended.outcome.lost.is_none() {
        ended.check_screen();
    }
    other.send("three\r");
    other.expect("got three");
    other.send("\x04");
    let other = other.end();
    assert_eq!(other.outcome.lost, None);
    other.check_screen();
}

fn a_recorder_that_stalls_stops_the_child_and_loses_nothing(stage: &Stage) {
    const WINDOW: usize = 256 << 10;
    let mut scene = stage.sh("seq 1 300000; echo last");
    scene.policy().recording.window = WINDOW;
    scene.policy().recording.flush_bytes = 32 << 10;
    Switch::RecorderStalls.on(scene.dir());
    let mut live = scene.play();
    until_true("the recorder stalls", || Switch::RecorderIsStalled.is_on(live.files().dir()));
    let mut shown = 0;
    until_true("the screen stands still", || {
        let before = std::mem::replace(&mut shown, live.shown_len());
        watch_for(Duration::from_millis(300));
        before == shown && shown == live.shown_len()
    });
    assert!(shown <= WINDOW + (128 << 10), "{shown} bytes are ahead of the recorder");
    Switch::RecorderStalls.off(live.files().dir());
    live.expect("\nlast\r\n");
    let ended = live.end();
    assert_eq!(ended.outcome.lost, None);
    let counted: String =
        (1..=300_000).map(|n| format!("{n}\r\n")).collect::<String>() + "last\r\n";
    crate::live::check_equal(&ended.terminal.shown(), counted.as_bytes());
    ended.check_screen();
}
