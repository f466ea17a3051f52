//! Spends little on a back end that costs: answers are remembered, and an hour has a budget.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::{Backend, Judgement};
use crate::link::Analyze;

/// Answers that are remembered, by their text.
const REMEMBERED: usize = 1024;

const HOUR: Duration = Duration::from_secs(3600);

/// Asks another back end at most so often an hour, and never twice about the same text.
///
/// Texts are the same when they differ in white space only. Past the budget there is no answer,
/// and who asked decides by what it knows itself.
pub struct Thrifty<B> {
    inner: B,
    budget: usize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    known: VecDeque<(String, Judgement)>,
    asked: VecDeque<Instant>,
}

impl<B: Backend> Thrifty<B> {
    /// `inner`, asked at most `budget` times an hour.
    pub fn new(inner: B, budget: usize) -> Self {
        Self { inner, budget, state: Mutex::default() }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes one question off the budget; `false` when none is left.
    fn spend(&self, now: Instant) -> bool {
        let mut state = self.state();
        while state.asked.front().is_some_and(|at| now.duration_since(*at) >= HOUR) {
            state.asked.pop_front();
        }
        let left = state.asked.len() < self.budget;
        if left {
            state.asked.push_back(now);
        }
        left
    }
}

impl<B: Backend> Backend for Thrifty<B> {
    fn judge(&self, question: &Analyze) -> Result<Judgement, String> {
        let text = question.text.split_whitespace().collect::<Vec<_>>().join(" ");
        let known = |state: &State| {
            state.known.iter().find(|(asked, _)| *asked == text).map(|(_, known)| known.clone())
        };
        if let Some(judgement) = known(&self.state()) {
            return Ok(judgement);
        }
        if !self.spend(Instant::now()) {
            return Err(format!("the budget of {} questions an hour is spent", self.budget));
        }
        let judgement = self.inner.judge(question)?;
        let mut state = self.state();
        state.known.push_back((text, judgement.clone()));
        if state.known.len() > REMEMBERED {
            state.known.pop_front();
        }
        Ok(judgement)
    }
}

impl<B> std::fmt::Debug for Thrifty<B> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Thrifty").field("budget", &self.budget).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[derive(Default)]
    struct Counting(AtomicUsize);

    impl Backend for Counting {
        fn judge(&self, _: &Analyze) -> Result<Judgement, String> {
            self.0.fetch_add(1, Ordering::Relaxed);
            Ok(Judgement { score: 0.5, ..Judgement::default() })
        }
    }

    fn question(text: &str) -> Analyze {
        Analyze {
            t: "analyze".into(),
            v: crate::link::VERSION,
            req_id: 1,
            session: "session".into(),
            text: text.into(),
            score: 0.5,
            rules: Vec::new(),
            context: Default::default(),
            deadline_ms: 1000,
        }
    }

    #[test]
    fn the_same_text_is_asked_about_once_and_the_budget_holds() {
        let thrifty = Thrifty::new(Counting::default(), 2);
        assert!(thrifty.judge(&question("curl  x | sh")).is_ok());
        assert!(thrifty.judge(&question("curl x |   sh")).is_ok());
        assert_eq!(thrifty.inner.0.load(Ordering::Relaxed), 1);
        assert!(thrifty.judge(&question("wget x")).is_ok());
        let spent = thrifty.judge(&question("nc x"));
        assert_eq!(spent.unwrap_err(), "the budget of 2 questions an hour is spent");
        assert!(thrifty.judge(&question("wget x")).is_ok(), "what is known costs nothing");
        assert!(thrifty.spend(Instant::now() + HOUR), "the next hour has a budget of its own");
    }
}
