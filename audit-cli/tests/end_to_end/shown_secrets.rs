//! Secrets that a session shows are recorded, and shown again only to who may and wants to see them.

use std::os::unix::process::CommandExt as _;

use crate::sandbox::{Ran, Sandbox, until};
use crate::terminal::Terminal;

const ENGINES: [&str; 5] = ["hybrid", "async", "threaded", "poll", "multiproc"];

/// A token as a provider makes them; in two parts, so that no scanner takes this file for a leak.
fn token() -> String {
    format!("ghp_{}", "aB3dE5gH7jK9mN1pQ2sT4vW6xY8zR0aB3dE5")
}

/// Records a session at a terminal that is asked for a password, which is masked, and then shows a
/// token in colours, in two parts that come apart, over the end of a row. Returns its id.
fn record(sandbox: &Sandbox, engine: &str) -> String {
    let token = token();
    let (head, tail) = token.split_at(20);
    let go = sandbox.path("home/go");
    // In a file: what stands in the command itself is told by the journal's header.
    let script = sandbox.file(
        "home/script",
        &format!(
            "printf 'Password: '; stty -echo; read -r p; stty echo; echo\n\
             printf '%60s' ''; printf 'TOKEN=\\033[31m{head}'\n\
             while ! [ -e go ]; do sleep 0.01; done\n\
             printf '\\033[0m{tail} end\\n'; read -r x\n"
        ),
    );
    let script = script.to_str().unwrap();
    let mut terminal =
        Terminal::start(sandbox.command(["run", "--engine", engine, "--", "sh", script]));
    terminal.expect("Password: ");
    terminal.await_hidden();
    terminal.type_in("hunter2\r");
    terminal.expect(head);
    std::fs::write(&go, "").unwrap();
    terminal.expect(" end");
    let id = sandbox.sessions().remove(0);
    until("the secret is found", || {
        sandbox.run(["show", "--json", &id]).text().contains("secret.shown")
    });
    terminal.type_in("\r");
    assert_eq!(terminal.finish().0, 0, "{engine}");
    std::fs::remove_file(&go).unwrap();
    id
}

#[test]
fn a_secret_that_was_shown_is_concealed_unless_it_is_asked_for() {
    for engine in ENGINES {
        let sandbox = Sandbox::new();
        let id = record(&sandbox, engine);
        assert_eq!(sandbox.run(["verify", &id]).status, 0, "{engine}");
        check_exports(&sandbox, engine, &id);
        check_evidence(&sandbox, engine, &id);
        check_search_and_replay(&sandbox, engine, &id);
    }
}

const LOSSY: [&str; 6] = ["asciicast-v2", "asciicast-v3", "ttyrec", "script", "jsonl", "text"];

/// No format but the evidence shows any of it, and what can say so does.
fn check_exports(sandbox: &Sandbox, engine: &str, id: &str) {
    let token = token();
    for format in LOSSY {
        let ran = sandbox.run(["export", id, "--format", format]);
        assert_eq!(ran.status, 0, "{ran:?}");
        assert!(ran.stderr.contains("1 secret that the session showed"), "{ran:?}");
        let text = ran.text();
        for part in [&token[4..18], &token[22..36]] {
            assert!(!text.contains(part), "{engine} {format}: {text}");
        }
        let told = text.contains("\"concealed\":true");
        assert_eq!(told, format.starts_with("asciicast") || format == "jsonl", "{format}: {text}");
        let clear = sandbox.run(["export", id, "--format", format, "--reveal-secrets"]);
        assert_eq!((clear.status, clear.stderr.as_str()), (0, ""), "{clear:?}");
        assert!(!clear.text().contains("concealed"), "{clear:?}");
    }
    let dir = sandbox.path("scriptreplay");
    let path = dir.to_str().unwrap();
    std::fs::create_dir(&dir).unwrap();
    assert_eq!(sandbox.run(["export", id, "--format", "script", "-o", path]).status, 0);
    let typescript = std::fs::read(dir.join("typescript")).unwrap();
    assert!(!String::from_utf8_lossy(&typescript).contains(&token[4..18]), "{engine}");
}

/// The bytes are exact for who may see them, with or without the flag.
fn check_evidence(sandbox: &Sandbox, engine: &str, id: &str) {
    let token = token();
    for more in [&[][..], &["--reveal-secrets"]] {
        let ran = sandbox.run([&["export", id, "--format", "raw"], more].concat());
        assert_eq!((ran.status, ran.stderr.as_str()), (0, ""), "{ran:?}");
        let shown = format!("TOKEN=\u{1b}[31m{}\u{1b}[0m{} end", &token[..20], &token[20..]);
        assert!(ran.text().contains(&shown), "{engine}: {ran:?}");
    }
}

