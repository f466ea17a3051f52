//! Keeping journals: whose key they are signed with, what was kept elsewhere, what is removed.

use std::fs;
use std::path::PathBuf;

use crate::sandbox::{Ran, Sandbox, field};

/// A sandbox whose journal directory is set by the user's configuration, not for one command.
fn standing() -> Sandbox {
    let sandbox = Sandbox::new();
    let dir = sandbox.path("journal");
    sandbox.file("config/auditty/auditty.toml", &format!("[journal]\ndir = {dir:?}\n"));
    sandbox
}

fn run(sandbox: &Sandbox, args: &[&str]) -> Ran {
    let mut command = sandbox.command(args);
    command.env_remove("AUDITTY_JOURNAL__DIR");
    Ran::of(command.spawn().unwrap())
}

fn known(sandbox: &Sandbox) -> String {
    fs::read_to_string(sandbox.path("known-keys")).unwrap_or_default()
}

#[test]
fn a_journal_directory_that_was_replaced_as_a_whole_is_noticed() {
    let sandbox = standing();
    assert_eq!(run(&sandbox, &["run", "--", "echo", "genuine"]).stderr, "");
    assert_eq!(known(&sandbox).lines().count(), 1);
    let verified = run(&sandbox, &["verify"]);
    assert_eq!((verified.status, verified.stderr.as_str()), (0, ""), "{verified:?}");
    // Somebody else's sessions, log and keys; by themselves they are in order.
    let other = Sandbox::new();
    other.record("echo forged");
    fs::rename(sandbox.path("journal"), sandbox.path("genuine")).unwrap();
    fs::rename(other.path("journal"), sandbox.path("journal")).unwrap();
    let verified = run(&sandbox, &["verify"]);
    assert_eq!(verified.status, 12, "{verified:?}");
    assert!(verified.stderr.contains("known-keys"), "what to do is told: {verified:?}");
    let id = field(&run(&sandbox, &["ls", "--json"]).lines()[0], "session");
    assert_eq!(run(&sandbox, &["verify", &id]).status, 12);
    assert_eq!(run(&sandbox, &["export", &id, "--format", "raw"]).status, 12);
    assert_eq!(run(&sandbox, &["replay", "--no-timing", &id]).status, 12);
    // A session is recorded all the same, and says so.
    let ran = run(&sandbox, &["run", "--", "echo", "seen"]);
    assert_eq!((ran.status, ran.text().as_str()), (0, "seen\n"));
    assert!(ran.stderr.starts_with("auditty: warning: ") && ran.stderr.lines().count() == 1);
    assert!(fs::read_to_string(sandbox.path("audit.log")).unwrap().contains("bad-signature"));
    assert!(run(&sandbox, &["doctor"]).text().contains("fail host key: "));
    // Whoever replaced it himself says so by removing the line.
    fs::remove_file(sandbox.path("known-keys")).unwrap();
    let verified = run(&sandbox, &["verify"]);
    assert_eq!((verified.status, verified.stderr.lines().count()), (0, 1), "{verified:?}");
    assert!(verified.stderr.contains("is the known one from now on"), "{verified:?}");
    assert_eq!(run(&sandbox, &["verify"]).stderr, "");
}

#[test]
fn a_directory_for_one_command_is_not_remembered() {
    let sandbox = Sandbox::new();
    for _ in 0..2 {
        sandbox.record("echo x");
        let verified = sandbox.run(["verify"]);
        assert_eq!((verified.status, verified.stderr.as_str()), (0, ""), "{verified:?}");
        fs::remove_dir_all(sandbox.path("journal")).unwrap();
    }
    assert_eq!(known(&sandbox), "");
}

#[test]
fn the_host_key_may_be_kept_elsewhere() {
    let sandbox = Sandbox::new();
    let key = sandbox.path("keys/host.key");
    fs::create_dir(sandbox.path("keys")).unwrap();
    let mut command = sandbox.command(["run", "--", "true"]);
    command.env("AUDITTY_JOURNAL__HOST_KEY", &key);
    let ran = Ran::of(command.spawn().unwrap());
    assert_eq!((ran.status, ran.stderr.as_str()), (0, ""));
    assert!(key.exists() && !sandbox.path("journal/host.key").exists());
    assert_eq!(sandbox.run(["verify"]).status, 0);
    // Without it nothing is signed with another.
    let ran = sandbox.run(["run", "--", "true"]);
    assert_eq!((ran.status, ran.stderr.lines().count()), (74, 1), "{ran:?}");
    assert!(ran.stderr.contains("the host key is gone"), "{ran:?}");
    assert!(!sandbox.path("journal/host.key").exists());
}

#[test]
fn a_damaged_host_log_is_told_when_a_session_begins() {
    let sandbox = Sandbox::new();
    let id = sandbox.record("echo one");
    let leaves = sandbox.path("journal/hostlog/leaves");
    let text = fs::read_to_string(&leaves).unwrap();
    fs::write(&leaves, format!("{text}expired {id} 1\n")).unwrap();
    fs::remove_dir_all(sandbox.session_dir(&id)).unwrap();
    let ran = sandbox.run(["run", "--", "echo", "two"]);
    assert_eq!((ran.status, ran.text().as_str()), (0, "two\n"));
    assert!(ran.stderr.contains("warning") && ran.stderr.lines().count() == 1, "{ran:?}");
    let verified = sandbox.run(["verify"]);
    assert_eq!(verified.status, 15);
    assert!(verified.text().contains(&id), "the session that is gone is named: {verified:?}");
}

