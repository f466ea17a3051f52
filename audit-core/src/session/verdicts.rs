//! What the monitor says, and what happens when it says nothing.

use super::{Phase, SessionCore};
use crate::control::News;
use crate::event::Effect;
use crate::identity::Identity;
use crate::monitor::{Ruling, Score, Verdict};
use crate::policy::OnStall;
use crate::record::Body;

impl SessionCore {
    pub(super) fn verdict(&mut self, window: u64, verdict: Result<Verdict, String>) {
        let now = self.now;
        let Some(watch) = &mut self.watch else { return };
        let effects = &mut self.effects;
        let answered = watch.answered(window, now, &mut |w| effects.push_back(Effect::Inspect(w)));
        self.passed.judged = watch.judged_through();
        let unjudged = if verdict.is_ok() { watch.works() } else { None };
        if answered.back.is_some() || unjudged.is_some() {
            let bytes = answered.back.unwrap_or(0) + unjudged.unwrap_or(0);
            self.trouble(
                "monitor.back".into(),
                format!("the monitor answers again; {bytes} bytes were not judged"),
            );
        }
        match verdict {
            Ok(verdict) => self.weigh(verdict, self.policy.blocking.threshold),
            Err(reason) => self.went_unjudged(window, answered.bytes, &reason),
        }
    }

    pub(super) fn ruling(&mut self, request: u64, ruling: Result<Ruling, String>) {
        match ruling {
            Ok(Ruling::Allow) => {}
            // The monitor has decided: no score is too low for that.
            Ok(Ruling::Deny(verdict) | Ruling::Ask(verdict)) => self.weigh(verdict, Score::ZERO),
            Err(reason) => {
                self.trouble("monitor.failed".into(), format!("request {request}: {reason}"));
            }
        }
    }

    /// A threat blocks a running session. While it is blocked, a further one is kept: whoever
    /// approves has decided about the first alone.
    fn weigh(&mut self, mut verdict: Verdict, threshold: Score) {
        if let Some(watch) = &self.watch {
            verdict.secrets = watch.place(&verdict.secrets);
        }
        let threat = self.policy.blocking.enabled && verdict.score >= threshold;
        if threat && matches!(self.phase, Phase::Running) {
            let subject = subject(&verdict);
            self.block(subject, Identity::service("monitor"), Some(verdict));
            return;
        }
        let further =
            threat && matches!(&self.phase, Phase::Blocked(block) if block.is_new(&verdict));
        if further || !verdict.findings.is_empty() || !verdict.secrets.is_empty() {
            self.record(Body::Verdict(verdict.clone()));
            if verdict.score > Score::ZERO {
                self.publish(News::Verdict(verdict.clone()));
            }
        }
        if let Phase::Blocked(block) = &mut self.phase
            && further
        {
            block.keep(verdict);
        }
    }

    /// The monitor's time is up.
    pub(super) fn check_monitor(&mut self) {
        let now = self.now;
        let Some(watch) = &mut self.watch else { return };
        let effects = &mut self.effects;
        watch.due(now, false, &mut |w| effects.push_back(Effect::Inspect(w)));
        if watch.stalls(now) {
            self.passed.judged = watch.judged_through();
            self.trouble(
                "monitor.stalled".into(),
                "the monitor did not answer in time; what comes now is judged when it does".into(),
            );
            self.block_unjudged("the monitor does not answer in time");
        }
    }

    /// A window came back unjudged. That is told once until the monitor works again, which tells
    /// how much it was.
    fn went_unjudged(&mut self, window: u64, bytes: u64, reason: &str) {
        if self.watch.as_mut().is_some_and(|watch| watch.failed(bytes)) {
            self.trouble("monitor.failed".into(), format!("window {window}: {reason}"));
            self.block_unjudged("the monitor cannot judge");
        }
    }

    fn block_unjudged(&mut self, subject: &str) {
        let blocking = &self.policy.blocking;
        let blocks = blocking.enabled && blocking.on_stall == OnStall::Block;
        if blocks && matches!(self.phase, Phase::Running) {
            self.block(subject.to_owned(), Identity::service("monitor"), None);
        }
    }

    /// Hands the last windows over at the end.
    pub(super) fn inspect_rest(&mut self) {
        let now = self.now;
        let Some(watch) = &mut self.watch else { return };
        let effects = &mut self.effects;
        watch.due(now, true, &mut |w| effects.push_back(Effect::Inspect(w)));
    }

    /// The session ends: says what nobody judged.
    pub(super) fn tell_unjudged(&mut self) {
        let Some(watch) = &mut self.watch else { return };
        let stalled = watch.give_up();
        let failed = watch.works();
        if stalled.is_some() || failed.is_some() {
            let bytes = stalled.unwrap_or(0) + failed.unwrap_or(0);
            self.trouble(
                "monitor.unjudged".into(),
                format!("the session ends with {bytes} bytes that were not judged"),
            );
        }
    }

    /// What was to lie at these places of the streams, or behind them, is lost to the journal.
    pub(super) fn forget(&mut self, places: [u64; 4]) {
        if let Some(watch) = &mut self.watch {
            watch.forget(places);
        }
        // Output alone has places that matter; a seal of input is not looked for.
        let [tty, ..] = places;
        self.sealed.retain(|_, place| *place < tty);
    }
}

/// What people are asked about.
pub(super) fn subject(verdict: &Verdict) -> String {
    let worst = verdict.findings.first();
    worst.map_or_else(
        || "a monitor's verdict".to_owned(),
        |finding| format!("{} [{}]", finding.title, finding.rule),
    )
}
