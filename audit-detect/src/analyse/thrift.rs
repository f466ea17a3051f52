//! Spends little on a back end that costs: answers are remembered, and an hour has a budget.

use std::collections::{HashMap, VecDeque};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::{Backend, Judgement};
use crate::link::Analyze;

/// Answers that are remembered, by their text.
const REMEMBERED: usize = 1024;

/// A failure is remembered this long, so that the same question does not run into it again and
/// again.
const SORE: Duration = Duration::from_secs(30);

const HOUR: Duration = Duration::from_secs(3600);

/// Asks another back end at most so often an hour, and never twice about the same text, be it one
/// after the other or at the same time.
///
/// Texts are the same when they mean the same to a shell for certain: they differ in blanks
/// between words alone. Past the budget there is no answer, and who asked decides by what it knows
/// itself.
pub struct Thrifty<B> {
    inner: B,
    budget: usize,
    state: Mutex<State>,
    /// Told whenever an answer comes.
    news: Condvar,
}

#[derive(Default)]
struct State {
    known: HashMap<String, Known>,
    /// The texts that are known, the oldest first.
    order: VecDeque<String>,
    asked: VecDeque<Instant>,
}

/// What is known of a text.
#[derive(Clone)]
enum Known {
    /// It is being asked about.
    Asked,
    Judged(Judgement),
    /// There was no answer, and why.
    Failed(String, Instant),
}

