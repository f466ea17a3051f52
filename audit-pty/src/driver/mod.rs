//! One session's core with its ends and lanes: what every engine's loop turns.
//!
//! A driver never waits. The loop tells it what is ready, it reads, writes and hands over, and
//! [`Driver::wants`] says what to wait for next. The order of a turn is what makes it fast: one
//! read, one write, and only then everything that is done beside the terminal.

use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use audit_core::lanes::{Lanes, MakeLanes};
use audit_core::{
    Effect, EngineError, Event, Interest, Mail, Mailbox, Moment, Outcome, Port, Session,
    SessionCore, State, Stream,
};
use bytes::Bytes;
use nix::errno::Errno;

use crate::channel::{Intake, Read, Write};
use crate::ends::Ends;

/// How long each lane may take to end once its session is over.
const LANES_END: Duration = Duration::from_secs(5);

/// How long the recorder may take for what came before a stop. Stopped is stopped, in the end.
const LANES_CATCH_UP: Duration = Duration::from_secs(1);

/// How long a full screen is waited for before this process stops.
const SCREEN_CATCHES_UP: Duration = Duration::from_millis(500);

/// How many bytes of a stopped or ended child's output are read before we go on: more than the
/// kernel keeps of a terminal or a pipe. Another process may write for ever.
const LAST_BYTES: u64 = 256 << 10;

/// What to wait for. What is wanted is acted on as soon as it is ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wants {
    /// What may be read.
    pub read: Interest,
    /// Which ports have bytes that could not be written yet, in the order of [`Port::ALL`].
    pub write: [bool; 4],
    /// When [`Driver::timeout`] is to be called.
    pub deadline: Option<Instant>,
}

/// What an attempt to read came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Something was read and handled; there may be more.
    Made,
    /// There was nothing to read: wait until it is ready.
    Blocked,
    /// It is not wanted now.
    Unwanted,
}

/// Readers of an engine's own for the child's output.
pub trait Readers: std::fmt::Debug + Send {
    /// The next chunk of this stream that is there already, be it still in the kernel. It is waited
    /// for until the reader has brought it; `None` when there is none.
    fn next_there(&mut self, stream: Stream) -> Option<Read>;
    /// This stream is closed towards the child: whatever is held of it is let go, so that the child
    /// learns of it.
    fn close(&mut self, stream: Stream);
}

/// Turns one session.
#[derive(Debug)]
pub struct Driver<L> {
    core: SessionCore,
    ends: Ends,
    lanes: L,
    opened: Instant,
    buffers: [Intake; 4],
    /// Ports whose last write found no room, in the order of [`Port::ALL`].
    full: [bool; 4],
    /// When to look whether the user's terminal has become ours.
    look_at: Option<Instant>,
    outcome: Option<Outcome>,
    /// Where the engine reads the child's output itself.
    readers: Option<Box<dyn Readers>>,
    /// Bytes of the child's output that were handled.
    output: u64,
}

impl<L: Lanes> Driver<L> {
    /// Starts the session's command and its core.
    ///
    /// # Errors
    /// Nothing was started. A command that cannot run is not an error here: it is the session's
    /// outcome.
    pub fn open(
        session: Session,
        lanes: &impl MakeLanes<Lanes = L>,
        mailbox: Mailbox,
    ) -> Result<Self, EngineError> {
        let Session { spec, user, toolkit, seed } = session;
        let parts = lanes.prepare(&spec, &toolkit)?;
        let opened = Instant::now();
        let (ends, event) = Ends::open(&spec, user)?;
        let lanes = lanes.start(parts, mailbox)?;
        let mut core = SessionCore::new(&spec, seed);
        for stream in [Stream::Stdout, Stream::Stderr] {
            if ends.has(stream) {
                core.open_output(stream);
            }
        }
        let mut driver = Self {
            core,
            ends,
            lanes,
            opened,
            buffers: Default::default(),
            full: [false; 4],
            look_at: None,
            outcome: None,
            readers: None,
            output: 0,
        };
        driver.core.handle(event, driver.now());
        driver.settle();
        Ok(driver)
    }

    /// The outside of the session, for registering its descriptors.
    pub fn ends(&self) -> &Ends {
        &self.ends
    }

