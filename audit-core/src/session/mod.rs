//! The session's state machine.
//!
//! ```text
//! Running ──score ≥ threshold, or operator──► Blocked{until} ──approve──► Running
//!    │                                          │ reject, or until
//!    │ child exits                              ▼
//!    ├─────────────────────────────► Draining{until} ◄── hang-up → terminate → kill
//!    │                                  │ PTY closed and screen served, or until
//!    ▼                                  ▼
//! (session_timeout)                  Sealing{until} ──recorder closed──► Closed: Finish(outcome)
//! ```
//!
//! One file a concern: [`credit`] and [`recording`] for the journal, [`egress`] for what waits to
//! be written, [`flow`] for bytes, [`undelivered`] for those that find no place, [`watch`] and
//! [`places`] for the monitor, [`verdicts`] for what it says, [`blocking`] and [`orders`] for
//! decisions, [`ending`] for the end.

mod banner;
mod blocking;
mod credit;
mod egress;
mod ending;
mod flow;
mod orders;
mod places;
mod recording;
mod undelivered;
mod verdicts;
mod watch;

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

use crate::control::{News, Notice};
use crate::event::{Effect, Event, Interest, Mail, Step};
use crate::identity::Identity;
use crate::moment::Moment;
use crate::outcome::{End, Exit};
use crate::policy::Policy;
use crate::record::Body;
use crate::seal::SealId;
use crate::secrets::{Piece, Secrets};
use crate::spec::SessionSpec;
use crate::stream::{Port, Stream};
use crate::terminal::Winsize;

use banner::Message;
use blocking::Block;
use egress::{Egress, Gate, Passed};
use flow::Forwarded;
use recording::Recording;
use watch::Watch;

/// Where a session stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Bytes flow.
    Running,
    /// Input is refused until somebody decides.
    Blocked,
    /// The child is gone or going; what it wrote is being shown.
    Draining,
    /// The recorder is acknowledging the last records.
    Sealing,
    /// Over.
    Closed,
}

/// A [`State`] with what only it needs.
#[derive(Debug)]
enum Phase {
    Running,
    Blocked(Box<Block>),
    Draining(ending::Draining),
    Sealing(ending::Sealing),
    Closed,
}

/// One session: events in, effects out.
///
/// The engine's turn is: [`SessionCore::handle`] what happened, write what
/// [`SessionCore::pending`] gives (and say so by [`SessionCore::written`]), then carry out every
/// [`SessionCore::poll_effect`], then wait for what [`SessionCore::interest`] wants or
/// [`SessionCore::poll_timeout`] to come.
#[derive(Debug)]
pub struct SessionCore {
    policy: Policy,
    pty: bool,
    user: Identity,
    phase: Phase,
    effects: VecDeque<Effect>,
    egress: Egress,
    passed: Passed,
    recording: Recording,
    secrets: Secrets,
    watch: Option<Watch>,
    /// Where the bytes under each seal lie in the journal, until its fate is known.
    sealed: BTreeMap<SealId, u64>,
    pieces: Vec<Piece>,
    forwarded: Option<Forwarded>,
    now: Moment,
    notices: u64,
    blocks: u32,
    winsize: Option<Winsize>,
    user_open: bool,
    close_input_due: bool,
    open_outputs: [bool; 4],
    child: Child,
    hung_up: bool,
    suspended: bool,
    /// Whether something the child wrote could not be written where the user wants it.
    undelivered: bool,
    /// Whether the line discipline is being sampled.
    sampling: bool,
    /// The state that was published last.
    told: State,
    end: Option<End>,
}

/// What is known of the child.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Child {
    Starting,
    Runs,
    Exited(Exit),
    NeverRan,
}

impl SessionCore {
    /// A session about to open. `seed` holds 32 random bytes.
    pub fn new(spec: &SessionSpec, seed: [u8; 32]) -> Self {
        let policy = spec.policy.clone();
        let holds = !policy.blocking.hold_output.is_zero();
        let patience = policy.blocking.analysis_timeout;
        let watch = spec.monitor.as_ref().map(|_| Watch::new(patience, holds));
        let mut core = Self {
            pty: spec.pty,
            user: spec.user.clone(),
            phase: Phase::Running,
            effects: VecDeque::new(),
            egress: Egress::default(),
            passed: Passed::default(),
            recording: Recording::new(&policy.recording),
            secrets: Secrets::new(&policy.secrets, seed, spec.pty),
            watch,
            sealed: BTreeMap::new(),
            pieces: Vec::new(),
            forwarded: None,
            now: Moment::START,
            notices: 0,
            blocks: 0,
            winsize: None,
            user_open: true,
            close_input_due: false,
            open_outputs: [false; 4],
            child: Child::Starting,
            hung_up: false,
            suspended: false,
            undelivered: false,
            sampling: false,
            told: State::Running,
            end: None,
            policy,
        };
        if spec.pty {
            core.winsize = Some(spec.winsize);
            core.record(Body::Resize(spec.winsize));
        }
        core
    }

