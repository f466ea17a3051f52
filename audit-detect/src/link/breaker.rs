//! A circuit breaker: after some failures in a row nothing is tried for a while.

use std::time::{Duration, Instant};

/// This many failures in a row open the circuit.
const FAILURES: u32 = 3;
/// The first pause; each further failure doubles it.
const FIRST: Duration = Duration::from_millis(500);
/// No pause is longer.
const LONGEST: Duration = Duration::from_secs(60);

/// Whether something that failed may be tried again.
#[derive(Clone, Debug, Default)]
pub struct Breaker {
    failures: u32,
    until: Option<Instant>,
}

impl Breaker {
    /// Whether to try at `now`.
    pub fn allows(&self, now: Instant) -> bool {
        self.until.is_none_or(|until| now >= until)
    }

    /// It worked: the circuit is closed.
    pub fn succeeded(&mut self) {
        *self = Self::default();
    }

    /// It failed at `now`.
    pub fn failed(&mut self, now: Instant) {
        self.failures = self.failures.saturating_add(1);
        if self.failures >= FAILURES {
            let doublings = (self.failures - FAILURES).min(10);
            self.until = Some(now + (FIRST * 2u32.pow(doublings)).min(LONGEST));
        }
    }

    /// When it may be tried again, if the circuit is open.
    pub fn open_until(&self) -> Option<Instant> {
        self.until
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_failures_open_it_and_each_further_one_doubles_the_pause() {
        let (mut breaker, now) = (Breaker::default(), Instant::now());
        breaker.failed(now);
        breaker.failed(now);
        assert!(breaker.allows(now));
        breaker.failed(now);
        assert!(!breaker.allows(now) && breaker.allows(now + FIRST));
        breaker.failed(now);
        assert!(!breaker.allows(now + FIRST) && breaker.allows(now + FIRST * 2));
        for _ in 0..100 {
            breaker.failed(now);
        }
        assert!(breaker.allows(now + LONGEST));
        breaker.succeeded();
        assert!(breaker.allows(now));
    }
}