fn checkpoint(sandbox: &Sandbox, name: &str) -> PathBuf {
    let kept = sandbox.path(name);
    fs::copy(sandbox.path("journal/hostlog/checkpoint"), &kept).unwrap();
    kept
}

#[test]
fn a_checkpoint_kept_elsewhere_shows_that_the_log_was_put_back() {
    let sandbox = Sandbox::new();
    let first = sandbox.record("echo one");
    let early = checkpoint(&sandbox, "early");
    let copy = std::process::Command::new("cp")
        .args(["-a", "journal", "copy"])
        .current_dir(sandbox.path(""))
        .status();
    assert!(copy.unwrap().success());
    let second = sandbox.record("echo two");
    let late = checkpoint(&sandbox, "late");
    let (early, late) = (early.to_str().unwrap(), late.to_str().unwrap());
    let verify = |args: &[&str]| sandbox.run(["verify"].iter().chain(args));
    assert_eq!(verify(&["--checkpoint", early, "--checkpoint", late]).status, 0);
    assert_eq!(verify(&["--checkpoint", early, &second]).status, 0);
    // The whole directory as it was before the second session: in order by itself.
    fs::remove_dir_all(sandbox.path("journal")).unwrap();
    fs::rename(sandbox.path("copy"), sandbox.path("journal")).unwrap();
    assert_eq!(verify(&[]).status, 0);
    let ran = verify(&["--checkpoint", early, "--checkpoint", late]);
    assert_eq!((ran.status, ran.lines().len()), (15, 2), "{ran:?}");
    assert!(ran.text().contains("host-log the host log has 2 leaves, and had 4"), "{ran:?}");
    assert_eq!(verify(&["--checkpoint", late, &first]).status, 15);
    let line = verify(&["--json", "--checkpoint", late]).lines().pop().unwrap();
    assert_eq!(field(&line, "status"), "host-log-mismatch");
    // What is no checkpoint of this host proves nothing.
    let other = Sandbox::new();
    other.record("echo theirs");
    let theirs = checkpoint(&other, "theirs");
    assert_eq!(verify(&["--checkpoint", theirs.to_str().unwrap()]).status, 12);
    assert_eq!(verify(&["--checkpoint", "no-such-file"]).status, 1);
}

#[test]
fn an_expired_session_is_gone_and_not_missed() {
    let sandbox = Sandbox::new();
    let old = sandbox.record("echo old");
    let kept = sandbox.record("echo kept");
    let dir = sandbox.session_dir(&old);
    let ran = sandbox.run(["expire", "--dry-run", &old]);
    assert_eq!((ran.status, ran.text()), (0, format!("{old} would expire\n")));
    assert!(dir.exists());
    let ran = sandbox.run(["expire", &old]);
    assert_eq!((ran.status, ran.text()), (0, format!("{old} expired\n")), "{ran:?}");
    assert!(!dir.exists());
    assert_eq!(sandbox.sessions(), std::slice::from_ref(&kept));
    let verified = sandbox.run(["verify"]);
    assert_eq!((verified.status, verified.lines().len()), (0, 1), "{verified:?}");
    let log = fs::read_to_string(sandbox.path("audit.log")).unwrap();
    assert!(log.contains("session-expired") && log.contains(&old), "{log}");
    let ran = sandbox.run(["expire", &old]);
    assert_eq!((ran.status, ran.stderr.lines().count()), (1, 1), "{ran:?}");
    assert_eq!(sandbox.run(["expire"]).status, 2);
    assert_eq!(sandbox.run(["expire", "--before", "1d", &kept]).status, 2);
}

#[test]
fn sessions_expire_by_their_age_unless_they_run_or_are_evidence() {
    let sandbox = Sandbox::new();
    let whole = sandbox.record("echo whole");
    let evidence = sandbox.record("echo changed");
    let segment = sandbox.session_dir(&evidence).join("000000.atj");
    let mut bytes = fs::read(&segment).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::remove_file(&segment).unwrap();
    fs::write(&segment, bytes).unwrap();
    let mut command = sandbox.command(["run", "--", "sh", "-c", "echo up; read word"]);
    let mut running = command.stdin(std::process::Stdio::piped()).spawn().unwrap();
    crate::sandbox::until("it is recorded", || {
        sandbox.run(["search", "^up", "--regex"]).status == 0
    });
    assert_eq!(sandbox.run(["expire", "--before", "365d"]).text(), "");
    let ran = sandbox.run(["expire", "--before", "2100-01-01"]);
    assert_eq!((ran.status, ran.text()), (1, format!("{whole} expired\n")), "{ran:?}");
    assert_eq!(ran.stderr.lines().count(), 1, "{ran:?}");
    assert!(ran.stderr.contains(&evidence) && ran.stderr.contains("--unverified"), "{ran:?}");
    assert_eq!(sandbox.sessions().len(), 2);
    let active = sandbox.run(["ls", "--state", "active", "--json"]).lines().remove(0);
    let busy = sandbox.run(["expire", &field(&active, "session")]);
    assert_eq!(busy.status, 1, "{busy:?}");
    assert_eq!(sandbox.run(["expire", "--unverified", &evidence]).status, 0);
    drop(running.stdin.take());
    running.wait().unwrap();
    assert_eq!(sandbox.run(["verify"]).status, 0);
}
