//! What judges lines and gathers what is found.

use std::time::Duration;

use audit_core::{Finding, Moment, Score, Span, Stream, Verdict};

use super::rows::Secrets;
use super::screen;
use crate::Detector;
use crate::detector::{Assessment, excerpt};
use crate::link::{Link, Question};
use crate::segment::{Script, Segmenter, Submitted};
use crate::session::Chain;
use crate::shell::Variables;

/// A verdict tells so many findings at most.
const FINDINGS: usize = 16;
/// A doubtful line has a score from here to there.
const DOUBTFUL: std::ops::Range<f32> = 0.35..0.7;

/// Judges rows and lines, and remembers of the session what that takes.
#[derive(Debug, Default)]
pub(super) struct Eye {
    pub(super) detector: Detector,
    pub(super) segmenter: Segmenter,
    pub(super) secrets: Secrets,
    pub(super) stream: Option<Stream>,
    pub(super) link: Option<Link>,
    pub(super) at: Moment,
    pub(super) alternate: bool,
    pub(super) secret_score: f32,
    /// The lines of one command, as typed and as shown.
    typed: Script,
    pub(super) shown: Script,
    chain: Chain,
    variables: Variables,
    /// The last command starts a program that fills the screen with text to be edited or read.
    fills_screen: bool,
    /// Such a program has the screen: what is typed is text.
    edits: bool,
    /// How many command lines were judged.
    commands: u64,
    score: f32,
    findings: Vec<Finding>,
    /// Bytes of lines that were judged.
    #[cfg(test)]
    pub(super) work: usize,
}

impl Eye {
    pub(super) fn new(detector: Detector) -> Self {
        Self { detector, ..Self::default() }
    }

    /// Enter was pressed on a line, while the row of the cursor showed `row`.
    pub(super) fn submitted(&mut self, line: &Submitted, row: &str) {
        if self.alternate && self.edits && !self.leaves_editor(line, row) {
            return;
        }
        if !line.ends {
            return self.typed(line, None);
        }
        let mut found = self.segmenter.enter(row, line).map(str::to_owned);
        if found.is_none() && !line.whole {
            found = match self.alternate {
                true => Some(self.segmenter.on_screen(row).to_owned()),
                false => self.segmenter.late(&line.text),
            };
        }
        self.typed(line, found.filter(|text| !text.is_empty()).as_deref());
        if self.alternate {
            self.segmenter.leave();
        }
    }

    /// Judges a line that was typed and, if it is not all of it, what was `found` on its row; and
    /// the whole command, where that goes over several lines.
    pub(super) fn typed(&mut self, line: &Submitted, found: Option<&str>) {
        let (start, end) = line.range;
        let place = Span { stream: Stream::Input, start, end };
        if !line.text.is_empty() {
            self.judged(&line.text, Some(place));
        }
        if let Some(text) = found {
            self.judged(text, None);
        }
        let text = found.unwrap_or(&line.text);
        if !line.ends {
            return;
        }
        match self.typed.is_empty() {
            true => self.typed.begin(text),
            false => self.typed.push(text),
        }
        if self.typed.is_open() && !self.typed.is_full() {
            return;
        }
        if let Some(whole) = self.typed.whole() {
            self.whole(&whole);
        }
        self.typed.end();
    }

    /// Whether a line typed into a program that fills the screen is for a shell. Text is judged as
    /// what is only shown.
    fn leaves_editor(&mut self, line: &Submitted, row: &str) -> bool {
        // Whoever is back at the prompt the program was started from has left it, or it never was.
        if self.segmenter.is_at_prompt(row) || screen::opens_shell(&line.text) {
            self.edits = false;
            return true;
        }
        match screen::command_in(&line.text) {
            Some(command) => self.judged(command, None),
            None => self.only_shown(&line.text),
        }
        false
    }

    /// The alternate screen was switched on or off.
    pub(super) fn switch_screen(&mut self, on: bool) {
        self.edits = on && std::mem::take(&mut self.fills_screen);
        self.alternate = on;
        self.segmenter.leave();
    }

