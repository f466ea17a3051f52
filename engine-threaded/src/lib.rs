//! The `threaded` engine (alias `threading`): OS threads and crossbeam channels.
//!
//! One owner thread a session holds the core. Readers wait for the child and for the user, writers
//! wait for room where a write found none, a sentry waits for the child's end and for signals, and
//! recorder, monitor and controller have a thread each. Every thread does one blocking thing, which
//! makes the engine the easiest to look at in a debugger.

mod drive;
mod lanes;
mod threads;

use audit_core::{
    Engine, EngineEntry, EngineError, EngineSettings, Outcome, Session, SessionHandle,
};

/// The engine's line in the table of engines.
pub const ENTRY: EngineEntry = EngineEntry {
    name: "threaded",
    aliases: &["threading"],
    purpose: "OS threads and channels: blocking back ends, easiest to debug",
    build,
};

fn build(_settings: &EngineSettings) -> Result<Box<dyn Engine>, EngineError> {
    Ok(Box::new(ThreadedEngine))
}

/// Sessions as threads.
#[derive(Clone, Copy, Debug)]
pub struct ThreadedEngine;

impl Engine for ThreadedEngine {
    fn name(&self) -> &'static str {
        ENTRY.name
    }

    fn open(&self, session: Session) -> Result<SessionHandle, EngineError> {
        let (news, mailbox) = drive::news();
        let (handle, outcome) = SessionHandle::new(mailbox.clone());
        std::thread::Builder::new()
            .name("session".into())
            .stack_size(512 << 10)
            .spawn(move || {
                // Nobody waits for it if the handle was dropped.
                let _ = outcome.send(drive::drive(session, mailbox, &news));
            })
            .map_err(|error| EngineError::new("starting the session's thread", error))?;
        Ok(handle)
    }

    fn run(&self, session: Session) -> Result<Outcome, EngineError> {
        let (news, mailbox) = drive::news();
        drive::drive(session, mailbox, &news)
    }
}
