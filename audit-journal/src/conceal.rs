//! Secrets that a session showed, by the places that its verdicts tell.
//!
//! The journal holds what was shown, byte for byte. A reader who is not to see secrets gets them as
//! `*`. This keeps nothing from whoever may read the files themselves.

use std::ops::Range;
use std::path::Path;

use audit_core::{Body, Span, Stream, Verdict};

use crate::entries::MAX_RECORD;
use crate::error::Result;
use crate::events::each_event;
use crate::facts::uncbor;
use crate::frame::{Frame, event, flag};

/// Where secrets lie in what was recorded of each stream.
#[derive(Clone, Debug, Default)]
pub(crate) struct Secrets {
    /// By the stream's number: start and end of each, in order and apart.
    places: [Vec<(u64, u64)>; Stream::ALL.len()],
}

impl Secrets {
    /// What the verdicts in `dir` tell. Only blocks that are flagged for it are read.
    ///
    /// # Errors
    /// The files cannot be read.
    pub(crate) fn read(dir: &Path) -> Result<Self> {
        let mut secrets = Self::default();
        let flagged = |frame: &Frame| frame.flags & flag::SECRET != 0;
        each_event(dir, flagged, event::SECRET, MAX_RECORD, |payload| {
            if let Ok(Body::Verdict(verdict)) = uncbor(payload, "verdict") {
                secrets.note(&verdict);
            }
        })?;
        secrets.order();
        Ok(secrets)
    }

    /// Takes note of one more record. Returns whether it told of secrets.
    pub(crate) fn learn(&mut self, body: &Body) -> bool {
        let Body::Verdict(verdict) = body else { return false };
        if verdict.secrets.is_empty() {
            return false;
        }
        self.note(verdict);
        self.order();
        true
    }

    fn note(&mut self, verdict: &Verdict) {
        for Span { stream, start, end } in &verdict.secrets {
            if start < end {
                self.places[usize::from(stream.number())].push((*start, *end));
            }
        }
    }

    /// Puts the places into order, and joins those that touch.
    fn order(&mut self) {
        for places in &mut self.places {
            places.sort_unstable();
            places.dedup_by(|next, place| {
                let touches = next.0 <= place.1;
                if touches {
                    place.1 = place.1.max(next.1);
                }
                touches
            });
        }
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.places.iter().map(Vec::len).sum()
    }

    /// Those that lie in `len` bytes which begin at `start` of what was recorded of the stream, as
    /// ranges of these bytes.
    fn inside(&self, stream: Stream, start: u64, len: usize) -> impl Iterator<Item = Range<usize>> {
        let places = &self.places[usize::from(stream.number())];
        let end = start.saturating_add(len as u64);
        let first = places.partition_point(|(_, behind)| *behind <= start);
        let places = places[first..].iter().take_while(move |(from, _)| *from < end);
        places.map(move |(from, to)| {
            (from.max(&start) - start) as usize..(to.min(&end) - start) as usize
        })
    }

    /// These bytes with `*` over what is secret in them, if anything is; ends of lines stay. They
    /// begin at `start` of what was recorded of the stream.
    pub(crate) fn conceal(&self, stream: Stream, start: u64, bytes: &[u8]) -> Option<Vec<u8>> {
        let mut concealed = None;
        for range in self.inside(stream, start, bytes.len()) {
            let bytes = concealed.get_or_insert_with(|| bytes.to_vec());
            for byte in bytes[range].iter_mut().filter(|b| !matches!(b, b'\r' | b'\n')) {
                *byte = b'*';
            }
        }
        concealed
    }
}

#[cfg(test)]
mod tests {
    use audit_core::Verdict;
    use proptest::prelude::*;

    use super::*;

    fn secrets(spans: &[(u64, u64)]) -> Secrets {
        let span =
            |(start, end): &(u64, u64)| Span { stream: Stream::Tty, start: *start, end: *end };
        let verdict = Verdict { secrets: spans.iter().map(span).collect(), ..Verdict::default() };
        let mut secrets = Secrets::default();
        secrets.learn(&Body::Verdict(verdict));
        secrets
    }

    fn concealed(spans: &[(u64, u64)], start: u64, text: &str) -> String {
        let concealed = secrets(spans).conceal(Stream::Tty, start, text.as_bytes());
        String::from_utf8(concealed.unwrap_or_else(|| text.into())).expect("text")
    }

    #[test]
    fn what_lies_inside_is_concealed_and_nothing_else() {
        assert_eq!(concealed(&[(12, 15)], 10, "abcdefg"), "ab***fg");
        assert_eq!(concealed(&[(0, 11), (16, 99)], 10, "abcdefg"), "*bcdef*");
        assert_eq!(concealed(&[(0, 10), (17, 20)], 10, "abcdefg"), "abcdefg");
        assert_eq!(concealed(&[(0, 99)], 10, "ab\r\ncd"), "**\r\n**", "rows stay rows");
        assert_eq!(secrets(&[(0, 9)]).conceal(Stream::Stderr, 0, b"abc"), None, "another stream");
    }

    proptest! {
        #[test]
        fn places_may_come_in_any_order_and_overlap(
            spans in proptest::collection::vec((0u64..60, 0u64..60), 0..12),
            start in 0u64..30,
        ) {
            let text = "x".repeat(40);
            let hidden = |at: u64| spans.iter().any(|(from, to)| (*from..*to).contains(&at));
            let wanted: String = (start..start + 40)
                .map(|at| if hidden(at) { '*' } else { 'x' })
                .collect();
            prop_assert_eq!(concealed(&spans, start, &text), wanted);
        }
    }
}
