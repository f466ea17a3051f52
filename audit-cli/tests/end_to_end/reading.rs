//! Listing, showing, verifying, searching, exporting, importing, mending.

use std::fs;

use serde_json::Value;

use crate::sandbox::{Sandbox, field, files, until};

fn json(text: &[u8]) -> Value {
    serde_json::from_slice(text)
        .unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(text)))
}

#[test]
fn sessions_are_listed_newest_first_and_filtered() {
    let sandbox = Sandbox::new();
    let first = sandbox.record("echo one");
    let second = sandbox.record("echo two");
    assert_eq!(sandbox.sessions(), [second.clone(), first]);
    let ls = |args: &[&str]| {
        let ran = sandbox.run(["ls"].iter().chain(args));
        assert_eq!(ran.status, 0, "{ran:?}");
        ran.lines()
    };
    assert_eq!(ls(&["--state", "complete"]).len(), 2);
    assert_eq!(ls(&["--state", "active"]).len(), 0);
    assert_eq!(ls(&["--since", "1h"]).len(), 2);
    assert_eq!(ls(&["--since", "2100-01-01"]).len(), 0);
    assert_eq!(ls(&["--user", "nobody-of-that-name"]).len(), 0);
    let line = ls(&["--json"]).remove(0);
    assert_eq!(field(&line, "session"), second);
    assert_eq!(field(&line, "command"), "sh -c echo two");
    assert_eq!(sandbox.run(["ls", "--since", "once upon a time"]).status, 2);
}

#[test]
fn a_session_is_found_by_prefix_path_and_root() {
    let sandbox = Sandbox::new();
    let id = sandbox.record("echo one");
    let root = sandbox.path("journal");
    let dir = sandbox.session_dir(&id);
    for name in [id.as_str(), &id[..8], dir.to_str().unwrap(), root.to_str().unwrap()] {
        let ran = sandbox.run(["show", "--json", name]);
        assert_eq!(ran.status, 0, "{name}: {ran:?}");
        assert_eq!(json(&ran.stdout)["session"], id.as_str(), "{name}");
    }
    let ran = sandbox.run(["show", "ffffffff"]);
    assert_eq!((ran.status, ran.stderr.lines().count()), (1, 1), "{ran:?}");
    sandbox.record("echo two");
    let ran = sandbox.run(["show", &id[..2]]);
    assert_eq!(ran.status, 1, "{ran:?}");
    assert!(ran.stderr.contains("2 sessions"), "{ran:?}");
}

#[test]
fn show_tells_how_it_ended_and_what_the_streams_hold() {
    let sandbox = Sandbox::new();
    let id = sandbox.record("printf abc; exit 7");
    let shown = json(&sandbox.run(["show", "--json", &id]).stdout);
    assert_eq!(shown["outcome"]["exit"]["code"], 7, "{shown}");
    assert_eq!(shown["streams"][0]["bytes"], 3, "{shown}");
    // sha256sum of "abc".
    assert_eq!(
        shown["streams"][0]["sha256"],
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    );
    let text = sandbox.run(["show", &id]).text();
    assert!(text.contains("exited, status 7") && text.contains("ba7816bf"), "{text}");
}

#[test]
fn an_intact_session_verifies_and_a_changed_one_does_not() {
    let sandbox = Sandbox::new();
    let id = sandbox.record("echo something to be protected");
    let ran = sandbox.run(["verify", &id]);
    assert_eq!(ran.status, 0, "{ran:?}");
    assert!(ran.text().starts_with(&format!("{id} intact seq=")), "{ran:?}");
    assert_eq!(sandbox.run(["verify"]).status, 0);

    let segment = sandbox.session_dir(&id).join("000000.atj");
    let mut bytes = fs::read(&segment).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    make_writable(&segment);
    fs::write(&segment, bytes).unwrap();
    let ran = sandbox.run(["verify", &id]);
    assert_eq!(ran.status, 11, "{ran:?}");
    assert_eq!(ran.lines().len(), 1);
    let line = sandbox.run(["verify", "--json", &id]).lines().remove(0);
    assert_eq!(json(line.as_bytes())["code"], 11);
    let log = fs::read_to_string(sandbox.path("audit.log")).unwrap();
    assert!(log.contains("verification-failed"), "{log}");

    let ran = sandbox.run(["replay", "--no-timing", &id]);
    assert_eq!(ran.status, 11, "{ran:?}");
    assert!(ran.stdout.is_empty() && ran.stderr.contains("--unverified"), "{ran:?}");
    let ran = sandbox.run(["replay", "--no-timing", "--unverified", &id]);
    assert!(ran.stderr.contains("warning"), "{ran:?}");
}

