//! The exit status of `auditty run` tells how the command ended.

use crate::sandbox::{Ran, Sandbox, field};
use crate::terminal::Terminal;

#[test]
fn every_engine_and_every_other_name_of_one_runs_and_records() {
    let sandbox = Sandbox::new();
    let names = [
        "hybrid",
        "async",
        "asyncio",
        "threaded",
        "threading",
        "poll",
        "select",
        "multiproc",
        "multiprocessing",
    ];
    for name in names {
        let ran = sandbox.run(["run", "--engine", name, "--", "sh", "-c", "echo ran; exit 6"]);
        assert_eq!((ran.status, ran.text().as_str()), (6, "ran\n"), "{name}: {ran:?}");
        let mut command = sandbox.command(["run", "--", "sh", "-c", "echo shown; exit 7"]);
        command.env("AUDITTY_AUDIT__IMPLEMENTATION", name);
        let (status, shown) = Terminal::start(command).finish();
        assert_eq!((status, shown.as_str()), (7, "shown\r\n"), "{name}");
    }
    assert_eq!(sandbox.sessions().len(), 2 * names.len());
    let ran = sandbox.run(["verify"]);
    assert_eq!(ran.status, 0, "{ran:?}");
    let table = sandbox.run(["engines"]).text();
    assert_eq!(table.lines().count(), 5, "{table}");
    assert!(table.contains("* hybrid"), "{table}");
}

#[test]
fn the_status_of_the_command_is_passed_on() {
    let sandbox = Sandbox::new();
    for (script, status) in [
        ("exit 0", 0),
        ("exit 42", 42),
        ("exit 127", 127),
        ("kill -TERM $$", 143),
        ("kill -KILL $$", 137),
    ] {
        let ran = sandbox.run(["run", "--", "sh", "-c", script]);
        assert_eq!(ran.status, status, "{script}: {ran:?}");
        let terminal = Terminal::start(sandbox.command(["run", "--", "sh", "-c", script]));
        assert_eq!(terminal.finish().0, status, "{script} in a terminal");
    }
}

#[test]
fn a_command_that_is_not_there_is_127_and_recorded() {
    let sandbox = Sandbox::new();
    let ran = sandbox.run(["run", "--", "no-such-command-here"]);
    assert_eq!(ran.status, 127, "{ran:?}");
    assert_eq!(ran.stderr.lines().count(), 1, "{ran:?}");
    assert!(ran.stderr.contains("no-such-command-here"), "{ran:?}");
    assert_eq!(sandbox.sessions().len(), 1);
}

#[test]
fn a_command_that_cannot_be_executed_is_126() {
    let sandbox = Sandbox::new();
    let file = sandbox.file("not-a-program", "text\n");
    let ran = sandbox.run(["run", "--", file.to_str().unwrap()]);
    assert_eq!(ran.status, 126, "{ran:?}");
    assert_eq!(ran.stderr.lines().count(), 1, "{ran:?}");
}

#[test]
fn a_configured_shell_that_is_missing_is_one_line_and_a_recorded_failure() {
    let sandbox = Sandbox::new();
    let mut command = sandbox.command(["run"]);
    command.env("AUDITTY_PTY__SHELL_COMMAND", "/nowhere/shell");
    let ran = Ran::of(command.spawn().unwrap());
    assert_eq!(ran.status, 127, "{ran:?}");
    assert_eq!(ran.stderr.lines().count(), 1, "{ran:?}");
    let sessions = sandbox.sessions();
    let ran = sandbox.run(["show", "--json", &sessions[0]]);
    let shown: serde_json::Value = serde_json::from_slice(&ran.stdout).unwrap();
    assert!(shown["outcome"]["end"]["spawn_failed"].is_object(), "{shown}");
}

#[test]
fn the_terminal_is_put_back_as_it_was() {
    let sandbox = Sandbox::new();
    let mut terminal =
        Terminal::start(sandbox.command(["run", "--", "sh", "-c", "echo up; read x"]));
    terminal.expect("up");
    let during = terminal.modes();
    terminal.type_in("\r");
    let before = terminal.modes_before();
    assert_ne!(before, during, "raw while the session ran");
    assert_eq!(terminal.modes_after_end(), (0, before));
}

#[test]
fn a_resize_reaches_the_command_and_the_journal() {
    let sandbox = Sandbox::new();
    let mut command = sandbox.command(["run", "--", "sh", "-c"]);
    command.arg("trap 'stty size' WINCH; echo up; while :; do sleep 0.05; done");
    let mut terminal = Terminal::start(command);
    terminal.expect("up");
    terminal.resize(33, 111);
    terminal.expect("33 111");
    terminal.type_in("\u{3}");
    terminal.finish();
    let id = sandbox.sessions().remove(0);
    let cast = sandbox.run(["export", &id, "--format", "asciicast-v3"]).text();
    assert_eq!(cast.matches("\"111x33\"").count(), 1, "{cast}");
    let logged = sandbox.logged("session-resized").unwrap();
    assert_eq!(
        (&logged["auditty.terminal.rows"], &logged["auditty.terminal.columns"]),
        (&33.into(), &111.into())
    );
}

#[test]
fn the_audit_log_tells_the_beginning_and_the_end() {
    let sandbox = Sandbox::new();
    let id = sandbox.record("exit 3");
    let log = std::fs::read_to_string(sandbox.path("audit.log")).unwrap();
    let lines: Vec<serde_json::Value> =
        log.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    let actions: Vec<_> = lines.iter().map(|l| l["event.action"].as_str().unwrap()).collect();
    assert_eq!(actions.first(), Some(&"session-opened"), "{log}");
    assert_eq!(actions.last(), Some(&"session-closed"), "{log}");
    assert_eq!(lines.last().unwrap()["process.exit_code"], 3);
    for line in log.lines() {
        assert_eq!(field(line, "auditty.session.id"), id);
    }
}
