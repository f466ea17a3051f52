//! How a session ends: draining, sealing, and the one last effect.

use std::time::Duration;

use super::banner::Message;
use super::watch::Watch;
use super::{Child, Phase, SessionCore};
use crate::event::{Effect, Step};
use crate::moment::Moment;
use crate::outcome::{End, Exit, Loss, Outcome};
use crate::record::Body;
use crate::stream::Port;

/// Name of the marker and the alarm of output that nobody took.
const NOT_SHOWN: &str = "output.not-shown";

/// The child is gone or going.
#[derive(Debug)]
pub(super) struct Draining {
    /// The step taken last towards the end of a child that still runs.
    step: Option<Step>,
    /// When the next step comes; or, once the child is gone, until when output of what it left
    /// behind is read.
    until: Moment,
    /// When a user who takes nothing is given up.
    screen_until: Moment,
    /// Since when nothing may be read although something may be there: a slow screen or journal
    /// does not cost the child its last words, so this time does not count.
    held: Option<Moment>,
    /// Whether the child's output is still read. Ends by a timeout alone, before which the engine
    /// reads what is there, and never by the lateness of something that was read.
    reading: bool,
}

/// The end is on its way to the recorder.
#[derive(Debug)]
pub(super) struct Sealing {
    until: Moment,
    /// Number of the record of the end, once it is made.
    end: Option<u64>,
    /// The end is durable or given up, and the recorder closes.
    closing: bool,
    /// Whether the end is tried once more if the recorder fails.
    again: bool,
}

impl Draining {
    fn new(step: Option<Step>, until: Moment, screen_until: Moment) -> Self {
        Self { step, until, screen_until, held: None, reading: true }
    }

    pub(super) const fn reads(&self) -> bool {
        self.reading
    }

    /// Notes whether reading is held up at `now`.
    fn hold(&mut self, held: bool, now: Moment) {
        if !held {
            let waited = self.held.take().map_or(Duration::ZERO, |since| now.since(since));
            self.until += waited;
        } else if self.step.is_none() && self.reading {
            self.held.get_or_insert(now);
        }
    }
}

impl SessionCore {
    pub(super) fn child_exited(&mut self, exit: Exit) {
        if !matches!(self.child, Child::Exited(_)) {
            self.child = Child::Exited(exit);
            self.drain();
        }
    }

    /// The child is gone: what it wrote is still read and shown.
    pub(super) fn drain(&mut self) {
        if matches!(self.phase, Phase::Sealing(_) | Phase::Closed) {
            return;
        }
        self.begin_draining(None, self.policy.ending.drain);
    }

    /// Begins to end the child. The first reason given is the one that counts.
    pub(super) fn terminate(&mut self, end: End) {
        if matches!(self.phase, Phase::Draining(_) | Phase::Sealing(_) | Phase::Closed) {
            return;
        }
        let step = self.first_step();
        self.end.get_or_insert(end);
        if self.child == Child::Runs {
            self.take_step(step);
        } else {
            self.drain();
        }
    }

    fn take_step(&mut self, step: Step) {
        self.effects.push_back(Effect::Terminate(step));
        self.begin_draining(Some(step), self.policy.ending.grace);
    }

    fn begin_draining(&mut self, step: Option<Step>, span: Duration) {
        let screen_until = self.now + self.policy.ending.screen;
        self.phase = Phase::Draining(Draining::new(step, self.now + span, screen_until));
    }

    /// The user took something: he is there, however slow.
    pub(super) fn user_takes(&mut self) {
        let screen_until = self.now + self.policy.ending.screen;
        if let Phase::Draining(draining) = &mut self.phase {
            draining.screen_until = screen_until;
        }
    }

    /// Whoever is to be shown what the child left does not take it, or is not waited for any more.
    /// What was read is in the recording.
    fn give_up_screen(&mut self) {
        let Phase::Draining(draining) = &mut self.phase else { return };
        (draining.held, draining.reading) = (None, false);
        let users = Port::ALL.into_iter().filter(|port| *port != Port::Child);
        let waiting: u64 = users.map(|port| self.egress.close(port)).sum();
        if waiting > 0 {
            self.trouble(NOT_SHOWN.into(), format!("{waiting} bytes of output were not taken"));
        }
    }

    /// A signal ends the wait for a user once there is no child any more that it could end.
    pub(super) fn stop_waiting(&mut self) {
        if matches!(&self.phase, Phase::Draining(draining) if draining.step.is_none()) {
            self.give_up_screen();
        }
    }

    pub(super) fn phase_deadline(&self) -> Option<Moment> {
        match &self.phase {
            Phase::Running => self.policy.ending.session_timeout.map(|t| Moment::START + t),
            Phase::Blocked(block) => {
                let session = self.policy.ending.session_timeout.map(|t| Moment::START + t);
                Some(session.map_or(block.until(), |s| s.min(block.until())))
            }
            Phase::Draining(draining) if draining.held.is_none() && draining.reading => {
                Some(draining.until)
            }
            Phase::Draining(draining) => Some(draining.screen_until),
            Phase::Sealing(sealing) => Some(sealing.until),
            Phase::Closed => None,
        }
    }

