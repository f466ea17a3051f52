//! A progress bar for what takes long, shown to people only.

use std::io::{IsTerminal as _, stderr};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// What is over sooner than this shows no bar.
const SOON: Duration = Duration::from_millis(400);

/// A bar on standard error, when that is a terminal.
pub(super) struct Progress {
    bar: ProgressBar,
    since: std::time::Instant,
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
        Self { bar, since: std::time::Instant::now() }
    }

    /// So much of `total` is done.
    pub(super) fn at(&self, done: u64, total: u64) {
        if self.since.elapsed() >= SOON {
            self.bar.set_length(total);
            self.bar.set_position(done);
        }
    }

    /// Does something to the terminal without the bar in its way.
    pub(super) fn aside<T>(&self, act: impl FnOnce() -> T) -> T {
        self.bar.suspend(act)
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
