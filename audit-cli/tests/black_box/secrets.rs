//! One long evening of secrets in a shell, and every place where one could have been left.

use crate::on_every_engine;
use crate::sandbox::{Sandbox, files};
use crate::terminal::Terminal;

on_every_engine![no_secret_of_a_long_session_is_anywhere];

/// What is typed at prompts. No byte of one can stand in base64 or hexadecimal by chance.
const LOGIN: &str = "log!n-secret";
const KEY: &str = "p@ssphrase-of-a-key";
const WRONG: &str = "wr@ng-passphrase";
const PIN: &str = "Ż%Ħ&";
const HALF: &str = "h@lf-a-secret";
const AHEAD: &str = "typed-@head";

/// Formats that tell what was typed and shown.
const FORMATS: [&str; 7] =
    ["raw", "asciicast-v2", "asciicast-v3", "ttyrec", "script", "jsonl", "text"];

/// Types `text` once a prompt is there and what is typed is hidden: readline shows it itself, and
/// some programs turn the echo off behind their prompt.
fn answer(terminal: &mut Terminal, prompt: &str, text: &str) {
    terminal.expect(prompt);
    terminal.await_hidden();
    terminal.type_in(text);
}

fn no_secret_of_a_long_session_is_anywhere(engine: &str) {
    let sandbox = Sandbox::new();
    let args = ["run", "--engine", engine, "--", "bash", "--norc", "--noprofile", "-i"];
    let mut command = sandbox.command(args);
    // A terminal that readline does not decorate: a prompt is the first thing in its row.
    command.env("PS1", "ready> ").env("TERM", "dumb");
    let mut terminal = Terminal::start(command);
    let ask = |terminal: &mut Terminal, line: &str| answer(terminal, "ready> ", line);

    ask(&mut terminal, "python3 -c 'import getpass; getpass.getpass(\"Login: \")'\r");
    let (first, second) = LOGIN.split_at(4);
    answer(&mut terminal, "\nLogin: ", &format!("{first}xyz\x7f\x7f\x7f{second}\r"));

    ask(&mut terminal, "ssh-keygen -q -t ed25519 -f key\r");
    answer(&mut terminal, "passphrase", &format!("{KEY}\r"));
    answer(&mut terminal, "again", &format!("{WRONG}\r"));
    answer(&mut terminal, "passphrase", &format!("{KEY}\r"));
    answer(&mut terminal, "again", &format!("{KEY}\r"));

    ask(&mut terminal, "read -s -n4 -p 'PIN: ' pin; echo; [ ${#pin} = 4 ] && echo four\r");
    answer(&mut terminal, "\nPIN: ", PIN);
    terminal.expect("four\r\n");

    ask(&mut terminal, "read -s -p 'Password: ' gone\r");
    answer(&mut terminal, "\nPassword: ", &format!("{HALF}\x03"));

    // Typed while a program runs that reads nothing, before anybody asks.
    ask(&mut terminal, "sleep 1; read -s -p 'Password: ' ahead; echo \"<${#ahead}>\"\r");
    terminal.await_plain();
    terminal.type_in(&format!("{AHEAD}\r"));
    terminal.expect(&format!("<{}>", AHEAD.len()));

    // What is typed at a prompt of readline is no secret, and every key of it is kept.
    let plain = "echo harmless-works\x7f\x7f\x7frds\x01\x05 and more\r";
    ask(&mut terminal, plain);
    terminal.expect("harmless-words and more\r\n");
    terminal.expect("ready> ");
    let status = sandbox.run(["ctl", "status", "--json"]);
    assert_eq!(status.status, 0, "{status:?}");
    terminal.type_in("exit 5\r");
    assert_eq!(terminal.finish().0, 5);

    let id = sandbox.sessions().remove(0);
    let told = told(&sandbox, &id, status.stdout);
    for secret in [LOGIN, "xyz\x7f", KEY, WRONG, PIN, HALF, AHEAD] {
        for (place, bytes) in &told {
            let found = bytes.windows(secret.len()).any(|w| w == secret.as_bytes());
            assert!(!found, "{engine}: {secret:?} is in {place}");
        }
        assert_eq!(sandbox.run(["search", secret]).status, 1, "{engine}: {secret:?} is found");
    }
    let input = sandbox.run(["export", &id, "--format", "raw", "--stream", "input"]).text();
    assert!(input.contains(plain), "{engine}: {input:?}");
    let shown = sandbox.run(["show", "--json", &id]).text();
    let shown: serde_json::Value = serde_json::from_str(&shown).unwrap();
    let redactions = shown["counts"]["redaction"].as_u64();
    assert!(redactions.is_some_and(|n| n >= 8), "{engine}: {shown}");
    assert_eq!(sandbox.run(["verify", &id]).status, 0);
}

/// Everything auditty wrote and prints about the session, and where it stands.
fn told(sandbox: &Sandbox, id: &str, status: Vec<u8>) -> Vec<(String, Vec<u8>)> {
    let mut told = vec![("ctl status".to_owned(), status)];
    for dir in ["journal", "run", "config", "home"] {
        for path in files(&sandbox.path(dir)) {
            // A socket cannot be read; the key is ours and not auditty's.
            if let Ok(bytes) = std::fs::read(&path) {
                told.push((path.display().to_string(), bytes));
            }
        }
    }
    told.push(("audit log".to_owned(), std::fs::read(sandbox.path("audit.log")).unwrap()));
    for format in FORMATS {
        for stream in [None, Some("output"), Some("input")] {
            let mut args = vec!["export", id, "--format", format];
            args.extend(stream.iter().flat_map(|stream| ["--stream", stream]));
            told.push((args.join(" "), sandbox.run(&args).stdout));
        }
    }
    for args in [&["show", id][..], &["show", "--json", id], &["replay", "--no-timing", id]] {
        told.push((args.join(" "), sandbox.run(args).stdout));
    }
    told
}
