//! Rule two: where the kernel neither echoes nor edits, what comes back tells a secret.
//!
//! A line editor shows a key at the cursor, whatever colours, redraws and suggestions it puts
//! around. A prompt for a secret shows nothing, or a mask character.

use std::collections::VecDeque;
use std::time::Duration;

use unicode_width::UnicodeWidthChar;
use zeroize::{Zeroize, Zeroizing};

use super::prompt::{Prompts, Suspicion, is_mask};
use super::row::Rows;
use super::vault::{Fate, Ticket};
use crate::moment::Moment;
use crate::record::SecretRule;

/// The end of a line inside a bracketed paste, among the characters to come back.
pub(super) const PASTED_END: char = '\n';

/// What a look at the rows decided.
pub(super) type Decided = Vec<(Ticket, Fate)>;

/// Keys sealed together.
struct Run {
    ticket: Ticket,
    /// How many of its characters have not come back.
    left: usize,
    typed: Moment,
}

/// Keys whose echo is awaited.
pub(super) struct Correlation {
    runs: VecDeque<Run>,
    /// The characters that have not come back, oldest first.
    pending: VecDeque<char>,
    /// Row and cell where the oldest of them is to appear.
    base: (usize, usize),
    /// What stood in front of it, and from there on.
    prefix: String,
    suffix: String,
    suspicion: Suspicion,
    /// Keys may be commands (the alternate screen): any answer but a mask tells that they are.
    commands: bool,
    /// The end of the line was typed behind them.
    submitted: bool,
    /// The row was judged to hold a prompt for a secret.
    judged: bool,
    /// Something typed at this prompt has come back.
    echoed: bool,
}

impl Default for Correlation {
    fn default() -> Self {
        Self {
            runs: VecDeque::new(),
            pending: VecDeque::new(),
            base: (0, 0),
            prefix: String::new(),
            suffix: String::new(),
            suspicion: Suspicion::None,
            commands: false,
            submitted: false,
            judged: false,
            echoed: false,
        }
    }
}

impl Drop for Correlation {
    fn drop(&mut self) {
        self.pending.iter_mut().for_each(|char| char.zeroize());
    }
}

impl Correlation {
    /// Whether no echo is awaited.
    pub(super) fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    /// When the oldest key has waited long enough.
    pub(super) fn deadline(&self, window: Duration) -> Option<Moment> {
        self.runs.front().map(|run| run.typed + window)
    }

    /// Whether a row was just judged to hold a prompt for a secret, and the prompt.
    pub(super) fn take_judged(&mut self) -> Option<String> {
        std::mem::take(&mut self.judged).then(|| self.prefix.clone())
    }

    /// Begins anew where the cursor is. `commands` tells that keys may be commands.
    pub(super) fn begin(&mut self, commands: bool, rows: &Rows, prompts: &Prompts) {
        self.commands = commands;
        self.submitted = false;
        self.rebase(rows, prompts);
    }

    /// The alternate screen was left, and with it what stood in front of keys that did it.
    pub(super) fn leave_screen(&mut self) {
        if self.commands && !self.submitted {
            self.suspicion = Suspicion::None;
        }
    }

    /// The end of a line was typed.
    pub(super) fn submit(&mut self) {
        self.submitted = !self.runs.is_empty();
    }

    /// Whether the line of the awaited keys has ended, so that other keys belong to another.
    pub(super) fn is_submitted(&self) -> bool {
        self.submitted && !self.runs.is_empty() && !self.commands
    }

    /// Takes text that was typed now.
    pub(super) fn push(&mut self, ticket: Ticket, text: impl Iterator<Item = char>, now: Moment) {
        let before = self.pending.len();
        self.pending.extend(text.filter(|c| *c == PASTED_END || c.width() > Some(0)));
        self.runs.push_back(Run { ticket, left: self.pending.len() - before, typed: now });
    }

    /// Looks what has come back: at the end of a chunk, or when a line feed takes the cursor off
    /// its row.
    pub(super) fn look(
        &mut self,
        rows: &Rows,
        prompts: &Prompts,
        leaving: bool,
        decided: &mut Decided,
    ) {
        if self.runs.is_empty() {
            return;
        }
        let (before, after) = rows.around(self.base.0, self.base.1);
        let prompting = self.suspicion > Suspicion::None && same(&before, &self.prefix);
        if prompting && self.is_swallowed(&before, rows) {
            return self.redact(decided, false);
        }
        let after = self.confirm(&after, prompting, decided);
        if self.runs.is_empty() {
            return;
        }
        if self.is_masked(&after, prompting) {
            return self.redact(decided, !leaving);
        }
        let untouched = same(&before, &self.prefix) && same(&after, &self.suffix);
        if self.commands {
            if untouched && prompting && self.submitted && rows.cursor() != self.base {
                self.redact(decided, false);
            } else if !leaving && (!untouched || rows.cursor() != self.base) {
                self.release(decided);
            }
        } else if leaving {
            let on_row = rows.cursor().0 == self.base.0;
            if on_row && self.pending.front() == Some(&PASTED_END) {
                self.drop_front(1, decided);
                self.base = (rows.cursor().0 + 1, 0);
                self.prefix.clear();
                self.suffix.clear();
                self.suspicion = Suspicion::None;
            } else if self.suspicion == Suspicion::Strong || untouched && prompting {
                self.redact(decided, false);
            } else {
                self.release(decided);
            }
        } else if untouched && rows.cursor() == self.base || self.suspicion == Suspicion::Strong {
            // Nothing yet; or not what was typed, where only that proves it harmless.
        } else if prompts.judge(rows) == Suspicion::Strong {
            self.rebase(rows, prompts);
        } else {
            self.release(decided);
        }
    }

