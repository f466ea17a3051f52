//! The `multiproc` engine (alias `multiprocessing`): one process per concern.
//!
//! The calling process is the *relay*: it alone touches the terminal, on the loop of the `poll`
//! engine. Recorder, monitor and controller each run in a *worker*, a process of its own. A worker
//! that dies is replaced, first after 50 ms, then after twice as long each time, at most after 5 s;
//! the terminal does not notice and nothing acknowledged is lost:
//!
//! - Records wait in shared memory (*staging*) that only the relay can change, until the recorder
//!   says that they are durable. A new recorder reads what the old one had not acknowledged. If
//!   the relay dies instead, the recorder records all that is staged and finishes the recording.
//! - A window whose monitor died is judged again by the next one. After three deaths over the same
//!   window the session is told that it is not judged. The command starts while the monitor is
//!   still being built; if it cannot be built, the session is ended.
//! - Notices wait until they are told; a new controller is also told what still holds.
//!
//! A worker that sends what no worker sends is replaced too; one that stands still stops nothing
//! but its own work. What is said in [`worker_main`] is all a program needs to serve as worker.

mod crew;
mod frame;
mod lanes;
mod message;
mod staging;
mod sys;
mod wire;
mod worker;

use audit_core::{
    Engine, EngineEntry, EngineError, EngineSettings, Outcome, Session, SessionHandle,
};
use engine_poll::PollEngine;

pub use crew::Crew;
pub use lanes::ProcessLanes;
pub use worker::worker_main;

/// The engine's line in the table of engines.
pub const ENTRY: EngineEntry = EngineEntry {
    name: "multiproc",
    aliases: &["multiprocessing"],
    purpose: "one process per concern: a crash of an analyser, a link or a recorder spares the terminal",
    build,
};

fn build(settings: &EngineSettings) -> Result<Box<dyn Engine>, EngineError> {
    Ok(Box::new(MultiprocEngine::new(settings)?))
}

/// Sessions whose recorder, monitor and controller have processes of their own.
#[derive(Debug)]
pub struct MultiprocEngine {
    relay: PollEngine<ProcessLanes>,
    lanes: ProcessLanes,
}

impl MultiprocEngine {
    /// An engine that starts workers as `settings` says.
    ///
    /// # Errors
    /// The settings name no worker program.
    pub fn new(settings: &EngineSettings) -> Result<Self, EngineError> {
        if settings.worker.is_empty() {
            return Err(EngineError::new("starting workers", "no worker program is set"));
        }
        let lanes = ProcessLanes::new(&settings.worker);
        Ok(Self { relay: PollEngine::new(ENTRY.name, lanes.clone()), lanes })
    }
}

impl Engine for MultiprocEngine {
    fn name(&self) -> &'static str {
        ENTRY.name
    }

    fn open(&self, session: Session) -> Result<SessionHandle, EngineError> {
        let id = session.spec.id;
        self.lanes.hire(&session.spec)?;
        self.relay.open(session).inspect_err(|_| self.lanes.dismiss(id))
    }

    fn run(&self, session: Session) -> Result<Outcome, EngineError> {
        self.relay.run(session)
    }
}
