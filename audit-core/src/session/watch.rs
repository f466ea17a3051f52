//! Windows: what the monitor gets to see, in which portions, and what happens when it is slow.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::{Bytes, BytesMut};

use super::places::Places;
use crate::moment::Moment;
use crate::monitor::{Span, Window};
use crate::stream::Stream;

/// A window is handed over when this many bytes wait …
const WINDOW_BYTES: usize = 64 << 10;
/// … or this long after its first byte, so that a threat is judged within the 50 ms we promise.
const WINDOW_DELAY: Duration = Duration::from_millis(10);
/// So many bytes may be out for judgement; beyond it, the child waits.
const OUTSTANDING: usize = 1 << 20;
/// While the monitor stalls, so many bytes of output and of input are kept for it.
const KEPT_OUTPUT: usize = 1 << 20;
const KEPT_INPUT: usize = 256 << 10;

/// The account of windows.
#[derive(Debug)]
pub(super) struct Watch {
    patience: Duration,
    /// Output waits for its verdict: it is handed over as it comes.
    holds: bool,
    gathered: [Gathered; 4],
    places: [Places; 4],
    next: u64,
    judged: [u64; 4],
    out: VecDeque<Out>,
    out_bytes: usize,
    stall: Option<Stall>,
    /// Bytes of windows that came back unjudged since the last one that was judged.
    failed: Option<u64>,
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

/// The monitor does not answer: what it is to see when it does.
#[derive(Debug, Default)]
struct Stall {
    kept: VecDeque<Window>,
    output: usize,
    input: usize,
    skipped: u64,
}

/// What an answer of the monitor tells beside the verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Answered {
    /// Bytes that this answer is the first about.
    pub(super) bytes: u64,
    /// The monitor is back after a stall; so many bytes were not kept for it.
    pub(super) back: Option<u64>,
}

impl Watch {
    pub(super) fn new(patience: Duration, holds: bool) -> Self {
        Self {
            patience,
            holds,
            gathered: Default::default(),
            places: Default::default(),
            next: 1,
            judged: [0; 4],
            out: VecDeque::new(),
            out_bytes: 0,
            stall: None,
            failed: None,
        }
    }

    /// Takes bytes that were recorded in clear, at `place` in the journal. Gives out the windows
    /// that are full now.
    ///
    /// What is shown and what is typed come to the monitor in the order in which they came here,
    /// and what ends a line comes at once.
    pub(super) fn see(
        &mut self,
        stream: Stream,
        bytes: &Bytes,
        place: Option<u64>,
        now: Moment,
        out: &mut impl FnMut(Window),
    ) {
        let other = match stream {
            Stream::Input => Stream::Tty,
            _ => Stream::Input,
        };
        if self.gathered(other).since.is_some() {
            self.cut(other, now, out);
        }
        let index = usize::from(stream.number());
        self.places[index].note(self.seen(stream), place);
        let gathered = &mut self.gathered[index];
        gathered.since.get_or_insert(now);
        gathered.bytes.extend_from_slice(bytes);
        let waits = match stream {
            Stream::Input => bytes.iter().any(|b| submits(*b)),
            _ => self.holds,
        };
        if gathered.bytes.len() >= WINDOW_BYTES || waits {
            self.cut(stream, now, out);
        }
    }

    /// Cuts the windows whose time has come, or all of them.
    pub(super) fn due(&mut self, now: Moment, all: bool, out: &mut impl FnMut(Window)) {
        for stream in Stream::ALL {
            let since = self.gathered(stream).since;
            if since.is_some_and(|since| all || now >= since + WINDOW_DELAY) {
                self.cut(stream, now, out);
            }
        }
    }

    fn gathered(&self, stream: Stream) -> &Gathered {
        &self.gathered[usize::from(stream.number())]
    }

    fn cut(&mut self, stream: Stream, now: Moment, out: &mut impl FnMut(Window)) {
        let gathered = &mut self.gathered[usize::from(stream.number())];
        gathered.since = None;
        let bytes = std::mem::take(&mut gathered.bytes).freeze();
        let window = Window { id: self.next, at: now, stream, offset: gathered.offset, bytes };
        gathered.offset += window.bytes.len() as u64;
        self.next += 1;
        match &mut self.stall {
            Some(stall) => stall.keep(window),
            None => self.hand_out(window, now, out),
        }
    }

    fn hand_out(&mut self, window: Window, now: Moment, out: &mut impl FnMut(Window)) {
        let bytes = window.bytes.len();
        self.out_bytes += bytes;
        self.out.push_back(Out {
            id: window.id,
            stream: window.stream,
            end: window.offset + bytes as u64,
            bytes,
            since: now,
        });
        out(window);
    }

