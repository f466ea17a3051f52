//! Records on their way to the recorder, and what happens when it fails.

use std::collections::VecDeque;
use std::time::Duration;

use super::banner::Message;
use super::credit::Credit;
use super::places::Positions;
use super::{End, Phase, SessionCore};
use crate::control::News;
use crate::event::Effect;
use crate::interfaces::Durability;
use crate::moment::Moment;
use crate::outcome::Loss;
use crate::policy::{self, OnFailure};
use crate::record::{Body, Record};
use crate::stream::Stream;

/// How long a failed recorder is left alone before it is tried again, and how long at most.
const RETRY: Duration = Duration::from_secs(1);
const RETRY_MAX: Duration = Duration::from_secs(30);

/// Name of the marker and the alarm that end an outage.
const RECOVERED: &str = "recorder.recovered";

/// The session's side of the recording.
#[derive(Debug)]
pub(super) struct Recording {
    policy: policy::Recording,
    credit: Credit,
    positions: Positions,
    seq: u64,
    last_at: Moment,
    /// Set while the recorder does not work and the session goes on all the same.
    outage: Option<Outage>,
    /// Records that are not acknowledged, kept only under the `spill` policy.
    spilled: VecDeque<Record>,
    spilled_bytes: usize,
    lost: Option<Loss>,
    /// When the last outage ended, and how patient it had become.
    recovered: Option<(Moment, Duration)>,
    /// The user knows that the session ends for want of a journal.
    is_told: bool,
}

/// A time without a recorder. What is missing is told in a gap at once, from the reserve of a full
/// disk; but the outage is over only when a record is written that may not use the reserve.
#[derive(Debug)]
struct Outage {
    /// First record that is missing.
    from: u64,
    /// Bytes of data that are missing and kept nowhere.
    bytes: u64,
    reason: String,
    retry: Duration,
    /// When the recorder is tried again; `None` while a try is on its way.
    retry_at: Option<Moment>,
    /// Whether the first gap was tried.
    noted: bool,
    /// Gaps on their way: number, and the bytes each says are missing.
    gaps: VecDeque<(u64, u64)>,
    /// Bytes in the gaps that are durable.
    told: u64,
    /// While a try is on its way: the record that ends the outage once it is durable.
    tried: Option<u64>,
}

impl Recording {
    pub(super) fn new(policy: &policy::Recording) -> Self {
        Self {
            policy: policy.clone(),
            credit: Credit::new(policy),
            positions: Positions::default(),
            seq: 0,
            last_at: Moment::START,
            outage: None,
            spilled: VecDeque::new(),
            spilled_bytes: 0,
            lost: None,
            recovered: None,
            is_told: false,
        }
    }

    pub(super) fn credit_is_left(&self) -> bool {
        !self.is_tried() || self.credit.is_left()
    }

    /// Whether nothing more may be read for want of a journal. Unlike back pressure, it is not
    /// waited for.
    pub(super) fn is_refused(&self) -> bool {
        !self.is_tried()
            && match self.policy.on_failure {
                OnFailure::Closed => true,
                OnFailure::Open => false,
                OnFailure::Spill => self.spilled_bytes > self.policy.spill_limit,
            }
    }

    pub(super) fn deadline(&self) -> Option<Moment> {
        match &self.outage {
            Some(outage) => outage.retry_at,
            None => self.credit.deadline(),
        }
    }

    pub(super) fn due(&mut self, now: Moment) -> Option<Durability> {
        if self.outage.is_some() {
            return None;
        }
        self.credit.due(now).or_else(|| self.credit.sync_due(now))
    }

    /// Whether records go to the recorder, be it to try it again.
    fn is_tried(&self) -> bool {
        self.outage.as_ref().is_none_or(|outage| outage.tried.is_some())
    }

    pub(super) const fn is_strict(&self) -> bool {
        self.policy.strict
    }

    pub(super) const fn records_input(&self) -> bool {
        self.policy.input
    }

    /// Where the next byte of this stream will lie in the journal, if it will be there.
    pub(super) fn place(&self, stream: Stream) -> Option<u64> {
        (self.is_tried() || self.keeps_in_memory()).then(|| self.positions.at(stream))
    }