    /// Tries to read this stream once and forwards what came.
    pub fn read(&mut self, stream: Stream) -> Progress {
        // Whoever waits for edges must not take a terminal that is not ours now for an empty one.
        let not_ours = stream == Stream::Input && !self.ends.may_read_user();
        if not_ours || !self.core.interest().wants(stream) {
            return Progress::Unwanted;
        }
        match self.ends.read(stream, &mut self.buffers[usize::from(stream.number())]) {
            Read::WouldBlock => Progress::Blocked,
            read => {
                self.took(stream, read);
                Progress::Made
            }
        }
    }

    /// Takes what a reader of the engine's own has read of this stream.
    pub fn took(&mut self, stream: Stream, read: Read) {
        let event = match (read, stream) {
            (Read::WouldBlock, _) => return,
            (Read::Data(bytes), Stream::Input) => self.input(bytes),
            (Read::Data(bytes), stream) => {
                self.output += bytes.len() as u64;
                Event::Output { stream, bytes }
            }
            (Read::HungUp, _) => Event::UserHungUp,
            (Read::Closed, Stream::Input) => Event::UserClosed,
            (Read::Closed, stream) => Event::OutputClosed(stream),
        };
        self.handle(event);
    }

    fn input(&self, bytes: Bytes) -> Event {
        Event::UserInput { bytes, line: self.ends.line_state() }
    }

    /// This port has room again.
    pub fn writable(&mut self, port: Port) {
        self.full[port.index()] = false;
        if port == Port::Child && self.ends.end_due() {
            self.ends.tell_end();
        }
        self.settle();
    }

    /// The child's process descriptor is ready.
    pub fn child_ready(&mut self) {
        if let Some(event) = self.ends.reap() {
            self.handle(event);
        }
    }

    /// The signal descriptor is ready.
    pub fn signals_ready(&mut self) {
        while let Some(event) = self.ends.next_signal() {
            self.handle(event);
        }
    }

