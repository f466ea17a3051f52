//! Playing sessions back.

use crate::sandbox::{Sandbox, until};
use crate::terminal::Terminal;

/// Records a session in a terminal and returns its id.
fn recorded(sandbox: &Sandbox, script: &str) -> String {
    let terminal = Terminal::start(sandbox.command(["run", "--", "sh", "-c", script]));
    assert_eq!(terminal.finish().0, 0);
    sandbox.sessions().remove(0)
}

#[test]
fn everything_shown_is_played_again() {
    let sandbox = Sandbox::new();
    let id = recorded(&sandbox, "echo one; sleep 0.1; echo two");
    for args in [&["--no-timing"][..], &["--speed", "1000"], &["--max-idle", "0"]] {
        let ran = sandbox.run(["replay", &id].iter().chain(args));
        assert_eq!((ran.status, ran.text().as_str()), (0, "one\r\ntwo\r\n"), "{args:?}");
    }
}

#[test]
fn text_before_the_starting_point_is_on_the_screen() {
    let sandbox = Sandbox::new();
    let id = recorded(&sandbox, "echo early; sleep 4; echo late");
    let ran = sandbox.run(["replay", &id, "--from", "2", "--no-timing"]);
    let (before, after) = (ran.text().find("early"), ran.text().find("late"));
    assert!(before.is_some() && after.is_some() && before < after, "{ran:?}");
    assert!(ran.text().contains("\x1b[H\x1b[2J"), "{ran:?}");
}

#[test]
fn keys_steer_and_the_terminal_is_put_back() {
    let sandbox = Sandbox::new();
    let id = recorded(&sandbox, "echo one; sleep 0.4; echo two; sleep 0.8; echo three");
    let mut terminal = Terminal::start(sandbox.command(["replay", &id, "--speed", "0.01"]));
    let before = terminal.modes_before();
    terminal.expect("one");
    // At a hundredth of the speed the rest takes two minutes: only a step gets there soon.
    terminal.type_in(".");
    terminal.expect("two");
    // Beyond the end.
    terminal.type_in("\x1b[A");
    terminal.expect("three");
    terminal.type_in("q");
    let (status, modes) = terminal.modes_after_end();
    assert_eq!((status, modes), (0, before));
}

#[test]
fn a_running_session_can_be_followed() {
    let sandbox = Sandbox::new();
    let mut live =
        Terminal::start(sandbox.command(["run", "--", "sh", "-c", "echo up; read x; echo got $x"]));
    live.expect("up");
    until("it is listed", || sandbox.sessions().len() == 1);
    let id = sandbox.sessions().remove(0);
    let mut follower = Terminal::start(sandbox.command(["replay", "--follow", &id]));
    follower.expect("up");
    live.type_in("word\r");
    follower.expect("got word");
    assert_eq!(live.finish().0, 0);
    assert_eq!(follower.finish().0, 0);
}

#[test]
fn a_terminal_is_tidied_up_however_fast_it_was_played() {
    let sandbox = Sandbox::new();
    // As a full-screen program that was killed leaves a terminal.
    let id = recorded(&sandbox, "printf '\\033[?1049h\\033[?25l\\033[?1000hshown'");
    for args in [&["--no-timing"][..], &["--speed", "100"]] {
        let terminal = Terminal::start(sandbox.command(["replay", &id].iter().chain(args)));
        let (status, shown) = terminal.finish();
        let (_, after) = shown.split_once("shown").unwrap();
        assert_eq!(status, 0);
        for reset in ["\x1b[?1049l", "\x1b[?25h", "\x1b[?1000"] {
            assert!(after.contains(reset), "{args:?}: no {reset:?} in {after:?}");
        }
    }
    let piped = sandbox.run(["replay", "--no-timing", &id]);
    assert!(piped.text().ends_with("shown"), "nothing is added for others: {piped:?}");
}
