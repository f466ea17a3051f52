//! Watching and steering a running session through its socket.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;

use serde_json::Value;

use crate::sandbox::{Ran, Sandbox, field, until};
use crate::terminal::Terminal;

/// A session in a terminal that echoes lines until it is ended.
fn session(sandbox: &Sandbox) -> Terminal {
    let script = "echo up; while read line; do echo \"line: $line\"; done; echo over";
    let mut terminal = Terminal::start(sandbox.command(["run", "--", "sh", "-c", script]));
    terminal.expect("up");
    until("its socket is there", || socket(sandbox).is_some());
    terminal
}

fn socket(sandbox: &Sandbox) -> Option<PathBuf> {
    let entries = std::fs::read_dir(sandbox.path("run/auditty")).ok()?;
    entries.flatten().map(|e| e.path()).find(|p| p.extension().is_some_and(|e| e == "sock"))
}

fn status(sandbox: &Sandbox) -> Value {
    let ran = sandbox.run(["ctl", "status", "--json"]);
    assert_eq!(ran.status, 0, "{ran:?}");
    serde_json::from_slice(&ran.stdout).unwrap()
}

fn ok(ran: Ran) {
    assert_eq!(ran.status, 0, "{ran:?}");
}

#[test]
fn a_blocked_session_goes_on_when_it_is_approved() {
    let sandbox = Sandbox::new();
    let mut terminal = session(&sandbox);
    terminal.type_in("first\r");
    terminal.expect("line: first");
    ok(sandbox.run(["ctl", "block", "--reason", "looks odd"]));
    terminal.expect("looks odd");
    assert_eq!(status(&sandbox)["state"], "blocked");
    assert_eq!(status(&sandbox)["block"]["block"], 1);
    terminal.type_in("typed while blocked\r");
    let text = sandbox.run(["ctl", "status"]).text();
    assert!(text.contains("blocked") && text.contains("looks odd"), "{text}");
    ok(sandbox.run(["ctl", "approve", "--comment", "it is fine"]));
    until("it runs again", || status(&sandbox)["state"] == "running");
    terminal.type_in("second\r");
    terminal.expect("line: second");
    terminal.type_in("\u{4}");
    let (code, shown) = terminal.finish();
    assert_eq!(code, 0);
    assert!(!shown.contains("line: typed while blocked"), "{shown}");
    assert!(socket(&sandbox).is_none(), "the socket is removed");

    let id = sandbox.sessions().remove(0);
    let shown = sandbox.run(["show", "--json", &id]);
    let shown: Value = serde_json::from_slice(&shown.stdout).unwrap();
    assert_eq!(shown["decisions"][0]["decided"]["decision"]["comment"], "it is fine", "{shown}");
    let log = std::fs::read_to_string(sandbox.path("audit.log")).unwrap();
    for action in ["session-blocked", "block-approved"] {
        assert!(log.contains(action), "{log}");
    }
}

#[test]
fn the_user_is_told_in_his_language() {
    for (name, value, told) in [
        ("LC_ALL", "ja_JP.UTF-8", "セッションを停止しました"),
        ("AUDITTY_AUDIT__LANGUAGE", "ja", "セッションを停止しました"),
        ("AUDITTY_AUDIT__LANGUAGE", "en", "session blocked"),
    ] {
        let sandbox = Sandbox::new();
        let mut command = sandbox.command(["run", "--", "sh", "-c", "echo up; read x"]);
        command.env(name, value);
        let mut terminal = Terminal::start(command);
        terminal.expect("up");
        until("its socket is there", || socket(&sandbox).is_some());
        ok(sandbox.run(["ctl", "block"]));
        terminal.expect(told);
        ok(sandbox.run(["ctl", "reject"]));
        assert_eq!(terminal.finish().0, 77);
    }
}

