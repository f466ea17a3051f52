//! `auditty bench` from the outside.
#![allow(missing_docs)]

#[path = "common/processes.rs"]
mod processes;
#[path = "common/sandbox.rs"]
mod sandbox;

use std::path::Path;
use std::process::{Command, Output, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use sandbox::{until, wait};

fn command(args: &[&str], dir: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_auditty"));
    command.arg("bench").args(args).arg("--dir").arg(dir).stdin(Stdio::null());
    command.env("XDG_CONFIG_HOME", dir);
    command
}

fn entries(dir: &Path) -> usize {
    std::fs::read_dir(dir).expect("the directory").count()
}

fn bench(args: &[&str]) -> Output {
    let dir = tempfile::tempdir().expect("a directory");
    let output = command(args, dir.path()).output().expect("auditty can be run");
    assert_eq!(entries(dir.path()), 0, "it leaves nothing behind");
    output
}

#[test]
fn a_bench_that_is_stopped_leaves_nothing_behind() {
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
        let dir = tempfile::tempdir().expect("a directory");
        let args = ["--engines", "poll", "--rounds", "1000", "--size", "64KiB", "--keys", "100000"];
        let mark = format!("MARK={}", dir.path().display());
        let mut command = command(&args, dir.path());
        command.env("MARK", dir.path()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut bench = command.spawn().expect("auditty can be run");
        // The bench itself, whatever relays, the seat of its child, the child.
        until("it measures", || processes::holding(&mark).len() > 2);
        let pid = Pid::from_raw(i32::try_from(bench.id()).expect("a process id"));
        kill(pid, signal).expect("it runs");
        assert_eq!(wait(&mut bench), 128 + signal as i32);
        assert_eq!(processes::holding(&mark), [0; 0], "{signal}: nobody is left");
        assert_eq!(entries(dir.path()), 0, "{signal}: nothing is left");
    }
}

#[test]
fn bench_runs_an_engine_beside_the_bare_relay() {
    let output =
        bench(&["--engines", "poll", "--rounds", "1", "--size", "64KiB", "--keys", "3", "--json"]);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    let text = String::from_utf8(output.stdout).expect("JSON is text");
    let runs: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).expect("a JSON object")).collect();
    assert_eq!(runs.len(), 2, "{text}");
    let subjects: Vec<_> = runs.iter().map(|run| run["subject"].as_str()).collect();
    assert_eq!(subjects, [Some("relay"), Some("poll")]);
    for run in &runs {
        assert!(run["bytes"].as_u64() >= Some(64 << 10), "{run}");
        assert_eq!(run["echo_micros"].as_array().map(Vec::len), Some(3), "{run}");
    }
    assert!(runs[0]["recorded_bytes"].is_null());
    assert!(runs[1]["recorded_bytes"].as_u64() > Some(0));
}

#[test]
fn bench_names_the_engines_it_knows() {
    let output = bench(&["--engines", "steam"]);
    assert_eq!(output.status.code(), Some(2));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(errors.contains("steam") && errors.contains("hybrid"), "{errors}");
}
