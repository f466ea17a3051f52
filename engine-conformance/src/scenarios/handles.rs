//! What a program that opens sessions may do: sockets, threads, handles dropped early.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;

use audit_core::{Action, End, Stream, UserEnd};

use super::scenarios;
use crate::live::check_recorded;
use crate::patience::until;
use crate::scene::Stage;
use crate::terminal::{Terminal, find};

scenarios![
    a_user_may_be_at_the_far_end_of_a_socket,
    a_user_who_closes_a_socket_has_hung_up,
    sessions_may_run_on_threads_of_the_caller,
    a_session_nobody_waits_for_goes_on_to_its_end,
    a_session_outlives_its_engine,
    an_order_after_the_end_is_dropped,
];

const ECHOES: &str = "echo ready; while read -r line; do echo \"got $line\"; done; exit 3";

/// A user's end that is a socket, as a server has it, and the far end.
fn socket() -> (UserEnd, UnixStream) {
    let (near, far) = UnixStream::pair().expect("a pair of sockets");
    let input = Some(near.try_clone().expect("a descriptor is left").into());
    let user =
        UserEnd { input, output: near.into(), stdout: None, stderr: None, owns_process: false };
    (user, far)
}

/// Reads until this text comes.
fn read_until(far: &mut UnixStream, seen: &mut Vec<u8>, text: &str) {
    let mut chunk = [0; 4096];
    while find(seen, text.as_bytes()).is_none() {
        let count = far.read(&mut chunk).expect("a socket can be read");
        assert!(count > 0, "expected {text:?}, came {:?}", String::from_utf8_lossy(seen));
        seen.extend_from_slice(&chunk[..count]);
    }
}

/// A terminal nobody uses.
fn no_terminal() -> Terminal {
    let mut terminal = Terminal::new();
    terminal.hang_up();
    terminal
}

fn a_user_may_be_at_the_far_end_of_a_socket(stage: &Stage) {
    let (user, mut far) = socket();
    let live = stage.sh(ECHOES).play_with(user, no_terminal());
    let mut seen = Vec::new();
    read_until(&mut far, &mut seen, "ready");
    far.write_all(b"hello\r").expect("a socket takes bytes");
    read_until(&mut far, &mut seen, "got hello\r\n");
    far.write_all(b"\x04").expect("a socket takes bytes");
    let ended = live.end();
    assert_eq!(ended.status(), 3);
    far.read_to_end(&mut seen).expect("the session closes its end");
    check_recorded(&seen, &ended.journal.stream(Stream::Tty));
}

fn a_user_who_closes_a_socket_has_hung_up(stage: &Stage) {
    let (user, mut far) = socket();
    let script = "echo ready; while :; do echo tick; sleep 0.05; done";
    let live = stage.sh(script).play_with(user, no_terminal());
    read_until(&mut far, &mut Vec::new(), "ready");
    drop(far);
    assert_eq!(live.end().outcome.end, End::HangUp);
}

fn sessions_may_run_on_threads_of_the_caller(stage: &Stage) {
    std::thread::scope(|scope| {
        let run = |code: i32| {
            let scene = stage.sh(&format!("seq 1 2000; exit {code}"));
            scope.spawn(move || (code, scene.run_here()))
        };
        let all: Vec<_> = (1..=4).map(run).collect();
        for session in all {
            let (code, ended) = session.join().expect("a session runs to its end");
            ended.journal.check_whole(&ended.outcome);
            assert_eq!(ended.status(), code);
            assert!(ended.terminal.text().ends_with("\r\n2000\r\n"));
            ended.check_screen();
        }
    });
}

fn a_session_nobody_waits_for_goes_on_to_its_end(stage: &Stage) {
    let (mut terminal, files, handle) = stage.sh(ECHOES).open();
    drop(handle);
    terminal.expect("ready");
    terminal.send("hello\r");
    terminal.expect("got hello");
    terminal.send("\x04");
    let outcome = until("the end is recorded", || files.journal().outcome().cloned());
    assert_eq!(outcome.status(), 3);
    files.journal().check_whole(&outcome);
}

fn a_session_outlives_its_engine(stage: &Stage) {
    let (mut terminal, files, handle) = stage.another().sh(ECHOES).open();
    // The stage that built the engine is gone, and the engine with it.
    terminal.expect("ready");
    terminal.send("hello\r");
    terminal.expect("got hello");
    terminal.send("\x04");
    let outcome = handle.wait().expect("the session has its outcome");
    assert_eq!(outcome.status(), 3);
    files.journal().check_whole(&outcome);
}

fn an_order_after_the_end_is_dropped(stage: &Stage) {
    let live = stage.sh("exit 3").play();
    let mailbox = live.mailbox().clone();
    let ended = live.end();
    mailbox.send(crate::live::order(1, Action::Terminate));
    assert_eq!(ended.status(), 3);
    assert_eq!(stage.sh("exit 4").play().end().status(), 4, "the engine goes on");
}
