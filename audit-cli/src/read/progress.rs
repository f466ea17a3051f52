//! A progress bar for what takes long, shown to people only.

use std::io::{IsTerminal as _, stderr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use audit_journal::Reading;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// What is over sooner than this shows no bar.
const SOON: Duration = Duration::from_millis(400);

/// A bar on standard error, when that is a terminal.
pub(super) struct Progress {
    bar: ProgressBar,
    since: Instant,
}

impl Progress {
    /// A bar for what `label` says.
    pub(super) fn new(label: &'static str) -> Self {
        let bar = match stderr().is_terminal() {
            true => ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(10)),
            false => ProgressBar::hidden(),
        };
        let style = ProgressStyle::with_template("{prefix} {wide_bar} {percent:>3}% {eta}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        bar.set_prefix(label);
        Self { bar, since: Instant::now() }
    }

    /// So much of `total` is done.
    pub(super) fn at(&self, done: u64, total: u64) {
        show(&self.bar, self.since, done, total);
    }

    /// What tells the bar how far a journal is read.
    pub(super) fn teller(&self) -> Reading {
        self.teller_of(0, None)
    }

    /// The same for one of several: `before` bytes lie behind, and there are `total` in all.
    pub(super) fn teller_of(&self, before: u64, total: Option<u64>) -> Reading {
        let (bar, since) = (self.bar.clone(), self.since);
        Arc::new(move |done, all| show(&bar, since, before + done, total.unwrap_or(all)))
    }

    /// Does something to the terminal without the bar in its way.
    pub(super) fn aside<T>(&self, act: impl FnOnce() -> T) -> T {
        self.bar.suspend(act)
    }
}

fn show(bar: &ProgressBar, since: Instant, done: u64, total: u64) {
    if since.elapsed() >= SOON {
        bar.set_length(total);
        bar.set_position(done);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
