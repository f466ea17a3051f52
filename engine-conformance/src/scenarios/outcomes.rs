//! What a session comes to: exit codes, signals, commands that cannot run, time limits.

use std::path::Path;
use std::time::Duration;

use audit_core::{Body, End, Exit, News, Stream};

use super::scenarios;
use crate::live::check_recorded;
use crate::scene::Stage;

scenarios![
    an_exit_code_is_passed_on,
    a_death_by_signal_is_passed_on,
    the_last_output_is_not_lost,
    the_recording_equals_the_screen,
    the_child_has_a_terminal_of_its_own,
    a_child_s_terminal_is_not_the_user_s,
    a_child_that_ended_is_reaped,
    an_empty_environment_is_enough,
    a_missing_command_is_127,
    a_command_that_is_not_executable_is_126,
    a_session_ends_at_its_time_limit,
    a_locale_or_terminal_type_is_not_needed,
    many_records_keep_their_order,
    a_quick_exit_loses_nothing,
];

fn an_exit_code_is_passed_on(stage: &Stage) {
    for code in [0, 1, 42, 127, 255] {
        let ended = stage.sh(&format!("exit {code}")).play().end();
        assert_eq!(ended.outcome.exit, Some(Exit::Code(code)));
        assert_eq!(ended.outcome.end, End::Exited);
        assert_eq!(ended.outcome.lost, None);
        assert_eq!(ended.status(), code);
    }
}

fn a_death_by_signal_is_passed_on(stage: &Stage) {
    for (signal, number) in [("TERM", 15), ("KILL", 9), ("USR1", 10)] {
        let ended = stage.sh(&format!("ulimit -c 0; kill -{signal} $$")).play().end();
        assert_eq!(ended.outcome.exit, Some(Exit::Signal { number, core: false }));
        assert_eq!(ended.status(), 128 + number);
    }
}

fn the_last_output_is_not_lost(stage: &Stage) {
    let scene = stage.sh("head -c 300000 /dev/zero | tr '\\0' x; printf last; exit 7");
    let ended = scene.play().end();
    let shown = ended.terminal.shown();
    assert_eq!(shown.len(), 300_004);
    assert!(shown.ends_with(b"xlast"));
    ended.check_screen();
    assert_eq!(ended.status(), 7);
}

fn the_recording_equals_the_screen(stage: &Stage) {
    let mut live = stage.sh("echo ready; while read -r line; do echo \"got $line\"; done").play();
    live.expect("ready");
    for number in 0..20 {
        live.send(format!("line {number}\r"));
        live.expect(&format!("got line {number}\r\n"));
    }
    live.send("\x04");
    let ended = live.end();
    ended.check_screen();
    let typed: String = (0..20).map(|number| format!("line {number}\r")).collect();
    check_recorded((typed + "\x04").as_bytes(), &ended.journal.stream(Stream::Input));
    ended.files.await_news("the end", |news| matches!(news, News::Finished(_)).then_some(()));
}

fn the_child_has_a_terminal_of_its_own(stage: &Stage) {
    let script = "tty; read -r pid name state parent group session terminal foreground rest \
                  < /proc/self/stat; ps=$(cut -d' ' -f1,5,6,8 /proc/$$/stat); echo \"<$ps>\"";
    let ended = stage.sh(script).play().end();
    let text = ended.terminal.text();
    assert!(text.starts_with("/dev/pts/"), "{text:?}");
    let numbers = text.split(['<', '>']).nth(1).expect("the numbers").to_owned();
    let numbers: Vec<&str> = numbers.split(' ').collect();
    assert_eq!(numbers[0], numbers[1], "it leads its process group");
    assert_eq!(numbers[0], numbers[2], "it leads its session");
    assert_eq!(numbers[0], numbers[3], "it is in the foreground");
}

fn a_child_s_terminal_is_not_the_user_s(stage: &Stage) {
    let run = r#"tty > "$1/outer"; "$0" conformance-session "$1""#;
    let ended = stage.sh("tty > inner").play_owned_as(run).end();
    let read = |name| std::fs::read_to_string(ended.files.dir().join(name)).expect("written");
    assert!(read("outer").starts_with("/dev/pts/") && read("inner").starts_with("/dev/pts/"));
    assert_ne!(read("outer"), read("inner"));
}

fn a_child_that_ended_is_reaped(stage: &Stage) {
    let ended = stage.sh("echo $$ > child").play().end();
    let child = ended.files.pid("child");
    assert!(!Path::new(&format!("/proc/{child}")).exists(), "it is not even a zombie");
}