#[test]
fn of_several_sessions_the_worst_counts() {
    let sandbox = Sandbox::new();
    let good = sandbox.record("echo good");
    let bad = sandbox.record("echo bad");
    fs::remove_file(sandbox.session_dir(&bad).join("000000.atj")).unwrap();
    let ran = sandbox.run(["verify", &good, &bad]);
    assert_eq!(ran.lines().len(), 2, "{ran:?}");
    assert!(ran.status > 10, "{ran:?}");
    assert_eq!(sandbox.run(["verify", &good, "no-such-session"]).status, 1);
}

#[test]
fn a_whole_session_that_is_missing_is_noticed() {
    let sandbox = Sandbox::new();
    sandbox.record("echo kept");
    let id = sandbox.record("echo taken away");
    fs::remove_dir_all(sandbox.session_dir(&id)).unwrap();
    let ran = sandbox.run(["verify"]);
    assert_eq!(ran.status, 15, "{ran:?}");
    assert!(ran.text().contains(&id), "{ran:?}");
}

#[test]
fn another_hosts_key_is_not_believed() {
    let (ours, theirs) = (Sandbox::new(), Sandbox::new());
    let id = ours.record("echo ours");
    theirs.record("echo theirs");
    let key = |sandbox: &Sandbox| sandbox.path("journal/hostlog/host.pub");
    let verify = |key: &std::path::Path| ours.run(["verify", "--key", key.to_str().unwrap(), &id]);
    assert_eq!(verify(&key(&ours)).status, 0);
    assert_eq!(verify(&key(&theirs)).status, 12);
    assert_eq!(verify(&ours.file("no.key", "hello\n")).status, 1);
}

/// A session whose recorder was killed after it had recorded `text`; its id.
fn crashed(sandbox: &Sandbox, text: &str) -> String {
    let script = format!("echo {text}; read word");
    let mut command = sandbox.command(["run", "--", "sh", "-c", &script]);
    let mut recorder = command.stdin(std::process::Stdio::piped()).spawn().unwrap();
    until("it is recorded", || {
        sandbox.path("journal").exists() && sandbox.run(["search", text]).status == 0
    });
    recorder.kill().unwrap();
    recorder.wait().unwrap();
    sandbox.sessions().remove(0)
}

#[test]
fn a_torn_tail_is_found_and_mended_once() {
    let sandbox = Sandbox::new();
    let id = crashed(&sandbox, "before the crash");
    let segment = sandbox.session_dir(&id).join("000000.atj");
    let bytes = fs::read(&segment).unwrap();
    fs::write(&segment, [&bytes[..], b"ATJ1\x0f\x10"].concat()).unwrap();
    assert_eq!(sandbox.run(["verify", &id]).status, 10);
    // What there is can be exported, and what there is not is told.
    let exported = sandbox.run(["export", &id, "--format", "text"]);
    assert_eq!((exported.status, exported.text().trim()), (0, "before the crash"), "{exported:?}");
    assert!(exported.stderr.contains("truncated"), "{exported:?}");
    let mended = sandbox.run(["recover", &id]);
    assert_eq!(mended.status, 0, "{mended:?}");
    let again = sandbox.run(["recover", &id]);
    assert!(again.text().contains("nothing to mend"), "{again:?}");
    assert_eq!(sandbox.run(["verify"]).status, 0);
    let text = sandbox.run(["export", &id, "--format", "text"]);
    assert_eq!((text.text().trim(), text.stderr.as_str()), ("before the crash", ""), "{text:?}");
}

#[test]
fn a_closed_session_that_was_cut_is_not_mended() {
    let sandbox = Sandbox::new();
    let id = sandbox.record("echo it was closed");
    files(&sandbox.session_dir(&id)).iter().for_each(|path| make_writable(path));
    let segment = sandbox.session_dir(&id).join("000000.atj");
    let bytes = fs::read(&segment).unwrap();
    fs::write(&segment, &bytes[..bytes.len() - 10]).unwrap();
    // The host log knows the true end, so a cut is more than a crash.
    assert_eq!(sandbox.run(["verify", &id]).status, 15);
    let refused = sandbox.run(["recover", &id]);
    assert_eq!((refused.status, refused.stderr.lines().count()), (1, 1), "{refused:?}");
    assert_eq!(sandbox.run(["verify", &id]).status, 15);
}

