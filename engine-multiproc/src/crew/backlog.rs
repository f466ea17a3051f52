//! The recorder's backlog: records in staging until they are durable.

use std::collections::VecDeque;
use std::io;
use std::os::fd::OwnedFd;

use audit_core::{Body, Durability, Record, SessionSpec};

use super::lane::Violation;
use crate::frame::{self, POINT_ROOM};
use crate::message::{Staged, Stamp};
use crate::staging::Writer;

/// What staging holds beyond the record window: what is read at once, and what records cost.
const SLACK: usize = 1 << 20;

/// Where records wait for the recorder's process.
#[derive(Debug)]
pub(super) struct Backlog {
    writer: Writer,
    memory: OwnedFd,
    /// The points that are not answered, in order.
    flights: VecDeque<Flight>,
    /// Before it everything is durable or written off.
    settled: Staged,
    /// What found no room. It gets some with the next answer.
    overflow: VecDeque<Item>,
    points: u64,
    last: Stamp,
    /// The last point before the end of what is missing, until that end is passed.
    missing_through: Option<u64>,
}

/// A point on its way.
#[derive(Clone, Copy, Debug)]
struct Flight {
    number: u64,
    close: bool,
    end: Staged,
}

/// What found no room.
#[derive(Debug)]
enum Item {
    Record(Record),
    Flush(Durability),
    Close,
    Resume,
}

impl Backlog {
    pub(super) fn new(spec: &SessionSpec) -> io::Result<Self> {
        let size = spec.policy.recording.window.saturating_add(SLACK);
        let (writer, memory) = Writer::new(size.saturating_add(spec.buffer_size * 4))?;
        let settled = Staged { from: writer.head(), last: Stamp::default(), missing: false };
        Ok(Self {
            writer,
            memory,
            flights: VecDeque::new(),
            settled,
            overflow: VecDeque::new(),
            points: 0,
            last: Stamp::default(),
            missing_through: None,
        })
    }

    pub(super) fn memory(&self) -> &OwnedFd {
        &self.memory
    }

    /// Where a new worker begins.
    pub(super) fn settled(&self) -> Staged {
        self.settled
    }

    /// Stages a record. Returns whether the worker must be woken to make room.
    pub(super) fn record(&mut self, record: Record) -> bool {
        if self.overflow.is_empty() && self.stage(&record) {
            return false;
        }
        self.overflow.push_back(Item::Record(record));
        // Only an answer makes room, so there must be something to answer.
        self.flights.is_empty() && self.stage_point(Some(Durability::Process))
    }

    /// Stages a flush, or without durability a close. Returns whether the worker must be woken.
    pub(super) fn point(&mut self, durability: Option<Durability>) -> bool {
        if self.overflow.is_empty() && self.stage_point(durability) {
            return true;
        }
        self.overflow.push_back(durability.map_or(Item::Close, Item::Flush));
        false
    }

    fn stage(&mut self, record: &Record) -> bool {
        let writer = &mut self.writer;
        let longest = writer.longest() - 4 * POINT_ROOM;
        let staged = frame::encode_record(record, |parts| {
            (parts[0].len() + parts[1].len() <= longest).then(|| writer.push(parts, 4 * POINT_ROOM))
        });
        let staged = match staged {
            Ok(Some(staged)) => staged,
            Ok(None) => return self.stage_gap(record, "it is larger than the staging memory"),
            Err(error) => return self.stage_gap(record, &error.to_string()),
        };
        if staged {
            self.last = Stamp { seq: record.seq.max(self.last.seq), at: record.at };
        }
        staged
    }

    /// Stages, in place of a record that cannot be, one that says so.
    fn stage_gap(&mut self, record: &Record, reason: &str) -> bool {
        let Record { seq, at, .. } = *record;
        let (bytes, reason) = (record.body.data_len() as u64, reason.to_owned());
        self.stage(&Record { seq, at, body: Body::Gap { from: seq, through: seq, bytes, reason } })
    }

    fn stage_point(&mut self, durability: Option<Durability>) -> bool {
        let number = self.points + 1;
        let frame = match durability {
            Some(durability) => frame::encode_flush(number, durability),
            None => frame::encode_close(number),
        };
        // A point of the relay's own must always find room.
        let spare = if self.flights.is_empty() { POINT_ROOM } else { 2 * POINT_ROOM };
        if !self.writer.push([&frame, &[]], spare) {
            return false;
        }
        self.points = number;
        let end = Staged { from: self.writer.head(), last: self.last, missing: false };
        self.flights.push_back(Flight { number, close: durability.is_none(), end });
        true
    }

    /// The point with this number is answered.
    pub(super) fn settle(&mut self, number: u64, close: bool) -> Result<Stamp, Violation> {
        let flight = self.flights.front().copied();
        let flight = flight
            .filter(|flight| flight.number == number && flight.close == close)
            .ok_or(Violation("an answer nobody asked for"))?;
        self.flights.pop_front();
        self.missing_through.take_if(|through| number > *through);
        self.release(Staged { missing: self.missing_through.is_some(), ..flight.end });
        Ok(flight.end.last)
    }

    /// A flush has failed: the core counts as missing whatever is staged by now.
    pub(super) fn pass_over(&mut self) {
        self.overflow.retain(|item| matches!(item, Item::Close));
        self.missing_through = Some(u64::MAX);
        self.settled.missing = true;
        if !self.stage_resume() {
            self.overflow.push_front(Item::Resume);
        }
    }

    fn stage_resume(&mut self) -> bool {
        let staged = self.writer.push([&frame::encode_resume(), &[]], 0);
        if staged {
            self.missing_through = Some(self.points);
        }
        staged
    }

    fn release(&mut self, end: Staged) {
        self.settled = end;
        self.writer.release(end.from);
    }

    /// Stages what had found no room. Returns whether the worker must be woken.
    pub(super) fn catch_up(&mut self) -> bool {
        let points = self.points;
        while let Some(item) = self.overflow.pop_front() {
            let staged = match &item {
                Item::Record(record) => self.stage(record),
                Item::Flush(durability) => self.stage_point(Some(*durability)),
                Item::Close => self.stage_point(None),
                Item::Resume => self.stage_resume(),
            };
            if !staged {
                self.overflow.push_front(item);
                if self.flights.is_empty() {
                    self.stage_point(Some(Durability::Process));
                }
                break;
            }
        }
        self.points > points
    }

    /// Forgets everything: the recorder has failed and the core has written it off. Returns
    /// whether the close was among it. There must be no worker.
    pub(super) fn write_off(&mut self) -> bool {
        let closing = self.flights.iter().any(|flight| flight.close)
            || self.overflow.iter().any(|item| matches!(item, Item::Close));
        self.flights.clear();
        self.overflow.clear();
        self.missing_through = None;
        self.release(Staged { from: self.writer.head(), last: self.last, missing: false });
        closing
    }
}
