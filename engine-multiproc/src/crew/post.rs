//! A post: the place of one worker, filled again with back-off whenever its worker dies.

use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, poll};

use super::process::Worker;
use crate::message::{FromWorker, Hello, Role};
use crate::wire::WireError;

/// How long a post stays empty after its worker's first death …
const BACKOFF: Duration = Duration::from_millis(50);
/// … and at most: it doubles with every death until a worker has lived this long.
const BACKOFF_MAX: Duration = Duration::from_secs(5);

/// A worker, or the moment at which the next one starts.
#[derive(Debug)]
pub(crate) struct Post {
    pub(crate) role: Role,
    program: Arc<[OsString]>,
    worker: Option<Worker>,
    started: Instant,
    backoff: Duration,
    restart_at: Option<Instant>,
    /// How the worker before this one ended, until somebody is told.
    death: Option<String>,
}

/// What came of listening to a worker.
#[derive(Debug, Default)]
pub(crate) struct News {
    pub(crate) messages: Vec<FromWorker>,
    /// Why nothing more comes from it.
    pub(crate) end: Option<String>,
}

impl Post {
    /// Fills the post for the first time.
    ///
    /// # Errors
    /// The worker program cannot be run.
    pub(crate) fn new(
        role: Role,
        program: Arc<[OsString]>,
        memory: Option<&OwnedFd>,
        hello: &Hello,
    ) -> io::Result<Self> {
        let worker = Worker::start(role, &program, memory, hello)?;
        let (started, backoff) = (Instant::now(), BACKOFF);
        let worker = Some(worker);
        Ok(Self { role, program, worker, started, backoff, restart_at: None, death: None })
    }

    pub(crate) fn worker(&self) -> Option<&Worker> {
        self.worker.as_ref()
    }

    /// The worker, if it has built its part.
    pub(crate) fn ready(&mut self) -> Option<&mut Worker> {
        self.worker.as_mut().filter(|worker| worker.ready)
    }

    pub(crate) fn worker_mut(&mut self) -> Option<&mut Worker> {
        self.worker.as_mut()
    }

    /// When the next worker starts, while there is none.
    pub(crate) fn restart_at(&self) -> Option<Instant> {
        self.restart_at
    }

    /// Sends what waits and reads what came.
    pub(crate) fn listen(&mut self) -> News {
        let mut news = News::default();
        let Some(worker) = &mut self.worker else { return news };
        let result = match worker.wire.flush() {
            // What it said before it died counts.
            Ok(()) | Err(WireError::HungUp) => worker.wire.receive(&mut news.messages),
            Err(error) => Err(error),
        };
        news.end = result.err().map(|error| error.to_string());
        news
    }

    /// The worker is dead, or of no use: it is ended and the next one is appointed. Returns how
    /// it ended, for people.
    pub(crate) fn bury(&mut self, why: &str, now: Instant) -> String {
        let Some(worker) = self.worker.take() else { return why.to_owned() };
        let name = self.role.name();
        let text = format!("the {name}'s process: {why}; {}", worker.end());
        self.appoint(&text, now);
        text
    }

    fn appoint(&mut self, death: &str, now: Instant) {
        if now.saturating_duration_since(self.started) >= BACKOFF_MAX {
            self.backoff = BACKOFF;
        }
        self.restart_at = Some(now + self.backoff);
        self.backoff = (self.backoff * 2).min(BACKOFF_MAX);
        self.death = Some(death.to_owned());
    }

    /// Starts the next worker if its moment has come. Returns whether one was started.
    pub(crate) fn restart(
        &mut self,
        memory: Option<&OwnedFd>,
        hello: &Hello,
        now: Instant,
    ) -> bool {
        if self.restart_at.is_none_or(|at| at > now) {
            return false;
        }
        self.restart_at = None;
        self.started = now;
        match Worker::start(self.role, &self.program, memory, hello) {
            Ok(worker) => {
                self.worker = Some(worker);
                true
            }
            Err(error) => {
                let name = self.role.name();
                self.appoint(&format!("the {name}'s process cannot be started: {error}"), now);
                false
            }
        }
    }

    /// The worker has built its part. Returns how the one before ended, if there was one.
    pub(crate) fn take_office(&mut self) -> Option<String> {
        self.worker.as_mut()?.ready = true;
        self.death.take()
    }

    /// Waits until the worker says something or dies, at most `millis`.
    pub(crate) fn wait(&self, millis: u16) {
        if let Some(worker) = &self.worker {
            // An interrupted wait is a short one.
            let _ = poll(&mut [PollFd::new(worker.as_fd(), PollFlags::POLLIN)], millis);
        }
    }

    /// Nobody takes this post again.
    pub(crate) fn abolish(&mut self) {
        self.restart_at = None;
        self.worker = None;
    }
}