#[test]
fn a_damaged_session_is_exported_only_when_asked() {
    let sandbox = Sandbox::new();
    let id = sandbox.record("echo one; sleep 0.3; echo two; sleep 0.3; printf thr%s ee");
    let segment = sandbox.session_dir(&id).join("000000.atj");
    let mut bytes = fs::read(&segment).unwrap();
    let at = bytes.windows(4).rposition(|w| w == b"two\n").unwrap();
    bytes[at] ^= 1;
    make_writable(&segment);
    fs::write(&segment, bytes).unwrap();
    let out = sandbox.path("out");
    let out = out.to_str().unwrap();
    for format in ["raw", "asciicast-v2", "asciicast-v3", "ttyrec", "script", "jsonl", "text"] {
        for to in [&["-o", out][..], &[]] {
            let export = |more: &[&str]| {
                sandbox.run(["export", &id, "--format", format].iter().chain(to).chain(more))
            };
            let ran = export(&[]);
            assert_eq!((ran.status, ran.stderr.lines().count()), (11, 1), "{format}: {ran:?}");
            assert!(ran.stdout.is_empty() && !fs::exists(out).unwrap(), "{format}");
            assert!(ran.stderr.contains("--unverified"), "{format}: {ran:?}");
            let ran = export(&["--unverified"]);
            assert_eq!((ran.status, ran.stderr.lines().count()), (0, 1), "{format}: {ran:?}");
            let bytes = if to.is_empty() { ran.stdout } else { fs::read(out).unwrap() };
            let text = String::from_utf8_lossy(&bytes);
            let exact = format != "jsonl";
            assert!(
                !exact || (text.contains("one") && !text.contains("three")),
                "{format}: {text}"
            );
            let _ = fs::remove_file(out);
        }
    }
    let dir = sandbox.path("files/");
    let ran = sandbox.run(["export", &id, "--format", "script", "-o", dir.to_str().unwrap()]);
    assert!(ran.status == 11 && !dir.exists(), "{ran:?}");
    assert!(sandbox.run(["show", &id]).text().contains("damage"));
}

#[test]
fn an_export_that_is_killed_leaves_nothing() {
    let sandbox = Sandbox::new();
    let id = sandbox.record("yes | head -c 20000000");
    fs::create_dir(sandbox.path("out")).unwrap();
    let path = sandbox.path("out/recording");
    let mut command =
        sandbox.command(["export", &id, "--format", "jsonl", "-o", path.to_str().unwrap()]);
    let mut child = command.spawn().unwrap();
    let out = sandbox.path("out").canonicalize().unwrap();
    until("it is being written", || {
        let open = fs::read_dir(format!("/proc/{}/fd", child.id())).unwrap().flatten();
        open.filter_map(|fd| fs::read_link(fd.path()).ok()).any(|to| to.starts_with(&out))
    });
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(files(&out), [] as [std::path::PathBuf; 0]);
}

#[test]
fn what_is_no_journal_is_not_verified() {
    let sandbox = Sandbox::new();
    let id = sandbox.record("echo kept");
    fs::create_dir(sandbox.path("empty")).unwrap();
    for path in [sandbox.path("empty"), "/etc".into(), sandbox.path("journal/hostlog")] {
        let ran = sandbox.run(["verify", path.to_str().unwrap()]);
        assert_eq!((ran.status, ran.stderr.lines().count()), (1, 1), "{path:?}: {ran:?}");
        assert!(ran.stdout.is_empty(), "{path:?}: {ran:?}");
        let mut command = sandbox.command(["verify"]);
        command.env("AUDITTY_JOURNAL__DIR", &path);
        let ran = crate::sandbox::Ran::of(command.spawn().unwrap());
        assert_eq!((ran.status, ran.stderr.lines().count()), (1, 1), "{path:?}: {ran:?}");
    }
    // A session of which nothing is left is still a session.
    let dir = sandbox.session_dir(&id);
    for name in ["000000.atj", "heads.note", "session.json"] {
        fs::remove_file(dir.join(name)).unwrap();
        for what in [id.as_str(), dir.to_str().unwrap()] {
            let ran = sandbox.run(["verify", what]);
            // Found by its name only while something of it is there.
            assert!(ran.status >= 11 || (ran.status == 1 && what == id), "{name} {what}: {ran:?}");
        }
    }
    assert_eq!(sandbox.run(["verify", dir.to_str().unwrap()]).status, 13);
}

