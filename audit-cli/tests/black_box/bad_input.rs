//! What is wrong with the surroundings: one line, its status, and a terminal nobody touched.

use std::process::{Command, Stdio};

use crate::sandbox::{Ran, Sandbox};
use crate::terminal::Terminal;

/// Runs it on a terminal, where it must fail before it touches anything.
fn refused(command: Command) -> (i32, String) {
    let terminal = Terminal::start(command);
    let before = terminal.modes_before();
    let id = terminal.pid();
    let (status, shown) = {
        let modes = terminal.modes();
        let (status, shown) = terminal.finish();
        assert_eq!(modes, before, "{id}: the terminal was touched");
        (status, shown)
    };
    assert_eq!(shown.lines().count(), 1, "{shown:?}");
    assert!(shown.starts_with("auditty: "), "{shown:?}");
    (status, shown)
}

#[test]
fn a_wrong_word_is_answered_with_the_nearest_right_one() {
    let sandbox = Sandbox::new();
    let file = sandbox.file("bad.toml", "[journal]\nflush_intervall = \"1s\"\n");
    let cases: &[(&[&str], i32, &[&str])] = &[
        (&["run", "--engine", "hybird", "--", "true"], 78, &["--engine", "hybrid"]),
        (
            &["run", "--config", file.to_str().unwrap(), "--", "true"],
            78,
            &["bad.toml:2:", "`flush_interval`"],
        ),
        (&["verify", "no-such-session"], 1, &["no-such-session"]),
        (&["show", "no-such-session"], 1, &["no-such-session"]),
        (&["export", "no-such-session", "--format", "raw"], 1, &["no-such-session"]),
        (&["replay", "no-such-session"], 1, &["no-such-session"]),
        (&["recover", "no-such-session"], 1, &["no-such-session"]),
        (&["import", "no-such-file", "--format", "asciicast"], 1, &["no-such-file"]),
        (&["ctl", "status"], 1, &["no session"]),
        (&["run", "--engin", "poll", "--", "true"], 2, &["'--engine'", "auditty run --help"]),
        (&["run", "--session-id", "7", "--", "true"], 2, &["--session-id", "UUID"]),
        (&["bench", "--size", "1B"], 2, &["--size", "64KiB to 1GiB"]),
        (&["show"], 2, &["<SESSION>"]),
        (&["ls", "--color", "red"], 2, &["auto, always, never"]),
    ];
    for (args, status, parts) in cases {
        let (ended, shown) = refused(sandbox.command(*args));
        assert_eq!(ended, *status, "{args:?}: {shown}");
        for part in *parts {
            assert!(shown.contains(part), "{args:?}: no {part:?} in {shown:?}");
        }
    }
}

#[test]
fn values_that_are_out_of_bounds_are_named() {
    let sandbox = Sandbox::new();
    for (variable, value) in [
        ("AUDITTY_JOURNAL__SEGMENT_SIZE", "12 parsecs"),
        ("AUDITTY_JOURNAL__SEGMENT_SIZE", "1B"),
        ("AUDITTY_JOURNAL__FLUSH_INTERVAL", "1h"),
        ("AUDITTY_PTY__BUFFER_SIZE", "-1"),
        ("AUDITTY_PTY__TERMINAL_SIZE", "[0, 80]"),
        ("AUDITTY_AUDIT__SESSION_TIMEOUT", "tomorrow"),
    ] {
        let mut command = sandbox.command(["run", "--", "touch", "ran"]);
        command.env(variable, value);
        let (status, shown) = refused(command);
        assert_eq!(status, 78, "{shown}");
        assert!(shown.contains(variable), "{shown}");
        assert!(!sandbox.path("home/ran").exists());
    }
}

#[test]
fn a_journal_directory_that_is_a_file_is_refused() {
    let sandbox = Sandbox::new();
    std::fs::write(sandbox.path("journal"), "a file").unwrap();
    for (policy, status) in [("open", 78), ("closed", 74)] {
        let args = ["run", "--on-journal-failure", policy, "--", "touch", "ran"];
        let (ended, shown) = refused(sandbox.command(args));
        assert_eq!(ended, status, "{shown}");
        assert!(!sandbox.path("home/ran").exists());
    }
}

