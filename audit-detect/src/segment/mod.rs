//! Finds the command lines in what a terminal shows and in what is typed.
//!
//! Lines typed or pasted are read from the input itself ([`Typist`]), so that a session cannot hide
//! them by showing something else. What the input alone does not tell, such as a line fetched from
//! the history, is read from the row the user was typing on when he pressed Enter. Any program can
//! print what looks like a prompt, or the marks of shell integration (OSC 133): they neither make a
//! command of output nor hide one.
//!
//! A recording whose input is not known has only those to go by ([`Segmenter::without_input`]).

mod prompt;
mod script;
mod typist;

use std::collections::VecDeque;
use std::hash::{BuildHasher, RandomState};

use crate::normalise::Mark;

use prompt::continuation;
pub use prompt::prompt_end;
pub(crate) use script::Script;
pub use typist::{Submitted, Typist, submits};

/// What a row turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part<'a> {
    /// A command line that was submitted.
    Command {
        /// The line.
        text: &'a str,
        /// Whether it is known from the input, or from the moment Enter was pressed on it.
        known: bool,
    },
    /// A further line of the command before it.
    Continued {
        /// The line.
        text: &'a str,
        /// As in [`Part::Command`].
        known: bool,
    },
    /// Output, or nothing that can be told.
    Output,
}

/// So many typed lines are remembered until their echo is seen, and looked through for it.
const TYPED: usize = 4096;
const LOOKED_THROUGH: usize = 16;
/// So many rows are remembered on which a key may still turn out to have been pressed.
const FINISHED: usize = 16;

/// Tells command lines from output, row by row.
#[derive(Clone, Debug, Default)]
pub struct Segmenter {
    /// Only the look of rows tells what they are.
    without_input: bool,
    /// Column at which a mark said typing starts, in the present row of a recording without input.
    typed_at: Option<usize>,
    /// There a mark said that the command is running: rows are output.
    running: bool,
    /// Text of the row when the user began to type on it.
    base: Option<String>,
    /// Enter was pressed on the present row.
    entered: bool,
    /// The prompt before the last command, without blanks at its end.
    prompt: String,
    /// Enters pressed ahead of the prompt, on lines that are not known whole.
    ahead: u32,
    /// Lines that are known from the input and whose echo was not seen yet, as hashes.
    typed: VecDeque<u64>,
    hasher: RandomState,
    /// The row before was a command line: what may follow is its continuation.
    commanding: bool,
    /// The present row is so long that it comes in pieces, and those before were a command.
    long: bool,
    /// Rows on which nobody had typed when they ended, the newest last.
    finished: VecDeque<String>,
}

impl Segmenter {
    /// For recordings without their input: what looks like a command at a prompt is one.
    pub fn without_input() -> Self {
        Self { without_input: true, ..Self::default() }
    }

    /// Whether only the look of rows tells what they are.
    pub fn goes_by_look(&self) -> bool {
        self.without_input
    }

    /// A mark arrived, `column` bytes into the present row.
    pub fn mark(&mut self, mark: Mark, column: usize) {
        match mark {
            Mark::Typed => (self.running, self.typed_at) = (false, Some(column)),
            Mark::Prompt | Mark::Done => (self.running, self.typed_at) = (false, None),
            Mark::Output => self.running = true,
            Mark::Editing | Mark::Edited => {}
        }
    }

    /// Whether nobody has typed on the present row before.
    pub fn is_fresh(&self) -> bool {
        self.base.is_none()
    }

    /// The user typed `keys` on a fresh row; `row` is what it shows now, with or without their
    /// echo.
    pub fn begin(&mut self, row: &str, keys: &[u8]) {
        let mut base = &row[..row.len() - overlap(row.as_bytes(), keys)];
        if !self.is_prompt(base) && self.is_prompt(row) {
            // The end of the prompt looks like the first keys.
            base = row;
        }
        if self.is_prompt(base) {
            // Whoever waits at a prompt has read what was typed ahead.
            self.ahead = 0;
        }
        self.base = Some(base.to_owned());
    }

