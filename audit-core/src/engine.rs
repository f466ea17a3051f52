//! What an engine is, and the table of engines.

use std::fmt;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::mpsc;

use crate::event::Mail;
use crate::outcome::Outcome;
use crate::spec::{SessionSpec, Toolkit};

/// Drives sessions: waits, reads, writes and hands over. Engines differ in cost and isolation,
/// never in behaviour.
pub trait Engine: Send + Sync {
    /// The name configuration uses.
    fn name(&self) -> &'static str;

    /// Starts a session and returns at once; one engine serves many sessions. A session goes on
    /// to its end although its engine or its handle is dropped.
    ///
    /// # Errors
    /// Nothing was started. A command that cannot be run is not an error here: it is the
    /// session's outcome.
    fn open(&self, session: Session) -> Result<SessionHandle, EngineError>;

    /// Runs one session on the calling thread until it is over.
    ///
    /// # Errors
    /// As [`Engine::open`].
    fn run(&self, session: Session) -> Result<Outcome, EngineError> {
        self.open(session)?.wait()
    }
}

/// A session to be opened: its description, the user's end, and what builds its parts.
#[derive(Debug)]
pub struct Session {
    /// The session as plain data.
    pub spec: SessionSpec,
    /// The user's end.
    pub user: UserEnd,
    /// Builds recorder, monitor and controller.
    pub toolkit: Arc<Toolkit>,
    /// 32 random bytes that keys of this session are drawn from.
    pub seed: [u8; 32],
}

/// The user's end of a session, as descriptors.
#[derive(Debug)]
pub struct UserEnd {
    /// Read from: the user's terminal, a pipe, a file. `None` never sends anything.
    pub input: Option<OwnedFd>,
    /// The child's terminal output, or in pipe mode its standard output, goes here.
    pub output: OwnedFd,
    /// Standard output of the child when it is not the terminal.
    pub stdout: Option<OwnedFd>,
    /// Standard error of the child when it is not the terminal.
    pub stderr: Option<OwnedFd>,
    /// Whether this session owns the process: it takes its signals, stops with it under job
    /// control and puts the terminal into raw mode.
    pub owns_process: bool,
}

/// A running session.
pub struct SessionHandle {
    mailbox: Mailbox,
    outcome: mpsc::Receiver<Result<Outcome, EngineError>>,
}

impl SessionHandle {
    /// A handle and the sender through which the engine reports the outcome, once.
    pub fn new(mailbox: Mailbox) -> (Self, mpsc::SyncSender<Result<Outcome, EngineError>>) {
        let (sender, outcome) = mpsc::sync_channel(1);
        (Self { mailbox, outcome }, sender)
    }

    /// The way to send the session a command.
    pub fn mailbox(&self) -> &Mailbox {
        &self.mailbox
    }

    /// Waits for the session to end.
    ///
    /// # Errors
    /// The engine failed, or died without an outcome.
    pub fn wait(self) -> Result<Outcome, EngineError> {
        self.outcome.recv().unwrap_or_else(|_| {
            Err(EngineError::new("session", "the engine ended without an outcome"))
        })
    }
}

impl fmt::Debug for SessionHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionHandle").finish_non_exhaustive()
    }
}

/// The only asynchronous way into a session: every answer of a lane and every command goes
/// through it, from any thread.
#[derive(Clone)]
pub struct Mailbox(Arc<dyn Fn(Mail) + Send + Sync>);

impl Mailbox {
    /// A mailbox that delivers with `send`, which must not block and must wake the session's loop.
    pub fn new(send: impl Fn(Mail) + Send + Sync + 'static) -> Self {
        Self(Arc::new(send))
    }

    /// Delivers `mail`. Mail for a session that is over is dropped.
    pub fn send(&self, mail: Mail) {
        (self.0)(mail);
    }
}

impl fmt::Debug for Mailbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Mailbox")
    }
}

/// An engine that could not start or go on.
#[derive(Debug, thiserror::Error)]
#[error("{operation}: {reason}")]
pub struct EngineError {
    /// What was tried.
    pub operation: String,
    /// Why it failed, one line.
    pub reason: String,
}

impl EngineError {
    /// An error of `operation`.
    pub fn new(operation: impl Into<String>, reason: impl fmt::Display) -> Self {
        Self { operation: operation.into(), reason: reason.to_string() }
    }
}

/// Settings every engine is built with.
#[derive(Clone, Debug)]
pub struct EngineSettings {
    /// Threads of the judgement pool (`hybrid`), from 1.
    pub monitor_threads: usize,
    /// Program and leading arguments that start a worker process (`multiproc`).
    pub worker: Vec<std::ffi::OsString>,
}

/// One line of the table of engines.
#[derive(Clone, Copy, Debug)]
pub struct EngineEntry {
    /// The name configuration uses.
    pub name: &'static str,
    /// Other accepted names.
    pub aliases: &'static [&'static str],
    /// What it is for, one line.
    pub purpose: &'static str,
    /// Builds it.
    pub build: fn(&EngineSettings) -> Result<Box<dyn Engine>, EngineError>,
}

/// The engines a program knows. A table and not an enum, so that a sixth engine is one line.
#[derive(Clone, Debug, Default)]
pub struct Registry(Vec<EngineEntry>);

impl Registry {
    /// A table of these engines.
    pub fn new(entries: impl IntoIterator<Item = EngineEntry>) -> Self {
        Self(entries.into_iter().collect())
    }

    /// The engines, in the table's order.
    pub fn entries(&self) -> &[EngineEntry] {
        &self.0
    }

    /// The engine with this name or alias.
    pub fn find(&self, name: &str) -> Option<&EngineEntry> {
        self.0.iter().find(|e| e.name == name || e.aliases.contains(&name))
    }
}