#[test]
fn a_file_that_is_no_journal_is_unreadable() {
    let sandbox = Sandbox::new();
    let id = sandbox.record("echo something");
    for path in crate::sandbox::files(&sandbox.session_dir(&id)) {
        std::fs::remove_file(&path).unwrap();
        std::fs::create_dir(&path).unwrap();
    }
    let ran = sandbox.run(["verify", &id]);
    assert_ne!(ran.status, 0, "{ran:?}");
    assert!(ran.status < 128, "{ran:?}");
    for args in [&["show", &id][..], &["export", &id, "--format", "raw"], &["recover", &id]] {
        let ran = sandbox.run(args);
        assert_eq!((ran.status, ran.stderr.lines().count()), (1, 1), "{args:?}: {ran:?}");
    }
}

#[test]
fn a_missing_shell_is_one_line_and_recorded() {
    let sandbox = Sandbox::new();
    let mut command = sandbox.command(["run"]);
    command.env("SHELL", "/no/such/shell");
    let terminal = Terminal::start(command);
    let before = terminal.modes_before();
    let (status, shown) = terminal.finish();
    assert_eq!(status, 127, "{shown}");
    assert_eq!(shown.lines().count(), 1, "{shown:?}");
    assert!(shown.contains("/no/such/shell"), "{shown:?}");
    assert!(!before.is_empty());
    assert_eq!(sandbox.run(["verify"]).status, 0);
    assert_eq!(sandbox.sessions().len(), 1);
}

/// tlog does not start without utmp; nothing of that kind is needed here: no login record, no
/// journald, no `/dev/log`, no home, no runtime directory.
#[test]
fn nothing_of_the_machine_is_needed() {
    let sandbox = Sandbox::new();
    let terminal = {
        let mut command = sandbox.command(["run", "--", "sh", "-c", "echo up"]);
        for name in ["HOME", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME", "LC_ALL", "TERM", "SHELL"] {
            command.env_remove(name);
        }
        command.env("USER", "nobody-known");
        Terminal::start(command)
    };
    assert_eq!(terminal.finish(), (0, "up\r\n".to_owned()));
    assert_eq!(sandbox.run(["verify"]).status, 0);
}

/// With its journal elsewhere, a session needs no home that can be written.
#[test]
fn a_home_that_cannot_be_written_is_no_obstacle() {
    let sandbox = Sandbox::new();
    let mut command = sandbox.command(["run", "--", "sh", "-c", "echo up"]);
    // Not even root can write there.
    command.env("HOME", "/proc").env("XDG_RUNTIME_DIR", "/proc/sys");
    let ran = Ran::of(command.spawn().unwrap());
    assert_eq!((ran.status, ran.text().as_str()), (0, "up\n"), "{ran:?}");
    assert_eq!(sandbox.run(["verify"]).status, 0);
    // Without one of its own there is no place for a journal, and that is said.
    let mut command = sandbox.command(["run", "--", "touch", "ran"]);
    command.env("HOME", "/proc").env("AUDITTY_JOURNAL__DIR", "~/sessions");
    let ran = Ran::of(command.spawn().unwrap());
    assert_eq!((ran.status, ran.stderr.lines().count()), (78, 1), "{ran:?}");
    assert!(!sandbox.path("home/ran").exists());
}

#[test]
fn closed_standard_descriptors_are_no_obstacle() {
    let sandbox = Sandbox::new();
    let binary = env!("CARGO_BIN_EXE_auditty");
    for closed in ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"] {
        let script = format!("{binary} run -- sh -c 'echo up > ran; exit 4' {closed}");
        let mut shell = sandbox.program("sh");
        shell.args(["-c", &script]).stdin(Stdio::null());
        let ran = Ran::of(shell.spawn().unwrap());
        assert_eq!(ran.status, 4, "{closed}: {ran:?}");
        std::fs::remove_file(sandbox.path("home/ran")).unwrap();
    }
    assert_eq!(sandbox.run(["verify"]).status, 0);
}
