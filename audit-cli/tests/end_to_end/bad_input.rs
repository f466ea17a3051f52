//! What is wrong is said in one line, before anything runs.

use crate::sandbox::{Ran, Sandbox};

/// Each file, and what the one line about it must hold.
const BAD_FILES: &[(&str, &[&str])] = &[
    ("[audit]\nimplementation = \"hybird\"\n", &["bad.toml:2:", "hybrid", "threaded (threading)"]),
    ("[jurnal]\ndir = \"/x\"\n", &["bad.toml:1:", "unknown section `jurnal`", "`journal`"]),
    ("[audit]\n\nsesion_timeout = 3\n", &["bad.toml:3:", "`session_timeout`"]),
    ("[journal]\non_failure = \"maybe\"\n", &["bad.toml:2:", "closed, open, spill"]),
    ("[journal]\nsegment_size = \"64KB2\"\n", &["bad.toml:2:", "64KiB"]),
    ("[journal]\nflush_interval = \"soon\"\n", &["bad.toml:2:", "500ms"]),
    ("[pty]\nterminal_size = [0, 80]\n", &["bad.toml:2:", "[rows, columns]"]),
    ("[pty]\nterminal_size = [24]\n", &["bad.toml:2:", "[rows, columns]"]),
    ("[pty]\nbuffer_size = -1\n", &["bad.toml:2:", "from 512 B to 1MiB"]),
    ("[journal]\ndir = \"sessions\"\n", &["bad.toml:2:", "an absolute path"]),
    ("[ai]\nthreat_threshold = 1.5\n", &["bad.toml:2:", "0.0 to 1.0"]),
    ("[ai]\nserver_url = \"http://x\"\n", &["bad.toml:2:", "ws://"]),
    ("[secrets]\nprompt_patterns = [\"(\"]\n", &["bad.toml:2:", "unclosed group"]),
    ("[secrets]\nmask_input = \"yes\"\n", &["bad.toml:2:", "true, false"]),
    ("audit = 3\n", &["bad.toml:1:", "`audit` is a section"]),
    ("[audit\n", &["bad.toml:1:"]),
    ("[audit]\nenabled = true\nenabled = false\n", &["bad.toml:3:", "duplicate"]),
];

#[test]
fn a_wrong_setting_is_one_line_with_its_place_and_what_is_allowed() {
    let sandbox = Sandbox::new();
    for (text, wanted) in BAD_FILES {
        let file = sandbox.file("bad.toml", text);
        let ran = sandbox.run(["run", "--config", file.to_str().unwrap(), "--", "touch", "ran"]);
        assert_eq!(ran.status, 78, "{text}: {ran:?}");
        assert_eq!(ran.stderr.lines().count(), 1, "{text}: {ran:?}");
        assert!(ran.stderr.starts_with("auditty: "), "{text}: {ran:?}");
        for part in *wanted {
            assert!(ran.stderr.contains(part), "{text}: no {part:?} in {ran:?}");
        }
        assert!(!sandbox.path("home/ran").exists(), "{text}");
    }
}

#[test]
fn a_wrong_variable_is_named() {
    let sandbox = Sandbox::new();
    for (name, value, wanted) in [
        ("AUDITTY_JOURNAL__ON_FAILURE", "perhaps", "closed, open, spill"),
        ("AUDITTY_JOURNAL__ON_FAILUR", "open", "`on_failure`"),
        ("AUDITTY_JOURNL__DIR", "/tmp", "`journal`"),
        ("AUDITTY_AUDIT__SESSION_TIMEOUT", "1 fortnight", "30m"),
    ] {
        let mut command = sandbox.command(["config", "check"]);
        command.env(name, value);
        let ran = Ran::of(command.spawn().unwrap());
        assert_eq!(ran.status, 78, "{name}: {ran:?}");
        assert!(ran.stderr.contains(name) && ran.stderr.contains(wanted), "{name}: {ran:?}");
    }
}

#[test]
fn a_configuration_that_is_not_there_is_an_error() {
    let sandbox = Sandbox::new();
    let ran = sandbox.run(["run", "--config", "missing.toml", "--", "true"]);
    assert_eq!(ran.status, 78);
    assert_eq!(ran.stderr, "auditty: missing.toml: no such file or directory\n");
}

#[test]
fn an_unknown_engine_lists_the_known_ones() {
    let sandbox = Sandbox::new();
    let ran = sandbox.run(["run", "--engine", "tokyo", "--", "true"]);
    assert_eq!(ran.status, 78);
    for name in ["--engine", "hybrid", "async (asyncio)", "threaded", "poll (select)", "multiproc"]
    {
        assert!(ran.stderr.contains(name), "{ran:?}");
    }
}

#[test]
fn a_journal_that_cannot_be_written_stops_everything_before_it_begins() {
    let sandbox = Sandbox::new();
    let file = sandbox.file("file", "");
    for (policy, status) in [("open", 78), ("spill", 78), ("closed", 74)] {
        let dir = file.join("below");
        let args = ["run", "--on-journal-failure", policy, "--journal", dir.to_str().unwrap()];
        let ran = sandbox.run(args.into_iter().chain(["--", "touch", "ran"]));
        assert_eq!(ran.status, status, "{policy}: {ran:?}");
        assert_eq!(ran.stderr.lines().count(), 1, "{ran:?}");
        assert!(
            ran.stderr.contains("--journal") && ran.stderr.contains("not a directory"),
            "{ran:?}"
        );
        assert!(!sandbox.path("home/ran").exists());
    }
}

#[test]
fn a_journal_that_cannot_begin_is_74_and_nothing_runs() {
    let sandbox = Sandbox::new();
    std::fs::create_dir_all(sandbox.path("journal/host.key")).unwrap();
    for engine in ["hybrid", "async", "threaded", "poll", "multiproc"] {
        let ran = sandbox.run(["run", "--engine", engine, "--", "touch", "ran"]);
        assert_eq!(ran.status, 74, "{engine}: {ran:?}");
        assert_eq!(ran.stderr.lines().count(), 1, "{engine}: {ran:?}");
        assert!(ran.stderr.contains("host.key"), "{engine}: {ran:?}");
        assert!(!sandbox.path("home/ran").exists(), "{engine}");
    }
}

#[test]
fn wrong_usage_ends_with_two() {
    let sandbox = Sandbox::new();
    let wrong: [&[&str]; 8] = [
        &["frobnicate"],
        &["run", "--no-such-flag"],
        &["run", "--session-id", "five", "--", "true"],
        &["run", "--on-journal-failure", "perhaps", "--", "true"],
        &["export", "x"],
        &["export", "x", "--format", "betamax"],
        &["replay", "x", "--speed", "0"],
        &["ls", "--state", "happy"],
    ];
    for args in wrong {
        let ran = sandbox.run(args);
        assert_eq!(ran.status, 2, "{args:?}: {ran:?}");
        assert!(ran.stdout.is_empty(), "{args:?}");
    }
}

#[test]
fn a_session_id_is_used_once() {
    let sandbox = Sandbox::new();
    let id = "01920000-0000-7000-8000-00000000abcd";
    assert_eq!(sandbox.run(["run", "--session-id", id, "--", "true"]).status, 0);
    let ran = sandbox.run(["run", "--session-id", id, "--", "touch", "ran"]);
    assert_eq!(ran.status, 2, "{ran:?}");
    assert!(ran.stderr.contains("exists already"), "{ran:?}");
    assert!(!sandbox.path("home/ran").exists());
    assert_eq!(sandbox.sessions(), [id]);
}