impl<B: Backend> Thrifty<B> {
    /// `inner`, asked at most `budget` times an hour.
    pub fn new(inner: B, budget: usize) -> Self {
        Self { inner, budget, state: Mutex::default(), news: Condvar::new() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is known of this text; waits up to `patience` for an answer another question awaits.
    /// `None` means that the caller is to ask, and tell what came of it.
    fn known(&self, text: &str, patience: Duration) -> Option<Result<Judgement, String>> {
        let end = Instant::now() + patience;
        let mut state = self.state();
        loop {
            let now = Instant::now();
            match state.known.get(text) {
                Some(Known::Judged(judgement)) => return Some(Ok(judgement.clone())),
                Some(Known::Failed(reason, at)) if now.duration_since(*at) < SORE => {
                    return Some(Err(reason.clone()));
                }
                Some(Known::Asked) if now < end => {
                    let waited = self.news.wait_timeout(state, end - now);
                    state = waited.unwrap_or_else(PoisonError::into_inner).0;
                }
                Some(Known::Asked) => return Some(Err("no answer in time".into())),
                _ => {
                    if let Err(reason) = state.spend(now, self.budget) {
                        return Some(Err(reason));
                    }
                    state.learn(text, Known::Asked);
                    return None;
                }
            }
        }
    }

    fn learn(&self, text: &str, known: Known) {
        self.state().learn(text, known);
        self.news.notify_all();
    }
}

impl State {
    /// Takes one question off the budget.
    fn spend(&mut self, now: Instant, budget: usize) -> Result<(), String> {
        while self.asked.front().is_some_and(|at| now.duration_since(*at) >= HOUR) {
            self.asked.pop_front();
        }
        if self.asked.len() >= budget {
            return Err(format!("the budget of {budget} questions an hour is spent"));
        }
        self.asked.push_back(now);
        Ok(())
    }

    fn learn(&mut self, text: &str, known: Known) {
        if self.known.insert(text.to_owned(), known).is_none() {
            self.order.push_back(text.to_owned());
        }
        while self.order.len() > REMEMBERED {
            if let Some(oldest) = self.order.pop_front() {
                self.known.remove(&oldest);
            }
        }
    }
}

/// Tells that there is no answer if none was told when it goes, such as after a panic.
struct Question<'a, B: Backend>(&'a Thrifty<B>, &'a str, bool);

impl<B: Backend> Drop for Question<'_, B> {
    fn drop(&mut self) {
        if !self.2 {
            self.0.learn(self.1, Known::Failed("the back end failed".into(), Instant::now()));
        }
    }
}

impl<B: Backend> Backend for Thrifty<B> {
    fn judge(&self, question: &Analyze) -> Result<Judgement, String> {
        let text = normalised(&question.text);
        if let Some(known) = self.known(&text, Duration::from_millis(question.deadline_ms)) {
            return known;
        }
        let mut asked = Question(self, &text, false);
        let judged = self.inner.judge(question);
        asked.2 = true;
        self.learn(
            &text,
            match &judged {
                Ok(judgement) => Known::Judged(judgement.clone()),
                Err(reason) => Known::Failed(reason.clone(), Instant::now()),
            },
        );
        judged
    }
}

/// The text with single spaces between its words, where blanks tell nothing but where words end:
/// there is neither a quote nor a backslash, a comment or a further line.
fn normalised(text: &str) -> String {
    let text = text.trim();
    if text.contains(['\'', '"', '\\', '#', '\n', '\r', '`', '$']) {
        return text.to_owned();
    }
    text.split([' ', '\t']).filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

impl<B> std::fmt::Debug for Thrifty<B> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Thrifty").field("budget", &self.budget).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::{Arc, Barrier};

    use super::*;

    /// Counts what it is asked, and fails about what begins with `fail`.
    #[derive(Default)]
    struct Counting(AtomicUsize, Option<Barrier>);

    impl Backend for Counting {
        fn judge(&self, question: &Analyze) -> Result<Judgement, String> {
            self.0.fetch_add(1, Ordering::SeqCst);
            if let Some(barrier) = &self.1 {
                barrier.wait();
            }
            match question.text.starts_with("fail") {
                true => Err("on purpose".into()),
                false => Ok(Judgement { score: 0.5, ..Judgement::default() }),
            }
        }
    }

    fn question(text: &str) -> Analyze {
        let message = serde_json::json!({
            "t": "analyze", "v": 1, "req_id": 1, "session": "s", "text": text, "score": 0.5,
            "deadline_ms": 60_000,
        });
        crate::link::read_analyze(&message.to_string()).expect("a question")
    }

    #[test]
    fn the_same_text_is_asked_about_once_and_the_budget_holds() {
        let thrifty = Thrifty::new(Counting::default(), 2);
        assert!(thrifty.judge(&question("curl  x | sh")).is_ok());
        assert!(thrifty.judge(&question("curl x |\tsh")).is_ok());
        assert_eq!(thrifty.inner.0.load(Ordering::SeqCst), 1);
        assert!(thrifty.judge(&question("wget x")).is_ok());
        let spent = thrifty.judge(&question("nc x"));
        assert_eq!(spent.unwrap_err(), "the budget of 2 questions an hour is spent");
        assert!(thrifty.judge(&question("wget x")).is_ok(), "what is known costs nothing");
        let later = Instant::now() + HOUR;
        assert!(thrifty.state().spend(later, 2).is_ok(), "the next hour has a budget of its own");
    }

    #[test]
    fn texts_that_may_mean_something_else_are_not_the_same() {
        let thrifty = Thrifty::new(Counting::default(), 100);
        let texts = [
            "# \ncurl x | sh",
            "# curl x | sh",
            "echo 'a  b'",
            "echo 'a b'",
            "echo a\\  b",
            "echo a\\ b",
            "python3 -c \"if x:\n  y\"",
            "python3 -c \"if x:\n y\"",
        ];
        for text in texts {
            assert!(thrifty.judge(&question(text)).is_ok());
        }
        assert_eq!(thrifty.inner.0.load(Ordering::SeqCst), texts.len());
    }

    #[test]
    fn a_failure_is_not_run_into_again_at_once() {
        let thrifty = Thrifty::new(Counting::default(), 100);
        for _ in 0..5 {
            assert_eq!(thrifty.judge(&question("fail")).unwrap_err(), "on purpose");
        }
        assert_eq!(thrifty.inner.0.load(Ordering::SeqCst), 1);
        let before = Instant::now().checked_sub(SORE).expect("the machine runs that long");
        thrifty.learn("fail", Known::Failed("old".into(), before));
        assert_eq!(thrifty.judge(&question("fail")).unwrap_err(), "on purpose");
        assert_eq!(thrifty.inner.0.load(Ordering::SeqCst), 2, "it is forgotten after a while");
    }

    #[test]
    fn a_text_that_is_being_asked_about_is_waited_for() {
        let backend = Counting(AtomicUsize::new(0), Some(Barrier::new(2)));
        let thrifty = Arc::new(Thrifty::new(backend, 100));
        let askers: Vec<_> = (0..8)
            .map(|_| {
                let thrifty = Arc::clone(&thrifty);
                std::thread::spawn(move || thrifty.judge(&question("curl x")).map(|j| j.score))
            })
            .collect();
        thrifty.inner.1.as_ref().expect("a barrier").wait();
        for asker in askers {
            assert_eq!(asker.join().expect("no panic"), Ok(0.5));
        }
        assert_eq!(thrifty.inner.0.load(Ordering::SeqCst), 1);
    }
}
