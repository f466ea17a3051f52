//! Without a terminal: data passes unchanged and streams stay apart.

use std::process::Stdio;

use crate::sandbox::{Ran, Sandbox};

#[test]
fn data_passes_and_streams_stay_apart() {
    let sandbox = Sandbox::new();
    let script = "cat; echo to stderr >&2";
    let ran = sandbox.feed(["run", "--", "sh", "-c", script], b"hello\nworld\n");
    assert_eq!(ran.status, 0, "{ran:?}");
    assert_eq!(ran.stdout, b"hello\nworld\n");
    assert_eq!(ran.stderr, "to stderr\n");
    let id = sandbox.sessions().remove(0);
    let shown = sandbox.run(["show", "--json", &id]);
    let shown: serde_json::Value = serde_json::from_slice(&shown.stdout).unwrap();
    assert_eq!(shown["header"]["pty"], false, "{shown}");
}

#[test]
fn every_byte_value_survives() {
    let sandbox = Sandbox::new();
    let bytes: Vec<u8> = (0..=255u8).cycle().take(300_000).collect();
    let ran = sandbox.feed(["run", "--", "cat"], &bytes);
    assert_eq!(ran.status, 0);
    assert!(ran.stdout == bytes, "the bytes differ");
    let id = sandbox.sessions().remove(0);
    let raw = sandbox.run(["export", &id, "--format", "raw"]);
    assert!(raw.stdout == bytes, "the recorded output differs");
    let raw = sandbox.run(["export", &id, "--format", "raw", "--stream", "input"]);
    assert!(raw.stdout == bytes, "the recorded input differs");
}

#[test]
fn input_from_a_file_and_from_dev_null() {
    let sandbox = Sandbox::new();
    let file = sandbox.file("input", "one\ntwo\n");
    let mut command = sandbox.command(["run", "--", "wc", "-l"]);
    command.stdin(std::fs::File::open(file).unwrap());
    assert_eq!(Ran::of(command.spawn().unwrap()).text().trim(), "2");
    let mut command = sandbox.command(["run", "--", "wc", "-c"]);
    command.stdin(Stdio::null());
    assert_eq!(Ran::of(command.spawn().unwrap()).text().trim(), "0");
}

#[test]
fn a_reader_that_has_enough_ends_the_command() {
    let sandbox = Sandbox::new();
    let mut child = sandbox.command(["run", "--", "yes"]).spawn().unwrap();
    let mut some = [0; 10];
    std::io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut some).unwrap();
    drop(child.stdout.take());
    let ran = Ran::of(child);
    // SIGPIPE, as a pipeline without us would end.
    assert_eq!(ran.status, 141, "{ran:?}");
}