#[test]
fn a_rejected_block_ends_the_session_with_77() {
    let sandbox = Sandbox::new();
    let mut terminal = session(&sandbox);
    ok(sandbox.run(["ctl", "block"]));
    terminal.expect("blocked");
    ok(sandbox.run(["ctl", "reject", "--comment", "no"]));
    assert_eq!(terminal.finish().0, 77);
    let ran = sandbox.run(["ls", "--json"]);
    assert!(ran.text().contains("complete"), "{ran:?}");
}

#[test]
fn a_block_that_nobody_decides_ends_with_77_or_goes_on() {
    for (on_timeout, code) in [("terminate", 77), ("resume", 0)] {
        let sandbox = Sandbox::new();
        let script = "echo up; while read line; do echo \"line: $line\"; done";
        let mut command = sandbox.command(["run", "--", "sh", "-c", script]);
        command
            .env("AUDITTY_BLOCKING__APPROVAL_TIMEOUT", "300ms")
            .env("AUDITTY_BLOCKING__ON_TIMEOUT", on_timeout);
        let mut terminal = Terminal::start(command);
        terminal.expect("up");
        until("its socket is there", || socket(&sandbox).is_some());
        ok(sandbox.run(["ctl", "block"]));
        terminal.expect("blocked");
        if code == 0 {
            terminal.expect("goes on");
            terminal.type_in("\u{4}");
        }
        assert_eq!(terminal.finish().0, code, "{on_timeout}");
    }
}

#[test]
fn a_user_approves_his_own_block_only_where_the_policy_lets_him() {
    for (policy, code) in [("never", 1), ("journaled", 0)] {
        let sandbox = Sandbox::new();
        let script = "echo up; while read line; do echo \"line: $line\"; done";
        let mut command = sandbox.command(["run", "--", "sh", "-c", script]);
        command.env("AUDITTY_BLOCKING__SELF_APPROVAL", policy);
        let mut terminal = Terminal::start(command);
        terminal.expect("up");
        until("its socket is there", || socket(&sandbox).is_some());
        ok(sandbox.run(["ctl", "block"]));
        terminal.expect("blocked");
        let ran = sandbox.run(["ctl", "approve"]);
        assert_eq!(ran.status, code, "{policy}: {ran:?}");
        ok(sandbox.run(["ctl", "terminate"]));
        terminal.finish();
        let id = sandbox.sessions().remove(0);
        let shown = sandbox.run(["show", "--json", &id]);
        let shown: Value = serde_json::from_slice(&shown.stdout).unwrap();
        let own = shown["decisions"][0]["decided"]["decision"]["own"].as_bool();
        assert_eq!(own, (policy == "journaled").then_some(true), "{shown}");
    }
}

#[test]
fn a_terminated_session_ends() {
    let sandbox = Sandbox::new();
    let terminal = session(&sandbox);
    ok(sandbox.run(["ctl", "terminate"]));
    let (code, _) = terminal.finish();
    assert_eq!(code, 129, "the hang-up ends the shell");
    let me = user();
    let logged = sandbox.logged("session-terminated").unwrap();
    assert_eq!(logged["auditty.terminated.by"], me.as_str());
    let id = sandbox.sessions().remove(0);
    let lines = sandbox.run(["export", &id, "--format", "jsonl"]).text();
    let order = format!("ordered by {me}, the session's own user");
    assert!(lines.contains("session.terminated") && lines.contains(&order), "{lines}");
}

/// The name of the user who runs the tests.
fn user() -> String {
    let uid = nix::unistd::Uid::effective();
    nix::unistd::User::from_uid(uid).unwrap().map_or_else(|| uid.to_string(), |user| user.name)
}

#[test]
fn the_session_may_be_named_before_or_behind_the_order() {
    let sandbox = Sandbox::new();
    let mut terminal = session(&sandbox);
    let id = field(&sandbox.run(["ctl", "status", "--json"]).text(), "session");
    for args in [["ctl", "--session", &id, "status"], ["ctl", "status", "--session", &id]] {
        let ran = sandbox.run(args);
        assert!(ran.status == 0 && ran.text().contains(&id), "{args:?}: {ran:?}");
    }
    terminal.type_in("\u{4}");
    assert_eq!(terminal.finish().0, 0);
}

