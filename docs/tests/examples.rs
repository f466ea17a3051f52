//! The examples of the book do what the book says.
#![allow(missing_docs, dead_code, unreachable_pub)]

#[path = "../examples/embed.rs"]
mod embed;
#[path = "../examples/engine.rs"]
mod engine;
#[path = "../examples/recorder.rs"]
mod recorder;

use std::fs::{self, File};
use std::path::Path;
use std::sync::Arc;

use audit_core::{
    Action, Command, CommandSpec, End, EngineSettings, Identity, Part, Policy, Registry, Session,
    SessionId, SessionSpec, Toolkit, UserEnd, Winsize,
};

#[test]
fn an_embedded_session_is_shown_recorded_and_verified() {
    let dir = tempfile::tempdir().expect("a directory");
    let (shown, root) = (dir.path().join("shown"), dir.path().join("root"));
    let command = CommandSpec::new("sh", ["-c", "echo to be kept; exit 7"]);
    let outcome = embed::audited(command, &shown, &root).expect("the session runs");
    assert_eq!(outcome.status(), 7);
    assert_eq!(fs::read_to_string(&shown).expect("the file"), "to be kept\n");
    assert_eq!(embed::verified(&root).expect("a root").code(), 0);
}

#[test]
fn verification_of_an_embedded_session_fails_when_its_journal_was_changed() {
    let dir = tempfile::tempdir().expect("a directory");
    let root = dir.path().join("root");
    embed::audited(CommandSpec::new("echo", ["x"]), &dir.path().join("shown"), &root)
        .expect("the session runs");
    let segment = segment_below(&root);
    let mut bytes = fs::read(&segment).expect("a segment");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    // Closed segments are read-only, for everybody but root.
    fs::remove_file(&segment).expect("the segment can be removed");
    fs::write(&segment, bytes).expect("the segment can be written");
    assert_ne!(embed::verified(&root).expect("a root").code(), 0);
}

#[test]
fn an_embedded_session_takes_an_order() {
    let dir = tempfile::tempdir().expect("a directory");
    let command = CommandSpec::new("sleep", ["600"]);
    let session = embed::session(command, &dir.path().join("shown"), &dir.path().join("root"));
    let order = Command { id: 1, by: Identity::service("test"), action: Action::Terminate };
    let outcome = embed::ordered(session.expect("a session"), order).expect("the session runs");
    assert_eq!(outcome.end, End::Terminated);
}

#[test]
fn the_sixth_engine_runs_a_session_with_a_recorder_of_our_own() {
    let dir = tempfile::tempdir().expect("a directory");
    let (shown, lines) = (dir.path().join("shown"), dir.path().join("lines"));
    let registry = Registry::new([engine::ENTRY]);
    let entry = registry.find("plain").expect("the engine is in the table");
    let settings = EngineSettings { monitor_threads: 1, worker: Vec::new() };
    let engine = (entry.build)(&settings).expect("the engine can be built");
    let session = Session {
        spec: spec("seq 1 2000", &lines),
        user: UserEnd {
            input: None,
            output: File::create(&shown).expect("a file").into(),
            stdout: None,
            stderr: None,
            owns_process: false,
        },
        toolkit: Arc::new(Toolkit::new().with_recorder("lines", recorder::lines)),
        seed: [7; 32],
    };
    let outcome = engine.run(session).expect("the session runs");
    assert_eq!(outcome.status(), 0);

    let shown = fs::read_to_string(&shown).expect("the file");
    let expected: String = (1..=2000).map(|n| format!("{n}\r\n")).collect();
    assert_eq!(shown, expected);
    let lines = fs::read_to_string(&lines).expect("the lines");
    assert!(lines.lines().last().is_some_and(|l| l.contains("End")), "{lines}");
    let numbers = lines.lines().map(|l| l.split(' ').next().and_then(|n| n.parse().ok()));
    assert!(numbers.eq((1..=lines.lines().count() as u64).map(Some)), "numbers have a gap");
}

fn spec(script: &str, lines: &Path) -> SessionSpec {
    let settings = recorder::LinesSettings { path: lines.to_owned() };
    SessionSpec {
        id: SessionId::new(1_700_000_000_000, [7; 10]),
        parent: None,
        user: Identity::service("test"),
        host: "example".to_owned(),
        opened_unix_millis: 1_700_000_000_000,
        engine: "plain".to_owned(),
        command: CommandSpec::new("sh", ["-c", script]),
        pty: true,
        winsize: Winsize::new(24, 80),
        buffer_size: 64 << 10,
        policy: Policy::default(),
        recorder: Part::new("lines", serde_json::to_value(settings).expect("plain data")),
        monitor: None,
        controller: None,
    }
}

/// A segment somewhere below `dir`.
fn segment_below(dir: &Path) -> std::path::PathBuf {
    let mut dirs = vec![dir.to_owned()];
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(dir).expect("a directory") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                dirs.push(path);
            } else if path.extension().is_some_and(|e| e == "atj") {
                return path;
            }
        }
    }
    panic!("no segment")
}
