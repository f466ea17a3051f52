//! A simulated outside for one session core.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use audit_core::{
    Action, Body, Command, CommandSpec, Durability, Effect, Event, Exit, Identity, LineState, Mail,
    Moment, Part, Policy, Port, Record, Score, SealId, SealKey, SessionCore, SessionId,
    SessionSpec, State, Stream, Verdict, Winsize,
};
use bytes::Bytes;

/// A session with this policy, a PTY and a monitor.
pub(crate) fn spec(policy: Policy) -> SessionSpec {
    SessionSpec {
        id: SessionId::new(0, [0; 10]),
        parent: None,
        user: Identity::person("user", 1000),
        host: "host".into(),
        opened_unix_millis: 0,
        engine: "test".into(),
        command: CommandSpec::new("sh", [""; 0]),
        pty: true,
        winsize: Winsize::new(24, 80),
        buffer_size: 4096,
        policy,
        recorder: Part::new("none", serde_json::Value::Null),
        monitor: Some(Part::new("none", serde_json::Value::Null)),
        controller: None,
    }
}

/// Engine, child, user, recorder and monitor of one session.
pub(crate) struct World {
    pub(crate) core: SessionCore,
    /// The recorder does not answer any more.
    pub(crate) deaf: bool,
    now: Moment,
    effects: Vec<Effect>,
    staged: Vec<Record>,
    flights: VecDeque<Vec<Record>>,
    journal: Vec<Record>,
    windows: VecDeque<u64>,
    inspected: BTreeMap<Stream, Vec<u8>>,
    shown: BTreeMap<Stream, Vec<u8>>,
    given: Vec<u8>,
}

impl World {
    pub(crate) fn new(spec: &SessionSpec) -> Self {
        let mut world = Self {
            core: SessionCore::new(spec, [7; 32]),
            deaf: false,
            now: Moment::START,
            effects: Vec::new(),
            staged: Vec::new(),
            flights: VecDeque::new(),
            journal: Vec::new(),
            windows: VecDeque::new(),
            inspected: BTreeMap::new(),
            shown: BTreeMap::new(),
            given: Vec::new(),
        };
        world.handle(Event::Started { pid: 42 });
        world
    }

    /// Every effect so far.
    pub(crate) fn effects(&self) -> &[Effect] {
        &self.effects
    }

    /// What the recorder has made durable.
    pub(crate) fn journal(&self) -> &[Record] {
        &self.journal
    }

    pub(crate) fn handle(&mut self, event: Event) {
        self.core.handle(event, self.now);
        self.drain();
    }

    /// Output comes only if the core wants it, as from an engine.
    pub(crate) fn child_writes(&mut self, stream: Stream, bytes: Bytes) {
        if self.core.interest().wants(stream) {
            self.handle(Event::Output { stream, bytes });
        }
    }

    pub(crate) fn user_types(&mut self, bytes: Bytes, line: LineState) {
        if self.core.interest().user {
            self.handle(Event::UserInput { bytes, line: Some(line) });
        }
    }

    pub(crate) fn child_exits(&mut self, exit: Exit) {
        self.handle(Event::ChildExited(exit));
    }

    pub(crate) fn write(&mut self, port: Port, len: usize) {
        let Some(bytes) = self.core.pending(port) else { return };
        let bytes = &bytes[..len.min(bytes.len())];
        match port {
            Port::User(stream) => self.shown.entry(stream).or_default().extend_from_slice(bytes),
            Port::Child => self.given.extend_from_slice(bytes),
        }
        let len = bytes.len();
        self.core.written(port, len, self.now);
        self.drain();
    }

    /// Writes everything that waits.
    pub(crate) fn write_all(&mut self) {
        for port in Port::ALL {
            while self.core.pending(port).is_some() {
                self.write(port, usize::MAX);
            }
        }
    }

    /// The recorder answers so many flushes.
    pub(crate) fn acknowledge(&mut self, flushes: usize) {
        for _ in 0..flushes {
            if self.deaf {
                return;
            }
            let Some(batch) = self.flights.pop_front() else { return };
            self.journal.extend(batch);
            let through = self.journal.last().map_or(0, |record| record.seq);
            self.handle(Event::Mail(Mail::Recorded { through }));
        }
    }

    /// The recorder loses everything it has not answered.
    pub(crate) fn recorder_fails(&mut self) {
        self.flights.clear();
        self.staged.clear();
        self.handle(Event::Mail(Mail::RecorderFailed { reason: "no space".into() }));
    }

