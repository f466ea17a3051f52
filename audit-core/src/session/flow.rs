//! Bytes: from the user to the child and from the child to the user.

use bytes::Bytes;

use super::banner::Message;
use super::egress::Gate;
use super::{Child, End, Phase, SessionCore};
use crate::control::News;
use crate::event::{Effect, Step};
use crate::interfaces::Durability;
use crate::moment::Moment;
use crate::record::Body;
use crate::secrets::{Piece, Secrets};
use crate::stream::{Port, Stream};
use crate::terminal::{LineState, Winsize};

/// Bytes that were let through and are not recorded yet: whoever waits for a key's echo does not
/// wait for the bookkeeping too. [`SessionCore::poll_effect`], which follows the write, does it.
#[derive(Debug)]
pub(super) struct Forwarded {
    stream: Stream,
    bytes: Bytes,
    /// Of input: the line discipline beside the read.
    line: Option<LineState>,
}

impl SessionCore {
    pub(super) fn output(&mut self, stream: Stream, bytes: Bytes) {
        if matches!(self.phase, Phase::Sealing(_)) || bytes.is_empty() {
            return;
        }
        let first = !self.recording.is_strict() && !self.holds_output();
        self.forwarded = Some(Forwarded { stream, bytes: bytes.clone(), line: None });
        if !first {
            self.keep_forwarded();
        }
        let gate = self.output_gate(stream);
        self.egress.push(Port::User(stream), bytes, gate);
    }

    fn holds_output(&self) -> bool {
        self.watch.is_some() && !self.policy.blocking.hold_output.is_zero()
    }

    /// When output may be shown: at once, unless strict recording or holding say otherwise.
    fn output_gate(&self, stream: Stream) -> Gate {
        let hold = self.policy.blocking.hold_output;
        let (judged, until) = match &self.watch {
            Some(watch) if !hold.is_zero() => (watch.seen(stream), self.now + hold),
            _ => (0, Moment::START),
        };
        Gate { seq: self.strict_seq(), judged, until }
    }

    fn strict_seq(&self) -> u64 {
        if self.recording.is_strict() { self.recording.last() } else { 0 }
    }

    pub(super) fn input(&mut self, bytes: Bytes, line: Option<LineState>) {
        if bytes.is_empty() {
            return;
        }
        match &mut self.phase {
            Phase::Running => {}
            Phase::Blocked(block) => {
                let first = !std::mem::replace(&mut block.refused, true);
                self.record(Body::Refused { bytes: bytes.len() as u64 });
                if first {
                    self.tell(Message::InputRefused);
                }
                return;
            }
            _ => return,
        }
        self.forwarded = Some(Forwarded { stream: Stream::Input, bytes: bytes.clone(), line });
        if self.recording.is_strict() {
            self.keep_forwarded();
        }
        let gate = Gate { seq: self.strict_seq(), ..Gate::default() };
        self.egress.push(Port::Child, bytes, gate);
    }

    /// Records and judges what was let through.
    pub(super) fn keep_forwarded(&mut self) {
        let Some(Forwarded { stream, bytes, line }) = self.forwarded.take() else { return };
        match stream {
            // Also where input is not recorded: what the child shows of a secret is masked all the
            // same.
            Stream::Input => self.with_secrets(|s, now, out| {
                s.input(&bytes, line, now, &mut |piece| out.push(piece))
            }),
            Stream::Tty => {
                self.with_secrets(|s, now, out| s.output(&bytes, now, &mut |piece| out.push(piece)))
            }
            _ => self.keep(Piece::Clear { stream, bytes }),
        }
    }

    /// Lets the secrets decide and keeps what they say.
    pub(super) fn with_secrets(&mut self, ask: impl FnOnce(&mut Secrets, Moment, &mut Vec<Piece>)) {
        let mut pieces = std::mem::take(&mut self.pieces);
        ask(&mut self.secrets, self.now, &mut pieces);
        for piece in pieces.drain(..) {
            self.keep(piece);
        }
        self.pieces = pieces;
    }

    /// Records a piece, unless it is input that is not to be; the monitor sees it once it is clear.
    fn keep(&mut self, piece: Piece) {
        let records_input = self.recording.records_input();
        let kept = |stream: Stream| stream != Stream::Input || records_input;
        match piece {
            Piece::Clear { stream, bytes } => {
                let place = self.recording.place(stream).filter(|_| kept(stream));
                self.inspect(stream, &bytes, place);
                if kept(stream) {
                    self.record(Body::Data { stream, bytes });
                }
            }
            Piece::Sealed { stream, seal, cipher } if kept(stream) => {
                if let Some(place) = self.recording.place(stream).filter(|_| stream.is_output()) {
                    self.sealed.insert(seal, place);
                }
                self.record(Body::Sealed { stream, seal, cipher });
            }
            Piece::Redaction { stream, seals, length, exact, rule } if kept(stream) => {
                for seal in &seals {
                    self.sealed.remove(seal);
                }
                self.record(Body::Redaction { stream, seals, length, exact, rule });
            }
            Piece::Sealed { .. } | Piece::Redaction { .. } => {}
            Piece::Reveal { opened } => {
                let keys: Vec<_> = opened
                    .iter()
                    .filter(|open| kept(open.stream))
                    .map(|open| (open.seal, open.key.clone()))
                    .collect();
                if !keys.is_empty() {
                    self.record(Body::Reveal { keys });
                }
                for open in opened {
                    let place = self.sealed.remove(&open.seal);
                    self.inspect(open.stream, &open.bytes, place);
                }
            }
        }
    }

