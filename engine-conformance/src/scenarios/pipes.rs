//! Pipe mode, and standard streams that are not the terminal.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::thread::JoinHandle;
use std::time::Duration;

use audit_core::{Body, End, Exit, Outcome, Stream, UserEnd};
use nix::fcntl::OFlag;

use super::scenarios;
use crate::live::{Live, check_equal, watch_for};
use crate::patience::until_true;
use crate::scene::Stage;
use crate::terminal::Terminal;

scenarios![
    in_pipe_mode_bytes_pass_unchanged_and_streams_stay_apart,
    in_pipe_mode_a_megabyte_goes_there_and_back,
    a_pipeline_of_a_shell_works_without_a_terminal,
    a_standard_output_apart_from_the_terminal_stays_apart,
    a_standard_output_in_a_shell_s_pipeline_stays_apart,
    a_standard_output_may_be_a_process_substitution,
    a_session_without_a_controlling_terminal_works,
    a_reader_that_leaves_ends_the_writer,
    a_reader_that_takes_nothing_any_more_is_given_up_in_the_end_and_that_is_said,
    a_reader_that_is_slow_gets_everything_however_long_it_takes,
    output_that_finds_no_room_is_told_and_marked_and_ends_with_a_status,
    a_writer_whose_disk_is_full_finds_its_pipe_broken,
];

/// A pipe nobody inherits: reader, writer.
fn pipe() -> (File, OwnedFd) {
    let (reader, writer) = nix::unistd::pipe2(OFlag::O_CLOEXEC).expect("a pipe");
    (reader.into(), writer)
}

/// Reads to the end on a thread of its own.
fn collect(mut reader: File) -> JoinHandle<Vec<u8>> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        reader.read_to_end(&mut bytes).expect("a pipe can be read");
        bytes
    })
}

/// A terminal nobody uses.
fn no_terminal() -> Terminal {
    let mut terminal = Terminal::new();
    terminal.hang_up();
    terminal
}

fn in_pipe_mode_bytes_pass_unchanged_and_streams_stay_apart(stage: &Stage) {
    let mut scene = stage.sh("test -t 0 || cat; printf 'a\\nb\\n'; printf 'e\\n' >&2; exit 6");
    scene.spec.pty = false;
    let (input, to_child) = pipe();
    let (out, output) = pipe();
    let (err, stderr) = pipe();
    let user = UserEnd {
        input: Some(input.into()),
        output,
        stdout: None,
        stderr: Some(stderr),
        owns_process: false,
    };
    let live = scene.play_with(user, no_terminal());
    let (out, err) = (collect(out), collect(err));
    let mut to_child = File::from(to_child);
    to_child.write_all(b"in\n\x04\x03\xff\n").expect("a pipe takes bytes");
    drop(to_child);
    let ended = live.end();
    assert_eq!(ended.status(), 6);
    assert_eq!(out.join().expect("read"), b"in\n\x04\x03\xff\na\nb\n");
    assert_eq!(err.join().expect("read"), b"e\n");
    assert_eq!(ended.journal.stream(Stream::Input), b"in\n\x04\x03\xff\n");
    assert_eq!(ended.journal.stream(Stream::Stdout), b"in\n\x04\x03\xff\na\nb\n");
    assert_eq!(ended.journal.stream(Stream::Stderr), b"e\n");
    assert!(!ended.journal.holds(|body| matches!(body, Body::Resize(_))), "it has no terminal");
}

fn in_pipe_mode_a_megabyte_goes_there_and_back(stage: &Stage) {
    let mut scene = stage.scene("cat", [""; 0]);
    scene.spec.pty = false;
    let (input, to_child) = pipe();
    let (out, output) = pipe();
    let user = UserEnd {
        input: Some(input.into()),
        output,
        stdout: None,
        stderr: None,
        owns_process: false,
    };
    let live = scene.play_with(user, no_terminal());
    let contents: Vec<u8> = (0..1_000_000_u32).map(|n| (n % 251) as u8).collect();
    let out = collect(out);
    let mut to_child = File::from(to_child);
    to_child.write_all(&contents).expect("a pipe takes bytes");
    drop(to_child);
    let ended = live.end();
    check_equal(&out.join().expect("read"), &contents);
    check_equal(&ended.journal.stream(Stream::Stdout), &contents);
    check_equal(&ended.journal.stream(Stream::Input), &contents);
}