    /// Judges a command line, which lies at `place` if that is known.
    pub(super) fn judged(&mut self, line: &str, place: Option<Span>) {
        let mut assessment = self.assess(line, false);
        self.commands += 1;
        self.fills_screen = assessment.resolved.commands.iter().any(|c| screen::fills(c));
        self.chain.step(&mut assessment, self.at);
        self.doubt(line, place, &mut assessment);
        self.take(assessment.score, assessment.findings);
    }

    /// Judges the lines of a command together, each of which was judged before.
    pub(super) fn whole(&mut self, lines: &str) {
        let mut assessment = self.assess(lines, false);
        self.doubt(lines, None, &mut assessment);
        self.take(assessment.score, assessment.findings);
    }

    fn only_shown(&mut self, line: &str) {
        let assessment = self.assess(line, true);
        self.take(assessment.score, assessment.findings);
    }

    fn assess(&mut self, line: &str, shown: bool) -> Assessment {
        #[cfg(test)]
        {
            self.work += line.len();
        }
        self.detector.line(line, &mut self.variables, shown)
    }

    /// Asks the analyser about a line if it is doubtful; its answer can only raise the score.
    fn doubt(&mut self, line: &str, place: Option<Span>, assessment: &mut Assessment) {
        if !DOUBTFUL.contains(&assessment.score) {
            return;
        }
        let Some(link) = &mut self.link else { return };
        let question = Question {
            text: crate::secrets::redact(line),
            score: assessment.score,
            rules: assessment.findings.iter().map(|f| f.rule.clone()).collect(),
            place,
            command: self.commands,
        };
        if let Some(answer) = link.ask(question) {
            assessment.score = assessment.score.max(answer.score);
            assessment.findings.insert(0, answer.into_finding(excerpt(line, (0, 0))));
        }
        self.tell_troubles();
    }

    /// Waits up to `wait` for an answer of the analyser.
    pub(super) fn late(&mut self, wait: Duration) -> Option<Verdict> {
        if let Some((text, answer)) = self.link.as_mut()?.late(wait) {
            let finding = answer.clone().into_finding(excerpt(&text, (0, 0)));
            self.take(answer.score, vec![finding]);
        }
        self.tell_troubles();
        (!self.findings.is_empty()).then(|| self.verdict())
    }

    /// Says why the analyser could not be asked or was not believed.
    fn tell_troubles(&mut self) {
        let Some(link) = &mut self.link else { return };
        for reason in link.troubles() {
            self.notice("analyser.away", "the analyser gave no answer that counts", &reason);
        }
    }

    pub(super) fn take(&mut self, score: f32, findings: Vec<Finding>) {
        if score >= DOUBTFUL.start {
            self.score = self.score.max(score);
            self.findings.extend(findings);
        }
    }

    /// A secret of this family is shown.
    pub(super) fn leaked(&mut self, family: &str) {
        let score = Score::new(self.secret_score).unwrap_or_default();
        self.score = self.score.max(score.value());
        if !self.findings.iter().any(|f| f.excerpt == family) {
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

    pub(super) fn notice(&mut self, rule: &str, title: &str, detail: &str) {
        self.findings.push(Finding {
            rule: rule.into(),
            title: title.into(),
            category: "notice".into(),
            mitre: Vec::new(),
            score: Score::ZERO,
            excerpt: excerpt(detail, (0, 0)),
        });
    }

    /// What was found since last asked.
    pub(super) fn verdict(&mut self) -> Verdict {
        self.findings.sort_by(|a, b| b.score.value().total_cmp(&a.score.value()));
        self.findings.truncate(FINDINGS);
        Verdict {
            score: Score::new(std::mem::take(&mut self.score)).unwrap_or_default(),
            findings: std::mem::take(&mut self.findings),
            secrets: self.secrets.take(),
        }
    }
}