#[test]
fn a_journal_directory_that_is_not_there_is_told() {
    let sandbox = Sandbox::new();
    for (args, status) in [(&["ls"][..], 1), (&["search", "x"], 2), (&["verify"], 1)] {
        let ran = sandbox.run(args.iter().chain(&["--journal", "nowhere"]));
        assert_eq!((ran.status, ran.stderr.lines().count()), (status, 1), "{args:?}: {ran:?}");
        assert!(ran.stderr.contains("nowhere: no such directory"), "{args:?}: {ran:?}");
    }
    // Where nothing was recorded yet, nothing is wrong.
    let mut command = sandbox.command(["ls"]);
    command.env_remove("AUDITTY_JOURNAL__DIR");
    // The system's own directory is nothing a test should look into.
    if !nix::unistd::Uid::effective().is_root() {
        let ran = crate::sandbox::Ran::of(command.spawn().unwrap());
        assert_eq!((ran.status, ran.stderr.as_str()), (0, ""), "{ran:?}");
    }
}

#[test]
fn a_search_tells_nothing_found_from_what_it_could_not_search() {
    let sandbox = Sandbox::new();
    let bad = sandbox.record("echo needle one; sleep 0.3; echo needle two");
    sandbox.record("echo needle three");
    assert_eq!(sandbox.run(["search", "hay"]).status, 1);
    let segment = sandbox.session_dir(&bad).join("000000.atj");
    let mut bytes = fs::read(&segment).unwrap();
    let at = bytes.windows(10).rposition(|w| w == b"needle two").unwrap();
    bytes[at] ^= 1;
    make_writable(&segment);
    fs::write(&segment, bytes).unwrap();
    for pattern in ["needle", "hay"] {
        let ran = sandbox.run(["search", pattern]);
        assert_eq!((ran.status, ran.stderr.lines().count()), (2, 1), "{ran:?}");
        assert!(ran.stderr.contains(&bad), "{ran:?}");
    }
    assert_eq!(sandbox.run(["search", "needle"]).lines().len(), 2);
    assert_eq!(sandbox.run(["search", "--session", "ffffffff", "x"]).status, 2);
    let ran = sandbox.run(["search", "--regex", "a(b"]);
    assert_eq!((ran.status, ran.stderr.as_str()), (2, "auditty: PATTERN: unclosed group\n"));
}

#[test]
fn nothing_that_was_recorded_steers_the_terminal_it_is_read_on() {
    let sandbox = Sandbox::new();
    // A C1 control sequence and title, a delete, a right-to-left override, in text and command.
    let steers = ["\u{9b}", "\u{9d}", "\u{7f}", "\u{202e}", "\u{2066}", "\u{1b}"];
    let script = format!("printf 'a{}[1mneedle'", steers.concat());
    let id = sandbox.record(&script);
    for args in [
        &["export", &id, "--format", "text"][..],
        &["export", &id, "--format", "jsonl"],
        &["export", &id, "--format", "asciicast-v3"],
        &["search", "needle"],
        &["search", "--json", "needle"],
        &["ls"],
        &["ls", "--json"],
        &["show", &id],
        &["show", "--json", &id],
        &["verify", "--json"],
    ] {
        let ran = sandbox.run(args);
        assert_eq!(ran.status, 0, "{args:?}: {ran:?}");
        for c in steers {
            assert!(!ran.text().contains(c), "{args:?}: {c:?} in {:?}", ran.text());
        }
    }
}

#[test]
fn an_import_that_fails_is_in_no_list() {
    let sandbox = Sandbox::new();
    sandbox.record("echo kept");
    let cast = "{\"version\":2,\"width\":80,\"height\":24}\n[0.1,\"o\",\"x\"]\nno event\n[1,\"o\",\"y\"]\n";
    let path = sandbox.file("cast", cast);
    let ran = sandbox.run(["import", path.to_str().unwrap(), "--format", "asciicast"]);
    assert_eq!((ran.status, ran.stderr.lines().count()), (1, 1), "{ran:?}");
    assert_eq!(sandbox.sessions().len(), 1);
}

