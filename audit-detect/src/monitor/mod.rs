//! The monitor of a session: everything in this crate behind [`audit_core::Monitor`].

mod eye;
mod rows;
mod screen;
mod stdin;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use audit_core::{
    Monitor, MonitorError, PartError, Request, Ruling, SessionSpec, Stream, Verdict, Window,
};
use serde::{Deserialize, Serialize};

use crate::link::{Link, LinkSettings};
use crate::model::Model;
use crate::normalise::Normaliser;
use crate::rules::RuleFolder;
use crate::segment::{Segmenter, Typist, submits};
use crate::{DetectError, Detector};

use eye::Eye;

/// Name of the monitor in a toolkit.
pub const NAME: &str = "detect";

/// Settings of the monitor; every field may be left out.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// A folder of rules of one's own (`*.toml`), read again when it changes.
    pub rules_dir: Option<PathBuf>,
    /// A model in place of the one in the program.
    pub model: Option<PathBuf>,
    /// Score of a finding when a secret is shown, `0.0..=1.0`. The place of the secret is reported
    /// whatever it is.
    pub secret_score: f32,
    /// A command judged before it runs is refused from this score on; above the session's
    /// threshold and below this, people are asked. More than `1.0` never refuses.
    pub deny_score: f32,
    /// The analyser server to ask about what stays doubtful.
    pub analyser: Option<LinkSettings>,
}

impl Default for Settings {
    fn default() -> Self {
        Self { rules_dir: None, model: None, secret_score: 0.5, deny_score: 1.1, analyser: None }
    }
}

/// Builds the monitor of a session: what a toolkit registers under [`NAME`].
///
/// # Errors
/// The settings are not of this monitor, or the rules, the model or the analyser's address in
/// them cannot be used.
pub fn monitor(spec: &SessionSpec) -> Result<Box<dyn Monitor>, PartError> {
    let settings = match &spec.monitor {
        Some(part) => part.settings()?,
        None => Settings::default(),
    };
    let wrong = |e: DetectError| PartError { part: NAME.into(), reason: e.to_string() };
    Ok(Box::new(LocalMonitor::new(&settings, spec).map_err(wrong)?))
}

/// Judges what one session types and shows.
#[derive(Debug)]
pub struct LocalMonitor {
    /// The terminal, or standard output without one.
    screen: Normaliser,
    /// Standard error without a terminal.
    errors: Normaliser,
    eye: Eye,
    typist: Typist,
    input: Input,
    folder: Option<RuleFolder>,
    /// Why the rules were refused that are there now, once it was told.
    refused: Option<String>,
    threshold: f32,
    deny: f32,
}

/// What comes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Input {
    /// Keys, from a terminal.
    Keys,
    /// Lines that a shell reads from a pipe.
    Lines,
    /// Data of a program that is no shell.
    Data,
}

impl LocalMonitor {
    /// The monitor of the session `spec` tells of.
    ///
    /// # Errors
    /// The rules, the model or the analyser's address cannot be used.
    pub fn new(settings: &Settings, spec: &SessionSpec) -> Result<Self, DetectError> {
        let mut detector = Detector::embedded();
        let folder = settings.rules_dir.as_deref().map(RuleFolder::open).transpose()?;
        if let Some(folder) = &folder {
            detector.rules = Some(Arc::clone(folder.rules()));
        }
        if let Some(path) = &settings.model {
            detector.model = Some(Arc::new(Model::open(path)?));
        }
        let mut monitor = Self::with_detector(detector);
        monitor.folder = folder;
        if spec.pty {
            monitor.screen.resize(spec.winsize.columns);
        } else if stdin::reads_commands(&spec.command) {
            (monitor.input, monitor.typist) = (Input::Lines, Typist::plain());
        } else {
            monitor.input = Input::Data;
        }
        monitor.threshold = spec.policy.blocking.threshold.value();
        monitor.deny = settings.deny_score;
        monitor.eye.secret_score = settings.secret_score;
        if let Some(analyser) = &settings.analyser {
            monitor.eye.link = Some(Link::open(
                analyser,
                spec.id.to_string(),
                spec.user.name.clone(),
                spec.host.clone(),
            )?);
        }
        Ok(monitor)
    }