    /// Number of the last record made.
    pub(super) const fn last(&self) -> u64 {
        self.seq
    }

    /// Whether every record up to this one is durable, or never will be.
    pub(super) fn is_settled(&self, seq: u64) -> bool {
        self.outage.is_some() || self.credit.acknowledged() >= seq
    }

    /// Number of the last durable record.
    pub(super) fn acknowledged(&self) -> u64 {
        self.credit.acknowledged()
    }

    /// Bytes of data that are handed over and not durable.
    pub(super) fn unacknowledged_bytes(&self) -> u64 {
        self.credit.unacknowledged_bytes()
    }

    /// A flush ahead of time.
    pub(super) fn flush(&mut self, durability: Durability) -> Durability {
        self.credit.flush(durability)
    }

    /// What is missing from the recording.
    pub(super) fn lost(&self) -> Option<Loss> {
        if let Some(outage) = &self.outage {
            let is_gap = outage.gaps.back().is_some_and(|(gap, _)| *gap == self.seq);
            return Some(Loss {
                from: self.lost.as_ref().map_or(outage.from, |lost| lost.from),
                through: self.seq - u64::from(is_gap),
                bytes: outage.bytes
                    + self.spilled_bytes as u64
                    + self.lost.as_ref().map_or(0, |lost| lost.bytes),
                reason: outage.reason.clone(),
            });
        }
        self.lost.clone()
    }

    fn keeps_in_memory(&self) -> bool {
        self.policy.on_failure == OnFailure::Spill
    }

    /// Gaps that are durable are losses that are told; what is missing begins behind them.
    fn note_gaps(&mut self, through: u64) {
        let Some(outage) = &mut self.outage else { return };
        while let Some((gap, bytes)) = outage.gaps.pop_front_if(|(gap, _)| *gap <= through) {
            outage.bytes = outage.bytes.saturating_sub(bytes);
            outage.told += bytes;
            let lost = self.lost.get_or_insert(Loss {
                from: outage.from,
                through: 0,
                bytes: 0,
                reason: outage.reason.clone(),
            });
            lost.through = gap - 1;
            lost.bytes += bytes;
        }
        outage.from = outage.from.max(self.credit.acknowledged() + 1);
    }

    /// How long a recorder that has just failed is left alone: longer when it has failed before
    /// and was hardly back.
    fn patience(&self, now: Moment) -> Duration {
        match self.recovered {
            Some((at, retry)) if now < at + RETRY_MAX => (retry * 2).min(RETRY_MAX),
            _ => RETRY,
        }
    }
}

impl SessionCore {
    /// Makes a record of `body` and returns its number. Nothing follows the end.
    pub(super) fn record(&mut self, body: Body) -> u64 {
        if self.has_ended() {
            return self.recording.seq;
        }
        let recording = &mut self.recording;
        recording.seq += 1;
        recording.last_at = recording.last_at.max(self.now);
        let (bytes, stream) = (body.data_len(), body.stream());
        let record = Record { seq: recording.seq, at: recording.last_at, body };
        let kept = recording.keeps_in_memory();
        if let Some(stream) = stream.filter(|_| kept || recording.is_tried()) {
            recording.positions.hand_over(record.seq, stream, bytes as u64);
        }
        if kept {
            recording.spilled_bytes += bytes;
            recording.spilled.push_back(record.clone());
        }
        if let Some(outage) = recording.outage.as_mut().filter(|o| o.tried.is_none()) {
            if !kept {
                outage.bytes += bytes as u64;
            }
            self.check_spill();
            return self.recording.seq;
        }
        recording.credit.hand_over(record.seq, bytes, self.now);
        self.effects.push_back(Effect::Record(record));
        if recording.policy.strict {
            let durability = recording.credit.flush(Durability::Process);
            self.effects.push_back(Effect::Flush(durability));
        }
        self.recording.seq
    }

    /// Makes a record that must survive the machine before anything is shown of it.
    pub(super) fn record_durably(&mut self, body: Body) -> u64 {
        let seq = self.record(body);
        if self.recording.is_tried() {
            let durability = self.recording.credit.flush(Durability::Machine);
            self.effects.push_back(Effect::Flush(durability));
        }
        seq
    }

