//! Secrets that a session shows are recorded, and shown again only to who may and wants to see them.

use crate::sandbox::{Sandbox, until};
use crate::terminal::Terminal;

const ENGINES: [&str; 5] = ["hybrid", "async", "threaded", "poll", "multiproc"];

/// A token as a provider makes them; in two parts, so that no scanner takes this file for a leak.
fn token() -> String {
    format!("ghp_{}", "aB3dE5gH7jK9mN1pQ2sT4vW6xY8zR0aB3dE5")
}

/// Records a session at a terminal that is asked for a password, which is masked, and then shows a
/// token in colours. Returns its id.
fn record(sandbox: &Sandbox, engine: &str) -> String {
    let token = token();
    let (head, tail) = token.split_at(20);
    // In a file: what stands in the command itself is told by the journal's header.
    let script = sandbox.file(
        "home/script",
        &format!(
            "printf 'Password: '; stty -echo; read -r p; stty echo; echo\n\
             printf 'TOKEN=\\033[31m{head}\\033[0m{tail} end\\n'; read -r x\n"
        ),
    );
    let script = script.to_str().unwrap();
    let mut terminal =
        Terminal::start(sandbox.command(["run", "--engine", engine, "--", "sh", script]));
    terminal.expect("Password: ");
    terminal.await_hidden();
    terminal.type_in("hunter2\r");
    terminal.expect(" end");
    let id = sandbox.sessions().remove(0);
    until("the secret is found", || {
        sandbox.run(["show", "--json", &id]).text().contains("secret.shown")
    });
    terminal.type_in("\r");
    assert_eq!(terminal.finish().0, 0, "{engine}");
    id
}

#[test]
fn a_secret_that_was_shown_is_concealed_unless_it_is_asked_for() {
    let token = token();
    for engine in ENGINES {
        let sandbox = Sandbox::new();
        let id = record(&sandbox, engine);
        assert_eq!(sandbox.run(["verify", &id]).status, 0, "{engine}");
        for format in ["raw", "asciicast-v2", "asciicast-v3", "ttyrec", "script", "jsonl", "text"] {
            let ran = sandbox.run(["export", &id, "--format", format]);
            assert_eq!(ran.status, 0, "{ran:?}");
            assert!(ran.stderr.contains("1 secret that the session showed"), "{ran:?}");
            let text = String::from_utf8_lossy(&ran.stdout);
            for part in [&token[4..18], &token[22..36]] {
                assert!(!text.contains(part), "{engine} {format}: {text}");
            }
        }
        let clear = sandbox.run(["export", &id, "--format", "raw", "--reveal-secrets"]);
        assert_eq!((clear.status, clear.stderr.as_str()), (0, ""), "{clear:?}");
        let clear = String::from_utf8_lossy(&clear.stdout).into_owned();
        let shown = format!("TOKEN=\u{1b}[31m{}\u{1b}[0m{} end", &token[..20], &token[20..]);
        assert!(clear.contains(&shown), "{engine}: {clear:?}");
        let concealed = sandbox.run(["export", &id, "--format", "raw"]);
        let concealed = String::from_utf8_lossy(&concealed.stdout).into_owned();
        assert_eq!(concealed.len(), clear.len());
        assert!(
            concealed.contains("TOKEN=\u{1b}[31m**") && concealed.contains("** end"),
            "{concealed:?}"
        );
        let found = |more: &[&str]| {
            let arguments = ["search", "ghp_aB3dE5", "--session", &id];
            sandbox.run(arguments.iter().chain(more)).status
        };
        assert_eq!((found(&[]), found(&["--reveal-secrets"])), (1, 0), "{engine}");
        let played = |more: &[&str]| {
            let arguments = ["replay", "--no-timing", &id];
            sandbox.run(arguments.iter().chain(more)).text().contains(&token[..20])
        };
        assert!(!played(&[]) && played(&["--reveal-secrets"]), "{engine}");
    }
}

#[test]
fn a_session_that_showed_none_is_exported_without_a_word() {
    let sandbox = Sandbox::new();
    let id = sandbox.record("echo fine");
    let ran = sandbox.run(["export", &id, "--format", "raw"]);
    assert_eq!((ran.status, ran.stderr.as_str()), (0, ""), "{ran:?}");
}
