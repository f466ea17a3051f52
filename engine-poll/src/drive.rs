//! The loop: waits for readiness and turns the sessions it concerns.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::io;
use std::time::{Duration, Instant};

use audit_core::lanes::{MakeLanes, QUIET};
use audit_core::{EngineError, Outcome, Session};
use audit_pty::Driver;
use mio::{Events, Poll, Token, Waker};

use crate::inbox::{Inbox, Letter};
use crate::seat::{Seat, key_of};

/// The inbox's token; seats have keys from 1.
const INBOX: Token = Token(0);

/// A mio loop and the sessions seated on it.
#[derive(Debug)]
pub struct Loop<M: MakeLanes> {
    poll: Poll,
    events: Events,
    inbox: Inbox,
    lanes: M,
    seats: HashMap<u64, Seat<M::Lanes>>,
    /// When each seat wants its timeout; a seat without a deadline is not in it.
    calendar: BTreeSet<(Instant, u64)>,
    /// Seats that have something to do without waiting.
    eager: HashSet<u64>,
    /// Seats whose lanes put work off.
    idle: HashSet<u64>,
    /// When a session moved last.
    moved_at: Instant,
}

impl<M: MakeLanes> Loop<M> {
    /// A loop without sessions.
    ///
    /// # Errors
    /// The system has no descriptor left.
    pub fn new(lanes: M) -> Result<Self, EngineError> {
        let failed = |error: io::Error| EngineError::new("making a poll instance", error);
        let poll = Poll::new().map_err(failed)?;
        let waker = Waker::new(poll.registry(), INBOX).map_err(failed)?;
        Ok(Self {
            poll,
            events: Events::with_capacity(256),
            inbox: Inbox::new(waker),
            lanes,
            seats: HashMap::new(),
            calendar: BTreeSet::new(),
            eager: HashSet::new(),
            idle: HashSet::new(),
            moved_at: Instant::now(),
        })
    }

    /// The way into this loop from other threads.
    pub fn inbox(&self) -> &Inbox {
        &self.inbox
    }

    /// Turns until the inbox is stopped and every session is over.
    pub fn serve(&mut self) {
        while !(self.inbox.is_stopped() && self.seats.is_empty()) {
            if self.turn(None).is_err() {
                return;
            }
        }
    }

    /// Runs one session to its end on the calling thread.
    ///
    /// # Errors
    /// It could not be started, or the kernel refuses to wait.
    pub fn run(&mut self, session: Session) -> Result<Outcome, EngineError> {
        let key = self.inbox.next_key();
        self.seat(key, session, None)?;
        let mut outcome = None;
        while self.seats.contains_key(&key) {
            outcome = self.turn(Some(key)).map_err(|e| EngineError::new("epoll_wait", e))?;
        }
        outcome.ok_or_else(|| EngineError::new("session", "it ended without an outcome"))
    }

    fn seat(
        &mut self,
        key: u64,
        session: Session,
        outcome: Option<std::sync::mpsc::SyncSender<Result<Outcome, EngineError>>>,
    ) -> Result<(), EngineError> {
        let driver = Driver::open(session, &self.lanes, self.inbox.mailbox(key))?;
        let seat = Seat::new(key, driver, outcome, self.poll.registry())
            .map_err(|error| EngineError::new("registering a session", error))?;
        self.seats.insert(key, seat);
        self.eager.insert(key);
        Ok(())
    }

    /// Waits once and does what has become possible. Returns the outcome of the session with key
    /// `of` if it ended in this turn.
    fn turn(&mut self, of: Option<u64>) -> io::Result<Option<Outcome>> {
        let wait = self.wait();
        match self.poll.poll(&mut self.events, wait) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
            _ => {}
        }
        let mut touched = std::mem::take(&mut self.eager);
        for event in &self.events {
            let token = event.token();
            if token == INBOX {
                continue;
            }
            if let Some(seat) = self.seats.get_mut(&key_of(token)) {
                seat.notice(token);
                touched.insert(key_of(token));
            }
        }
        self.read_letters(&mut touched);
        self.pass_deadlines(&mut touched);
        let mut ended = None;
        for key in touched.drain() {
            let outcome = self.attend(key);
            if Some(key) == of {
                ended = outcome;
            }
        }
        if self.eager.is_empty() {
            // Keep the allocation: a busy session is touched every turn.
            self.eager = touched;
            if !self.idle.is_empty() && self.moved_at.elapsed() >= QUIET {
                self.work_idly();
            }
        }
        Ok(ended)
    }

    /// How long to wait: not at all while something can be done, else until the next deadline.
    fn wait(&self) -> Option<Duration> {
        if !self.eager.is_empty() {
            return Some(Duration::ZERO);
        }
        let due = self.calendar.first().map(|(at, _)| *at);
        let quiet = (!self.idle.is_empty()).then(|| self.moved_at + QUIET);
        let at = due.into_iter().chain(quiet).min()?;
        Some(at.saturating_duration_since(Instant::now()))
    }

    fn read_letters(&mut self, touched: &mut HashSet<u64>) {
        for letter in self.inbox.take() {
            match letter {
                Letter::Mail(key, mail) => {
                    if let Some(seat) = self.seats.get_mut(&key) {
                        seat.driver.mail(mail);
                        touched.insert(key);
                    }
                }
                Letter::Open(key, session, sender) => {
                    if let Err(error) = self.seat(key, *session, Some(sender.clone())) {
                        let _ = sender.send(Err(error));
                    }
                    touched.insert(key);
                }
            }
        }
    }

    fn pass_deadlines(&mut self, touched: &mut HashSet<u64>) {
        if self.calendar.is_empty() {
            return;
        }
        let now = Instant::now();
        while let Some((at, key)) = self.calendar.first().copied().filter(|(at, _)| *at <= now) {
            self.calendar.remove(&(at, key));
            if let Some(seat) = self.seats.get_mut(&key) {
                seat.due = None;
                seat.driver.timeout();
                touched.insert(key);
            }
        }
    }

    /// Turns one session and notes what it waits for; ends it if it is over.
    fn attend(&mut self, key: u64) -> Option<Outcome> {
        let seat = self.seats.get_mut(&key)?;
        let moved = seat.turn();
        if seat.driver.is_over() {
            let seat = self.seats.remove(&key)?;
            if let Some(due) = seat.due {
                self.calendar.remove(&(due, key));
            }
            self.idle.remove(&key);
            return seat.leave();
        }
        let deadline = seat.driver.wants().deadline;
        if deadline != seat.due {
            if let Some(due) = seat.due.take() {
                self.calendar.remove(&(due, key));
            }
            if let Some(at) = deadline {
                self.calendar.insert((at, key));
            }
            seat.due = deadline;
        }
        if seat.is_eager() {
            self.eager.insert(key);
        }
        if moved {
            self.moved_at = Instant::now();
            self.idle.insert(key);
        }
        None
    }

    /// Lets lanes catch up on put-off work while nothing else is to be done.
    fn work_idly(&mut self) {
        let seats = &mut self.seats;
        self.idle.retain(|key| seats.get_mut(key).is_some_and(|seat| seat.driver.idle()));
    }
}