    pub(super) fn recorded(&mut self, through: u64) {
        let recording = &mut self.recording;
        let at_stake = recording.spilled_bytes as u64;
        recording.credit.acknowledge(through);
        recording.positions.acknowledge(through);
        while let Some(record) = recording.spilled.pop_front_if(|r| r.seq <= through) {
            recording.spilled_bytes -= record.body.data_len();
        }
        recording.note_gaps(through);
        if let Some(outage) = recording.outage.take_if(|o| o.tried.is_some_and(|t| through >= t)) {
            recording.recovered = Some((self.now, outage.retry));
            let bytes = if recording.keeps_in_memory() { at_stake } else { outage.told };
            // The end may be all that there was room for.
            if !self.is_sealing() {
                self.publish(News::Alarm {
                    name: RECOVERED.into(),
                    text: format!("the journal is written again; {bytes} bytes were at stake"),
                });
                if self.policy.recording.on_failure == OnFailure::Open {
                    self.tell(Message::JournalRecovered { bytes });
                }
            }
        }
        if self.recording.outage.is_none() {
            self.passed.seq = self.recording.credit.acknowledged();
        }
        self.announce_block();
        self.end_recorded(through);
    }

    pub(super) fn recorder_failed(&mut self, reason: &str) {
        let now = self.now;
        let recording = &mut self.recording;
        let from = recording.credit.acknowledged() + 1;
        let written_off = recording.credit.write_off();
        let bytes = if recording.keeps_in_memory() { 0 } else { written_off };
        if !recording.keeps_in_memory() {
            recording.positions.write_off();
            let places = Stream::ALL.map(|stream| recording.positions.at(stream));
            self.forget(places);
        }
        let recording = &mut self.recording;
        if let Some(outage) = &mut recording.outage {
            // A try has failed: be patient a little longer each time.
            outage.bytes += bytes;
            outage.retry = (outage.retry * 2).min(RETRY_MAX);
            outage.retry_at = Some(now + outage.retry);
            outage.gaps.clear();
            outage.tried = None;
            reason.clone_into(&mut outage.reason);
            self.check_spill();
            self.end_failed();
            return;
        }
        let retry = recording.patience(now);
        recording.outage = Some(Outage {
            from,
            bytes,
            reason: reason.to_owned(),
            retry,
            // The first try comes at once: it writes the gap from the reserve of a full disk.
            retry_at: Some(now),
            noted: false,
            gaps: VecDeque::new(),
            told: 0,
            tried: None,
        });
        self.passed.seq = u64::MAX;
        self.publish(News::Alarm { name: "recorder.failed".into(), text: reason.to_owned() });
        match self.policy.recording.on_failure {
            OnFailure::Closed => self.fail_closed(),
            OnFailure::Open if self.is_sealing() => self.tell(Message::JournalCut { reason }),
            OnFailure::Open => self.tell(Message::JournalFailedOpen { reason }),
            OnFailure::Spill => self.check_spill(),
        }
        self.announce_block();
        self.end_failed();
    }

    pub(super) fn recorder_recovered(&mut self) {
        if self.has_ended() {
            return;
        }
        if let Some(outage) = self.recording.outage.as_mut().filter(|o| o.tried.is_none()) {
            outage.noted = true;
            outage.retry_at = Some(self.now);
        }
        self.retry_recorder();
    }

    /// Tries the recorder again when its time has come: with the records kept in memory; or with a
    /// gap that says what is missing and, but for the first try, a record that shows whether
    /// there is room for more.
    pub(super) fn retry_recorder(&mut self) {
        let now = self.now;
        let kept = self.recording.keeps_in_memory();
        let Some(outage) = &mut self.recording.outage else { return };
        if outage.retry_at.is_none_or(|at| at > now) {
            return;
        }
        if kept {
            self.hand_over_spilled();
        } else if !std::mem::replace(&mut outage.noted, true) {
            outage.retry_at = Some(now + outage.retry);
            self.hand_over_gap();
        } else {
            self.hand_over_gap();
            self.try_from_here();
            let text = "the journal is written again".into();
            self.record_durably(Body::Marker { name: RECOVERED.into(), text });
        }
    }

