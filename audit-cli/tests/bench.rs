//! `auditty bench` from the outside.
#![allow(missing_docs)]

use std::process::{Command, Output, Stdio};

fn bench(args: &[&str]) -> Output {
    let dir = tempfile::tempdir().expect("a directory");
    let mut command = Command::new(env!("CARGO_BIN_EXE_auditty"));
    command.arg("bench").args(args).arg("--dir").arg(dir.path()).stdin(Stdio::null());
    command.env("XDG_CONFIG_HOME", dir.path());
    let output = command.output().expect("auditty can be run");
    let left = std::fs::read_dir(dir.path()).expect("the directory").count();
    assert_eq!(left, 0, "it leaves nothing behind");
    output
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
