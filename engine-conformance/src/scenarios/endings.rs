//! How sessions end: hang-ups, background processes, deaths; and the terminal they leave.

use std::time::Duration;

use audit_core::{Body, End, Exit, Stream};
use nix::sys::signal::{Signal, kill};
use nix::sys::termios::{LocalFlags, SpecialCharacterIndices};
use nix::unistd::Pid;

use super::scenarios;
use crate::owned::Owned;
use crate::patience::until_true;
use crate::process::make_panic;
use crate::processes::{argument, is_gone, workers};
use crate::scene::Stage;

scenarios![
    a_background_process_does_not_keep_the_session_open,
    a_user_who_hangs_up_ends_the_session,
    a_child_that_ignores_a_hang_up_is_killed,
    a_child_that_ignores_a_hang_up_is_killed_though_a_signal_tells_of_it_too,
    a_closed_terminal_ends_the_session_and_closes_the_journal,
    the_terminal_is_put_back_after_the_end,
    the_terminal_is_put_back_after_a_panic,
    the_terminal_is_put_back_after_a_termination,
    the_terminal_is_put_back_after_a_kill,
];

fn a_background_process_does_not_keep_the_session_open(stage: &Stage) {
    let script = "(trap '' HUP; exec sleep 86399) & echo $! > background; echo done; exit 3";
    let ended = stage.sh(script).play().end();
    assert_eq!(ended.status(), 3);
    assert_eq!(ended.terminal.text(), "done\r\n");
    ended.check_screen();
    let background = ended.files.pid("background");
    if argument(background, 1).as_deref() == Some(b"86399") {
        kill(Pid::from_raw(background), Signal::SIGKILL).expect("it is ours");
    }
}

fn a_user_who_hangs_up_ends_the_session(stage: &Stage) {
    let script = "trap 'echo > hup; exit 5' HUP; echo ready; while :; do sleep 0.05; done";
    let mut live = stage.sh(script).play();
    live.expect("ready");
    live.hang_up();
    let ended = live.end();
    assert_eq!(ended.outcome.end, End::HangUp);
    assert_eq!(ended.outcome.exit, Some(Exit::Code(5)));
    assert!(ended.files.dir().join("hup").exists(), "the child was told");
    let (shown, recorded) = (ended.terminal.shown(), ended.journal.stream(Stream::Tty));
    assert!(recorded.starts_with(&shown), "what was shown is recorded");
}

fn a_child_that_ignores_a_hang_up_is_killed(stage: &Stage) {
    let mut scene = stage.sh("trap '' HUP TERM; echo ready; while :; do sleep 0.05; done");
    scene.policy().ending.grace = Duration::from_millis(200);
    let mut live = scene.play();
    live.expect("ready");
    live.hang_up();
    let ended = live.end();
    assert_eq!(ended.outcome.exit, Some(Exit::Signal { number: 9, core: false }));
    assert_eq!(ended.outcome.end, End::HangUp);
}

fn a_child_that_ignores_a_hang_up_is_killed_though_a_signal_tells_of_it_too(stage: &Stage) {
    let mut scene = stage.sh("trap '' HUP TERM; echo ready; while :; do sleep 0.05; done");
    scene.policy().ending.grace = Duration::from_millis(200);
    let mut owned = scene.play_owned();
    owned.expect("ready");
    let child = owned.files().child();
    // The signal first, as it comes from a terminal that closes.
    owned.signal(Signal::SIGHUP);
    until_true("the signal is recorded", || {
        owned.files().journal().holds(|body| matches!(body, Body::Signal { number: 1, .. }))
    });
    owned.hang_up();
    assert_eq!(owned.await_death().end, End::HangUp);
    until_true("the child is gone", || is_gone(child));
}

fn a_closed_terminal_ends_the_session_and_closes_the_journal(stage: &Stage) {
    let script = "tail -f /dev/null & echo $! > tail; echo ready; wait";
    let mut owned = stage.sh(script).play_owned();
    owned.expect("ready");
    let left = [owned.pid(), owned.files().child(), owned.files().pid("tail")];
    let workers = workers(owned.pid());
    owned.hang_up();
    let outcome = owned.await_death();
    assert_eq!(outcome.end, End::HangUp);
    let journal = owned.files().journal();
    journal.check_whole(&outcome);
    assert!(journal.stream(Stream::Tty).starts_with(b"ready"), "what was shown is recorded");
    for pid in left.into_iter().chain(workers) {
        until_true("no process is left", || is_gone(pid));
    }
}

/// Plays a session until it has the terminal.
fn play_raw(owned: &mut Owned) {
    owned.expect("ready");
    until_true("the terminal is raw", || {
        !owned.modes().local_flags.intersects(LocalFlags::ICANON | LocalFlags::ECHO)
    });
}

const WAITS: &str = "echo ready; while read -r line; do echo \"got $line\"; done; exit 3";

fn the_terminal_is_put_back_after_the_end(stage: &Stage) {
    let mut owned = stage.sh(WAITS).play_owned();
    play_raw(&mut owned);
    owned.send("\x04");
    // Ending a scene compares what `stty` tells before and after.
    assert_eq!(owned.end().status(), 3);
}

fn the_terminal_is_put_back_after_a_panic(stage: &Stage) {
    let mut owned = stage.sh(WAITS).play_owned_until_panic();
    play_raw(&mut owned);
    let child = owned.files().child();
    make_panic(owned.files().dir());
    assert_eq!(owned.status(), 101);
    owned.check_modes();
    until_true("the child is gone", || is_gone(child));
    owned.files().journal().check();
}

fn the_terminal_is_put_back_after_a_termination(stage: &Stage) {
    let mut owned = stage.sh(WAITS).play_owned();
    play_raw(&mut owned);
    owned.signal(Signal::SIGTERM);
    assert_eq!(owned.end().status(), 143);
}

fn the_terminal_is_put_back_after_a_kill(stage: &Stage) {
    // The modes are not the usual ones, so that no default can pass for them.
    let run = r#"stty -ixon eof ^A; : > "$1/prepared"; "$0" conformance-session "$1""#;
    let mut owned = stage.sh(WAITS).play_owned_as(run);
    until_true("the modes are prepared", || owned.files().dir().join("prepared").exists());
    owned.pid();
    play_raw(&mut owned);
    let child = owned.files().child();
    owned.signal(Signal::SIGKILL);
    assert_eq!(owned.status(), 137);
    until_true("the terminal is put back", || {
        let modes = owned.modes();
        modes.local_flags.contains(LocalFlags::ICANON | LocalFlags::ECHO | LocalFlags::ISIG)
            && modes.control_chars[SpecialCharacterIndices::VEOF as usize] == 1
    });
    until_true("the child is gone", || is_gone(child));
    let journal = owned.files().journal();
    journal.check();
    assert_eq!(journal.outcome(), None, "a killed recorder cannot tell of the end");
}
