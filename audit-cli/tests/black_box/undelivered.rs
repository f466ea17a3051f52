//! Standard output on a disk that is full: told, marked and a status of its own, never silence.

use std::fs::File;

use crate::on_every_engine;
use crate::sandbox::{Ran, Sandbox};

on_every_engine![a_full_disk_behind_standard_output_is_told, a_full_disk_breaks_the_pipe];

/// The device that is always full.
fn full() -> File {
    File::options().write(true).open("/dev/full").unwrap()
}

/// The command had written all it had, and knows nothing of it.
fn a_full_disk_behind_standard_output_is_told(engine: &str) {
    let sandbox = Sandbox::new();
    let mut command = sandbox.command(["run", "--engine", engine, "--", "sh", "-c", "echo hi"]);
    let ran = Ran::of(command.stdout(full()).spawn().unwrap());
    assert_eq!(ran.status, 73, "{ran:?}");
    let said = "auditty: stdout cannot be written (No space left on device); output is lost.\n";
    assert_eq!(ran.stderr, said);
    let id = sandbox.sessions().remove(0);
    assert_eq!(sandbox.run(["export", &id, "--format", "raw"]).text(), "hi\n");
    let lines = sandbox.run(["export", &id, "--format", "jsonl"]).text();
    assert!(lines.contains("output.failed"), "{lines}");
    assert_eq!(sandbox.run(["verify", &id]).status, 0);
}

/// A command that has more to write is told so by the kernel, as without us.
fn a_full_disk_breaks_the_pipe(engine: &str) {
    let sandbox = Sandbox::new();
    let script = "yes; echo $? >&2";
    let mut command = sandbox.command(["run", "--engine", engine, "--", "sh", "-c", script]);
    let ran = Ran::of(command.stdout(full()).spawn().unwrap());
    assert_eq!(ran.status, 73, "{ran:?}");
    assert!(ran.stderr.lines().any(|line| line == "141"), "{ran:?}");
}

/// Where even the message finds no room, the status tells.
#[test]
fn a_full_disk_behind_both_streams_is_told_by_the_status() {
    let sandbox = Sandbox::new();
    let mut command = sandbox.command(["run", "--", "sh", "-c", "echo hi; echo ho >&2"]);
    let ran = Ran::of(command.stdout(full()).stderr(full()).spawn().unwrap());
    assert_eq!(ran.status, 73, "{ran:?}");
}

#[test]
fn what_a_command_prints_onto_a_full_disk_is_a_failure_in_one_line() {
    let sandbox = Sandbox::new();
    let id = sandbox.record("echo something");
    let cases: &[&[&str]] = &[
        &["ls"],
        &["show", &id],
        &["verify"],
        &["search", "something"],
        &["export", &id, "--format", "raw"],
        &["replay", &id, "--no-timing"],
        &["config", "show"],
        &["config", "default"],
        &["engines"],
        &["man"],
        &["completions", "bash"],
        &["detect", "explain", "ls"],
        &["--help"],
        &["--version"],
    ];
    for args in cases {
        let ran = Ran::of(sandbox.command(*args).stdout(full()).spawn().unwrap());
        assert_ne!(ran.status, 0, "{args:?}: {ran:?}");
        assert_eq!(ran.stderr.lines().count(), 1, "{args:?}: {ran:?}");
        let said = "auditty: standard output: No space left on device\n";
        assert_eq!(ran.stderr, said, "{args:?}");
    }
}
