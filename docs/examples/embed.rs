//! A session inside another program: run a command under audit, then verify what was recorded.

use std::error::Error;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::SystemTime;

use audit_core::{
    Command, CommandSpec, Engine as _, Identity, Mail, Outcome, Part, Policy, Session, SessionId,
    SessionSpec, Toolkit, UserEnd, Winsize,
};
use audit_journal::{JournalSettings, RootReport, Trust};
use engine_poll::{PollEngine, PollLanes};

// ANCHOR: session
/// A session that runs `command` without a terminal; its output goes to the file `shown`, its
/// recording below `root`.
pub fn session(command: CommandSpec, shown: &Path, root: &Path) -> Result<Session, Box<dyn Error>> {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
    let opened_unix_millis = u64::try_from(now.as_millis())?;
    let (mut name, mut seed) = ([0; 10], [0; 32]);
    getrandom::fill(&mut name)?;
    getrandom::fill(&mut seed)?;

    let spec = SessionSpec {
        id: SessionId::new(opened_unix_millis, name),
        parent: None,
        user: Identity::service("nightly-report"),
        host: "example".to_owned(),
        opened_unix_millis,
        engine: "poll".to_owned(),
        command,
        pty: false,
        winsize: Winsize::new(24, 80),
        buffer_size: 64 << 10,
        policy: Policy::default(),
        // A name and settings, not an object: a worker process must be able to build it too.
        recorder: Part::new("journal", serde_json::to_value(JournalSettings::new(root))?),
        monitor: None,
        controller: None,
    };
    let user = UserEnd {
        input: None,
        output: File::create(shown)?.into(),
        stdout: None,
        stderr: None,
        // The program's signals and job control stay its own.
        owns_process: false,
    };
    let toolkit = Arc::new(Toolkit::new().with_recorder("journal", audit_journal::recorder));

    Ok(Session { spec, user, toolkit, seed })
}

/// Runs such a session to its end.
pub fn audited(command: CommandSpec, shown: &Path, root: &Path) -> Result<Outcome, Box<dyn Error>> {
    let engine = PollEngine::new("poll", PollLanes);
    Ok(engine.run(session(command, shown, root)?)?)
}
// ANCHOR_END: session

// ANCHOR: order
/// Runs `session` until it ends, by itself or because of `order`, which comes from another thread.
pub fn ordered(session: Session, order: Command) -> Result<Outcome, Box<dyn Error>> {
    let engine = PollEngine::new("poll", PollLanes);
    let handle = engine.open(session)?;
    let mailbox = handle.mailbox().clone();
    thread::spawn(move || mailbox.send(Mail::Command(order)));
    Ok(handle.wait()?)
}
// ANCHOR_END: order

// ANCHOR: verify
/// Checks every session below `root`, and the host log.
pub fn verified(root: &Path) -> Result<RootReport, Box<dyn Error>> {
    Ok(audit_journal::verify_root(root, &Trust::FirstUse, None)?)
}
// ANCHOR_END: verify

fn main() -> Result<(), Box<dyn Error>> {
    let dir = std::env::temp_dir().join(format!("auditty-embed-{}", std::process::id()));
    std::fs::create_dir_all(&dir)?;
    let outcome = audited(CommandSpec::new("date", ["-u"]), &dir.join("shown"), &dir.join("root"))?;
    println!("status {}, shown and recorded in {}", outcome.status(), dir.display());
    println!("verified with code {}", verified(&dir.join("root"))?.code());
    Ok(())
}