fn an_empty_environment_is_enough(stage: &Stage) {
    let mut scene = stage.scene("/bin/sh", ["-c", "echo \"home ${HOME-unset}\"; exit 3"]);
    scene.spec.command.env.clear();
    let run = r#"env -i "$0" conformance-session "$1""#;
    let ended = scene.play_owned_as(run).end();
    assert_eq!(ended.status(), 3);
    assert_eq!(ended.terminal.text(), "home unset\r\n");
    ended.check_screen();
}

fn a_missing_command_is_127(stage: &Stage) {
    for command in ["/no/such/shell", "no-such-command-anywhere"] {
        let ended = stage.scene(command, ["-c", "true"]).play().end();
        assert!(
            matches!(ended.outcome.end, End::SpawnFailed { errno: 2, .. }),
            "{:?}",
            ended.outcome
        );
        assert_eq!(ended.status(), 127);
        assert!(ended.journal.has_marker("spawn.failed"));
        assert!(matches!(ended.journal.records()[0].body, Body::Resize(_)), "it has its beginning");
    }
}

fn a_command_that_is_not_executable_is_126(stage: &Stage) {
    let scene = stage.sh("");
    let path = scene.file("plain", "no program");
    drop(scene);
    let scene = stage.scene("./plain", [""; 0]);
    scene.file("plain", "no program");
    assert!(!path.exists(), "a scene's directory goes with it");
    let ended = scene.play().end();
    assert!(matches!(ended.outcome.end, End::SpawnFailed { errno: 13, .. }), "{:?}", ended.outcome);
    assert_eq!(ended.status(), 126);
    assert!(ended.journal.has_marker("spawn.failed"));
}

fn a_session_ends_at_its_time_limit(stage: &Stage) {
    let mut scene =
        stage.sh("trap 'echo hung up; exit 5' HUP; echo ready; while :; do sleep 1; done");
    scene.policy().ending.session_timeout = Some(Duration::from_millis(1500));
    let mut live = scene.play();
    live.expect("time limit");
    let ended = live.end();
    assert_eq!(ended.outcome.end, End::TimedOut);
    ended.check_screen();
}

fn a_locale_or_terminal_type_is_not_needed(stage: &Stage) {
    for (locale, terminal) in
        [("C", None), ("ru_RU.KOI8-R", Some("dumb")), ("el_GR", Some("no-such"))]
    {
        let mut scene =
            stage.sh("printf '\\303\\244 \\377 \\316\\273\\n'; echo \"$LC_ALL ${TERM-unset}\"");
        let env = &mut scene.spec.command.env;
        env.insert("LC_ALL".into(), Some(locale.into()));
        env.insert("TERM".into(), terminal.map(Into::into));
        let ended = scene.play().end();
        let told = format!("{locale} {}\r\n", terminal.unwrap_or("unset"));
        let expected = [b"\xc3\xa4 \xff \xce\xbb\r\n", told.as_bytes()].concat();
        assert_eq!(ended.terminal.shown(), expected);
        ended.check_screen();
    }
}

fn many_records_keep_their_order(stage: &Stage) {
    let mut scene = stage.sh("i=0; while [ $i -lt 5000 ]; do i=$((i+1)); echo $i; done");
    scene.policy().recording.flush_bytes = 256;
    scene.spec.buffer_size = 32;
    let ended = scene.play().end();
    let counted: String = (1..=5000).map(|number| format!("{number}\r\n")).collect();
    assert_eq!(ended.journal.text(Stream::Tty), counted);
    ended.check_screen();
    assert!(ended.journal.records().len() > 500, "small reads make many records");
}

fn a_quick_exit_loses_nothing(stage: &Stage) {
    const SESSIONS: usize = if cfg!(feature = "slow-tests") { 1000 } else { 200 };
    const AT_ONCE: usize = 8;
    let mut left = SESSIONS;
    while left > 0 {
        let count = left.min(AT_ONCE);
        left -= count;
        let batch: Vec<_> =
            (0..count).map(|_| stage.scene("printf", ["Bingo"]).bare().play()).collect();
        for live in batch {
            let ended = live.end();
            assert_eq!(ended.terminal.text(), "Bingo");
            assert_eq!(ended.journal.text(Stream::Tty), "Bingo");
            assert_eq!(ended.status(), 0);
        }
    }
}