#[test]
fn a_secret_in_the_command_line_stays_in_the_journal() {
    let sandbox = Sandbox::new();
    let script = "echo up; read x # mysql -u root -pSuperSecret123 shop";
    let mut terminal = Terminal::start(sandbox.command(["run", "--", "sh", "-c", script]));
    terminal.expect("up");
    until("its socket is there", || socket(&sandbox).is_some());
    let told = [sandbox.run(["ctl", "status"]).text(), status(&sandbox).to_string()];
    for told in told.iter().chain([&std::fs::read_to_string(sandbox.path("audit.log")).unwrap()]) {
        assert!(told.contains("mysql -u root -p["), "{told}");
        assert!(!told.contains("SuperSecret123"), "{told}");
    }
    terminal.type_in("\r");
    assert_eq!(terminal.finish().0, 0);
}

#[test]
fn orders_that_make_no_sense_are_refused_in_one_line() {
    let sandbox = Sandbox::new();
    let none = sandbox.run(["ctl", "approve"]);
    assert_eq!((none.status, none.stderr.as_str()), (1, "auditty: no session is running\n"));
    let mut terminal = session(&sandbox);
    for args in
        [&["ctl", "approve"][..], &["ctl", "reject"], &["ctl", "--session", "ffff", "status"]]
    {
        let ran = sandbox.run(args);
        assert_eq!((ran.status, ran.stderr.lines().count()), (1, 1), "{args:?}: {ran:?}");
    }
    let mut second = Terminal::start(sandbox.command(["run", "--", "sh", "-c", "echo up; read x"]));
    second.expect("up");
    until("there are two", || {
        std::fs::read_dir(sandbox.path("run/auditty")).unwrap().flatten().count() == 2
    });
    let ran = sandbox.run(["ctl", "status"]);
    assert_eq!(ran.status, 2, "{ran:?}");
    assert!(ran.stderr.contains("several sessions"), "{ran:?}");
    second.type_in("\r");
    second.finish();
    terminal.type_in("\u{4}");
    assert_eq!(terminal.finish().0, 0);
}

#[test]
fn the_blocked_session_cannot_approve_itself() {
    let sandbox = Sandbox::new();
    let binary = env!("CARGO_BIN_EXE_auditty");
    // An orphan in a process session of its own, so that the block does not stop it.
    let script = format!(
        "(until {binary} ctl block >/dev/null 2>&1; do sleep 0.1; done) & \
         (setsid sh -c 'until {binary} ctl status | grep -q blocked; do sleep 0.1; done; {binary} ctl approve > ctl.out 2>&1; echo $? > ctl.status' &); \
         echo up; read x"
    );
    let mut terminal = Terminal::start(sandbox.command(["run", "--", "sh", "-c", &script]));
    terminal.expect("blocked");
    let said = sandbox.path("home/ctl.status");
    until("it has tried", || std::fs::read_to_string(&said).is_ok_and(|text| text == "1\n"));
    let why = std::fs::read_to_string(sandbox.path("home/ctl.out")).unwrap();
    assert!(why.contains("cannot decide its block"), "{why}");
    assert_eq!(status(&sandbox)["state"], "blocked");
    ok(sandbox.run(["ctl", "reject"]));
    assert_eq!(terminal.finish().0, 77);
}