#[test]
fn text_is_found_without_its_escape_sequences() {
    let sandbox = Sandbox::new();
    let id = sandbox.record("printf 'a \\033[31mred\\033[0m needle\\nhay\\n'");
    sandbox.record("echo nothing");
    let ran = sandbox.run(["search", "red needle"]);
    assert_eq!((ran.status, ran.lines().len()), (0, 1), "{ran:?}");
    assert!(ran.text().starts_with(&id) && ran.text().ends_with("a red needle\n"), "{ran:?}");
    let ran = sandbox.run(["search", "--regex", "--json", "^h.y$"]);
    assert_eq!(field(&ran.lines()[0], "line"), "hay");
    assert_eq!(sandbox.run(["search", "--stream", "input", "needle"]).status, 1);
    assert_eq!(sandbox.run(["search", "--session", &id, "nothing"]).status, 1);
    assert_eq!(sandbox.run(["search", "--regex", "("]).status, 2);
}

#[test]
fn every_format_is_written_to_a_file_as_to_standard_output() {
    let sandbox = Sandbox::new();
    let id = sandbox.record("echo line one; sleep 0.05; printf '\\033[1mtwo\\033[0m\\n'");
    for format in ["raw", "asciicast-v2", "asciicast-v3", "ttyrec", "script", "jsonl", "text"] {
        let direct = sandbox.run(["export", &id, "--format", format]);
        assert_eq!(direct.status, 0, "{format}: {direct:?}");
        assert!(direct.text().contains("line one"), "{format}");
        let path = sandbox.path(&format!("out.{format}"));
        let ran = sandbox.run(["export", &id, "--format", format, "-o", path.to_str().unwrap()]);
        assert_eq!(ran.status, 0, "{format}: {ran:?}");
        assert!(ran.stdout.is_empty());
        assert_eq!(fs::read(&path).unwrap(), direct.stdout, "{format}");
    }
    let left = fs::read_dir(sandbox.path("")).unwrap().flatten();
    assert!(!left.into_iter().any(|e| e.file_name().to_string_lossy().contains(".part")));
}

#[test]
fn what_is_exported_can_be_imported() {
    let sandbox = Sandbox::new();
    let id = sandbox.record("printf 'first\\r\\n'; sleep 0.05; printf 'second\\r\\n'");
    for (out, back) in
        [("asciicast-v2", "asciicast"), ("asciicast-v3", "asciicast"), ("ttyrec", "ttyrec")]
    {
        let path = sandbox.path(&format!("round.{out}"));
        let path = path.to_str().unwrap();
        assert_eq!(sandbox.run(["export", &id, "--format", out, "-o", path]).status, 0);
        let ran = sandbox.run(["import", path, "--format", back]);
        assert_eq!(ran.status, 0, "{out}: {ran:?}");
        let copy = ran.text().trim().to_owned();
        let raw = sandbox.run(["export", &copy, "--format", "raw"]);
        assert_eq!(raw.text(), "first\r\nsecond\r\n", "{out}");
        let shown = json(&sandbox.run(["show", "--json", &copy]).stdout);
        assert!(shown["imported"].as_str().unwrap().starts_with(back), "{shown}");
    }
    let text = sandbox.file("text", "no recording\n");
    assert_eq!(sandbox.run(["import", text.to_str().unwrap(), "--format", "asciicast"]).status, 1);
}

#[test]
fn a_reader_that_has_enough_is_no_error() {
    let sandbox = Sandbox::new();
    let id = sandbox.record("yes | head -c 3000000");
    let mut child = sandbox.command(["export", &id, "--format", "raw"]).spawn().unwrap();
    let mut some = [0; 10];
    std::io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut some).unwrap();
    drop(child.stdout.take());
    let ran = crate::sandbox::Ran::of(child);
    assert_eq!((ran.status, ran.stderr.as_str()), (0, ""));
}

#[test]
fn nobody_else_can_read_what_is_recorded() {
    use std::os::unix::fs::PermissionsExt as _;
    let sandbox = Sandbox::new();
    sandbox.record("echo private");
    for path in files(&sandbox.path("journal")) {
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        // The host log is made to be shown to others; it holds no content.
        let log = path.parent().is_some_and(|d| d.ends_with("hostlog"));
        assert!(log || mode & 0o007 == 0, "{}: {mode:o}", path.display());
    }
    let mode = fs::metadata(sandbox.path("journal")).unwrap().permissions().mode();
    assert_eq!(mode & 0o077, 0);
}

fn make_writable(path: &std::path::Path) {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}
