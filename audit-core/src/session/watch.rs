//! Windows: what the monitor gets to see, in which portions, and what happens when it is slow.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::{Bytes, BytesMut};

use crate::moment::Moment;
use crate::monitor::Window;
use crate::stream::Stream;

/// A window is handed over when this many bytes wait …
const WINDOW_BYTES: usize = 64 << 10;
/// … or this long after its first byte, so that a threat is judged within the 50 ms we promise.
const WINDOW_DELAY: Duration = Duration::from_millis(10);
/// So many bytes may be out for judgement; beyond it, the child waits.
const OUTSTANDING: usize = 1 << 20;

/// The account of windows.
#[derive(Debug)]
pub(super) struct Watch {
    patience: Duration,
    gathered: [Gathered; 4],
    next: u64,
    judged: [u64; 4],
    out: VecDeque<Out>,
    out_bytes: usize,
    stalled: bool,
    skipped: u64,
}

/// A window that is out for judgement.
#[derive(Debug)]
struct Out {
    id: u64,
    stream: Stream,
    /// Offset behind its last byte.
    end: u64,
    bytes: usize,
    since: Moment,
}

#[derive(Debug, Default)]
struct Gathered {
    bytes: BytesMut,
    since: Option<Moment>,
    offset: u64,
}

impl Watch {
    pub(super) fn new(patience: Duration) -> Self {
        Self {
            patience,
            gathered: Default::default(),
            next: 1,
            judged: [0; 4],
            out: VecDeque::new(),
            out_bytes: 0,
            stalled: false,
            skipped: 0,
        }
    }

    /// Takes bytes that were recorded in clear. Returns the window that is full now, if one is.
    pub(super) fn see(&mut self, stream: Stream, bytes: &Bytes, now: Moment) -> Option<Window> {
        let gathered = &mut self.gathered[usize::from(stream.number())];
        if self.stalled {
            self.skipped += bytes.len() as u64;
            gathered.offset += bytes.len() as u64;
            return None;
        }
        gathered.since.get_or_insert(now);
        gathered.bytes.extend_from_slice(bytes);
        let submitted = stream == Stream::Input && bytes.iter().any(|b| matches!(b, b'\r' | b'\n'));
        if gathered.bytes.len() >= WINDOW_BYTES || submitted {
            return self.cut(stream, now);
        }
        None
    }

    /// Cuts the windows whose time has come, or all of them.
    pub(super) fn due(&mut self, now: Moment, all: bool) -> Option<Window> {
        let stream = Stream::ALL.into_iter().find(|stream| {
            self.gathered[usize::from(stream.number())]
                .since
                .is_some_and(|since| all || now >= since + WINDOW_DELAY)
        })?;
        self.cut(stream, now)
    }

    fn cut(&mut self, stream: Stream, now: Moment) -> Option<Window> {
        let gathered = &mut self.gathered[usize::from(stream.number())];
        gathered.since = None;
        let bytes = std::mem::take(&mut gathered.bytes).freeze();
        let window = Window { id: self.next, at: now, stream, offset: gathered.offset, bytes };
        gathered.offset += window.bytes.len() as u64;
        self.next += 1;
        self.out_bytes += window.bytes.len();
        self.out.push_back(Out {
            id: window.id,
            stream,
            end: gathered.offset,
            bytes: window.bytes.len(),
            since: now,
        });
        Some(window)
    }

    /// A window was judged. Returns whether a stalled monitor is back, with the number of bytes
    /// nobody judged meanwhile.
    pub(super) fn judged(&mut self, id: u64) -> Option<u64> {
        while let Some(out) = self.out.pop_front_if(|out| out.id <= id) {
            self.out_bytes -= out.bytes;
            self.judged[usize::from(out.stream.number())] = out.end;
        }
        if self.stalled && self.out.is_empty() {
            self.stalled = false;
            return Some(std::mem::take(&mut self.skipped));
        }
        None
    }

    /// Whether the oldest window has waited longer than the monitor may take. Says so once; from
    /// then on the session goes on unjudged until the monitor answers again.
    pub(super) fn stalls(&mut self, now: Moment) -> bool {
        let late = self.out.front().is_some_and(|out| now >= out.since + self.patience);
        if !late || self.stalled {
            return false;
        }
        self.stalled = true;
        for gathered in &mut self.gathered {
            self.skipped += gathered.bytes.len() as u64;
            gathered.offset += gathered.bytes.len() as u64;
            gathered.bytes.clear();
            gathered.since = None;
        }
        true
    }

    /// Offset behind the last byte seen of this stream.
    pub(super) fn seen(&self, stream: Stream) -> u64 {
        let gathered = &self.gathered[usize::from(stream.number())];
        gathered.offset + gathered.bytes.len() as u64
    }

    /// How far each stream is judged, by its number.
    pub(super) fn judged_through(&self) -> [u64; 4] {
        if self.stalled { [u64::MAX; 4] } else { self.judged }
    }

    /// Whether more may be read.
    pub(super) fn is_left(&self) -> bool {
        self.stalled || self.out_bytes < OUTSTANDING
    }

    /// Whether every window handed out is judged.
    pub(super) fn is_quiet(&self) -> bool {
        self.stalled || (self.out.is_empty() && self.gathered.iter().all(|g| g.since.is_none()))
    }

    /// When something is due.
    pub(super) fn deadline(&self) -> Option<Moment> {
        if self.stalled {
            return None;
        }
        let window = self.gathered.iter().filter_map(|g| g.since).min().map(|s| s + WINDOW_DELAY);
        let answer = self.out.front().map(|out| out.since + self.patience);
        [window, answer].into_iter().flatten().min()
    }
}