    /// Lets time pass, calling the core whenever it asked to be.
    pub(crate) fn pass(&mut self, millis: u64) {
        let end = self.now + Duration::from_millis(millis);
        while let Some(at) = self.core.poll_timeout().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.core.handle_timeout(self.now);
            self.drain();
        }
        self.now = end;
    }

    /// The monitor answers everything it was asked.
    pub(crate) fn answer_windows(&mut self, score: Score) {
        while let Some(window) = self.windows.pop_front() {
            let verdict = Ok(Verdict { score, ..Verdict::default() });
            self.handle(Event::Mail(Mail::Verdict { window, verdict }));
        }
    }

    /// The monitor answers the oldest question.
    pub(crate) fn answer(&mut self, verdict: Result<Verdict, String>) {
        let window = self.windows.pop_front().expect("a window is out");
        self.handle(Event::Mail(Mail::Verdict { window, verdict }));
    }

    /// The monitor finds nothing in all but the newest window.
    pub(crate) fn answer_windows_but_last(&mut self) {
        while self.windows.len() > 1 {
            self.answer(Ok(Verdict::default()));
        }
    }

    /// The present time.
    pub(crate) fn now(&self) -> Moment {
        self.now
    }

    /// How many windows the monitor has not answered.
    pub(crate) fn asked(&self) -> usize {
        self.windows.len()
    }

    /// An operator gives an order.
    pub(crate) fn order(&mut self, action: Action) {
        let by = Identity::person("operator", 1);
        self.handle(Event::Mail(Mail::Command(Command { id: 1, by, action })));
    }

    /// Markers of this name, in the order they were recorded.
    pub(crate) fn markers(&self, wanted: &str) -> Vec<String> {
        let marker = |effect: &Effect| match effect {
            Effect::Record(Record { body: Body::Marker { name, text }, .. }) if name == wanted => {
                Some(text.clone())
            }
            _ => None,
        };
        self.effects.iter().filter_map(marker).collect()
    }

    /// Plays the session to its end: everything is read, shown and acknowledged.
    pub(crate) fn finish(&mut self) {
        for _ in 0..10_000 {
            if self.core.state() == State::Closed {
                return;
            }
            self.write_all();
            self.answer_windows(Score::ZERO);
            self.acknowledge(usize::MAX);
            if let Some(at) = self.core.poll_timeout() {
                self.now = self.now.max(at);
                self.core.handle_timeout(self.now);
                self.drain();
            }
        }
        panic!("the session does not end: {:?}", self.core);
    }

    /// What unacknowledged records cost.
    pub(crate) fn owed(&self) -> usize {
        self.staged
            .iter()
            .chain(self.flights.iter().flatten())
            .map(|record| record.body.data_len() + 64)
            .sum()
    }

    /// What the child was given.
    pub(crate) fn given(&self) -> &[u8] {
        &self.given
    }

    pub(crate) fn shown(&self, stream: Stream) -> &[u8] {
        self.shown.get(&stream).map_or(&[], Vec::as_slice)
    }

    pub(crate) fn inspected(&self, stream: Stream) -> Vec<u8> {
        self.inspected.get(&stream).cloned().unwrap_or_default()
    }

    /// What was shown, without our own banners.
    pub(crate) fn shown_without_banners(&self, stream: Stream) -> Vec<u8> {
        let mut rest = self.shown(stream);
        let mut clean = Vec::new();
        while let Some(start) = rest.iter().position(|b| *b == 0x18) {
            clean.extend_from_slice(&rest[..start]);
            let end = b" \x1b[0m\r\n";
            let len = rest[start..].windows(end.len()).position(|w| w == end).expect("whole");
            rest = &rest[start + len + end.len()..];
        }
        clean.extend_from_slice(rest);
        clean
    }

    /// What the journal holds of a stream once seals are opened.
    pub(crate) fn recorded(&self, stream: Stream) -> Vec<u8> {
        let keys: BTreeMap<SealId, SealKey> = self
            .journal
            .iter()
            .filter_map(|record| match &record.body {
                Body::Reveal { keys } => Some(keys.clone()),
                _ => None,
            })
            .flatten()
            .collect();
        let mut out = Vec::new();
        for record in &self.journal {
            match &record.body {
                Body::Data { stream: s, bytes } if *s == stream => out.extend_from_slice(bytes),
                Body::Sealed { stream: s, seal, cipher } if *s == stream => {
                    let mut bytes = cipher.to_vec();
                    match keys.get(seal) {
                        Some(key) => key.apply(&mut bytes),
                        None => bytes.fill(b'*'),
                    }
                    out.extend_from_slice(&bytes);
                }
                _ => {}
            }
        }
        out
    }

    fn drain(&mut self) {
        while let Some(effect) = self.core.poll_effect() {
            self.effects.push(effect.clone());
            match effect {
                Effect::Record(record) => self.staged.push(record),
                Effect::Flush(Durability::Process | Durability::Machine) => {
                    self.flights.push_back(std::mem::take(&mut self.staged));
                }
                Effect::Inspect(window) => {
                    self.inspected.entry(window.stream).or_default().extend(&window.bytes);
                    self.windows.push_back(window.id);
                }
                Effect::Close if !self.deaf => {
                    self.acknowledge(usize::MAX);
                    self.core.handle(Event::Mail(Mail::RecorderClosed { failure: None }), self.now);
                }
                _ => {}
            }
        }
    }
}