    /// Declares an output stream of the child that is apart from its terminal. Streams are
    /// declared before the first event; [`Stream::Tty`] of a PTY session need not be.
    pub fn open_output(&mut self, stream: Stream) {
        self.open_outputs[usize::from(stream.number())] = stream.is_output();
    }

    /// Where the session stands. May change after every event and timeout.
    pub fn state(&self) -> State {
        match self.phase {
            Phase::Running => State::Running,
            Phase::Blocked(_) => State::Blocked,
            Phase::Draining(_) => State::Draining,
            Phase::Sealing(_) => State::Sealing,
            Phase::Closed => State::Closed,
        }
    }

    /// Takes what happened outside, at `now`. A `now` before the last one counts as the last one.
    pub fn handle(&mut self, event: Event, now: Moment) {
        self.catch_up();
        self.tick(now);
        if matches!(self.phase, Phase::Closed) {
            return;
        }
        match event {
            Event::Output { stream, bytes } => self.output(stream, bytes),
            Event::UserInput { bytes, line } => self.input(bytes, line),
            Event::Mail(mail) => self.mail(mail),
            Event::Line(line) => {
                self.sampling = false;
                self.with_secrets(|s, now, out| s.sampled(line, now, &mut |piece| out.push(piece)));
            }
            Event::Started { pid } => self.started(pid),
            Event::SpawnFailed { errno, message } => self.spawn_failed(errno, message),
            Event::UserClosed => self.user_closed(),
            Event::UserHungUp => self.user_hung_up(),
            Event::PortClosed(port) => self.port_closed(port),
            Event::PortFailed { port, reason } => self.port_failed(port, &reason),
            Event::OutputClosed(stream) => {
                self.open_outputs[usize::from(stream.number())] = false;
            }
            Event::Resized(winsize) => self.resized(winsize),
            Event::ChildExited(exit) => self.child_exited(exit),
            Event::ChildStopped(signal) => self.child_stopped(signal),
            Event::ChildContinued => {}
            Event::Signal { number, sender, own_child } => self.signal(number, sender, own_child),
            Event::Resumed => self.resumed(),
        }
        if self.forwarded.is_none() {
            self.settle();
        }
    }

    /// Lets time pass to `now`.
    pub fn handle_timeout(&mut self, now: Moment) {
        self.catch_up();
        self.tick(now);
        if matches!(self.phase, Phase::Closed) {
            return;
        }
        if self.secrets.deadline().is_some_and(|at| at <= self.now) {
            self.with_secrets(|s, now, out| s.timeout(now, &mut |piece| out.push(piece)));
        }
        self.time_passes();
        self.settle();
    }

    /// The next thing to be done outside. Effects come in order; `None` until the next event,
    /// timeout or write.
    #[must_use]
    pub fn poll_effect(&mut self) -> Option<Effect> {
        self.catch_up();
        self.effects.pop_front()
    }

