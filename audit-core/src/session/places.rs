//! Where bytes that a monitor saw lie in the journal.
//!
//! A monitor counts the bytes it is shown: masked ones are not among them, and revealed ones come
//! late. The journal counts what it holds. What a monitor says of a place is translated before it
//! is recorded, so that a reader finds it.

use std::collections::VecDeque;

use crate::monitor::Span;
use crate::stream::Stream;

/// So many changes of the distance between the two counts are remembered for each stream.
const REMEMBERED: usize = 1024;

/// Where the streams stand in the journal: bytes handed to the recorder and not lost again.
#[derive(Debug, Default)]
pub(super) struct Positions {
    at: [u64; 4],
    /// Handed over and not acknowledged: record, stream, bytes.
    owed: VecDeque<(u64, Stream, u64)>,
}

impl Positions {
    /// Bytes of this stream that the journal holds or is about to hold.
    pub(super) fn at(&self, stream: Stream) -> u64 {
        self.at[usize::from(stream.number())]
    }

    /// Record `seq` with so many bytes of the stream is handed over.
    pub(super) fn hand_over(&mut self, seq: u64, stream: Stream, bytes: u64) {
        self.at[usize::from(stream.number())] += bytes;
        self.owed.push_back((seq, stream, bytes));
    }

    /// Every record up to this one is in the journal.
    pub(super) fn acknowledge(&mut self, through: u64) {
        while self.owed.pop_front_if(|(seq, ..)| *seq <= through).is_some() {}
    }

    /// Whatever is not acknowledged is lost.
    pub(super) fn write_off(&mut self) {
        for (_, stream, bytes) in self.owed.drain(..) {
            self.at[usize::from(stream.number())] -= bytes;
        }
    }
}

/// The way from what a monitor counts of one stream to what the journal counts.
#[derive(Debug, Default)]
pub(super) struct Places {
    /// From this offset on in what was inspected, bytes lie at that place in the journal and
    /// behind it, or nowhere.
    runs: VecDeque<(u64, Option<u64>)>,
}

impl Places {
    /// The byte inspected at `offset`, and those behind it, lie at `place`.
    pub(super) fn note(&mut self, offset: u64, place: Option<u64>) {
        let goes_on = self.runs.back().is_some_and(|(from, at)| match (at, place) {
            (Some(at), Some(place)) => at + (offset - from) == place,
            (None, None) => true,
            _ => false,
        });
        if !goes_on {
            self.runs.push_back((offset, place));
            if self.runs.len() > REMEMBERED {
                self.runs.pop_front();
            }
        }
    }

    /// What was to lie at `place` or behind it is lost.
    pub(super) fn forget(&mut self, place: u64) {
        for index in (0..self.runs.len()).rev() {
            let Some((from, Some(at))) = self.runs.get(index).copied() else { continue };
            if at >= place {
                self.runs[index].1 = None;
            } else {
                let next = self.runs.get(index + 1).map(|(next, _)| *next);
                let lost = from + (place - at);
                if next.is_none_or(|next| lost < next) {
                    self.runs.insert(index + 1, (lost, None));
                }
            }
        }
    }

    /// The places of the bytes inspected in `span`. What lies nowhere is left out.
    pub(super) fn find(&self, span: Span) -> impl Iterator<Item = Span> {
        let ends = self.runs.iter().skip(1).map(|(from, _)| *from).chain([u64::MAX]);
        self.runs.iter().zip(ends).filter_map(move |((from, at), until)| {
            let (start, end) = (span.start.max(*from), span.end.min(until));
            let place = |offset: u64| at.map(|at| at + (offset - from));
            (start < end)
                .then(|| Some(Span { stream: span.stream, start: place(start)?, end: place(end)? }))
                .flatten()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(places: &Places, start: u64, end: u64) -> Vec<(u64, u64)> {
        let span = Span { stream: Stream::Tty, start, end };
        places.find(span).map(|s| (s.start, s.end)).collect()
    }

    #[test]
    fn a_place_behind_masked_bytes_is_moved_by_them() {
        let mut places = Places::default();
        places.note(0, Some(0));
        places.note(10, Some(10));
        places.note(20, Some(25));
        assert_eq!(places.runs.len(), 2, "what goes on is no change");
        assert_eq!(find(&places, 5, 15), [(5, 15)]);
        assert_eq!(find(&places, 22, 24), [(27, 29)]);
        assert_eq!(find(&places, 18, 22), [(18, 20), (25, 27)]);
    }

    #[test]
    fn what_was_lost_lies_nowhere() {
        let mut places = Places::default();
        places.note(0, Some(0));
        places.note(100, None);
        places.note(150, Some(100));
        places.forget(40);
        assert_eq!(find(&places, 0, 200), [(0, 40)]);
        places.note(200, Some(40));
        assert_eq!(find(&places, 190, 210), [(40, 50)]);
    }

    #[test]
    fn a_write_off_takes_back_what_was_not_acknowledged() {
        let mut positions = Positions::default();
        positions.hand_over(1, Stream::Tty, 10);
        positions.hand_over(2, Stream::Input, 3);
        positions.hand_over(3, Stream::Tty, 5);
        positions.hand_over(4, Stream::Tty, 5);
        positions.acknowledge(2);
        positions.write_off();
        assert_eq!((positions.at(Stream::Tty), positions.at(Stream::Input)), (10, 3));
    }
}
