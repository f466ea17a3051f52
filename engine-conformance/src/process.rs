//! A process that drives one session: what the harness starts to test signals, terminal and death.

use std::ffi::OsString;
use std::fs::OpenOptions;
use std::io::{IsTerminal, stderr, stdin, stdout};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use audit_core::{EngineEntry, Session, SessionSpec, UserEnd};
use serde::{Deserialize, Serialize};

use crate::{frames, parts, patience, scene};

/// File with the [`Plan`], one frame.
const PLAN: &str = "plan";
/// File with the process's id, as text.
const PID: &str = "pid";
/// File with the session's outcome, one frame.
const OUTCOME: &str = "outcome";
/// File that makes a process with [`Plan::panics`] panic.
const PANIC: &str = "panic";

/// What such a process is to do.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Plan {
    /// The session. Without `pty` it is in pipe mode whatever the descriptors are.
    pub(crate) spec: SessionSpec,
    /// Whether the main thread leaves the session to the engine's own threads and panics when it
    /// is told to.
    pub(crate) panics: bool,
}

impl Plan {
    /// Puts the plan where the process will find it.
    pub(crate) fn write(&self, dir: &Path) {
        std::fs::write(dir.join(PLAN), frames::frame(self)).expect("the scene's directory");
    }
}

/// Id of the process that plays the scene of this directory, once it runs.
pub(crate) fn pid(dir: &Path) -> Option<i32> {
    std::fs::read_to_string(dir.join(PID)).ok()?.parse().ok()
}

/// The outcome such a process left.
pub(crate) fn outcome(dir: &Path) -> Option<audit_core::Outcome> {
    frames::read(&dir.join(OUTCOME)).0.pop()
}

/// Makes such a process panic.
pub(crate) fn make_panic(dir: &Path) {
    std::fs::write(dir.join(PANIC), "").expect("the scene's directory takes files");
}

/// Drives the session of the directory that `args` name and exits with its status.
pub(crate) fn run(entry: &EngineEntry, args: &[OsString]) -> ExitCode {
    let dir = PathBuf::from(&args[0]);
    let plan = frames::read::<Plan>(&dir.join(PLAN)).0.pop().expect("a plan in the directory");
    // Renamed into place, so that whoever waits for it never reads half of it.
    let name = dir.join("pid.new");
    std::fs::write(&name, std::process::id().to_string()).expect("the directory takes files");
    std::fs::rename(&name, dir.join(PID)).expect("the directory takes files");
    audit_pty::restore_on_exit();
    let session = Session {
        user: user_end(plan.spec.pty),
        spec: plan.spec,
        toolkit: Arc::new(parts::toolkit()),
        seed: scene::random(),
    };
    let engine = scene::build(entry);
    if plan.panics {
        // The engine's own threads take them.
        audit_pty::block_signals().expect("a process may block its signals");
        let _running = engine.open(session).expect("the engine opens a session");
        patience::until_true("the order to panic", || dir.join(PANIC).exists());
        panic!("as it was told");
    }
    let outcome = engine.run(session).expect("the engine runs a session");
    std::fs::write(dir.join(OUTCOME), frames::frame(&outcome)).expect("the directory takes files");
    ExitCode::from(u8::try_from(outcome.status()).unwrap_or(1))
}

/// The user's end as a command line would make it of the standard descriptors.
fn user_end(pty: bool) -> UserEnd {
    let clone = |fd: &dyn AsFd| -> OwnedFd {
        fd.as_fd().try_clone_to_owned().expect("a descriptor is left")
    };
    let input = Some(clone(&stdin()));
    if !pty {
        let (output, stderr) = (clone(&stdout()), Some(clone(&stderr())));
        return UserEnd { input, output, stdout: None, stderr, owns_process: true };
    }
    let output = if stdout().is_terminal() {
        clone(&stdout())
    } else {
        OpenOptions::new().write(true).open("/dev/tty").expect("a controlling terminal").into()
    };
    UserEnd {
        input,
        output,
        stdout: (!stdout().is_terminal()).then(|| clone(&stdout())),
        stderr: (!stderr().is_terminal()).then(|| clone(&stderr())),
        owns_process: true,
    }
}
