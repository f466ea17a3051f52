//! What a scene's recorder kept, read back and checked.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use audit_core::{Body, Moment, Outcome, Record, SealId, SealKey, Stream, Winsize};

use crate::frames;
use crate::parts::JOURNAL;

/// Stands for a byte whose key is gone.
pub(crate) const MASK: u8 = b'*';

/// The records of one session, as far as they are in the file.
#[derive(Debug)]
pub(crate) struct Journal(Vec<Record>);

impl Journal {
    /// Reads what is there.
    pub(crate) fn read(dir: &Path) -> Self {
        Self(frames::read(&dir.join(JOURNAL)).0)
    }

    /// The records, in the file's order.
    pub(crate) fn records(&self) -> &[Record] {
        &self.0
    }

    /// What happened, in order.
    pub(crate) fn bodies(&self) -> impl DoubleEndedIterator<Item = &Body> {
        self.0.iter().map(|record| &record.body)
    }

    /// Whether something of this kind happened.
    pub(crate) fn holds(&self, is: impl FnMut(&Body) -> bool) -> bool {
        self.bodies().any(is)
    }

    /// How often something of this kind happened.
    pub(crate) fn count(&self, mut is: impl FnMut(&Body) -> bool) -> usize {
        self.bodies().filter(|body| is(body)).count()
    }

    /// Whether there is a marker of this name.
    pub(crate) fn has_marker(&self, wanted: &str) -> bool {
        self.holds(|body| matches!(body, Body::Marker { name, .. } if name == wanted))
    }

    /// The sizes the terminal had, in order.
    pub(crate) fn sizes(&self) -> Vec<Winsize> {
        let size = |body: &Body| match body {
            Body::Resize(size) => Some(*size),
            _ => None,
        };
        self.bodies().filter_map(size).collect()
    }

    /// The last record's outcome.
    pub(crate) fn outcome(&self) -> Option<&Outcome> {
        match &self.0.last()?.body {
            Body::End(outcome) => Some(outcome),
            _ => None,
        }
    }

    /// The bytes of a stream: seals are opened, bytes whose key is gone are [`MASK`]s.
    pub(crate) fn stream(&self, wanted: Stream) -> Vec<u8> {
        let keys = self.keys();
        let mut joined = Vec::new();
        for body in self.bodies() {
            match body {
                Body::Data { stream, bytes } if *stream == wanted => joined.extend(bytes),
                Body::Sealed { stream, seal, cipher } if *stream == wanted => {
                    let start = joined.len();
                    joined.extend(cipher);
                    match keys.get(seal) {
                        Some(key) => key.apply(&mut joined[start..]),
                        None => joined[start..].fill(MASK),
                    }
                }
                _ => {}
            }
        }
        joined
    }

    /// The text of a stream, for looking into.
    pub(crate) fn text(&self, stream: Stream) -> String {
        String::from_utf8_lossy(&self.stream(stream)).into_owned()
    }

    /// Checks what is true of every recording, finished or not.
    ///
    /// # Panics
    /// It is not: a number is missing or comes twice, time goes back, something follows the end,
    /// or a seal is opened twice or after its key was destroyed.
    pub(crate) fn check(&self) {
        let (mut next, mut at) = (1, Moment::START);
        let mut seals = Seals::default();
        for (index, record) in self.0.iter().enumerate() {
            match &record.body {
                // A gap says itself which numbers are missing in front of it.
                Body::Gap { from, through, .. } if record.seq != next => {
                    assert_eq!(
                        (*from, *through + 1),
                        (next, record.seq),
                        "a gap names its numbers"
                    );
                    seals.some_are_missing = true;
                }
                _ => assert_eq!(record.seq, next, "numbers have no hole: {record:?}"),
            }
            assert!(record.at >= at, "time never goes back: {record:?}");
            (next, at) = (record.seq + 1, record.at);
            match &record.body {
                Body::End(_) => assert_eq!(index + 1, self.0.len(), "nothing follows the end"),
                Body::Sealed { seal, .. } => seals.set(*seal),
                Body::Reveal { keys } => keys.iter().for_each(|(seal, _)| seals.decide(*seal)),
                Body::Redaction { seals: gone, .. } => gone.iter().for_each(|s| seals.decide(*s)),
                _ => {}
            }
        }
    }

