//! What is done with each row that is shown: the receiving end of the normaliser.

use std::collections::VecDeque;

use audit_core::{Finding, Score, Span, Stream};

use super::eye::Eye;
use crate::normalise::{End, Map, Mark, ROW_LIMIT, Rows, Signal, Sink};
use crate::secrets::{RowScanner, has_anchor};
use crate::segment::Part;
use crate::shell::Variables;
use crate::skim::{Skim, next_telling};

/// Secrets told that are remembered, so that none is told twice.
const TOLD: usize = 32;
/// A line that was only shown is judged up to here.
const SHOWN_CEILING: f32 = 0.6;
/// A row longer than this, in bytes, is not judged when it was only shown.
const SHOWN_LIMIT: usize = 4096;

/// Secrets that are shown.
#[derive(Debug, Default)]
pub(super) struct Secrets {
    /// For the screen and for standard error.
    scanners: [RowScanner; 2],
    told: VecDeque<Span>,
    found: Vec<Span>,
}

impl Secrets {
    /// The places of those found since last asked.
    pub(super) fn take(&mut self) -> Vec<Span> {
        std::mem::take(&mut self.found)
    }

    /// Whether the end of a private key is awaited.
    fn in_key(&self) -> bool {
        self.scanners.iter().any(RowScanner::in_key)
    }

    /// Looks at a row and returns the families of secrets in it that were not told before.
    fn look(&mut self, stream: Stream, text: &[u8], map: Map<'_>, end: End) -> Vec<&'static str> {
        let which = usize::from(stream == Stream::Stderr);
        if !self.scanners[which].in_key() && has_anchor(text, 0).is_none() {
            return Vec::new();
        }
        let mut found: Vec<(&'static str, Span)> = Vec::new();
        self.scanners[which].row(text, map, end, |family, start, stop| {
            found.push((family, Span { stream, start, end: stop }));
        });
        found.retain(|(_, span)| self.is_news(*span));
        found.into_iter().map(|(family, _)| family).collect()
    }

    fn is_news(&mut self, span: Span) -> bool {
        let within =
            |a: &Span, b: &Span| a.stream == b.stream && b.start <= a.start && a.end <= b.end;
        if self.told.iter().any(|t| within(&span, t)) {
            return false;
        }
        self.told.retain(|t| !within(t, &span));
        self.told.push_back(span);
        if self.told.len() > TOLD {
            self.told.pop_front();
        }
        self.found.push(span);
        true
    }
}

impl Eye {
    /// Whether rows may be command lines: those of a full screen, and of standard error, are not.
    fn reads_commands(&self) -> bool {
        !self.alternate && self.stream != Some(Stream::Stderr)
    }

    /// Whether the next row is to be looked at whatever it holds.
    fn awaits_row(&self, commands: bool) -> bool {
        self.secrets.in_key() || (commands && self.segmenter.awaits_row())
    }

    /// A row of the main screen ended, or a piece of one that goes on.
    fn look_for_command(&mut self, row: &str, map: Map<'_>, ends: bool) {
        let part = if ends { self.segmenter.row(row) } else { self.segmenter.piece(row) };
        let place = |text: &str| {
            let start = text.as_ptr() as usize - row.as_ptr() as usize;
            let (start, end) = map.raw_range(start, start + text.len())?;
            Some(Span { stream: self.stream?, start, end })
        };
        match part {
            Part::Command { text, known } => {
                let place = place(text);
                self.end_shown();
                self.shown.begin(text);
                if !known {
                    self.judged(text, place);
                }
            }
            Part::Continued { text, known: true } => self.shown.push_known(text),
            Part::Continued { text, known: false } => {
                self.shown.push(text);
                if let Some(whole) = self.shown.affordable() {
                    self.whole(&whole);
                }
            }
            Part::Output => {
                self.end_shown();
                self.only_shown_row(row);
            }
        }
    }

    /// No further line of the command before can come.
    fn end_shown(&mut self) {
        if let Some(whole) = self.shown.whole() {
            self.whole(&whole);
        }
        self.shown.end();
    }

    /// A row that looks like output. It may be a command behind a prompt nobody knows.
    fn only_shown_row(&mut self, row: &str) {
        if row.len() > SHOWN_LIMIT || next_telling(row.as_bytes(), 0).is_none() {
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
        let by_look = start > 0 && self.segmenter.goes_by_look();
        let ceiling = if by_look { assessment.rule } else { SHOWN_CEILING };
        assessment.score = assessment.rule.min(ceiling);
        for finding in &mut assessment.findings {
            finding.score = Score::new(finding.score.value().min(ceiling)).unwrap_or_default();
        }
        self.take(assessment.score, assessment.findings);
    }
}

impl Sink for Eye {
    fn row(&mut self, text: &[u8], map: Map<'_>, end: End) {
        let stream = self.stream.unwrap_or(Stream::Tty);
        let commands = self.reads_commands();
        if !text.is_empty() || self.secrets.in_key() {
            for family in self.secrets.look(stream, text, map, end) {
                self.leaked(family);
            }
        }
        let piece = end == End::Break && text.len() >= ROW_LIMIT;
        if self.alternate && end != End::Open {
            self.segmenter.leave();
        } else if commands && (end == End::Newline || piece) {
            match std::str::from_utf8(text) {
                Ok(row) => self.look_for_command(row, map, !piece),
                // Bytes that are no text change the length, and with it the place.
                Err(_) => {
                    let row = String::from_utf8_lossy(text);
                    self.look_for_command(&row, Map::Offsets(&[]), !piece);
                }
            }
        }
    }

    fn rows(&mut self, rows: Rows<'_>) {
        let commands = self.reads_commands();
        let mut skim = Skim::new(rows.text(), commands, true);
        let mut at = 0;
        // Quiet rows are passed over: they would be output with nothing in it.
        while let Some(row) = rows.row_around(match self.awaits_row(commands) {
            true => at,
            false => skim.next(at),
        }) {
            self.row(row.text, row.map, End::Newline);
            at = row.next;
        }
    }

    fn alternate(&mut self, on: bool) {
        self.switch_screen(on);
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