fn check_search_and_replay(sandbox: &Sandbox, engine: &str, id: &str) {
    let found = |text: &str, more: &[&str]| {
        sandbox.run([&["search", text, "--session", id, "--json"], more].concat())
    };
    assert_eq!(found("ghp_aB3dE5", &[]).status, 1, "{engine}");
    assert_eq!(found("ghp_aB3dE5", &["--reveal-secrets"]).status, 0, "{engine}");
    let line = found("TOKEN=", &[]).text();
    assert!(line.contains("\"secret\":true") && line.contains("TOKEN=****"), "{line}");
    let line = found("TOKEN=", &["--reveal-secrets"]).text();
    assert!(line.contains("\"secret\":false"), "{line}");
    let played = |more: &[&str]| {
        let ran = sandbox.run([&["replay", "--no-timing", id], more].concat());
        ran.text().contains(&token()[..20])
    };
    assert!(!played(&[]) && played(&["--reveal-secrets"]), "{engine}");
}

/// Runs the binary as somebody who is not root.
fn as_user(sandbox: &Sandbox, args: &[&str]) -> Ran {
    let binary = sandbox.path("auditty");
    if !binary.exists() {
        // By a program of its own: what another thread starts meanwhile must not inherit a
        // descriptor to write to it, or nobody could run it.
        let copied = std::process::Command::new("cp")
            .arg(env!("CARGO_BIN_EXE_auditty"))
            .arg(&binary)
            .status();
        assert!(copied.unwrap().success());
    }
    let mut command = sandbox.program(binary.to_str().unwrap());
    command.args(args).env("AUDITTY_SECRETS__REVEAL", "root");
    if nix::unistd::Uid::effective().is_root() {
        const NOBODY: u32 = 65534;
        let chown = |path: &std::path::Path| {
            std::os::unix::fs::chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
        };
        let mut dirs = vec![sandbox.path("")];
        while let Some(dir) = dirs.pop() {
            chown(&dir);
            for entry in std::fs::read_dir(&dir).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() { dirs.push(path) } else { chown(&path) }
            }
        }
        command.uid(NOBODY).gid(NOBODY);
    }
    Ran::of(command.spawn().unwrap())
}

#[test]
fn who_may_not_see_secrets_is_refused_and_gets_no_evidence_with_them() {
    let sandbox = Sandbox::new();
    let id = record(&sandbox, "hybrid");
    for args in [
        &["export", &id, "--format", "raw", "--reveal-secrets"][..],
        &["export", &id, "--format", "text", "--reveal-secrets"],
        &["replay", &id, "--no-timing", "--reveal-secrets"],
        &["search", "TOKEN", "--session", &id, "--reveal-secrets"],
    ] {
        let ran = as_user(&sandbox, args);
        assert!(ran.status != 0 && ran.stdout.is_empty(), "{ran:?}");
        assert!(ran.stderr.contains("only root may see secrets (secrets.reveal, "), "{ran:?}");
    }
    let ran = as_user(&sandbox, &["export", &id, "--format", "raw"]);
    assert_eq!(ran.status, 0, "{ran:?}");
    assert!(ran.stderr.contains("1 secret that the session showed stands as `*`"), "{ran:?}");
    assert!(ran.stderr.contains("only root may see secrets"), "{ran:?}");
    let text = ran.text();
    assert!(text.contains("TOKEN=\u{1b}[31m****") && text.contains("**** end"), "{text:?}");
}

#[test]
fn a_secret_in_the_command_itself_is_concealed_too() {
    let sandbox = Sandbox::new();
    let token = token();
    let script = ": $0 $1";
    assert_eq!(sandbox.run(["run", "--", "sh", "-c", script, "--token", &token]).status, 0);
    let id = sandbox.sessions().remove(0);
    for args in [
        &["ls"][..],
        &["ls", "--json"],
        &["show", &id],
        &["show", "--json", &id],
        &["export", &id, "--format", "jsonl"],
        &["export", &id, "--format", "asciicast-v2"],
        &["export", &id, "--format", "script"],
    ] {
        let text = sandbox.run(args).text();
        assert!(!text.contains(&token[8..]), "{args:?}: {text}");
    }
    let clear = sandbox.run(["export", &id, "--format", "jsonl", "--reveal-secrets"]);
    assert!(clear.text().contains(&token), "{clear:?}");
}

#[test]
fn a_session_that_showed_none_is_exported_without_a_word() {
    let sandbox = Sandbox::new();
    let id = sandbox.record("echo fine");
    let ran = sandbox.run(["export", &id, "--format", "text"]);
    assert_eq!((ran.status, ran.stderr.as_str()), (0, ""), "{ran:?}");
}