    /// Shows the monitor bytes that lie at `place` in the journal.
    fn inspect(&mut self, stream: Stream, bytes: &Bytes, place: Option<u64>) {
        let Some(watch) = &mut self.watch else { return };
        let effects = &mut self.effects;
        let mut out = |window| effects.push_back(Effect::Inspect(window));
        watch.see(stream, bytes, place, self.now, &mut out);
    }

    pub(super) fn user_closed(&mut self) {
        self.user_open = false;
        self.close_input_due = true;
    }

    /// The user's end of a port is gone. A stream nobody reads is closed towards the child too, so
    /// that it learns of it by `SIGPIPE`, as without us; a screen that is gone is a hang-up.
    pub(super) fn port_closed(&mut self, port: Port) {
        self.egress.close(port);
        match port {
            Port::User(Stream::Tty) => self.user_hung_up(),
            Port::User(stream) => {
                if std::mem::take(&mut self.open_outputs[usize::from(stream.number())]) {
                    self.effects.push_back(Effect::CloseOutput(stream));
                }
            }
            Port::Child => {}
        }
    }

    pub(super) fn user_hung_up(&mut self) {
        self.user_open = false;
        for stream in Stream::ALL {
            if self.pty {
                self.egress.close(Port::User(stream));
            }
        }
        self.hung_up = true;
        self.terminate(End::HangUp);
    }

    pub(super) fn resized(&mut self, winsize: Winsize) {
        if self.pty && self.winsize != Some(winsize) {
            self.winsize = Some(winsize);
            self.record(Body::Resize(winsize));
            self.effects.push_back(Effect::Resize(winsize));
            self.publish(News::Resized(winsize));
        }
    }

    /// A signal reached us. What a user or a system sends is for the child; what the child sends is
    /// an attempt on its recorder.
    pub(super) fn signal(&mut self, number: i32, sender: i32, own_child: bool) {
        let stops = signals::STOPS.contains(&number);
        let forwarded = !own_child && !stops && self.child == Child::Runs;
        self.record(Body::Signal { number, sender, forwarded });
        if own_child {
            return;
        }
        if stops {
            self.suspend(number);
            return;
        }
        if number == signals::HANG_UP {
            self.hung_up = true;
        }
        if self.child != Child::Runs && signals::ENDS.contains(&number) {
            self.stop_waiting();
        }
        if forwarded && !matches!(self.phase, Phase::Blocked(_)) {
            self.effects.push_back(Effect::Forward(number));
        } else if forwarded && [signals::HANG_UP, signals::TERMINATE].contains(&number) {
            // A frozen child cannot follow; whoever ends a blocked session ends it whole.
            self.terminate(End::Terminated);
        }
    }

    /// The child was stopped by job control inside its terminal: stop with it, as a shell expects
    /// of a job. A child that stops for terminal access goes on at once: in its own terminal it is
    /// in the foreground.
    pub(super) fn child_stopped(&mut self, signal: i32) {
        if !matches!(self.phase, Phase::Running) {
            return;
        }
        if signals::TERMINAL_ACCESS.contains(&signal) {
            self.effects.push_back(Effect::ContinueChild);
        } else {
            self.suspend(signal);
        }
    }

    fn suspend(&mut self, signal: i32) {
        if !std::mem::replace(&mut self.suspended, true) {
            self.record(Body::Suspended);
            self.flush(Durability::Process);
            self.effects.push_back(Effect::Stop(signal));
        }
    }

    pub(super) fn resumed(&mut self) {
        if std::mem::replace(&mut self.suspended, false) {
            self.record(Body::Continued);
            if !matches!(self.phase, Phase::Blocked(_)) {
                self.effects.push_back(Effect::ContinueChild);
            }
        }
    }

    pub(super) fn started(&mut self, pid: i32) {
        self.child = Child::Runs;
        if self.pty {
            self.open_outputs[usize::from(Stream::Tty.number())] = true;
        }
        self.publish(News::Opened { pid });
    }

    pub(super) fn spawn_failed(&mut self, errno: i32, message: String) {
        self.child = Child::NeverRan;
        self.open_outputs = [false; 4];
        self.record(Body::Marker { name: "spawn.failed".into(), text: message.clone() });
        self.end.get_or_insert(End::SpawnFailed { errno, message });
        self.drain();
    }

    /// The step that a hang-up or an order begins with.
    pub(super) fn first_step(&self) -> Step {
        if matches!(self.phase, Phase::Blocked(_)) { Step::Kill } else { Step::HangUp }
    }
}

/// Numbers of signals on Linux (`signal(7)`), which audit-core names without a system library.
mod signals {
    pub(super) const HANG_UP: i32 = 1;
    pub(super) const TERMINATE: i32 = 15;
    /// SIGHUP, SIGINT, SIGQUIT, SIGTERM.
    pub(super) const ENDS: [i32; 4] = [HANG_UP, 2, 3, TERMINATE];
    /// SIGTSTP, SIGTTIN, SIGTTOU.
    pub(super) const STOPS: [i32; 3] = [20, 21, 22];
    /// SIGTTIN, SIGTTOU.
    pub(super) const TERMINAL_ACCESS: [i32; 2] = [21, 22];
}
