//! The text of here documents.

use super::{Lexer, find, matching};
use crate::shell::command::{HERE_DOCUMENT, Simple};

/// A here document belongs to a command in one of this many pipelines before it.
const HEREDOC_REACH: usize = 16;

impl Lexer<'_> {
    /// The bodies of here documents start behind the line that names them.
    pub(super) fn take_heredocs(&mut self) {
        for (word, quoted) in std::mem::take(&mut self.heredocs) {
            let mut body = String::new();
            let start = self.at.min(self.text.len());
            let mut stop = start;
            while self.at < self.text.len() {
                let end = find(self.text, self.at, b"\n");
                let line = String::from_utf8_lossy(&self.text[self.at..end]).into_owned();
                self.at = end + 1;
                if line.trim() == word {
                    break;
                }
                stop = end;
                body.push_str(&line);
                body.push('\n');
            }
            // without quotes around its word a here document runs what is substituted in it
            let runs = !quoted && self.substitutions_in(start, stop);
            let recent = self.parsed.pipelines.len().saturating_sub(HEREDOC_REACH);
            let mut commands =
                self.parsed.pipelines[recent..].iter_mut().flat_map(|p| &mut p.commands);
            let waits = |c: &&mut Simple| {
                c.bodies.len() < c.redirects.iter().filter(|(o, _)| o == HERE_DOCUMENT).count()
            };
            if let Some(command) = commands.find(waits) {
                let mut texts = command.redirects.iter_mut().filter(|(o, _)| o == HERE_DOCUMENT);
                if let Some((_, target)) = texts.nth(command.bodies.len()) {
                    *target = body;
                }
                command.bodies.push((start, stop));
                command.substitutes |= runs;
            }
        }
        self.at = self.at.min(self.text.len());
    }

    /// Takes substitutions from the text of a here document; whether there were any.
    fn substitutions_in(&mut self, start: usize, stop: usize) -> bool {
        let mut at = start;
        let before = self.parsed.substitutions.len();
        while at < stop {
            match self.text[at] {
                b'\\' => at += 1,
                b'`' => {
                    let end = find(self.text, at + 1, b"`").min(stop);
                    self.keep_substitution(at + 1, end);
                    at = end;
                }
                b'$' if self.text.get(at + 1) == Some(&b'(') => {
                    let end = matching(self.text, at + 1).min(stop);
                    self.keep_substitution(at + 2, end);
                    at = end;
                }
                _ => {}
            }
            at += 1;
        }
        self.parsed.substitutions.len() > before
    }

    fn keep_substitution(&mut self, start: usize, end: usize) {
        let inner = String::from_utf8_lossy(&self.text[start..end.max(start)]).into_owned();
        self.remember_substitution(inner);
    }
}
