//! A recorder with its manners: what it is asked, what is answered, also when it fails.

use std::fmt;

use crate::event::Mail;
use crate::interfaces::{Durability, Recorder, RecorderError};
use crate::record::{Body, Record};

/// Turns flushes of the core into calls of a [`Recorder`] and its results into [`Mail`].
///
/// After a failure records are passed over, also those that were on their way already when the
/// core learnt of it, until one comes that leaves no hole: the first missing one again, or a gap.
/// The core counts what is passed over as missing and says so once the recorder works again.
pub struct Desk {
    recorder: Box<dyn Recorder>,
    durable: u64,
    failure: Option<RecorderError>,
    /// The first record since the last flush.
    first: Option<u64>,
    /// The last record that came.
    last: u64,
    /// The first record that is missing.
    missing: Option<u64>,
}

impl Desk {
    /// A desk for this recorder.
    pub fn new(recorder: Box<dyn Recorder>) -> Self {
        Self { recorder, durable: 0, failure: None, first: None, last: 0, missing: None }
    }

    /// Takes a record.
    pub fn record(&mut self, record: &Record) {
        if self.leaves_a_hole(record) {
            return;
        }
        self.first.get_or_insert(record.seq);
        self.last = record.seq;
        if let Err(failure) = self.recorder.record(record) {
            self.failure = Some(failure);
            self.missing = Some(record.seq);
        }
    }

    fn leaves_a_hole(&mut self, record: &Record) -> bool {
        let hole = self.missing.is_some_and(|missing| {
            self.failure.is_some()
                || (record.seq > missing && !matches!(record.body, Body::Gap { .. }))
        });
        if !hole {
            self.missing = None;
        }
        hole
    }

    /// Makes the records taken so far durable. Answers [`Mail::Recorded`] for what is, and then
    /// [`Mail::RecorderFailed`] if something is not.
    pub fn flush(&mut self, durability: Durability, answer: &mut dyn FnMut(Mail)) {
        let synced = self.recorder.sync(durability);
        let first = self.first.take();
        let failure = self.failure.take().or_else(|| synced.as_ref().err().cloned());
        match synced {
            Ok(through) => self.durable = self.durable.max(through),
            Err(_) => self.missing = first.or(self.missing).or(Some(self.last + 1)),
        }
        if synced.is_ok() || failure.is_none() {
            answer(Mail::Recorded { through: self.durable });
        }
        if let Some(failure) = failure {
            answer(Mail::RecorderFailed { reason: failure.to_string() });
        }
    }

    /// Ends the recording.
    pub fn close(&mut self, answer: &mut dyn FnMut(Mail)) {
        let failure = self.recorder.close().err().map(|error| error.to_string());
        answer(Mail::RecorderClosed { failure });
    }

    /// Does a bounded piece of put-off work; whether more remains. Put-off work that fails is
    /// done at the close or never: nothing recorded depends on it.
    pub fn idle(&mut self) -> bool {
        self.recorder.idle().unwrap_or(false)
    }
}

impl fmt::Debug for Desk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Desk").field("durable", &self.durable).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::moment::Moment;

    /// Keeps numbers of records; fails when it is told to.
    #[derive(Clone, Default)]
    struct Paper(Arc<Mutex<Sheet>>);

    #[derive(Default)]
    struct Sheet {
        kept: Vec<u64>,
        staged: Vec<u64>,
        refuses: bool,
        loses: bool,
    }

    fn failed() -> RecorderError {
        RecorderError::Failed { operation: "write".into(), reason: "on purpose".into() }
    }

    impl Recorder for Paper {
        fn record(&mut self, record: &Record) -> Result<(), RecorderError> {
            let mut sheet = self.0.lock().unwrap();
            if sheet.refuses {
                return Err(failed());
            }
            sheet.staged.push(record.seq);
            Ok(())
        }

        fn sync(&mut self, _: Durability) -> Result<u64, RecorderError> {
            let mut sheet = self.0.lock().unwrap();
            let staged = std::mem::take(&mut sheet.staged);
            if sheet.loses {
                return Err(failed());
            }
            sheet.kept.extend(staged);
            Ok(sheet.kept.last().copied().unwrap_or(0))
        }

        fn close(&mut self) -> Result<(), RecorderError> {
            Ok(())
        }
    }

    impl Paper {
        fn set(&self, refuses: bool, loses: bool) {
            let mut sheet = self.0.lock().unwrap();
            (sheet.refuses, sheet.loses) = (refuses, loses);
        }

        fn kept(&self) -> Vec<u64> {
            self.0.lock().unwrap().kept.clone()
        }
    }

    fn record(seq: u64) -> Record {
        let body = Body::Marker { name: "test".into(), text: String::new() };
        Record { seq, at: Moment::START, body }
    }

    fn gap(seq: u64, from: u64) -> Record {
        let body = Body::Gap { from, through: seq - 1, bytes: 0, reason: "test".into() };
        Record { seq, at: Moment::START, body }
    }

    fn flush(desk: &mut Desk) -> bool {
        let mut well = true;
        desk.flush(Durability::Process, &mut |mail| {
            well &= !matches!(mail, Mail::RecorderFailed { .. });
        });
        well
    }

    #[test]
    fn what_was_on_its_way_at_a_failure_makes_no_hole() {
        for (refuses, loses) in [(true, false), (false, true), (true, true)] {
            let paper = Paper::default();
            let mut desk = Desk::new(Box::new(paper.clone()));
            (1..=2).for_each(|seq| desk.record(&record(seq)));
            assert!(flush(&mut desk));
            paper.set(refuses, loses);
            (3..=4).for_each(|seq| desk.record(&record(seq)));
            assert!(!flush(&mut desk));
            paper.set(false, false);
            // The core did not know yet.
            desk.record(&record(5));
            assert!(flush(&mut desk));
            assert_eq!(paper.kept(), [1, 2]);
            // Now it does, and kept everything.
            (3..=6).for_each(|seq| desk.record(&record(seq)));
            assert!(flush(&mut desk));
            assert_eq!(paper.kept(), [1, 2, 3, 4, 5, 6]);
        }
    }

    #[test]
    fn a_gap_ends_a_failure() {
        let paper = Paper::default();
        let mut desk = Desk::new(Box::new(paper.clone()));
        desk.record(&record(1));
        paper.set(false, true);
        assert!(!flush(&mut desk));
        paper.set(false, false);
        desk.record(&record(2));
        desk.record(&gap(3, 1));
        desk.record(&record(4));
        assert!(flush(&mut desk));
        assert_eq!(paper.kept(), [3, 4]);
    }

    #[test]
    fn what_a_batch_kept_before_its_failure_is_not_asked_for_again() {
        let paper = Paper::default();
        let mut desk = Desk::new(Box::new(paper.clone()));
        desk.record(&record(1));
        paper.set(true, false);
        desk.record(&record(2));
        desk.record(&record(3));
        assert!(!flush(&mut desk));
        assert_eq!(paper.kept(), [1]);
        paper.set(false, false);
        (2..=3).for_each(|seq| desk.record(&record(seq)));
        assert!(flush(&mut desk));
        assert_eq!(paper.kept(), [1, 2, 3]);
    }
}