    /// What becomes readable when [`Driver::lanes_ready`] is to be called, if the lanes have such.
    pub fn lanes_fd(&self) -> Option<BorrowedFd<'_>> {
        self.lanes.descriptor()
    }

    /// The lanes' descriptor is ready.
    pub fn lanes_ready(&mut self) {
        self.lanes.ready();
        self.settle();
    }

    /// A lane or an operator has news.
    pub fn mail(&mut self, mail: Mail) {
        self.handle(Event::Mail(mail));
    }

    /// The deadline of [`Driver::wants`] has come.
    pub fn timeout(&mut self) {
        if self.look_at.is_some_and(|at| at <= Instant::now()) {
            self.look_at = None;
            self.ends.look_for_foreground();
        }
        if self.core.state() == State::Draining {
            // A loop that was busy elsewhere comes here late: what the child left counts first.
            self.show_rest();
        }
        self.core.handle_timeout(self.now());
        self.settle();
    }

    /// Says that the engine has readers of its own for the child's output and hands what they read
    /// to [`Driver::took`]. The driver then reads none of it, or chunks would come out of order; at
    /// a stop and at the end it asks the readers for what is there.
    pub fn leave_output_to(&mut self, readers: Box<dyn Readers>) {
        self.readers = Some(readers);
    }

    /// Does a bounded piece of put-off work of the lanes on the loop; whether more remains.
    pub fn idle(&mut self) -> bool {
        self.lanes.idle()
    }

    /// What to wait for now.
    pub fn wants(&self) -> Wants {
        let mut write = [false; 4];
        for port in Port::ALL {
            write[port.index()] = self.full[port.index()] && self.core.pending(port).is_some();
        }
        write[Port::Child.index()] |= self.ends.end_due();
        let timed = |at: Moment| self.opened.checked_add(Duration::from_nanos(at.as_nanos()));
        let deadline = self.core.poll_timeout().and_then(timed);
        let mut read = self.core.interest();
        read.user &= self.ends.may_read_user();
        Wants { read, write, deadline: deadline.into_iter().chain(self.look_at).min() }
    }

    /// Whether the session is over; then only [`Driver::finish`] is left to do.
    pub fn is_over(&self) -> bool {
        self.outcome.is_some()
    }

    /// Ends the lanes, puts everything back, and returns what the session came to, if it is over.
    pub fn finish(mut self) -> Option<Outcome> {
        self.lanes.end(LANES_END);
        self.outcome
    }

    fn now(&self) -> Moment {
        Moment::from(self.opened.elapsed())
    }

    fn handle(&mut self, event: Event) {
        self.core.handle(event, self.now());
        self.settle();
    }

    /// Writes what may be written, then carries out every effect, until nothing follows.
    fn settle(&mut self) {
        self.carry_on();
        if self.look_at.is_none()
            && let Some(span) = self.ends.look_within()
        {
            self.look_at = Some(Instant::now() + span);
        }
    }

    fn carry_on(&mut self) {
        loop {
            self.forward();
            let mut quiet = true;
            while let Some(effect) = self.core.poll_effect() {
                self.carry_out(effect);
                quiet = false;
            }
            while let Some(mail) = self.lanes.take_mail() {
                self.core.handle(Event::Mail(mail), self.now());
                quiet = false;
            }
            if quiet {
                return;
            }
        }
    }

    fn forward(&mut self) {
        for port in Port::ALL {
            while !self.full[port.index()]
                && let Some(bytes) = self.core.pending(port)
            {
                match self.ends.write(port, bytes) {
                    Write::Wrote(len) => self.core.written(port, len, self.now()),
                    Write::WouldBlock => self.full[port.index()] = true,
                    Write::Closed => self.core.handle(Event::PortClosed(port), self.now()),
                    Write::Failed(errno) => {
                        let reason = Errno::from_raw(errno).desc().to_owned();
                        self.core.handle(Event::PortFailed { port, reason }, self.now());
                    }
                }
            }
        }
    }

    /// Shows what the child has written so far: before it stops, for an editor leaves its screen
    /// first; and at its end.
    fn show_rest(&mut self) {
        for stream in Stream::ALL.into_iter().filter(|stream| stream.is_output()) {
            let enough = self.output + LAST_BYTES;
            while self.output < enough && self.take_next(stream) {}
        }
    }

    /// Takes a chunk of this stream if one is there and wanted.
    fn take_next(&mut self, stream: Stream) -> bool {
        if self.readers.is_none() {
            return self.read(stream) == Progress::Made;
        }
        if !self.core.interest().wants(stream) {
            return false;
        }
        let read = self.readers.as_mut().and_then(|readers| readers.next_there(stream));
        read.map(|read| self.took(stream, read)).is_some()
    }

    /// As [`Driver::show_rest`], for a process that is about to stop: a screen that is full is
    /// waited for, a little.
    fn show_rest_patiently(&mut self) {
        let until = Instant::now() + SCREEN_CATCHES_UP;
        loop {
            self.show_rest();
            let full = Port::ALL
                .into_iter()
                .filter(|port| *port != Port::Child)
                .find(|port| self.full[port.index()] && self.core.pending(*port).is_some());
            let rest = until.saturating_duration_since(Instant::now());
            let Some(port) = full.filter(|port| self.ends.await_room(*port, rest)) else { return };
            self.full[port.index()] = false;
            self.forward();
        }
    }

    fn carry_out(&mut self, effect: Effect) {
        let answer = match effect {
            Effect::Record(record) => return self.lanes.record(record),
            Effect::Flush(durability) => return self.lanes.flush(durability),
            Effect::Close => return self.lanes.close(),
            Effect::Inspect(window) => return self.lanes.inspect(window),
            Effect::Judge(request) => return self.lanes.judge(request),
            Effect::Publish(notice) => return self.lanes.publish(notice),
            Effect::Finish(outcome) => {
                self.outcome = Some(outcome);
                return;
            }
            Effect::Sample => self.ends.sample().map(Event::Line),
            Effect::Stop(_) => {
                self.show_rest_patiently();
                self.lanes.catch_up(LANES_CATCH_UP);
                self.ends.apply(&effect)
            }
            outside => {
                if let (Effect::CloseOutput(stream), Some(readers)) = (&outside, &mut self.readers)
                {
                    readers.close(*stream);
                }
                self.ends.apply(&outside)
            }
        };
        if let Some(event) = answer {
            self.core.handle(event, self.now());
        }
    }
}