    /// When [`SessionCore::handle_timeout`] wants to be called; `None` while nothing is timed.
    /// May change after every call that takes `&mut self`.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Moment> {
        if matches!(self.phase, Phase::Closed) {
            return None;
        }
        [
            self.recording.deadline(),
            self.secrets.deadline(),
            self.watch.as_ref().and_then(Watch::deadline),
            self.egress.deadline(&self.passed),
            self.phase_deadline(),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// What may be read now. A source that is not wanted stays unread: that is the back pressure.
    #[must_use]
    pub fn interest(&self) -> Interest {
        if !self.may_read() {
            return Interest::default();
        }
        let output = |stream| {
            self.open_outputs[usize::from(Stream::number(stream))]
                && self.egress.is_empty(Port::User(stream))
        };
        Interest {
            user: self.user_open && self.takes_input() && self.egress.is_empty(Port::Child),
            tty: output(Stream::Tty),
            stdout: output(Stream::Stdout),
            stderr: output(Stream::Stderr),
        }
    }

    /// The bytes that may be written to this port now, `None` when there are none.
    #[must_use]
    pub fn pending(&self, port: Port) -> Option<&[u8]> {
        if port == Port::Child && !matches!(self.phase, Phase::Running) {
            return None;
        }
        self.egress.pending(port, &self.passed)
    }

    /// The first `len` pending bytes of this port were written.
    pub fn written(&mut self, port: Port, len: usize, now: Moment) {
        self.tick(now);
        self.egress.written(port, len);
        if port != Port::Child {
            self.user_takes();
        }
        if self.forwarded.is_none() {
            self.settle();
        }
    }

    /// Does what forwarding went before.
    fn catch_up(&mut self) {
        if self.forwarded.is_some() {
            self.keep_forwarded();
            self.settle();
        }
    }

    fn tick(&mut self, now: Moment) {
        self.now = self.now.max(now);
        self.passed.now = self.now;
    }

    /// Whether back pressure keeps output of the child unread.
    fn reading_is_held(&self) -> bool {
        let left = self.credit_is_left();
        Stream::ALL.into_iter().any(|stream| {
            self.open_outputs[usize::from(stream.number())]
                && !(left && self.egress.is_empty(Port::User(stream)))
        })
    }

    fn credit_is_left(&self) -> bool {
        self.recording.credit_is_left() && self.watch.as_ref().is_none_or(Watch::is_left)
    }

    fn may_read(&self) -> bool {
        self.credit_is_left()
            && !self.recording.is_refused()
            && match &self.phase {
                Phase::Running | Phase::Blocked(_) => true,
                Phase::Draining(draining) => draining.reads(),
                Phase::Sealing(_) | Phase::Closed => false,
            }
    }

    /// A person who types while blocked is told that it is dropped; a pipe or a file is data, and
    /// waits.
    fn takes_input(&self) -> bool {
        self.child == Child::Runs
            && match self.phase {
                Phase::Running => true,
                Phase::Blocked(_) => self.pty,
                _ => false,
            }
    }

    fn mail(&mut self, mail: Mail) {
        match mail {
            Mail::Recorded { through } => self.recorded(through),
            Mail::RecorderFailed { reason } => self.recorder_failed(&reason),
            Mail::RecorderRecovered => self.recorder_recovered(),
            Mail::RecorderClosed { failure } => self.recorder_closed(failure),
            Mail::Verdict { window, verdict } => self.verdict(window, verdict),
            Mail::Ruling { request, ruling } => self.ruling(request, ruling),
            Mail::Command(command) => self.order(command),
            Mail::Trouble { name, text } => self.trouble(name, text),
        }
    }

    /// What follows from any change: flushes that are due, steps of the end that have become
    /// possible.
    fn settle(&mut self) {
        if self.secrets.wants_sample() && !self.sampling && self.child == Child::Runs {
            self.sampling = true;
            self.effects.push_back(Effect::Sample);
        }
        if self.close_input_due && self.egress.is_empty(Port::Child) {
            self.close_input_due = false;
            self.effects.push_back(Effect::CloseInput);
        }
        self.remember_undelivered();
        self.advance_end();
        if matches!(self.phase, Phase::Closed) {
            return;
        }
        if self.state() != self.told {
            self.told = self.state();
            self.publish(News::State(self.told));
        }
        if let Some(durability) = self.recording.due(self.now) {
            self.effects.push_back(Effect::Flush(durability));
        }
    }

    fn publish(&mut self, news: News) {
        self.notices += 1;
        let notice = Notice { id: self.notices, at: self.now, news };
        self.effects.push_back(Effect::Publish(notice));
    }

    fn trouble(&mut self, name: String, text: String) {
        // Nothing follows the last record.
        if !matches!(self.phase, Phase::Sealing(_) | Phase::Closed) {
            self.record(Body::Marker { name: name.clone(), text: text.clone() });
        }
        self.publish(News::Alarm { name, text });
    }

    /// Tells the user something on his own screen, unless he wants quiet and need not see it. Where
    /// the child is killed over it, the screen is put back first.
    fn tell(&mut self, message: Message<'_>) {
        let language = self.policy.language;
        let silent = self.policy.quiet && !message.must_be_seen();
        let restoring = match message.ends() && matches!(self.first_step(), Step::Kill) {
            true if self.pty => banner::restoring(self.secrets.sees_alternate()),
            _ => String::new(),
        };
        let (port, banner) = match self.pty {
            true => (Port::User(Stream::Tty), banner::terminal(message, language)),
            false => (Port::User(Stream::Stderr), banner::plain(message, language)),
        };
        let banner = if silent { String::new() } else { banner };
        if !restoring.is_empty() || !banner.is_empty() {
            self.egress.push(port, (restoring + &banner).into(), Gate::default());
        }
    }
}