    /// Enter was pressed on the present row, which shows `row`. Returns the command on it unless
    /// it is what was typed.
    pub fn enter<'a>(&mut self, row: &'a str, line: &Submitted) -> Option<&'a str> {
        self.entered = true;
        let command = self.command_on(row);
        if line.whole && !line.text.is_empty() {
            self.expect(&line.text);
            // Behind what was typed may stand a suggestion, or its echo is not complete.
            let same = |c: &&str| c.starts_with(&line.text) || line.text.starts_with(*c);
            return command.filter(|c| !same(c));
        }
        let ahead = self.base.as_ref().is_none_or(|base| base.trim().is_empty());
        if !line.whole && command.is_none() && ahead {
            self.ahead = self.ahead.saturating_add(1);
        }
        command.inspect(|c| self.expect(c))
    }

    /// Whether a row that ended already holds the line to which `typed` belongs; then it is taken
    /// for that. An echo may come before the keys, where these were held back in doubt.
    pub fn late(&mut self, typed: &str) -> Option<String> {
        let holds = |row: &String| {
            let end = self.prompt_on(row).unwrap_or(0);
            end > 0 && row[end..].contains(typed)
        };
        let found = self.finished.iter().rposition(holds).filter(|_| !typed.is_empty())?;
        let row = self.finished.remove(found)?;
        self.finished.drain(..found);
        self.ahead = self.ahead.saturating_sub(1);
        let end = self.prompt_on(&row)?;
        Some(row[end..].trim().to_owned())
    }

    /// Whether a row begins with the prompt that stood before the last command.
    pub fn is_at_prompt(&self, row: &str) -> bool {
        !self.prompt.is_empty() && row.starts_with(&self.prompt)
    }

    /// What stands on a row of which nobody knows where it began, such as one of a program that
    /// fills the screen.
    pub fn on_screen<'a>(&self, row: &'a str) -> &'a str {
        row[self.prompt_on(row).unwrap_or(0)..].trim()
    }

    /// Whether the next row counts whatever it looks like: somebody typed on it or ahead of it, it is
    /// marked, or it may continue a command.
    pub fn awaits_row(&self) -> bool {
        self.commanding
            || self.long
            || self.ahead > 0
            || self.base.is_some()
            || self.typed_at.is_some()
    }

    /// Classifies the next finished row of the main screen.
    pub fn row<'a>(&mut self, row: &'a str) -> Part<'a> {
        let part = self.classify(row);
        if part == Part::Output && self.base.is_none() && self.prompt_on(row).is_some() {
            self.finished.push_back(row.to_owned());
            if self.finished.len() > FINISHED {
                self.finished.pop_front();
            }
        }
        self.commanding = part != Part::Output;
        self.leave();
        part
    }

    /// Classifies a piece of a very long row, which goes on.
    pub fn piece<'a>(&mut self, row: &'a str) -> Part<'a> {
        let part = self.classify(row);
        self.long = part != Part::Output;
        part
    }

    /// The cursor leaves the row, which is no command.
    pub fn leave(&mut self) {
        (self.base, self.typed_at, self.entered, self.long) = (None, None, false, false);
    }

    fn classify<'a>(&mut self, row: &'a str) -> Part<'a> {
        if self.long {
            return Part::Command { text: row, known: false };
        }
        if self.without_input {
            return self.by_look(row);
        }
        if let Some(text) = continuation(row).filter(|_| self.commanding) {
            let known = self.echoes(text);
            if known || self.base.as_ref().is_some_and(|base| continuation(base).is_some()) {
                return Part::Continued { text, known };
            }
        }
        let found = match &self.base {
            // A macro may hand a line over without Enter.
            Some(base) if self.entered || self.is_prompt(base) => self.command_on(row),
            _ => None,
        };
        let Some(text) = found.or_else(|| self.typed_ahead(row)) else { return Part::Output };
        let start = text.as_ptr() as usize - row.as_ptr() as usize;
        row[..start].trim_end().clone_into(&mut self.prompt);
        Part::Command { text, known: self.echoes(text) }
    }

    /// What a row shows behind a prompt if that was typed before the prompt came.
    fn typed_ahead<'a>(&mut self, row: &'a str) -> Option<&'a str> {
        let end = self.prompt_on(row)?;
        let text = row[end..].trim();
        if text.is_empty() {
            return None;
        }
        if self.ahead > 0 {
            self.ahead -= 1;
            return Some(text);
        }
        self.is_awaited(text).then_some(text)
    }

    fn by_look<'a>(&mut self, row: &'a str) -> Part<'a> {
        if let Some(text) = continuation(row).filter(|_| self.commanding && self.typed_at.is_none())
        {
            return Part::Continued { text, known: false };
        }
        let start = match self.typed_at {
            Some(column) => Some(if row.is_char_boundary(column) { column } else { 0 }),
            None if self.running => None,
            None => prompt_end(row),
        };
        match start.map(|start| row[start..].trim()) {
            Some(text) if !text.is_empty() => Part::Command { text, known: false },
            _ => Part::Output,
        }
    }

    /// What stands on a row behind what stood there when the user began to type.
    fn command_on<'a>(&self, row: &'a str) -> Option<&'a str> {
        let base = self.base.as_deref()?;
        let trimmed = base.trim_end();
        let mut start = common(trimmed, row);
        if start < trimmed.len() {
            // The prompt was drawn anew, and not as it was.
            start = start.max(prompt_end(row).unwrap_or(0));
        }
        // Without anything before it, a row may just as well be output.
        let command = row[start..].trim();
        (!trimmed.is_empty() && !command.is_empty()).then_some(command)
    }

    /// Where the prompt on a row ends: the one known, or what looks like one.
    fn prompt_on(&self, row: &str) -> Option<usize> {
        let known = !self.prompt.is_empty() && row.starts_with(&self.prompt);
        if known { Some(self.prompt.len()) } else { prompt_end(row) }
    }

    /// Whether somebody began to type behind a prompt.
    fn is_prompt(&self, base: &str) -> bool {
        let base = base.trim_end();
        !base.is_empty() && (base == self.prompt || prompt_end(&format!("{base} x")).is_some())
    }

    fn expect(&mut self, line: &str) {
        self.typed.push_back(self.hasher.hash_one(line));
        if self.typed.len() > TYPED {
            self.typed.pop_front();
        }
    }

    /// Where among the typed lines this one is, if its echo is awaited.
    fn awaited(&self, line: &str) -> Option<usize> {
        if self.typed.is_empty() {
            return None;
        }
        let line = self.hasher.hash_one(line.trim());
        self.typed.iter().take(LOOKED_THROUGH).position(|t| *t == line)
    }

    fn is_awaited(&self, line: &str) -> bool {
        self.awaited(line).is_some()
    }

    /// Whether a line is the echo of one that was typed; lines before it are not waited for.
    fn echoes(&mut self, line: &str) -> bool {
        let found = self.awaited(line);
        if let Some(at) = found {
            self.typed.drain(..=at);
        }
        found.is_some()
    }
}

/// How many bytes the two begin with in common, whole characters only.
fn common(a: &str, b: &str) -> usize {
    let same = a.bytes().zip(b.bytes()).take_while(|(a, b)| a == b).count();
    (0..=same).rev().find(|at| b.is_char_boundary(*at)).unwrap_or(0)
}

/// How many bytes at the end of `row` are the beginning of `keys`: their echo.
fn overlap(row: &[u8], keys: &[u8]) -> usize {
    let most = keys.iter().position(|b| *b < b' ').unwrap_or(keys.len()).min(row.len());
    (1..=most.min(256))
        .rev()
        .find(|n| row.ends_with(&keys[..*n]) && row[row.len() - n] & 0xc0 != 0x80)
        .unwrap_or(0)
}

#[cfg(test)]
mod tests;