    /// The monitor of a terminal with these rules and model, without a session's settings.
    pub fn with_detector(detector: Detector) -> Self {
        Self {
            screen: Normaliser::new(None),
            errors: Normaliser::new(None),
            eye: Eye::new(detector),
            typist: Typist::default(),
            input: Input::Keys,
            folder: None,
            refused: None,
            threshold: 0.7,
            deny: Settings::default().deny_score,
        }
    }

    /// For recordings whose input is not known: what looks like a command at a prompt is judged as
    /// one. In a session only what somebody typed is.
    #[must_use]
    pub fn without_input(mut self) -> Self {
        self.eye.segmenter = Segmenter::without_input();
        self
    }

    fn refresh_rules(&mut self) {
        let Some(folder) = &mut self.folder else { return };
        match folder.refresh(Instant::now()) {
            Ok(changed) => {
                if changed {
                    self.eye.detector.rules = Some(Arc::clone(folder.rules()));
                    self.refused = None;
                }
            }
            Err(error) => self.refuse_rules(error.to_string()),
        }
    }

    /// Says why changed rules are not used, once for each reason.
    fn refuse_rules(&mut self, reason: String) {
        if self.refused.as_ref() != Some(&reason) {
            let title = "rules were changed and refused; the old ones stay";
            self.eye.notice("rules.refused", title, &reason);
            self.refused = Some(reason);
        }
    }

    fn typed(&mut self, window: &Window) {
        // By the time somebody has typed a line, it can be judged at once.
        self.eye.detector.prepare();
        let mut lines = Vec::new();
        let touched = self.typist.feed(&window.bytes, window.offset, |line| lines.push(line));
        if self.input == Input::Lines {
            lines.iter().for_each(|line| self.eye.typed(line, None));
            return;
        }
        let begins = touched && self.eye.segmenter.is_fresh();
        if !begins && !window.bytes.iter().any(|b| submits(*b)) {
            return;
        }
        let row = String::from_utf8_lossy(self.screen.present()).into_owned();
        if begins {
            self.eye.segmenter.begin(&row, &window.bytes);
        }
        // The echo of further lines in the same read is not there yet.
        let rows = std::iter::once(row.as_str()).chain(std::iter::repeat(""));
        for (line, row) in lines.iter().zip(rows) {
            self.eye.submitted(line, row);
        }
    }
}

impl Monitor for LocalMonitor {
    fn inspect(&mut self, window: &Window) -> Result<Verdict, MonitorError> {
        self.refresh_rules();
        self.eye.at = window.at;
        if window.stream == Stream::Input {
            if self.input != Input::Data {
                self.typed(window);
            }
        } else {
            let errors = window.stream == Stream::Stderr;
            let normaliser = if errors { &mut self.errors } else { &mut self.screen };
            if window.offset != normaliser.offset() {
                normaliser.skip_to(window.offset);
            }
            self.eye.stream = Some(window.stream);
            normaliser.feed(&window.bytes, &mut self.eye);
            normaliser.flush_open(&mut self.eye);
        }
        Ok(self.eye.verdict())
    }

    fn judge(&mut self, request: &Request) -> Result<Ruling, MonitorError> {
        self.refresh_rules();
        self.eye.at = request.at;
        self.eye.judged(&request.command, None);
        let verdict = self.eye.verdict();
        let score = verdict.score.value();
        Ok(if score >= self.deny {
            Ruling::Deny(verdict)
        } else if score >= self.threshold {
            Ruling::Ask(verdict)
        } else {
            Ruling::Allow
        })
    }

    fn awaits(&self) -> bool {
        self.eye.link.as_ref().is_some_and(Link::awaits)
    }

    fn late(&mut self, wait: Duration) -> Option<Verdict> {
        self.eye.late(wait)
    }
}

#[cfg(test)]
mod tests;