fn a_pipeline_of_a_shell_works_without_a_terminal(stage: &Stage) {
    let mut scene = stage.scene("grep", ["-o", "hello"]);
    scene.spec.pty = false;
    let run = r#"echo hello world | "$0" conformance-session "$1" > "$1/out" 2> "$1/err""#;
    let ended = scene.play_owned_as(run).end();
    let read = |name| std::fs::read_to_string(ended.files.dir().join(name)).expect("written");
    assert_eq!(read("out"), "hello\n");
    assert_eq!(read("err"), "");
    assert_eq!(ended.journal.text(Stream::Stdout), "hello\n");
    assert_eq!(ended.journal.text(Stream::Input), "hello world\n");
}

fn a_standard_output_apart_from_the_terminal_stays_apart(stage: &Stage) {
    let script = "test -t 1 || echo no terminal; echo question >&2; read -r word; \
                  echo \"got $word\"; test -t 2 && echo terminal >&2";
    let scene = stage.sh(script);
    let mut terminal = Terminal::new();
    terminal.make_raw();
    let (out, stdout) = pipe();
    let user = UserEnd {
        input: Some(terminal.slave()),
        output: terminal.slave(),
        stdout: Some(stdout),
        stderr: None,
        owns_process: false,
    };
    terminal.give_away();
    let mut live = scene.play_with(user, terminal);
    let out = collect(out);
    live.expect("question");
    live.send("word\r");
    let ended = live.end();
    assert_eq!(out.join().expect("read"), b"no terminal\ngot word\n");
    assert_eq!(ended.journal.text(Stream::Stdout), "no terminal\ngot word\n");
    assert_eq!(ended.terminal.text(), "question\r\nword\r\nterminal\r\n");
    ended.check_screen();
}

fn a_standard_output_in_a_shell_s_pipeline_stays_apart(stage: &Stage) {
    let scene = stage.sh("test -t 0 && seq 1 3; echo on the terminal >&2");
    let run = r#""$0" conformance-session "$1" | cat > "$1/out""#;
    let mut owned = scene.play_owned_as(run);
    owned.expect("on the terminal");
    let ended = owned.end();
    let out = std::fs::read_to_string(ended.files.dir().join("out")).expect("written");
    assert_eq!(out, "1\n2\n3\n");
    assert_eq!(ended.journal.text(Stream::Stdout), "1\n2\n3\n");
    assert_eq!(ended.journal.text(Stream::Tty), "on the terminal\r\n");
}

fn a_standard_output_may_be_a_process_substitution(stage: &Stage) {
    let scene = stage.sh("seq 1 3; echo on the terminal >&2; exit 3");
    let run = r#"bash -c '"$0" conformance-session "$1" > >(cat > "$1/out")' "$0" "$1""#;
    let mut owned = scene.play_owned_as(run);
    owned.expect("on the terminal");
    let ended = owned.end();
    assert_eq!(ended.status(), 3);
    assert_eq!(ended.journal.text(Stream::Stdout), "1\n2\n3\n");
    // Nobody waits for the process that is substituted.
    until_true("everything arrives", || {
        std::fs::read_to_string(ended.files.dir().join("out")).is_ok_and(|out| out == "1\n2\n3\n")
    });
}

fn a_session_without_a_controlling_terminal_works(stage: &Stage) {
    let mut scene = stage.sh("cat; echo error >&2; exit 3");
    scene.spec.pty = false;
    scene.file("in", "some\ninput");
    let run = r#"setsid --wait "$0" conformance-session "$1" < "$1/in" > "$1/out" 2> "$1/err""#;
    let ended = scene.play_owned_as(run).end();
    let read = |name| std::fs::read_to_string(ended.files.dir().join(name)).expect("written");
    assert_eq!(ended.status(), 3);
    assert_eq!(read("out"), "some\ninput");
    assert_eq!(read("err"), "error\n");
    assert_eq!(ended.journal.text(Stream::Input), "some\ninput");
}