    /// The session ends: one more try with what is kept in memory, or with a gap. Whatever is
    /// recorded from here on goes to the recorder.
    pub(super) fn try_recorder_now(&mut self) {
        if self.recording.outage.as_ref().is_some_and(|outage| outage.tried.is_none()) {
            if self.recording.keeps_in_memory() {
                self.hand_over_spilled();
            } else {
                self.hand_over_gap();
                self.try_from_here();
            }
        }
    }

    /// The recorder failed again at the very end: what is kept in memory is lost, and only the gap
    /// that says so is tried once more.
    pub(super) fn try_recorder_last(&mut self) {
        let recording = &mut self.recording;
        if let Some(outage) = &mut recording.outage {
            outage.bytes += std::mem::take(&mut recording.spilled_bytes) as u64;
            recording.spilled.clear();
            self.hand_over_gap();
            self.try_from_here();
        }
    }

    /// The recorder is not tried any more.
    pub(super) fn give_up_recorder(&mut self) {
        if let Some(outage) = &mut self.recording.outage {
            outage.retry_at = None;
        }
    }

    /// Records go to the recorder again; the next one decides whether the outage is over.
    fn try_from_here(&mut self) {
        let next = self.recording.seq + 1;
        if let Some(outage) = &mut self.recording.outage {
            outage.retry_at = None;
            outage.tried = Some(next);
        }
    }

    fn hand_over_spilled(&mut self) {
        let now = self.now;
        let recording = &mut self.recording;
        if let Some(outage) = &mut recording.outage {
            outage.retry_at = None;
            outage.tried = Some(recording.seq);
        }
        for record in &recording.spilled {
            recording.credit.hand_over(record.seq, record.body.data_len(), now);
            self.effects.push_back(Effect::Record(record.clone()));
        }
        let durability = recording.credit.flush(Durability::Process);
        self.effects.push_back(Effect::Flush(durability));
    }

    /// Hands over a gap for what is missing and in no other gap.
    fn hand_over_gap(&mut self) {
        let recording = &mut self.recording;
        let Some(outage) = &mut recording.outage else { return };
        let told: u64 = outage.gaps.iter().map(|(_, bytes)| bytes).sum();
        let from = outage.gaps.back().map_or(outage.from, |(gap, _)| gap + 1);
        let bytes = outage.bytes.saturating_sub(told);
        if from > recording.seq {
            return;
        }
        let through = recording.seq;
        recording.seq += 1;
        recording.last_at = recording.last_at.max(self.now);
        outage.gaps.push_back((recording.seq, bytes));
        let body = Body::Gap { from, through, bytes, reason: outage.reason.clone() };
        let record = Record { seq: recording.seq, at: recording.last_at, body };
        recording.credit.hand_over(record.seq, 0, self.now);
        self.effects.push_back(Effect::Record(record));
        // Alone in its flush: what comes behind it may find no room.
        let durability = recording.credit.flush(Durability::Process);
        self.effects.push_back(Effect::Flush(durability));
    }

    /// Ends the session when more waits in memory than may.
    fn check_spill(&mut self) {
        if self.recording.keeps_in_memory() && self.recording.is_refused() {
            self.fail_closed();
        }
    }

    /// The journal cannot be written and nothing may happen without it.
    fn fail_closed(&mut self) {
        if matches!(self.phase, Phase::Closed)
            || std::mem::replace(&mut self.recording.is_told, true)
        {
            return;
        }
        self.end.get_or_insert(End::JournalFailed);
        let reason =
            self.recording.outage.as_ref().map_or_else(String::new, |outage| outage.reason.clone());
        self.tell(Message::JournalFailedClosed { reason: &reason });
        self.terminate(End::JournalFailed);
    }

    /// The session ends without all of its record, and must not have done so.
    pub(super) fn end_without_record(&mut self) {
        if self.policy.recording.on_failure != OnFailure::Open {
            self.fail_closed();
        }
    }
}
