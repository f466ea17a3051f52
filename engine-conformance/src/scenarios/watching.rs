//! Monitors that stall and crash, workers that are killed, links that drop.

use std::time::Duration;

use audit_core::{Action, Body, Stream};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::scenarios;
use crate::live::watch_for;
use crate::parts::{CRASH, STALL, Switch, THREAT};
use crate::patience::until_true;
use crate::processes;
use crate::scene::{Scene, Stage};

scenarios![
    a_monitor_that_stalls_does_not_stop_the_session,
    a_monitor_that_crashes_does_not_take_the_session_with_it,
    a_link_that_crashes_does_not_take_the_session_with_it,
    workers_that_are_killed_do_not_take_the_session_with_them,
    a_link_that_drops_comes_back,
    a_link_that_hangs_at_the_end_keeps_no_other_session_waiting,
    the_monitor_sees_everything_in_order,
];

/// Shows whatever line it is told to.
fn shows(stage: &Stage) -> Scene {
    stage.sh("echo ready; while read -r line; do eval \"echo shows $line\"; done; exit 3")
}

/// A word of the monitor's as the user types it: in two parts, so that its echo is harmless.
fn typed(word: &str) -> String {
    let (first, second) = word.split_at(3);
    format!("{first}''{second}\r")
}

fn approve() -> Action {
    Action::Approve { block: None, comment: String::new() }
}

fn a_monitor_that_stalls_does_not_stop_the_session(stage: &Stage) {
    let mut scene = shows(stage);
    scene.policy().blocking.analysis_timeout = Duration::from_millis(300);
    Switch::MonitorStalls.on(scene.dir());
    let mut live = scene.play();
    live.expect("ready");
    live.send(typed(STALL));
    live.expect(&format!("shows {STALL}"));
    live.files().await_alarm("monitor.stalled");
    live.send("one\r");
    live.expect("shows one");
    Switch::MonitorStalls.off(live.files().dir());
    live.files().await_alarm("monitor.back");
    live.send(typed(THREAT));
    live.expect("session blocked");
    live.order(approve());
    live.expect("approved");
    live.send("\x04");
    let ended = live.end();
    assert_eq!(ended.status(), 3);
    assert!(ended.journal.has_marker("monitor.stalled"));
    ended.check_screen();
}

fn a_monitor_that_crashes_does_not_take_the_session_with_it(stage: &Stage) {
    let mut live = shows(stage).play();
    live.expect("ready");
    live.send(typed(CRASH));
    live.expect(&format!("shows {CRASH}"));
    let told =
        |body: &Body| matches!(body, Body::Marker { name, .. } if name.starts_with("monitor."));
    until_true("the crash is recorded", || live.files().journal().holds(told));
    assert!(Switch::MonitorHasCrashed.is_on(live.files().dir()));
    live.send("on\r");
    live.expect("shows on");
    live.send("\x04");
    let ended = live.end();
    assert_eq!(ended.status(), 3);
    ended.check_screen();
}

fn a_link_that_crashes_does_not_take_the_session_with_it(stage: &Stage) {
    let mut live = shows(stage).play();
    live.expect("ready");
    live.files().child();
    Switch::LinkPanics.on(live.files().dir());
    let told = |body: &Body| matches!(body, Body::Marker { name, .. } if name.starts_with("link."));
    until_true("the crash is recorded", || live.files().journal().holds(told));
    live.send("on\r");
    live.expect("shows on");
    live.send("\x04");
    let ended = live.end();
    assert_eq!(ended.status(), 3);
    ended.check_screen();
}

fn workers_that_are_killed_do_not_take_the_session_with_them(stage: &Stage) {
    let mut owned = shows(stage).play_owned();
    owned.expect("ready");
    owned.send("one\r");
    owned.expect("shows one");
    until_true("the first line is recorded", || {
        owned.files().journal().text(Stream::Tty).contains("shows one")
    });
    let before = owned.files().journal();
    let workers = processes::workers(owned.pid());
    for worker in &workers {
        // One may have ended with another.
        let _ = kill(Pid::from_raw(*worker), Signal::SIGKILL);
    }
    owned.send("two\r");
    owned.expect("shows two");
    if !workers.is_empty() {
        until_true("somebody records again", || {
            owned.files().journal().records().len() > before.records().len()
        });
    }
    // Judged again: what is shown while the monitor is being restarted may go unjudged.
    for _ in 0.. {
        owned.send(typed(THREAT));
        owned.expect(&format!("shows {THREAT}"));
        watch_for(Duration::from_millis(200));
        if owned.text().contains("session blocked") {
            break;
        }
    }
    owned.expect("session blocked");
    // Lines typed into the block are dropped; the link works again as well.
    owned.files().order_by_link(1, approve());
    owned.expect("approved");
    owned.send("three\r");
    owned.expect("shows three");
    owned.send("\x04");
    let ended = owned.end();
    assert_eq!(ended.status(), 3);
    let after = &ended.journal.records()[..before.records().len()];
    assert_eq!(after, before.records(), "nothing acknowledged is lost");
    assert!(ended.journal.text(Stream::Tty).contains("shows three"));
    if ended.outcome.lost.is_none() {
        ended.check_screen();
    }
}

fn a_link_that_drops_comes_back(stage: &Stage) {
    let mut live = shows(stage).play();
    live.expect("ready");
    live.files().child();
    Switch::LinkIsDown.on(live.files().dir());
    let told = |body: &Body| matches!(body, Body::Marker { name, .. } if name.starts_with("link."));
    until_true("the drop is recorded", || live.files().journal().holds(told));
    live.send("one\r");
    live.expect("shows one");
    live.files().order_by_link(1, Action::Block { reason: "on the way".into() });
    Switch::LinkIsDown.off(live.files().dir());
    assert_eq!(live.files().await_answer(1), Ok(()));
    live.expect("session blocked");
    live.files().order_by_link(2, approve());
    assert_eq!(live.files().await_answer(2), Ok(()));
    live.expect("approved");
    live.send("\x04");
    let ended = live.end();
    assert_eq!(ended.status(), 3);
    assert_eq!(ended.journal.count(told), 1, "a drop is told once");
}

fn a_link_that_hangs_at_the_end_keeps_no_other_session_waiting(stage: &Stage) {
    let mut other = shows(stage).bare().play();
    other.expect("ready");
    let hanging = stage.sh("read -r line").play();
    hanging.files().child();
    Switch::LinkStalls.on(hanging.files().dir());
    hanging.send("\r");
    let files = hanging.files().clone();
    until_true("the end is recorded", || files.journal().outcome().is_some());
    for number in 0..20 {
        other.send(format!("line{number}\r"));
        other.expect(&format!("shows line{number}\r\n"));
    }
    assert!(!hanging.is_over(), "the other went on while this one was ending");
    Switch::LinkStalls.off(files.dir());
    hanging.end();
    other.send("\x04");
    other.end().check_screen();
}

fn the_monitor_sees_everything_in_order(stage: &Stage) {
    let mut scene = stage.sh("seq 1 30000; exit 3");
    scene.policy().secrets.mask_input = false;
    let ended = scene.play().end();
    let windows = ended.files.windows();
    let mut seen = 0;
    for (index, window) in windows.iter().enumerate() {
        assert_eq!(window.id, index as u64 + 1);
        assert_eq!(window.offset, seen, "windows leave nothing out");
        seen += window.length;
    }
    assert_eq!(seen as usize, ended.terminal.shown_len());
    ended.check_screen();
}