fn a_reader_that_leaves_ends_the_writer(stage: &Stage) {
    let mut scene = stage.scene("yes", [""; 0]);
    scene.spec.pty = false;
    let (mut out, output) = pipe();
    let user = UserEnd { input: None, output, stdout: None, stderr: None, owns_process: false };
    let live = scene.play_with(user, no_terminal());
    let mut first = [0; 10];
    out.read_exact(&mut first).expect("a pipe can be read");
    drop(out);
    let ended = live.end();
    assert_eq!(ended.outcome.exit, Some(Exit::Signal { number: 13, core: false }));
}

/// A child that ends before its output is taken: what a pipe holds fits into the user's, into our
/// hands and into the child's.
fn leaves_more_than_a_pipe_holds(stage: &Stage, patience: Duration) -> (Live, File) {
    let mut scene = stage.scene("head", ["-c", "100000", "/dev/zero"]);
    scene.spec.pty = false;
    scene.policy().ending.screen = patience;
    let (out, output) = pipe();
    let user = UserEnd { input: None, output, stdout: None, stderr: None, owns_process: false };
    (scene.play_with(user, no_terminal()), out)
}

fn a_reader_that_takes_nothing_any_more_is_given_up_in_the_end_and_that_is_said(stage: &Stage) {
    let (live, mut out) = leaves_more_than_a_pipe_holds(stage, Duration::from_millis(300));
    live.files().await_alarm("output.not-shown");
    let ended = live.end();
    assert!(ended.journal.has_marker("output.not-shown"));
    let mut shown = Vec::new();
    out.read_to_end(&mut shown).expect("a pipe can be read");
    assert!(
        shown.len() < ended.journal.stream(Stream::Stdout).len(),
        "it is recorded all the same"
    );
}

fn a_reader_that_is_slow_gets_everything_however_long_it_takes(stage: &Stage) {
    let patience = Duration::from_secs(3);
    let (live, mut out) = leaves_more_than_a_pipe_holds(stage, patience);
    let mut shown = 0;
    let mut piece = [0; 20_000];
    while shown < 100_000 {
        // Each pause is far below the patience, all of them together are above it.
        watch_for(patience / 5);
        shown += out.read(&mut piece).expect("a pipe can be read");
    }
    let ended = live.end();
    assert_eq!(ended.status(), 0);
    assert_eq!(ended.journal.stream(Stream::Stdout).len(), 100_000);
    assert!(!ended.journal.has_marker("output.not-shown"));
}

/// A disk without room.
fn full() -> OwnedFd {
    File::options().write(true).open("/dev/full").expect("the kernel has one").into()
}

fn output_that_finds_no_room_is_told_and_marked_and_ends_with_a_status(stage: &Stage) {
    let mut scene = stage.sh("echo hi");
    scene.spec.pty = false;
    let (err, stderr) = pipe();
    let user = UserEnd {
        input: None,
        output: full(),
        stdout: None,
        stderr: Some(stderr),
        owns_process: false,
    };
    let live = scene.play_with(user, no_terminal());
    let err = collect(err);
    let ended = live.end();
    assert_eq!(ended.outcome.exit, Some(Exit::Code(0)), "the child had written all it had");
    assert_eq!(ended.outcome.end, End::OutputFailed);
    assert_eq!(ended.status(), Outcome::OUTPUT_FAILED);
    let told = String::from_utf8(err.join().expect("read")).expect("text");
    assert!(told.contains("stdout") && told.lines().count() == 1, "{told:?}");
    assert_eq!(ended.journal.text(Stream::Stdout), "hi\n");
    let is_mark = |body: &Body| {
        matches!(body, Body::Marker { name, text }
            if name == "output.failed" && text.contains("3 "))
    };
    assert!(ended.journal.holds(is_mark));
}

fn a_writer_whose_disk_is_full_finds_its_pipe_broken(stage: &Stage) {
    let scene = stage.sh("yes; test $? = 141 && echo broken >&2; exit 5");
    let mut terminal = Terminal::new();
    terminal.make_raw();
    let user = UserEnd {
        input: Some(terminal.slave()),
        output: terminal.slave(),
        stdout: Some(full()),
        stderr: None,
        owns_process: false,
    };
    terminal.give_away();
    let mut live = scene.play_with(user, terminal);
    live.expect("stdout");
    live.expect("broken");
    let ended = live.end();
    assert_eq!(ended.outcome.exit, Some(Exit::Code(5)));
    assert_eq!(ended.status(), Outcome::OUTPUT_FAILED);
}
