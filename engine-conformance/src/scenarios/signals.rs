//! Signals to the process of a session, and those its terminal makes.

use audit_core::{Body, End, Exit};
use nix::sys::signal::Signal;

use super::scenarios;
use crate::journal::Journal;
use crate::parts::THREAT;
use crate::patience::until_true;
use crate::scene::Stage;

scenarios![
    a_signal_is_forwarded_once,
    a_termination_ends_the_child_and_is_its_status,
    a_hang_up_signal_reaches_the_child_and_closes_the_journal,
    a_signal_from_the_child_itself_is_ignored_and_recorded,
    a_termination_ends_a_blocked_session,
    an_interrupt_typed_reaches_the_child,
];

/// Counts how often a signal comes, until it is told to end.
fn counts(signal: Signal) -> String {
    let name = signal.as_str().trim_start_matches("SIG");
    format!(
        "trap 'n=$((n+1)); echo \"trapped $n\"' {name}; n=0; echo ready; \
         until [ -e end ]; do sleep 0.05; done; echo \"total $n\"; exit 7"
    )
}

/// How often this signal is recorded, and whether it was forwarded each time.
fn recorded(journal: &Journal, wanted: Signal) -> Vec<bool> {
    let signal = |body: &Body| match body {
        Body::Signal { number, forwarded, .. } if *number == wanted as i32 => Some(*forwarded),
        _ => None,
    };
    journal.bodies().filter_map(signal).collect()
}

fn a_signal_is_forwarded_once(stage: &Stage) {
    for signal in [Signal::SIGTERM, Signal::SIGUSR1, Signal::SIGHUP] {
        let mut owned = stage.sh(&counts(signal)).play_owned();
        owned.expect("ready");
        owned.signal(signal);
        owned.expect("trapped 1");
        std::fs::write(owned.files().dir().join("end"), "").expect("the directory takes files");
        owned.expect("total 1");
        let ended = owned.end();
        assert_eq!(ended.status(), 7);
        assert_eq!(recorded(&ended.journal, signal), [true], "{signal}");
        ended.check_screen();
    }
}

fn a_termination_ends_the_child_and_is_its_status(stage: &Stage) {
    let mut owned = stage.sh("echo ready; exec sleep 86399").play_owned();
    owned.expect("ready");
    owned.signal(Signal::SIGTERM);
    let ended = owned.end();
    assert_eq!(ended.outcome.exit, Some(Exit::Signal { number: 15, core: false }));
    assert_eq!(ended.status(), 143);
}

fn a_hang_up_signal_reaches_the_child_and_closes_the_journal(stage: &Stage) {
    let mut owned = stage
        .sh("trap 'echo bye; exit 5' HUP; echo ready; while :; do sleep 0.05; done")
        .play_owned();
    owned.expect("ready");
    owned.signal(Signal::SIGHUP);
    owned.expect("bye");
    let ended = owned.end();
    assert_eq!(ended.outcome.end, End::HangUp);
    assert_eq!(ended.outcome.exit, Some(Exit::Code(5)));
}

fn a_signal_from_the_child_itself_is_ignored_and_recorded(stage: &Stage) {
    // Each another one: of two that are alike and pending, the kernel keeps one.
    let script = "echo ready; for s in TERM HUP USR1 INT; do kill -$s $(cat pid); done; \
                  read -r word; echo \"got $word\"";
    let mut owned = stage.sh(script).play_owned();
    owned.expect("ready");
    let pid = owned.pid();
    until_true("four signals are recorded", || {
        owned.files().journal().count(|body| matches!(body, Body::Signal { .. })) == 4
    });
    owned.send("on\r");
    owned.expect("got on");
    let ended = owned.end();
    assert_eq!(ended.outcome.end, End::Exited);
    for body in ended.journal.bodies() {
        if let Body::Signal { sender, forwarded, .. } = body {
            assert!(!forwarded && *sender > 0 && *sender != pid, "{body:?}");
        }
    }
}

fn a_termination_ends_a_blocked_session(stage: &Stage) {
    let script = format!("trap '' TERM HUP; echo {THREAT}; while :; do sleep 1; done");
    let mut owned = stage.sh(&script).play_owned();
    owned.expect("session blocked");
    owned.signal(Signal::SIGTERM);
    let ended = owned.end();
    assert_eq!(ended.outcome.end, End::Terminated);
}

fn an_interrupt_typed_reaches_the_child(stage: &Stage) {
    let mut live = stage
        .sh("trap 'echo interrupted; exit 9' INT; echo ready; while :; do sleep 0.05; done")
        .play();
    live.expect("ready");
    live.send("\x03");
    live.expect("interrupted");
    let ended = live.end();
    assert_eq!(ended.status(), 9);
    ended.check_screen();
}
