//! What waits to be written outside: to the child and to the user.

use std::collections::VecDeque;

use bytes::{Buf, Bytes};

use crate::moment::Moment;
use crate::stream::Port;

/// When a chunk may leave.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Gate {
    /// Not before this record is acknowledged (strict mode); 0 is no condition.
    pub(super) seq: u64,
    /// Not before the stream is judged up to this offset …
    pub(super) judged: u64,
    /// … or this moment has come.
    pub(super) until: Moment,
}

/// How far the conditions of [`Gate`]s are met.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Passed {
    pub(super) seq: u64,
    /// By the stream's number.
    pub(super) judged: [u64; 4],
    pub(super) now: Moment,
}

impl Gate {
    fn is_open(&self, port: Port, passed: &Passed) -> bool {
        let judged = match port {
            Port::Child => u64::MAX,
            Port::User(stream) => passed.judged[usize::from(stream.number())],
        };
        self.seq <= passed.seq && (self.judged <= judged || self.until <= passed.now)
    }
}

/// The queues, one a port. They are short: reading stops while one has something in it.
#[derive(Debug, Default)]
pub(super) struct Egress {
    queues: [VecDeque<(Bytes, Gate)>; 4],
    closed: [bool; 4],
}

impl Egress {
    /// Queues bytes behind what waits already. Bytes for a closed port are dropped.
    pub(super) fn push(&mut self, port: Port, bytes: Bytes, gate: Gate) {
        if !bytes.is_empty() && !self.closed[port.index()] {
            self.queues[port.index()].push_back((bytes, gate));
        }
    }

    /// The bytes that may be written now.
    pub(super) fn pending(&self, port: Port, passed: &Passed) -> Option<&[u8]> {
        let (bytes, gate) = self.queues[port.index()].front()?;
        gate.is_open(port, passed).then_some(bytes)
    }

    /// Takes `len` written bytes off.
    pub(super) fn written(&mut self, port: Port, len: usize) {
        let queue = &mut self.queues[port.index()];
        if let Some((bytes, _)) = queue.front_mut() {
            bytes.advance(len.min(bytes.len()));
            if bytes.is_empty() {
                queue.pop_front();
            }
        }
    }

    /// Whether nothing waits for this port.
    pub(super) fn is_empty(&self, port: Port) -> bool {
        self.queues[port.index()].is_empty()
    }

    /// Whether nothing waits for the user.
    pub(super) fn user_is_served(&self) -> bool {
        self.queues[1..].iter().all(VecDeque::is_empty)
    }

    /// Drops what waits for this port and returns how many bytes it was.
    pub(super) fn clear(&mut self, port: Port) -> u64 {
        self.queues[port.index()].drain(..).map(|(bytes, _)| bytes.len() as u64).sum()
    }

    /// Nobody takes bytes at this port any more. Returns how many waited for it.
    pub(super) fn close(&mut self, port: Port) -> u64 {
        self.closed[port.index()] = true;
        self.clear(port)
    }

    /// When the next held chunk may leave by time alone.
    pub(super) fn deadline(&self, passed: &Passed) -> Option<Moment> {
        Port::ALL
            .into_iter()
            .filter_map(|port| Some((port, &self.queues[port.index()].front()?.1)))
            .filter(|(port, gate)| gate.seq <= passed.seq && !gate.is_open(*port, passed))
            .map(|(_, gate)| gate.until)
            .min()
    }
}