    /// Checks that this is the whole recording of a session that ended with `outcome`.
    ///
    /// # Panics
    /// It is not.
    pub(crate) fn check_whole(&self, outcome: &Outcome) {
        self.check();
        assert_eq!(self.outcome(), Some(outcome), "the last record is the outcome");
    }

    /// The last records in a few words, for whoever looks for what went wrong.
    pub(crate) fn summary(&self) -> String {
        let skipped = self.0.len().saturating_sub(40);
        let mut lines = vec![format!("{} records, the last ones:", self.0.len())];
        for record in &self.0[skipped..] {
            let mut text = format!("{:?}", record.body);
            if let Some((end, _)) = text.char_indices().nth(160) {
                text.truncate(end);
            }
            lines.push(format!("  {:>6} {:>12} {text}", record.seq, record.at.as_nanos()));
        }
        lines.join("\n")
    }

    fn keys(&self) -> BTreeMap<SealId, SealKey> {
        let reveal = |body: &Body| match body {
            Body::Reveal { keys } => Some(keys.clone()),
            _ => None,
        };
        self.bodies().filter_map(reveal).flatten().collect()
    }
}

/// The seals of a recording, as it is read.
#[derive(Default)]
struct Seals {
    set: BTreeSet<SealId>,
    decided: BTreeSet<SealId>,
    /// Whether a gap came: seals set in it may be decided after it.
    some_are_missing: bool,
}

impl Seals {
    fn set(&mut self, seal: SealId) {
        assert!(self.set.insert(seal), "a seal comes once: {seal:?}");
    }

    fn decide(&mut self, seal: SealId) {
        assert!(self.some_are_missing || self.set.contains(&seal), "nothing is under {seal:?}");
        assert!(self.decided.insert(seal), "a seal is decided once: {seal:?}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn journal(bodies: impl IntoIterator<Item = (u64, Body)>) -> Journal {
        let record = |(seq, body)| Record { seq, at: Moment::START, body };
        Journal(bodies.into_iter().map(record).collect())
    }

    fn is_sound(journal: &Journal) -> bool {
        std::panic::catch_unwind(|| journal.check()).is_ok()
    }

    fn data(text: &'static str) -> Body {
        Body::Data { stream: Stream::Tty, bytes: text.as_bytes().to_vec().into() }
    }

    fn gap(from: u64, through: u64) -> Body {
        Body::Gap { from, through, bytes: 0, reason: String::new() }
    }

    fn sealed(seal: u64, cipher: &'static str) -> Body {
        let cipher = cipher.as_bytes().to_vec().into();
        Body::Sealed { stream: Stream::Tty, seal: SealId(seal), cipher }
    }

    #[test]
    fn a_hole_is_found_unless_a_gap_names_it() {
        assert!(is_sound(&journal([(1, data("a")), (2, data("b"))])));
        assert!(!is_sound(&journal([(1, data("a")), (3, data("b"))])));
        assert!(!is_sound(&journal([(1, data("a")), (1, data("b"))])));
        assert!(is_sound(&journal([(1, data("a")), (5, gap(2, 4)), (6, data("b"))])));
        assert!(!is_sound(&journal([(1, data("a")), (5, gap(2, 3)), (6, data("b"))])));
    }

    #[test]
    fn a_seal_is_decided_once_and_masks_until_then() {
        let key = SealKey::from_bytes([7; 32]);
        let reveal = || Body::Reveal { keys: vec![(SealId(1), key.clone())] };
        let open = journal([(1, data("a")), (2, sealed(1, "bc")), (3, data("d"))]);
        assert_eq!(open.text(Stream::Tty), "a**d");
        assert!(is_sound(&journal([(1, sealed(1, "a")), (2, reveal())])));
        assert!(!is_sound(&journal([(1, sealed(1, "a")), (2, reveal()), (3, reveal())])));
        assert!(!is_sound(&journal([(1, reveal())])));
        assert!(is_sound(&journal([(2, gap(1, 1)), (3, reveal())])), "it was set in the gap");
    }
}