    /// A window was judged, or came back unjudged. Gives out what was kept for a monitor that is
    /// back after a stall.
    pub(super) fn answered(
        &mut self,
        id: u64,
        now: Moment,
        out: &mut impl FnMut(Window),
    ) -> Answered {
        let mut answered = Answered { bytes: 0, back: None };
        while let Some(first) = self.out.pop_front_if(|out| out.id <= id) {
            self.out_bytes -= first.bytes;
            self.judged[usize::from(first.stream.number())] = first.end;
            answered.bytes += first.bytes as u64;
        }
        if self.out.is_empty()
            && let Some(stall) = self.stall.take()
        {
            answered.back = Some(stall.skipped);
            for window in stall.kept {
                self.hand_out(window, now, out);
            }
            self.due(now, true, out);
        }
        answered
    }

    /// Whether the oldest window has waited longer than the monitor may take. Says so once; from
    /// then on what it is to judge is kept, up to a limit, until it answers again.
    pub(super) fn stalls(&mut self, now: Moment) -> bool {
        let late = self.out.front().is_some_and(|out| now >= out.since + self.patience);
        if !late || self.stall.is_some() {
            return false;
        }
        self.stall = Some(Stall::default());
        true
    }

    /// So many bytes came back unjudged. Returns whether they are the first.
    pub(super) fn failed(&mut self, bytes: u64) -> bool {
        let first = self.failed.is_none();
        *self.failed.get_or_insert(0) += bytes;
        first
    }

    /// A window was judged: how many bytes before it were not, if that is news.
    pub(super) fn works(&mut self) -> Option<u64> {
        self.failed.take()
    }

    /// The session ends. Returns how many bytes nobody will judge, if there are any.
    pub(super) fn give_up(&mut self) -> Option<u64> {
        let stall = self.stall.take()?;
        let kept = stall.kept.iter().map(|window| window.bytes.len() as u64).sum::<u64>();
        let gathered = self.gathered.iter().map(|g| g.bytes.len() as u64).sum::<u64>();
        self.gathered = Default::default();
        let out = std::mem::take(&mut self.out_bytes) as u64;
        self.out.clear();
        Some(stall.skipped + kept + gathered + out)
    }

    /// What was to lie at these places of the streams, or behind them, is lost to the journal.
    pub(super) fn forget(&mut self, places: [u64; 4]) {
        for (known, place) in self.places.iter_mut().zip(places) {
            known.forget(place);
        }
    }

    /// Where in the journal the bytes of these spans lie.
    pub(super) fn place(&self, spans: &[Span]) -> Vec<Span> {
        let find = |span: &Span| self.places[usize::from(span.stream.number())].find(*span);
        spans.iter().flat_map(find).collect()
    }

    /// Offset behind the last byte seen of this stream.
    pub(super) fn seen(&self, stream: Stream) -> u64 {
        let gathered = self.gathered(stream);
        gathered.offset + gathered.bytes.len() as u64
    }

    /// How far each stream is judged, by its number.
    pub(super) fn judged_through(&self) -> [u64; 4] {
        if self.stall.is_some() { [u64::MAX; 4] } else { self.judged }
    }

    /// Whether more may be read.
    pub(super) fn is_left(&self) -> bool {
        self.stall.is_some() || self.out_bytes < OUTSTANDING
    }

    /// Whether every window handed out is judged.
    pub(super) fn is_quiet(&self) -> bool {
        self.stall.is_some()
            || (self.out.is_empty() && self.gathered.iter().all(|g| g.since.is_none()))
    }

    /// When something is due.
    pub(super) fn deadline(&self) -> Option<Moment> {
        if self.stall.is_some() {
            return None;
        }
        let window = self.gathered.iter().filter_map(|g| g.since).min().map(|s| s + WINDOW_DELAY);
        let answer = self.out.front().map(|out| out.since + self.patience);
        [window, answer].into_iter().flatten().min()
    }
}

impl Stall {
    /// Keeps a window, or passes over it when there is no room. Output never takes the room of
    /// what is typed.
    fn keep(&mut self, window: Window) {
        let bytes = window.bytes.len();
        let (used, room) = match window.stream {
            Stream::Input => (&mut self.input, KEPT_INPUT),
            _ => (&mut self.output, KEPT_OUTPUT),
        };
        if *used + bytes > room {
            self.skipped += bytes as u64;
        } else {
            *used += bytes;
            self.kept.push_back(window);
        }
    }
}

/// Whether a typed byte hands the line to whoever reads it: Return, Enter, and the key by which
/// line editors run a line and fetch the next.
const fn submits(byte: u8) -> bool {
    matches!(byte, b'\r' | b'\n' | 0x0f)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn windows(holds: bool, stream: Stream, text: &str) -> usize {
        let mut watch = Watch::new(Duration::from_secs(1), holds);
        let mut count = 0;
        let bytes = Bytes::copy_from_slice(text.as_bytes());
        watch.see(stream, &bytes, None, Moment::START, &mut |_| count += 1);
        count
    }

    #[test]
    fn only_who_waits_for_a_verdict_is_judged_at_once() {
        assert_eq!(windows(false, Stream::Tty, "one line\n"), 0);
        assert_eq!(windows(true, Stream::Tty, "one line\n"), 1);
        assert_eq!(windows(true, Stream::Input, "ls"), 0);
        assert_eq!(windows(false, Stream::Input, "ls\r"), 1);
    }
}
