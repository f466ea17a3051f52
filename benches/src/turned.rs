//! A session core turned as an engine turns it, with a recorder and a monitor that answer at once
//! and do nothing.

use std::time::Duration;

use audit_core::{
    CommandSpec, Effect, Event, Identity, LineState, Mail, Moment, Part, Policy, Port, SessionCore,
    SessionId, SessionSpec, Stream, Verdict, Winsize,
};
use bytes::Bytes;

/// Time between two events: that of a flood, so that flushes come by size and not by time.
const STEP: Duration = Duration::from_micros(20);

/// A session with a terminal, and with a monitor, whose recorder is `recorder`.
pub fn spec(recorder: Part) -> SessionSpec {
    SessionSpec {
        id: SessionId::new(1_700_000_000_000, [1; 10]),
        parent: None,
        user: Identity::person("user", 1000),
        host: "host".to_owned(),
        opened_unix_millis: 1_700_000_000_000,
        engine: "bench".to_owned(),
        command: CommandSpec::new("sh", [""; 0]),
        pty: true,
        winsize: Winsize::new(24, 80),
        buffer_size: 64 << 10,
        policy: Policy::default(),
        recorder,
        monitor: Some(Part::new("none", serde_json::Value::Null)),
        controller: None,
    }
}

/// A session core and the time of its world.
#[derive(Debug)]
pub struct Turned {
    core: SessionCore,
    now: Moment,
    last: u64,
    line: LineState,
}

impl Turned {
    /// A session whose child runs.
    pub fn new() -> Self {
        let spec = spec(Part::new("none", serde_json::Value::Null));
        let core = SessionCore::new(&spec, [7; 32]);
        let mut turned = Self { core, now: Moment::START, last: 0, line: LineState::COOKED };
        turned.handle(Event::Started { pid: 42 });
        turned
    }

    /// The child shows `bytes`.
    pub fn show(&mut self, bytes: &Bytes) {
        self.handle(Event::Output { stream: Stream::Tty, bytes: bytes.clone() });
    }

    /// The user types `key`, and the child's terminal echoes it.
    pub fn type_key(&mut self, key: u8) {
        let bytes = Bytes::copy_from_slice(&[key]);
        self.handle(Event::UserInput { bytes: bytes.clone(), line: Some(self.line) });
        // ICRNL and ONLCR of termios(3): Enter begins a new line.
        self.show(&if key == b'\r' { Bytes::from_static(b"\r\n$ ") } else { bytes });
    }

    /// Number of the last record.
    pub fn records(&self) -> u64 {
        self.last
    }

    fn handle(&mut self, event: Event) {
        self.now += STEP;
        self.core.handle(event, self.now);
        self.settle();
    }

    fn settle(&mut self) {
        loop {
            for port in Port::ALL {
                while let Some(len) = self.core.pending(port).map(<[u8]>::len) {
                    self.core.written(port, len, self.now);
                }
            }
            let Some(effect) = self.core.poll_effect() else { return };
            let answer = match effect {
                Effect::Record(record) => {
                    self.last = record.seq;
                    continue;
                }
                Effect::Flush(_) => Event::Mail(Mail::Recorded { through: self.last }),
                Effect::Inspect(window) => Event::Mail(Mail::Verdict {
                    window: window.id,
                    verdict: Ok(Verdict::default()),
                }),
                Effect::Sample => Event::Line(self.line),
                _ => continue,
            };
            self.core.handle(answer, self.now);
        }
    }
}

impl Default for Turned {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_is_recorded_without_end() {
        let mut turned = Turned::new();
        let chunk = Bytes::from(crate::logs());
        for _ in 0..5000 {
            turned.show(&chunk);
        }
        // More than the record window by far: the answers came through.
        assert!(turned.records() > 5000, "{}", turned.records());
    }

    #[test]
    fn each_key_is_recorded() {
        let mut turned = Turned::new();
        let before = turned.records();
        crate::keys().iter().for_each(|key| turned.type_key(*key));
        assert!(turned.records() >= before + 2 * crate::keys().len() as u64);
    }
}
