//! What is typed at a prompt for a secret is in no file.

use std::path::Path;

use crate::sandbox::{Sandbox, files};
use crate::terminal::Terminal;

const SECRET: &str = "correct-horse-battery";

/// Every file under the sandbox that holds `needle`.
fn holding(sandbox: &Sandbox, needle: &str) -> Vec<std::path::PathBuf> {
    let all = [sandbox.path("journal"), sandbox.path("run"), sandbox.path("audit.log")];
    let files = all.iter().flat_map(|p| if p.is_dir() { files(p) } else { vec![p.clone()] });
    files.filter(|path| holds(path, needle)).collect()
}

fn holds(path: &Path, needle: &str) -> bool {
    let bytes = std::fs::read(path).unwrap_or_default();
    bytes.windows(needle.len()).any(|w| w == needle.as_bytes())
}

/// Every export of the session, all formats and streams, in one.
fn exports(sandbox: &Sandbox, id: &str) -> String {
    let mut all = String::new();
    for format in ["raw", "asciicast-v2", "asciicast-v3", "ttyrec", "script", "jsonl", "text"] {
        for stream in ["output", "input"] {
            let ran = sandbox.run(["export", id, "--format", format, "--stream", stream]);
            all += &ran.text();
        }
        all += &sandbox.run(["export", id, "--format", format]).text();
    }
    all + &sandbox.run(["replay", "--no-timing", id]).text()
}

/// Runs `script`, types the secret at its prompt and a plain line afterwards.
fn check(script: &str, prompt: &str) {
    let sandbox = Sandbox::new();
    let script = format!("{script}; echo received; read plain; echo \"plain is $plain\"");
    let mut terminal = Terminal::start(sandbox.command(["run", "--", "bash", "-c", &script]));
    terminal.expect(prompt);
    terminal.await_hidden();
    terminal.type_in(&format!("{SECRET}\r"));
    terminal.expect("received");
    terminal.type_in("harmless-words\r");
    terminal.expect("plain is harmless-words");
    assert_eq!(terminal.finish().0, 0);
    let id = sandbox.sessions().remove(0);
    assert_eq!(holding(&sandbox, SECRET), [] as [std::path::PathBuf; 0], "{script}");
    let exported = exports(&sandbox, &id);
    assert!(!exported.contains(SECRET), "{script}");
    assert!(exported.contains("harmless-words"), "{script}: {exported}");
    assert_eq!(sandbox.run(["search", SECRET]).status, 1);
    let input = sandbox.run(["export", &id, "--format", "raw", "--stream", "input"]).text();
    assert!(input.contains("harmless-words"), "{input:?}");
}

#[test]
fn a_password_read_without_echo() {
    check("read -s -p 'Password: ' secret", "Password: ");
}

#[test]
fn a_pin_read_without_echo() {
    check("read -s -p 'PIN code: ' secret", "PIN code: ");
}

#[test]
fn a_prompt_without_a_telling_word() {
    check("printf 'say it: '; stty -echo; read secret; stty echo", "say it: ");
}

#[test]
fn a_password_typed_again_after_a_wrong_one() {
    let again = "for n in 1 2; do read -s -p 'Password: ' secret; echo; done";
    let sandbox = Sandbox::new();
    let mut terminal = Terminal::start(sandbox.command([
        "run",
        "--",
        "bash",
        "-c",
        &format!("{again}; echo done"),
    ]));
    for _ in 0..2 {
        terminal.expect("Password: ");
        terminal.await_hidden();
        terminal.type_in(&format!("{SECRET}\r"));
    }
    terminal.expect("done");
    assert_eq!(terminal.finish().0, 0);
    assert_eq!(holding(&sandbox, SECRET), [] as [std::path::PathBuf; 0]);
    let id = sandbox.sessions().remove(0);
    assert!(!exports(&sandbox, &id).contains(SECRET));
    let shown = sandbox.run(["show", "--json", &id]);
    let shown: serde_json::Value = serde_json::from_slice(&shown.stdout).unwrap();
    assert!(shown["counts"]["redaction"].as_u64().is_some_and(|n| n >= 2), "{shown}");
}

#[test]
fn a_password_typed_before_the_prompt_is_there() {
    let sandbox = Sandbox::new();
    let script = "echo up; sleep 1; read -s -p 'Password: ' secret; echo done";
    let mut terminal = Terminal::start(sandbox.command(["run", "--", "bash", "-c", script]));
    terminal.expect("up");
    terminal.type_in(&format!("{SECRET}\r"));
    terminal.expect("done");
    assert_eq!(terminal.finish().0, 0);
    let id = sandbox.sessions().remove(0);
    assert_eq!(holding(&sandbox, SECRET), [] as [std::path::PathBuf; 0]);
    let exported = exports(&sandbox, &id);
    assert!(!exported.contains(SECRET), "{exported}");
}

#[test]
fn a_password_with_backspaces_and_one_given_up() {
    let sandbox = Sandbox::new();
    let script = "trap 'echo interrupted' INT; bash -c \"read -s -p 'Password: ' secret\"; \
                  read -s -p 'Again, password: ' secret; echo done";
    let mut terminal = Terminal::start(sandbox.command(["run", "--", "bash", "-c", script]));
    terminal.expect("Password: ");
    terminal.await_hidden();
    terminal.type_in(&format!("{SECRET}\u{3}"));
    terminal.expect("interrupted");
    terminal.expect("password: ");
    terminal.await_hidden();
    terminal.type_in(&format!("{SECRET}\u{7f}\u{7f}\u{7f}ery\r"));
    terminal.expect("done");
    assert_eq!(terminal.finish().0, 0);
    let id = sandbox.sessions().remove(0);
    // What was typed before the last letters were taken back is as secret as the whole.
    let most = SECRET.strip_suffix("ery").unwrap();
    assert_eq!(holding(&sandbox, most), [] as [std::path::PathBuf; 0]);
    assert!(!exports(&sandbox, &id).contains(most));
}

#[test]
fn a_line_edited_after_a_secret_is_recorded_key_by_key() {
    let sandbox = Sandbox::new();
    let script =
        "read -s -p 'Password: ' secret; echo; read -e -p 'name: ' name; echo \"hi $name\"";
    let mut terminal = Terminal::start(sandbox.command(["run", "--", "bash", "-c", script]));
    terminal.expect("Password: ");
    terminal.await_hidden();
    terminal.type_in(&format!("{SECRET}\r"));
    terminal.expect("name: ");
    for (key, echo) in [("a", "a"), ("d", "d"), ("x", "x"), ("\u{7f}", "\u{8}"), ("a", "a")] {
        terminal.type_in(key);
        terminal.expect(echo);
    }
    terminal.type_in("\r");
    terminal.expect("hi ada");
    assert_eq!(terminal.finish().0, 0);
    let id = sandbox.sessions().remove(0);
    assert_eq!(holding(&sandbox, SECRET), [] as [std::path::PathBuf; 0]);
    let input = sandbox.run(["export", &id, "--format", "raw", "--stream", "input"]).text();
    assert!(input.ends_with("adx\u{7f}a\r"), "{input:?}");
}
