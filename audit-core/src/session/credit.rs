//! Credit instead of queues: how far the session may run ahead of its recorder, and when the
//! recorder is woken. Arithmetic only; true for every engine.

use std::collections::VecDeque;
use std::time::Duration;

use crate::interfaces::Durability;
use crate::moment::Moment;
use crate::policy::Recording;

/// What a record costs beside its data, in bytes: bounds the number of empty records in flight.
const RECORD_COST: usize = 64;

/// The account of records handed over and acknowledged.
#[derive(Debug)]
pub(super) struct Credit {
    window: usize,
    flush_bytes: usize,
    flush_interval: Duration,
    sync_interval: Duration,
    /// Cost of all records that are not acknowledged.
    owed: usize,
    /// Handed over, by flush: last record number, cost, data bytes.
    flights: VecDeque<Flight>,
    /// Staged since the last flush.
    staged: Flight,
    staged_since: Option<Moment>,
    /// Whether a flush is on its way; another one waits for its answer, so that a slow recorder
    /// gets bigger batches instead of more wake-ups.
    in_flight: bool,
    /// When the first record was acknowledged that may not survive the machine.
    unsynced_since: Option<Moment>,
    acknowledged: u64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Flight {
    last: u64,
    cost: usize,
    bytes: u64,
}

impl Credit {
    pub(super) fn new(recording: &Recording) -> Self {
        Self {
            window: recording.window,
            flush_bytes: recording.flush_bytes,
            flush_interval: recording.flush_interval,
            sync_interval: recording.sync_interval,
            owed: 0,
            flights: VecDeque::new(),
            staged: Flight::default(),
            staged_since: None,
            in_flight: false,
            unsynced_since: None,
            acknowledged: 0,
        }
    }

    /// Counts a record that is handed to the recorder.
    pub(super) fn hand_over(&mut self, seq: u64, bytes: usize, now: Moment) {
        let cost = bytes + RECORD_COST;
        self.owed += cost;
        self.staged.last = seq;
        self.staged.cost += cost;
        self.staged.bytes += bytes as u64;
        self.staged_since.get_or_insert(now);
    }

    /// Whether more may be read.
    pub(super) fn is_left(&self) -> bool {
        self.owed < self.window
    }

    /// Number of the last acknowledged record.
    pub(super) fn acknowledged(&self) -> u64 {
        self.acknowledged
    }

    /// Bytes of data that are not acknowledged.
    pub(super) fn unacknowledged_bytes(&self) -> u64 {
        self.flights.iter().map(|f| f.bytes).sum::<u64>() + self.staged.bytes
    }

    /// The flush that is due now, if one is.
    pub(super) fn due(&mut self, now: Moment) -> Option<Durability> {
        if self.in_flight {
            return None;
        }
        let since = self.staged_since?;
        (self.staged.cost >= self.flush_bytes || now >= since + self.flush_interval)
            .then(|| self.flush_at(now))
    }

    /// A flush ahead of time, whatever is on its way.
    pub(super) fn flush(&mut self, durability: Durability) -> Durability {
        if self.staged_since.take().is_some() {
            self.flights.push_back(std::mem::take(&mut self.staged));
        }
        self.in_flight = true;
        if durability != Durability::Process {
            self.unsynced_since = None;
        }
        durability
    }

    fn flush_at(&mut self, now: Moment) -> Durability {
        let first = *self.unsynced_since.get_or_insert(now);
        let durability = if now >= first + self.sync_interval {
            Durability::Writeback
        } else {
            Durability::Process
        };
        self.flush(durability)
    }

    /// The sync that is due because the session went quiet after its last flush.
    pub(super) fn sync_due(&mut self, now: Moment) -> Option<Durability> {
        let first = self.unsynced_since?;
        (!self.in_flight && now >= first + self.sync_interval)
            .then(|| self.flush(Durability::Writeback))
    }

    /// Takes the recorder's acknowledgement.
    pub(super) fn acknowledge(&mut self, through: u64) {
        self.acknowledged = self.acknowledged.max(through);
        while let Some(flight) = self.flights.front() {
            if flight.last > through {
                break;
            }
            self.owed -= flight.cost;
            self.flights.pop_front();
        }
        self.in_flight = !self.flights.is_empty();
    }

    /// Forgets everything handed over: the recorder failed and lost it. Returns how many bytes of
    /// data were lost.
    pub(super) fn write_off(&mut self) -> u64 {
        let bytes = self.unacknowledged_bytes();
        self.flights.clear();
        self.staged = Flight::default();
        self.staged_since = None;
        self.owed = 0;
        self.in_flight = false;
        self.unsynced_since = None;
        bytes
    }

    /// When [`Credit::due`] or [`Credit::sync_due`] will want to act. `None` while nothing waits:
    /// no timer runs in an idle session.
    pub(super) fn deadline(&self) -> Option<Moment> {
        if self.in_flight {
            return None;
        }
        let flush = self.staged_since.map(|since| since + self.flush_interval);
        let sync = self.unsynced_since.map(|since| since + self.sync_interval);
        [flush, sync].into_iter().flatten().min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::Policy;

    fn at(millis: u64) -> Moment {
        Moment::from(Duration::from_millis(millis))
    }

    #[test]
    fn an_idle_session_has_no_timer() {
        let mut credit = Credit::new(&Policy::default().recording);
        assert_eq!(credit.deadline(), None);
        credit.hand_over(1, 1, at(0));
        assert_eq!(credit.due(at(0)), None);
        assert_eq!(credit.due(at(50)), Some(Durability::Process));
        assert_eq!(credit.deadline(), None, "the flush is on its way");
        credit.acknowledge(1);
        assert_eq!(credit.sync_due(at(1050)), Some(Durability::Writeback));
        credit.acknowledge(1);
        assert_eq!(credit.deadline(), None);
    }

    #[test]
    fn a_slow_recorder_gets_one_big_batch() {
        let mut credit = Credit::new(&Policy::default().recording);
        credit.hand_over(1, 300 << 10, at(0));
        assert!(credit.due(at(0)).is_some());
        credit.hand_over(2, 300 << 10, at(1));
        assert_eq!(credit.due(at(1)), None);
        credit.acknowledge(1);
        assert!(credit.due(at(1)).is_some());
    }

    #[test]
    fn reading_stops_at_the_window_and_goes_on_after_the_acknowledgement() {
        let mut credit = Credit::new(&Recording { window: 1000, ..Policy::default().recording });
        credit.hand_over(1, 2000, at(0));
        assert!(!credit.is_left());
        credit.flush(Durability::Process);
        credit.acknowledge(1);
        assert!(credit.is_left());
    }
}