#[test]
fn the_socket_is_for_its_user_alone_and_survives_hostile_clients() {
    let sandbox = Sandbox::new();
    let mut terminal = session(&sandbox);
    let path = socket(&sandbox).unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let dir = path.parent().unwrap();
    assert_eq!(std::fs::metadata(dir).unwrap().permissions().mode() & 0o777, 0o700);

    // Many that say nothing, one that sends rubbish, one that never ends its line.
    let idle: Vec<_> = (0..40).map(|_| UnixStream::connect(&path).unwrap()).collect();
    let mut rubbish = UnixStream::connect(&path).unwrap();
    rubbish.write_all(b"{\"action\":\"fly\"}\nnot json\n{\"action\":\"status\"}\n").unwrap();
    let answers: Vec<String> =
        BufReader::new(&rubbish).lines().take(3).map(Result::unwrap).collect();
    assert!(
        answers[0].contains("\"ok\":false") && answers[1].contains("\"ok\":false"),
        "{answers:?}"
    );
    assert!(answers[2].contains("\"ok\":true"), "{answers:?}");
    let mut endless = UnixStream::connect(&path).unwrap();
    // The session closes the connection sooner or later; only that it goes on matters.
    let _ = endless.write_all(&vec![b'x'; 1 << 20]);

    assert_eq!(status(&sandbox)["state"], "running");
    terminal.type_in("still here\r");
    terminal.expect("line: still here");
    drop(idle);
    terminal.type_in("\u{4}");
    assert_eq!(terminal.finish().0, 0);
}

#[test]
fn a_socket_left_behind_is_cleaned_up() {
    let sandbox = Sandbox::new();
    let dir = sandbox.path("run/auditty");
    std::fs::create_dir_all(&dir).unwrap();
    let stale = dir.join("01920000-0000-7000-8000-000000000001.sock");
    drop(std::os::unix::net::UnixListener::bind(&stale).unwrap());
    let ran = sandbox.run(["ctl", "status"]);
    assert_eq!(ran.status, 1, "{ran:?}");
    assert!(!stale.exists());
}

#[test]
fn a_session_without_socket_or_audit_log_runs_and_its_journal_says_so() {
    let sandbox = Sandbox::new();
    let file = sandbox.file("no-directory", "");
    for (variable, value, told) in [
        ("XDG_RUNTIME_DIR", file.clone(), "control socket"),
        ("AUDITTY_LOGGING__AUDIT_LOG_PATH", file.join("audit.log"), "audit log"),
    ] {
        let mut command = sandbox.command(["run", "--", "sh", "-c", "echo fine; read x; exit 4"]);
        command.env(variable, value);
        let mut terminal = Terminal::start(command);
        terminal.expect("fine");
        until("the journal says so", || {
            let id = sandbox.sessions().remove(0);
            let shown = sandbox.run(["show", "--json", &id]);
            let shown: Value = serde_json::from_slice(&shown.stdout).unwrap();
            shown["markers"].to_string().matches(told).count() == 1
        });
        terminal.type_in("\r");
        assert_eq!(terminal.finish().0, 4);
    }
}

#[test]
fn an_audit_log_that_cannot_be_written_is_told_when_the_session_begins() {
    let sandbox = Sandbox::new();
    let path = sandbox.file("no-directory", "").join("audit.log");
    let run = |words: &[&str]| {
        let mut command = sandbox.command(["run"]);
        command.args(words).env("AUDITTY_LOGGING__AUDIT_LOG_PATH", &path);
        Ran::of(command.spawn().unwrap())
    };
    let ran = run(&["--", "sh", "-c", "echo fine; exit 4"]);
    assert_eq!((ran.status, ran.text().as_str()), (4, "fine\n"), "{ran:?}");
    let told = format!(
        "auditty: AUDITTY_LOGGING__AUDIT_LOG_PATH: logging.audit_log_path = \"{}\": ",
        path.display()
    );
    assert!(ran.stderr.starts_with(&told) && ran.stderr.lines().count() == 1, "{ran:?}");
    assert!(ran.stderr.ends_with("; there is no audit log of this session\n"), "{ran:?}");
    let ran = run(&["--quiet", "--", "true"]);
    assert_eq!((ran.status, ran.stderr.as_str()), (0, ""));
}
