//! The `async` engine (alias `asyncio`): every session is a task of one current-thread tokio
//! runtime.
//!
//! Records are written on the loop; monitor and controller run on the runtime's blocking pool.
//! [`AsyncEngine`] is public because the `hybrid` engine turns the same loop with lanes of its own.

mod drive;
mod lanes;
mod watch;

use std::fmt;
use std::sync::{Mutex, PoisonError};

use audit_core::lanes::MakeLanes;
use audit_core::{
    Engine, EngineEntry, EngineError, EngineSettings, Mailbox, Outcome, Session, SessionHandle,
};
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::mpsc;

pub use lanes::AsyncLanes;

/// The engine's line in the table of engines.
pub const ENTRY: EngineEntry = EngineEntry {
    name: "async",
    aliases: &["asyncio"],
    purpose: "one tokio loop on one thread: many sessions, light analysis",
    build,
};

fn build(_settings: &EngineSettings) -> Result<Box<dyn Engine>, EngineError> {
    Ok(Box::new(AsyncEngine::new(ENTRY.name, AsyncLanes)))
}

/// Sessions as tasks of one tokio thread, with lanes as `M` makes them.
pub struct AsyncEngine<M> {
    name: &'static str,
    lanes: M,
    /// The runtime that [`Engine::open`] started, on a thread of its own.
    shared: Mutex<Option<Shared>>,
}

struct Shared {
    runtime: Handle,
    /// The runtime's thread ends when this and every session's copy of it are dropped.
    alive: mpsc::Sender<()>,
}

impl<M> AsyncEngine<M>
where
    M: MakeLanes + Clone + Send + Sync + 'static,
{
    /// An engine of this name whose runtime starts with its first session.
    pub fn new(name: &'static str, lanes: M) -> Self {
        Self { name, lanes, shared: Mutex::new(None) }
    }

    /// The runtime, and what keeps it alive.
    fn runtime(&self) -> Result<(Handle, mpsc::Sender<()>), EngineError> {
        let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(shared) = &*shared {
            return Ok((shared.runtime.clone(), shared.alive.clone()));
        }
        let runtime = new_runtime()?;
        let handle = runtime.handle().clone();
        let (alive, mut gone) = mpsc::channel::<()>(1);
        std::thread::Builder::new()
            .name(format!("engine-{}", self.name))
            .spawn(move || {
                // Nothing is ever sent: the channel ends when engine and sessions are gone.
                runtime.block_on(gone.recv());
            })
            .map_err(|error| EngineError::new("starting the runtime's thread", error))?;
        *shared = Some(Shared { runtime: handle.clone(), alive: alive.clone() });
        Ok((handle, alive))
    }
}

/// How many blocking threads there may be; they start when they are needed. A link keeps one for as
/// long as its session lasts, and windows are to be judged all the same.
const BLOCKING_THREADS: usize = 1 << 14;

/// A runtime that asks the kernel for readiness at every turn: a key pressed during a flood must
/// not wait for tokio's default of 61 turns.
fn new_runtime() -> Result<Runtime, EngineError> {
    Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .event_interval(1)
        .max_blocking_threads(BLOCKING_THREADS)
        .thread_stack_size(256 << 10)
        .build()
        .map_err(|error| EngineError::new("making a tokio runtime", error))
}

/// A mailbox and the end it delivers to.
fn mailbox() -> (Mailbox, mpsc::UnboundedReceiver<audit_core::Mail>) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let mailbox = Mailbox::new(move |mail| {
        // A session that is over takes no mail.
        let _ = sender.send(mail);
    });
    (mailbox, receiver)
}

impl<M> Engine for AsyncEngine<M>
where
    M: MakeLanes + Clone + Send + Sync + 'static,
{
    fn name(&self) -> &'static str {
        self.name
    }

    fn open(&self, session: Session) -> Result<SessionHandle, EngineError> {
        let (runtime, alive) = self.runtime()?;
        let (mailbox, mail) = mailbox();
        let (handle, outcome) = SessionHandle::new(mailbox.clone());
        let lanes = self.lanes.clone();
        runtime.spawn(async move {
            let ended = drive::drive(session, &lanes, mailbox, mail).await;
            // A lane that hangs must not keep the other sessions of the loop waiting.
            tokio::task::spawn_blocking(move || {
                // Nobody waits for it if the handle was dropped.
                let _ = outcome.send(ended.and_then(drive::finish));
                drop(alive);
            });
        });
        Ok(handle)
    }

    fn run(&self, session: Session) -> Result<Outcome, EngineError> {
        let (mailbox, mail) = mailbox();
        let runtime = new_runtime()?;
        let ended = runtime.block_on(drive::drive(session, &self.lanes, mailbox, mail));
        let outcome = ended.and_then(drive::finish);
        // A monitor that never answers must not keep the user waiting.
        runtime.shutdown_background();
        outcome
    }
}

impl<M> fmt::Debug for AsyncEngine<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AsyncEngine").field("name", &self.name).finish_non_exhaustive()
    }
}