    /// What the clock alone brings about.
    pub(super) fn time_passes(&mut self) {
        self.retry_recorder();
        self.check_monitor();
        let due = self.phase_deadline().is_some_and(|at| at <= self.now);
        if !due {
            return;
        }
        match &mut self.phase {
            Phase::Blocked(block) if block.until() <= self.now => self.block_expires(),
            Phase::Running | Phase::Blocked(_) => {
                self.tell(Message::TimedOut);
                self.terminate(End::TimedOut);
            }
            Phase::Draining(Draining { step: Some(step), .. }) => match step {
                Step::HangUp => self.take_step(Step::Terminate),
                Step::Terminate => self.take_step(Step::Kill),
                // Not even a kill ends it (uninterruptible sleep): the session ends without it.
                Step::Kill => self.drain(),
            },
            // Whoever holds the terminal open now is not waited for.
            Phase::Draining(draining) if draining.held.is_none() && draining.reading => {
                draining.reading = false;
            }
            Phase::Draining(_) => self.give_up_screen(),
            Phase::Sealing(_) => {
                self.close_recorder();
                self.finish(Some("the recorder did not finish in time"));
            }
            Phase::Closed => {}
        }
    }

    /// Moves on when a drained session has nothing left to read or show.
    pub(super) fn advance_end(&mut self) {
        let held = self.reading_is_held();
        let Phase::Draining(draining) = &mut self.phase else { return };
        draining.hold(held, self.now);
        if draining.step.is_some() {
            return;
        }
        let read = self.open_outputs.iter().all(|open| !open) || !draining.reading;
        if read && self.egress.user_is_served() {
            self.inspect_rest();
            if self.watch.as_ref().is_none_or(Watch::is_quiet) {
                self.seal();
            }
        }
    }

    fn seal(&mut self) {
        self.with_secrets(|s, now, out| s.finish(now, &mut |piece| out.push(piece)));
        self.tell_unjudged();
        self.effects.push_back(Effect::ReleaseTerminal);
        self.try_recorder_now();
        let until = self.now + self.policy.ending.seal;
        self.phase = Phase::Sealing(Sealing { until, end: None, closing: false, again: true });
        self.record_end();
    }

    pub(super) const fn is_sealing(&self) -> bool {
        matches!(self.phase, Phase::Sealing(_))
    }

    fn record_end(&mut self) {
        let outcome = self.outcome();
        let seq = self.record_durably(Body::End(outcome));
        if let Phase::Sealing(sealing) = &mut self.phase {
            sealing.end = Some(seq);
        }
    }

    /// Closes the recording once the end is in it.
    pub(super) fn end_recorded(&mut self, through: u64) {
        if let Phase::Sealing(Sealing { end: Some(end), .. }) = self.phase
            && through >= end
        {
            self.close_recorder();
        }
    }

    /// Whether the record of the end is made.
    pub(super) const fn has_ended(&self) -> bool {
        matches!(self.phase, Phase::Sealing(Sealing { end: Some(_), .. }))
    }

    /// The recorder has failed. While it was to take the end, it is told the end once more, with
    /// what is missing: a full disk keeps room for that.
    pub(super) fn end_failed(&mut self) {
        let Phase::Sealing(sealing) = &mut self.phase else { return };
        if sealing.closing {
            return self.give_up_recorder();
        }
        let again = std::mem::take(&mut sealing.again);
        if again {
            sealing.end = None;
        }
        self.end_without_record();
        if again {
            self.try_recorder_last();
            self.record_end();
        } else {
            self.give_up_recorder();
            self.close_recorder();
        }
    }

    fn close_recorder(&mut self) {
        if let Phase::Sealing(sealing) = &mut self.phase
            && !std::mem::replace(&mut sealing.closing, true)
        {
            self.effects.push_back(Effect::Close);
        }
    }

    pub(super) fn recorder_closed(&mut self, failure: Option<String>) {
        if matches!(self.phase, Phase::Sealing(_)) {
            self.finish(failure.as_deref());
        }
    }

    fn finish(&mut self, failure: Option<&str>) {
        let mut outcome = self.outcome();
        if let Some(reason) = failure {
            let from = self.recording.acknowledged() + 1;
            outcome.lost.get_or_insert(Loss {
                from: from.min(self.recording.last()),
                through: self.recording.last(),
                bytes: self.recording.unacknowledged_bytes(),
                reason: reason.to_owned(),
            });
        }
        self.phase = Phase::Closed;
        self.publish(crate::control::News::Finished(outcome.clone()));
        self.effects.push_back(Effect::Finish(outcome));
    }

    fn outcome(&self) -> Outcome {
        let exit = match self.child {
            Child::Exited(exit) => Some(exit),
            _ => None,
        };
        let end = match &self.end {
            Some(end) => end.clone(),
            None if self.hung_up => End::HangUp,
            None => End::Exited,
        };
        Outcome { exit, end, lost: self.recording.lost() }
    }
}
