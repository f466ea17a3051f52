//! The `poll` engine (alias `select`): one thread over `epoll(7)` through mio.
//!
//! Terminal and recorder share the loop's thread, so a key costs no wake-up but the terminal's own;
//! monitor and controller, which may take their time, have helper threads. [`Loop`] is public
//! because the `multiproc` engine turns the same loop with lanes of its own.

mod drive;
mod inbox;
mod lanes;
mod seat;

use std::sync::OnceLock;

use audit_core::lanes::MakeLanes;
use audit_core::{
    Engine, EngineEntry, EngineError, EngineSettings, Outcome, Session, SessionHandle,
};

pub use drive::Loop;
pub use inbox::Inbox;
pub use lanes::PollLanes;

/// The engine's line in the table of engines.
pub const ENTRY: EngineEntry = EngineEntry {
    name: "poll",
    aliases: &["select"],
    purpose: "one mio loop on one thread: smallest footprint and latency",
    build,
};

fn build(_settings: &EngineSettings) -> Result<Box<dyn Engine>, EngineError> {
    Ok(Box::new(PollEngine::new(ENTRY.name, PollLanes)))
}

/// Sessions on a mio loop, with lanes as `M` makes them.
#[derive(Debug)]
pub struct PollEngine<M> {
    name: &'static str,
    lanes: M,
    /// The loop that [`Engine::open`] started, on a thread of its own.
    shared: OnceLock<Inbox>,
}

impl<M: MakeLanes + Clone + Send + Sync + 'static> PollEngine<M> {
    /// An engine of this name whose loop starts with its first session.
    pub fn new(name: &'static str, lanes: M) -> Self {
        Self { name, lanes, shared: OnceLock::new() }
    }

    fn inbox(&self) -> Result<&Inbox, EngineError> {
        if let Some(inbox) = self.shared.get() {
            return Ok(inbox);
        }
        let (sender, receiver) = std::sync::mpsc::sync_channel(1);
        let (name, lanes) = (self.name, self.lanes.clone());
        std::thread::Builder::new()
            .name(format!("engine-{name}"))
            .spawn(move || match Loop::new(lanes) {
                Ok(mut turning) => {
                    let _ = sender.send(Ok(turning.inbox().clone()));
                    turning.serve();
                }
                Err(error) => drop(sender.send(Err(error))),
            })
            .map_err(|error| EngineError::new("starting the loop's thread", error))?;
        let inbox = receiver
            .recv()
            .map_err(|_| EngineError::new("starting the loop", "its thread died"))??;
        // Two first sessions at once start two loops; the one that is not kept ends by itself.
        if let Err(second) = self.shared.set(inbox) {
            second.stop();
        }
        self.shared.get().ok_or_else(|| EngineError::new("starting the loop", "no loop"))
    }
}

impl<M: MakeLanes + Clone + Send + Sync + 'static> Engine for PollEngine<M> {
    fn name(&self) -> &'static str {
        self.name
    }

    fn open(&self, session: Session) -> Result<SessionHandle, EngineError> {
        self.inbox()?.open(session)
    }

    fn run(&self, session: Session) -> Result<Outcome, EngineError> {
        Loop::new(self.lanes.clone())?.run(session)
    }
}

impl<M> Drop for PollEngine<M> {
    fn drop(&mut self) {
        if let Some(inbox) = self.shared.get() {
            inbox.stop();
        }
    }
}
