//! What the user sends: pastes, files, nothing at all.

use std::fs::File;

use audit_core::{Body, Exit, Stream, UserEnd};

use super::scenarios;
use crate::live::{Ended, check_equal};
use crate::scene::{Scene, Stage};
use crate::terminal::Terminal;

scenarios![
    a_megabyte_pasted_with_echo_does_not_deadlock,
    a_megabyte_pasted_is_recorded_whole,
    input_from_a_regular_file_is_typed_whole,
    input_from_dev_null_ends_at_once,
    without_any_input_the_child_runs,
    input_that_is_not_to_be_recorded_is_not,
];

/// Keeps what it gets, with echo on.
const KEEPS: &str = "echo ready; cat > pasted; echo done";

fn a_megabyte_pasted_with_echo_does_not_deadlock(stage: &Stage) {
    paste(stage.sh(KEEPS), &megabyte());
}

fn a_megabyte_pasted_is_recorded_whole(stage: &Stage) {
    let mut scene = stage.sh(KEEPS);
    scene.policy().secrets.mask_input = false;
    let pasted = megabyte();
    let ended = paste(scene, &pasted);
    let typed = pasted.replace('\n', "\r") + "\x04";
    check_equal(&ended.journal.stream(Stream::Input), typed.as_bytes());
    ended.check_screen();
}

fn megabyte() -> String {
    let line = "All work and no play makes Jack a dull boy, 0123456789 abcdefg\n";
    line.repeat((1 << 20) / line.len() + 1)
}

/// Pastes into a child that keeps what it gets, and checks that it got everything. The kernel
/// drops echo when much is typed at once, so the screen need not show all of it.
fn paste(scene: Scene, pasted: &str) -> Ended {
    let mut live = scene.play();
    live.expect("ready\r\n");
    live.send(pasted.replace('\n', "\r"));
    live.send("\x04");
    live.expect("done");
    let kept = std::fs::read(live.files().dir().join("pasted")).expect("the child wrote it");
    check_equal(&kept, pasted.as_bytes());
    let ended = live.end();
    assert_eq!(ended.outcome.exit, Some(Exit::Code(0)));
    ended
}

/// A session whose input is this file; the terminal only shows.
fn with_input(stage: &Stage, script: &str, input: Option<File>) -> Ended {
    let mut terminal = Terminal::new();
    terminal.make_raw();
    let user = UserEnd {
        input: input.map(Into::into),
        output: terminal.slave(),
        stdout: None,
        stderr: None,
        owns_process: false,
    };
    terminal.give_away();
    stage.sh(script).play_with(user, terminal).end()
}

fn input_from_a_regular_file_is_typed_whole(stage: &Stage) {
    // The last line is not ended: a terminal's reader gets it all the same.
    let contents = (1..=20_000).map(|n| format!("{n}\n")).collect::<String>() + "last";
    let path = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(path.path(), &contents).expect("a file takes bytes");
    let input = File::open(path.path()).expect("the file just written");
    let ended =
        with_input(stage, "stty -echo; echo ready; cat > typed; wc -c < typed", Some(input));
    let kept = std::fs::read(ended.files.dir().join("typed")).expect("the child wrote it");
    check_equal(&kept, contents.as_bytes());
    assert!(ended.terminal.text().contains(&contents.len().to_string()));
    assert_eq!(ended.outcome.exit, Some(Exit::Code(0)));
}

fn input_from_dev_null_ends_at_once(stage: &Stage) {
    let input = File::open("/dev/null").expect("/dev/null");
    let ended = with_input(stage, "cat; echo end of input; exit 4", Some(input));
    assert!(ended.terminal.text().contains("end of input"));
    assert_eq!(ended.status(), 4);
}

fn without_any_input_the_child_runs(stage: &Stage) {
    let ended = with_input(stage, "echo alone; exit 4", None);
    assert_eq!(ended.terminal.text(), "alone\r\n");
    assert_eq!(ended.status(), 4);
}

fn input_that_is_not_to_be_recorded_is_not(stage: &Stage) {
    let mut scene = stage.sh("stty -echo; echo ready; read -r line; echo \"${#line} characters\"");
    scene.policy().recording.input = false;
    let mut live = scene.play();
    live.expect("ready");
    live.send("hello\r");
    live.expect("5 characters");
    let ended = live.end();
    let is_input = |body: &Body| {
        matches!(body, Body::Data { stream, .. } | Body::Sealed { stream, .. }
            if *stream == Stream::Input)
    };
    assert!(!ended.journal.holds(is_input));
    ended.files.check_secrecy("hello");
}
