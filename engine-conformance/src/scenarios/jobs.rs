//! Job control: the session as a job of an interactive shell.

use audit_core::{Action, Body};
use nix::sys::signal::Signal;
use nix::sys::termios::LocalFlags;

use super::scenarios;
use crate::live::Ended;
use crate::owned::Owned;
use crate::parts::THREAT;
use crate::patience::until_true;
use crate::processes::is_stopped;
use crate::scene::Stage;

scenarios![
    a_session_stops_and_goes_on_as_a_job,
    what_a_child_shows_before_it_stops_is_shown_before_the_stop,
    a_stop_signal_stops_the_session_and_its_child,
    a_session_can_be_stopped_while_it_is_blocked,
    a_session_started_in_the_background_leaves_the_terminal_alone,
    a_background_session_that_reads_stops_until_it_is_in_front,
    a_stop_for_terminal_access_in_a_pipeline_does_not_deadlock,
];

const ECHOES: &str = "echo ready; while read -r line; do echo \"got $line\"; done; exit 3";

fn is_raw(owned: &Owned) -> bool {
    !owned.modes().local_flags.contains(LocalFlags::ICANON)
}

fn suspensions(owned: &Owned) -> (usize, usize) {
    let journal = owned.files().journal();
    (
        journal.count(|body| matches!(body, Body::Suspended)),
        journal.count(|body| matches!(body, Body::Continued)),
    )
}

/// Brings the session to the front and waits until it has the terminal.
fn foreground(owned: &mut Owned, continued: usize) {
    owned.send("fg\n");
    until_true("the session goes on", || suspensions(owned).1 == continued);
    until_true("the session has the terminal", || is_raw(owned));
}

/// Ends the child by end of input, checks the job's status and the recording.
fn finish(mut owned: Owned, status: i32) -> Ended {
    owned.expect("bash> ");
    owned.send("s=$?; echo; echo \"<\"status $s\">\"\n");
    assert_eq!(owned.status(), status);
    let outcome = owned.await_outcome();
    assert_eq!(outcome.status(), status);
    let journal = owned.files().journal();
    journal.check_whole(&outcome);
    owned.hang_up();
    owned.into_ended(outcome)
}

fn a_session_stops_and_goes_on_as_a_job(stage: &Stage) {
    let mut owned = stage.sh(ECHOES).play_under_bash();
    let before = owned.flags();
    owned.send(owned.command_line() + "\n");
    owned.expect("ready");
    for round in 1..=2 {
        until_true("the session has the terminal", || is_raw(&owned));
        owned.send("\x1a");
        owned.expect("Stopped");
        owned.expect("bash> ");
        assert_eq!(owned.flags(), before, "the shell finds the terminal as it was");
        until_true("the stop is recorded", || suspensions(&owned) == (round, round - 1));
        foreground(&mut owned, round);
        owned.send(format!("line {round}\r"));
        owned.expect(&format!("got line {round}"));
    }
    owned.send("\x04");
    let ended = finish(owned, 3);
    let text = ended.journal.text(audit_core::Stream::Tty);
    assert!(text.contains("got line 1\r\n") && text.contains("got line 2\r\n"));
}

fn what_a_child_shows_before_it_stops_is_shown_before_the_stop(stage: &Stage) {
    // More than a terminal takes at once, as an editor that leaves its screen may write.
    let farewell = "seq 1 4000; echo farewell; kill -STOP $$";
    let reads = "echo ready; while :; do read -r line && echo \"got $line\" && exit 3; done";
    let mut owned = stage.sh(&format!("trap '{farewell}' TSTP; {reads}")).play_under_bash();
    owned.send(owned.command_line() + "\n");
    owned.expect("ready");
    until_true("the session has the terminal", || is_raw(&owned));
    owned.send("\x1a");
    owned.expect("farewell");
    owned.expect("Stopped");
    foreground(&mut owned, 1);
    owned.send("hello\r");
    owned.expect("got hello");
    finish(owned, 3);
}

fn a_stop_signal_stops_the_session_and_its_child(stage: &Stage) {
    let mut owned = stage.sh(ECHOES).play_under_bash();
    owned.send(owned.command_line() + "\n");
    owned.expect("ready");
    until_true("the session has the terminal", || is_raw(&owned));
    let child = owned.files().child();
    owned.signal(Signal::SIGTSTP);
    owned.expect("Stopped");
    owned.expect("bash> ");
    until_true("the child is stopped", || is_stopped(child));
    foreground(&mut owned, 1);
    owned.send("hello\r");
    owned.expect("got hello");
    owned.send("\x04");
    finish(owned, 3);
}

fn a_session_can_be_stopped_while_it_is_blocked(stage: &Stage) {
    let script = format!("echo {THREAT}; {ECHOES}");
    let mut owned = stage.sh(&script).play_under_bash();
    owned.send(owned.command_line() + "\n");
    owned.expect("session blocked");
    let child = owned.files().child();
    owned.signal(Signal::SIGTSTP);
    owned.expect("Stopped");
    owned.expect("bash> ");
    foreground(&mut owned, 1);
    assert!(is_stopped(child), "going on does not lift a block");
    owned.files().order_by_link(1, Action::Approve { block: None, comment: String::new() });
    owned.expect("approved");
    owned.send("hello\r");
    owned.expect("got hello");
    owned.send("\x04");
    finish(owned, 3);
}

fn a_session_started_in_the_background_leaves_the_terminal_alone(stage: &Stage) {
    let mut owned =
        stage.sh(&format!("until [ -e go ]; do sleep 0.05; done; {ECHOES}")).play_under_bash();
    let before = owned.flags();
    owned.send(owned.command_line() + " &\n");
    owned.files().child();
    owned.expect("bash> ");
    assert_eq!(owned.flags(), before, "the terminal is the shell's");
    owned.send("echo still \"here\"\n");
    owned.expect("still here");
    assert_eq!(owned.flags(), before, "the terminal is the shell's");
    owned.send("fg\n");
    until_true("the session has the terminal", || is_raw(&owned));
    std::fs::write(owned.files().dir().join("go"), "").expect("the directory takes files");
    owned.expect("ready");
    owned.send("hello\r");
    owned.expect("got hello");
    owned.send("\x04");
    finish(owned, 3);
}

fn a_background_session_that_reads_stops_until_it_is_in_front(stage: &Stage) {
    let mut owned = stage.sh(ECHOES).play_under_bash();
    let before = owned.flags();
    owned.send(owned.command_line() + " &\n");
    until_true("the session stops", || suspensions(&owned).0 == 1);
    assert_eq!(owned.flags(), before, "the terminal is the shell's");
    // The shell must know: it continues no job that runs.
    until_true("the shell knows that its job is stopped", || {
        owned.send("jobs\n");
        owned.expect_between("jobs", "bash> ").contains("Stopped")
    });
    foreground(&mut owned, 1);
    owned.send("hello\r");
    owned.expect("got hello");
    owned.send("\x04");
    finish(owned, 3);
}

fn a_stop_for_terminal_access_in_a_pipeline_does_not_deadlock(stage: &Stage) {
    let script = "for i in 1 2 3 4; do kill -TTOU $$; done; echo ok";
    let run = r#"set -m; "$0" conformance-session "$1" | cat"#;
    let mut owned = stage.sh(script).play_owned_as(run);
    owned.expect("ok");
    owned.end();
}
