//! The way into a loop from other threads.

use std::collections::VecDeque;
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Mutex, PoisonError};

use audit_core::{EngineError, Mail, Mailbox, Outcome, Session, SessionHandle};
use mio::Waker;

/// Posts letters to one loop and wakes it.
#[derive(Clone, Debug)]
pub struct Inbox(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    waker: Waker,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    letters: VecDeque<Letter>,
    next_key: u64,
    stopped: bool,
}

/// Something for the loop.
#[derive(Debug)]
pub(crate) enum Letter {
    /// Seat this session under this key and report its outcome.
    Open(u64, Box<Session>, SyncSender<Result<Outcome, EngineError>>),
    /// News for the session with this key.
    Mail(u64, Mail),
}

impl Inbox {
    pub(crate) fn new(waker: Waker) -> Self {
        Self(Arc::new(Shared { waker, state: Mutex::default() }))
    }

    /// Hands a session to the loop.
    pub(crate) fn open(&self, session: Session) -> Result<SessionHandle, EngineError> {
        let key = self.next_key();
        let (handle, outcome) = SessionHandle::new(self.mailbox(key));
        if self.post(Letter::Open(key, Box::new(session), outcome)) {
            Ok(handle)
        } else {
            Err(EngineError::new("opening a session", "the engine has stopped"))
        }
    }

    /// A name for a session that no other session of the loop has.
    pub(crate) fn next_key(&self) -> u64 {
        let mut state = self.state();
        state.next_key += 1;
        state.next_key
    }

    /// The mailbox of the session with this key.
    pub(crate) fn mailbox(&self, key: u64) -> Mailbox {
        let inbox = self.clone();
        Mailbox::new(move |mail| {
            inbox.post(Letter::Mail(key, mail));
        })
    }

    /// Has the loop end once its sessions are over.
    pub fn stop(&self) {
        self.state().stopped = true;
        self.wake();
    }

    /// Whether the loop was stopped and everything posted before was taken.
    pub(crate) fn is_stopped(&self) -> bool {
        let state = self.state();
        state.stopped && state.letters.is_empty()
    }

    pub(crate) fn take(&self) -> VecDeque<Letter> {
        std::mem::take(&mut self.state().letters)
    }

    fn post(&self, letter: Letter) -> bool {
        let mut state = self.state();
        if state.stopped && matches!(letter, Letter::Open(..)) {
            return false;
        }
        let first = state.letters.is_empty();
        state.letters.push_back(letter);
        drop(state);
        if first {
            self.wake();
        }
        true
    }

    fn wake(&self) {
        // An eventfd write fails only when the counter is full, and then the loop is awake.
        let _ = self.0.waker.wake();
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
