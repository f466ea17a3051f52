//! The monitor of a session: everything in this crate behind [`audit_core::Monitor`].

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use audit_core::{
    Finding, Moment, Monitor, MonitorError, PartError, Request, Ruling, Score, SessionSpec, Span,
    Stream, Verdict, Window,
};
use serde::{Deserialize, Serialize};

use crate::detector::{Assessment, excerpt};
use crate::link::{Link, LinkSettings, Question};
use crate::model::Model;
use crate::normalise::{End, Map, Mark, Normaliser, Rows, Signal, Sink};
use crate::rules::RuleFolder;
use crate::secrets::{RowScanner, has_anchor};
use crate::segment::{Part, Segmenter, Typist};
use crate::session::Chain;
use crate::shell::Variables;
use crate::skim::{Skim, fold, next_telling};
use crate::{DetectError, Detector};

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
    folder: Option<RuleFolder>,
    threshold: f32,
    deny: f32,
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
            detector.rules = Arc::clone(folder.rules());
        }
        if let Some(path) = &settings.model {
            detector.model = Some(Arc::new(Model::open(path)?));
        }
        let mut monitor = Self::with_detector(detector);
        monitor.folder = folder;
        if spec.pty {
            monitor.screen.resize(spec.winsize.columns);
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

    /// A monitor with these rules and model, without a session's settings.
    pub fn with_detector(detector: Detector) -> Self {
        Self {
            screen: Normaliser::new(None),
            errors: Normaliser::new(None),
            eye: Eye { detector, ..Eye::default() },
            typist: Typist::default(),
            folder: None,
            threshold: 0.7,
            deny: Settings::default().deny_score,
        }
    }

    fn refresh_rules(&mut self) {
        let Some(folder) = &mut self.folder else { return };
        match folder.refresh(Instant::now()) {
            Ok(true) => self.eye.detector.rules = Arc::clone(folder.rules()),
            Ok(false) => {}
            Err(error) => self.eye.notice(
                "rules.refused",
                "rules were changed and refused; the old ones stay",
                &error.to_string(),
            ),
        }
    }
}