    /// The time is up for what has waited longer than `window`.
    pub(super) fn expire(
        &mut self,
        now: Moment,
        window: Duration,
        rows: &Rows,
        prompts: &Prompts,
        decided: &mut Decided,
    ) {
        let due = |run: &Run| run.typed + window <= now;
        if !self.runs.front().is_some_and(due) {
            return;
        }
        let (before, _) = rows.around(self.base.0, self.base.1);
        let prompting = self.suspicion > Suspicion::None && same(&before, &self.prefix);
        let strong =
            self.suspicion == Suspicion::Strong || prompts.judge(rows) == Suspicion::Strong;
        if prompting || strong {
            return self.redact(decided, true);
        }
        while let Some(run) = self.runs.front().filter(|run| due(run)) {
            decided.push((run.ticket, Fate::Clear));
            let left = run.left;
            self.runs.pop_front();
            self.pending.drain(..left).for_each(|mut char| char.zeroize());
        }
    }

    /// Everything awaited is a secret; `go_on` when more of it may be typed on this row.
    pub(super) fn redact(&mut self, decided: &mut Decided, go_on: bool) {
        self.conclude(Fate::Secret(SecretRule::Echo), decided);
        self.judged = go_on && !self.submitted;
    }

    /// Everything awaited is harmless.
    pub(super) fn release(&mut self, decided: &mut Decided) {
        self.conclude(Fate::Clear, decided);
    }

    /// The session ends: silence where there was a prompt.
    pub(super) fn finish(&mut self, rows: &Rows, prompts: &Prompts, decided: &mut Decided) {
        if self.suspicion > Suspicion::None || prompts.judge(rows) > Suspicion::None {
            self.redact(decided, false);
        } else {
            self.release(decided);
        }
    }

    /// Whether a prompt's answer, typed at once, was taken without being shown: what was written
    /// behind the prompt since is neither it nor a mask. In the alternate screen only what is
    /// certainly a prompt or was answered counts as one.
    fn is_swallowed(&self, before: &str, rows: &Rows) -> bool {
        let sure = self.submitted || (self.commands && self.suspicion == Suspicion::Strong);
        let answer = sure || (!self.commands && self.pending.len() > 1);
        let (line, column) = rows.cursor();
        if self.echoed || !answer || line != self.base.0 || column <= self.base.1 {
            return false;
        }
        let (row, _) = rows.around(line, column);
        let written: String = row.chars().skip(before.chars().count()).collect();
        let typed = Zeroizing::new(self.pending.iter().collect::<String>());
        // An editor need not show the keys that had it insert, and may bring back what it knows.
        let shown = typed.contains(&written) || written.contains(typed.as_str());
        // The cursor only went over what stood there.
        let moved = self.suffix.starts_with(&written);
        !shown && !moved && !written.starts_with(is_mask)
    }

    /// Whether mask characters came back, and nothing else.
    fn is_masked(&self, after: &str, prompting: bool) -> bool {
        let masks = after.chars().take_while(|c| is_mask(*c)).count();
        let behind: String = after.chars().skip(masks).collect();
        let fills = behind.chars().next().is_none_or(|c| !c.is_alphanumeric());
        let overwritten: String = self.suffix.chars().skip(masks).collect();
        let alone = same(&behind, &overwritten) || same(&behind, &self.suffix);
        masks > 0 && (prompting && fills || masks == self.pending.len() && alone)
    }

    fn rebase(&mut self, rows: &Rows, prompts: &Prompts) {
        self.echoed = false;
        self.base = rows.cursor();
        (self.prefix, self.suffix) = rows.around(self.base.0, self.base.1);
        self.suspicion = prompts.judge_text(&self.prefix);
    }

    fn conclude(&mut self, fate: Fate, decided: &mut Decided) {
        decided.extend(self.runs.drain(..).map(|run| (run.ticket, fate)));
        self.pending.drain(..).for_each(|mut char| char.zeroize());
    }

    /// Takes back what stands where it was awaited, and returns what stands behind it.
    fn confirm(&mut self, after: &str, prompting: bool, decided: &mut Decided) -> String {
        let agreed = self.pending.iter().zip(after.chars()).take_while(|(p, c)| **p == *c);
        let (count, telling) = agreed.fold((0, false), |(n, t), (p, _)| (n + 1, t || !is_mask(*p)));
        // An asterisk at a prompt may be the typed one or a mask: it proves nothing.
        if count == 0 || prompting && !telling {
            return after.to_owned();
        }
        self.echoed = true;
        let shown: String = after.chars().take(count).collect();
        self.base.1 += shown.chars().filter_map(UnicodeWidthChar::width).sum::<usize>();
        self.prefix.push_str(&shown);
        self.drop_front(count, decided);
        self.suffix = after.chars().skip(count).collect();
        self.suffix.clone()
    }

    fn drop_front(&mut self, mut count: usize, decided: &mut Decided) {
        self.pending.drain(..count).for_each(|mut char| char.zeroize());
        while let Some(run) = self.runs.front_mut() {
            let taken = count.min(run.left);
            run.left -= taken;
            count -= taken;
            if run.left > 0 {
                break;
            }
            decided.push((run.ticket, Fate::Clear));
            self.runs.pop_front();
        }
    }
}

/// Whether two parts of a row show the same; blanks at its end show nothing.
fn same(one: &str, other: &str) -> bool {
    one.trim_end() == other.trim_end()
}