impl Monitor for LocalMonitor {
    fn inspect(&mut self, window: &Window) -> Result<Verdict, MonitorError> {
        self.refresh_rules();
        self.eye.at = window.at;
        if window.stream == Stream::Input {
            let row = String::from_utf8_lossy(self.screen.present()).into_owned();
            let eye = &mut self.eye;
            eye.alternate = self.screen.alternate();
            let enter = window.bytes.iter().any(|b| matches!(b, b'\r' | b'\n'));
            if self.typist.feed(&window.bytes, |line, _| eye.typed(line)) {
                eye.segmenter.typed(&row, enter);
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
        self.eye.judged(&request.command, false);
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
        let eye = &mut self.eye;
        if let Some((text, answer)) = eye.link.as_mut()?.late(wait) {
            let finding = answer.clone().into_finding(excerpt(&text, (0, 0)));
            eye.take(answer.score, vec![finding]);
        }
        eye.tell_troubles();
        (!eye.findings.is_empty()).then(|| eye.verdict())
    }
}

/// Lines typed that are remembered until their echo is seen.
const TYPED: usize = 16;
/// Secrets told that are remembered, so that none is told twice.
const TOLD: usize = 32;
/// A command with its continuation lines is cut to this many bytes.
const COMMAND_LIMIT: usize = 16 << 10;
/// A line that was only shown is judged up to here.
const SHOWN_CEILING: f32 = 0.6;

/// What looks at rows: the receiving end of the normaliser.
#[derive(Debug, Default)]
struct Eye {
    detector: Detector,
    segmenter: Segmenter,
    /// For the screen and for standard error.
    scanners: [RowScanner; 2],
    stream: Option<Stream>,
    chain: Chain,
    variables: Variables,
    link: Option<Link>,
    at: Moment,
    alternate: bool,
    secret_score: f32,
    command: String,
    typed: VecDeque<String>,
    told: VecDeque<Span>,
    /// Text in lower case: of a row, and of many.
    folded: Vec<u8>,
    slab: Vec<u8>,
    score: f32,
    findings: Vec<Finding>,
    secrets: Vec<Span>,
}

impl Eye {
    /// A line was typed or pasted.
    fn typed(&mut self, line: &str) {
        if self.alternate {
            // keys of a full-screen program, unless it only pretends to be one
            self.judged(line, true);
            return;
        }
        self.typed.push_back(line.to_owned());
        if self.typed.len() > TYPED {
            self.typed.pop_front();
        }
        self.judged(line, false);
    }

    /// Judges a command line.
    fn judged(&mut self, line: &str, shown: bool) {
        let mut assessment = self.detector.line(line, &mut self.variables, shown);
        if !shown {
            self.chain.step(&mut assessment, self.at);
        }
        if (0.35..0.7).contains(&assessment.score) {
            self.ask(line, &mut assessment);
        }
        self.take(assessment.score, assessment.findings);
    }

    /// Asks the analyser about a doubtful line; its answer can only raise the score.
    fn ask(&mut self, line: &str, assessment: &mut Assessment) {
        let Some(link) = &mut self.link else { return };
        let findings = assessment.findings.iter().map(|f| f.rule.clone()).collect();
        let question = Question {
            text: crate::secrets::redact(line),
            score: assessment.score,
            rules: findings,
        };
        if let Some(answer) = link.ask(question) {
            assessment.score = assessment.score.max(answer.score);
            assessment.findings.insert(0, answer.into_finding(excerpt(line, (0, 0))));
        }
        self.tell_troubles();
    }

    /// Says why the analyser could not be asked or was not believed.
    fn tell_troubles(&mut self) {
        let Some(link) = &mut self.link else { return };
        for reason in link.troubles() {
            self.notice("analyser.away", "the analyser gave no answer that counts", &reason);
        }
    }

    fn take(&mut self, score: f32, findings: Vec<Finding>) {
        if score >= 0.35 {
            self.score = self.score.max(score);
            self.findings.extend(findings);
        }
    }

    fn notice(&mut self, rule: &str, title: &str, detail: &str) {
        self.findings.push(Finding {
            rule: rule.into(),
            title: title.into(),
            category: "notice".into(),
            mitre: Vec::new(),
            score: Score::ZERO,
            excerpt: excerpt(detail, (0, 0)),
        });
    }

    fn verdict(&mut self) -> Verdict {
        self.findings.sort_by(|a, b| b.score.value().total_cmp(&a.score.value()));
        self.findings.truncate(16);
        Verdict {
            score: Score::new(std::mem::take(&mut self.score)).unwrap_or_default(),
            findings: std::mem::take(&mut self.findings),
            secrets: std::mem::take(&mut self.secrets),
        }
    }

    fn look_for_secrets(&mut self, text: &[u8], map: Map<'_>, end: End) {
        let stream = self.stream.unwrap_or(Stream::Tty);
        let which = usize::from(stream == Stream::Stderr);
        if !self.scanners[which].in_key() {
            fold(text, &mut self.folded);
            if has_anchor(&self.folded, 0).is_none() {
                return;
            }
        }
        let mut found: Vec<(&'static str, Span)> = Vec::new();
        self.scanners[which].row(text, map, end, |family, start, stop| {
            found.push((family, Span { stream, start, end: stop }));
        });
        for (family, span) in found {
            let within =
                |a: &Span, b: &Span| a.stream == b.stream && b.start <= a.start && a.end <= b.end;
            if self.told.iter().any(|t| within(&span, t)) {
                continue;
            }
            self.told.retain(|t| !within(t, &span));
            self.told.push_back(span);
            if self.told.len() > TOLD {
                self.told.pop_front();
            }
            self.secrets.push(span);
            let score = Score::new(self.secret_score).unwrap_or_default();
            self.score = self.score.max(score.value());
            if self.findings.iter().any(|f| f.excerpt == family) {
                continue;
            }
            self.findings.push(Finding {
                rule: "secret.shown".into(),
                title: "a secret is shown".into(),
                category: "secret_leak".into(),
                mitre: vec!["T1552".into()],
                score,
                excerpt: family.into(),
            });
        }
    }

    /// Whether the next row is to be looked at whatever it holds.
    fn awaits_row(&self, reads_commands: bool) -> bool {
        self.scanners.iter().any(RowScanner::in_key)
            || (reads_commands && self.segmenter.awaits_row())
    }

    fn look_for_command(&mut self, row: &str) {
        match self.segmenter.row(row) {
            Part::Command(text) => {
                self.command.clear();
                self.command.push_str(text);
                if let Some(at) = self.typed.iter().position(|t| t == text) {
                    self.typed.drain(..=at);
                } else {
                    let text = text.to_owned();
                    self.judged(&text, false);
                }
            }
            Part::Continued(text) => {
                if self.command.len() + text.len() < COMMAND_LIMIT {
                    self.command.push('\n');
                    self.command.push_str(text);
                    let whole = std::mem::take(&mut self.command);
                    self.judged(&whole, false);
                    self.command = whole;
                }
            }
            Part::Output => self.shown(row),
        }
    }

    /// A row that looks like output. It may be a command behind a prompt nobody knows.
    fn shown(&mut self, row: &str) {
        if row.len() > 4096 || next_telling(row.as_bytes(), 0).is_none() {
            return;
        }
        let behind = ["$ ", "# ", "> ", "% ", "❯ "]
            .iter()
            .filter_map(|s| row.find(s).map(|at| at + s.len()))
            .min();
        let start = behind.filter(|at| *at < 120).unwrap_or(0);
        let mut assessment = self.detector.line(&row[start..], &mut Variables::new(), true);
        if assessment.rule < 0.7 {
            return;
        }
        let ceiling =
            if start > 0 && !self.segmenter.heard() { assessment.rule } else { SHOWN_CEILING };
        assessment.score = assessment.rule.min(ceiling);
        for finding in &mut assessment.findings {
            finding.score = Score::new(finding.score.value().min(ceiling)).unwrap_or_default();
        }
        self.take(assessment.score, assessment.findings);
    }
}

impl Sink for Eye {
    fn row(&mut self, text: &[u8], map: Map<'_>, end: End) {
        if text.is_empty() && !self.scanners.iter().any(RowScanner::in_key) {
            if end == End::Newline && !self.alternate {
                self.segmenter.row("");
            }
            return;
        }
        self.look_for_secrets(text, map, end);
        if end == End::Newline && !self.alternate && self.stream != Some(Stream::Stderr) {
            match std::str::from_utf8(text) {
                Ok(row) => self.look_for_command(row),
                Err(_) => self.look_for_command(&String::from_utf8_lossy(text)),
            }
        }
    }

    fn rows(&mut self, rows: Rows<'_>) {
        let reads_commands = !self.alternate && self.stream != Some(Stream::Stderr);
        let mut folded = std::mem::take(&mut self.slab);
        fold(rows.text(), &mut folded);
        let looks = self.segmenter.trusts_looks();
        let mut skim = Skim::new(rows.text(), &folded, reads_commands, looks);
        let mut at = 0;
        // Quiet rows are passed over: they would be output with nothing in it.
        while let Some(row) = rows.row_around(match self.awaits_row(reads_commands) {
            true => at,
            false => skim.next(at),
        }) {
            self.row(row.text, row.map, End::Newline);
            at = row.next;
        }
        self.slab = folded;
    }

    fn alternate(&mut self, on: bool) {
        self.alternate = on;
    }

    fn mark(&mut self, mark: Mark, column: usize) {
        self.segmenter.mark(mark, column);
    }

    fn signal(&mut self, signal: Signal) {
        let (rule, title, score) = match signal {
            Signal::Hidden(_) => ("display.hidden", "text is shown so that nobody sees it", 0.5),
            Signal::Clipboard => ("display.clipboard", "a program wrote to the clipboard", 0.4),
            Signal::Title(_) => return,
        };
        self.take(
            score,
            vec![Finding {
                rule: rule.into(),
                title: title.into(),
                category: "defense_evasion".into(),
                mitre: vec!["T1564".into()],
                score: Score::new(score).unwrap_or_default(),
                excerpt: String::new(),
            }],
        );
    }
}

#[cfg(test)]
mod tests;
