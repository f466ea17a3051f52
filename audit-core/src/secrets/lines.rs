//! Rule four: lines typed while the kernel edits and echoes them.
//!
//! Such a line is harmless if a program that was waiting for it took it at once with echo on, or
//! if a line editor shows it again. It may be a secret if it lay waiting and a prompt that turned
//! the echo off took or flushed it. When nothing tells, silence wins.

use std::collections::VecDeque;
use std::time::Duration;

use super::kernel_echo::KernelEcho;
use super::line::{AHEAD, Line, Origin, edit, shows};
use super::row::Rows;
use super::vault::{Fate, LIMIT, Out, Ticket, Vault};
use crate::moment::Moment;
use crate::record::SecretRule;
use crate::terminal::LineState;

/// A line that was taken within this time after its echo, or after the line before it, was awaited
/// by a reader.
const AT_ONCE: Duration = Duration::from_millis(50);

/// A second sample, this much after the first, makes sure that a line was read.
const CONFIRMED: Duration = Duration::from_millis(5);

/// How long an echo may be late.
const ECHO_PATIENCE: Duration = Duration::from_secs(1);

/// How long after its echo a line's fate is sampled, each step after the one before; the last
/// repeats.
const STEPS: [Duration; 8] = [
    Duration::from_millis(2),
    Duration::from_millis(8),
    Duration::from_millis(15),
    Duration::from_millis(20),
    Duration::from_millis(50),
    Duration::from_millis(200),
    Duration::from_millis(500),
    Duration::from_millis(1000),
];

/// Looking for a shown line among more than these would cost more than it tells.
const LOOKED_FOR: usize = 8;

/// At most so many typed bytes are in doubt here, and their echo.
const TYPED: usize = LIMIT / 2 - (16 << 10);

/// Lines in doubt, oldest first; only the last may be unfinished.
#[derive(Default)]
pub(super) struct Lines {
    lines: VecDeque<Line>,
    next: u64,
    /// Echoes the kernel owes.
    pub(super) echo: KernelEcho,
    echo_due: Moment,
    /// Fates of decided lines whose echo is still to come.
    decided: VecDeque<(u64, Fate)>,
    /// The last sample said that the kernel edits lines.
    canonical: bool,
    /// Bytes typed for all lines.
    cost: usize,
    /// Bytes the kernel got in whole lines, and how many of them were read for certain.
    entered: u64,
    read: u64,
    /// When the latter grew: somebody is reading.
    reading: Moment,
    step: usize,
    sample_at: Option<Moment>,
}

impl Lines {
    /// Whether nothing is in doubt and no echo awaited.
    pub(super) fn is_calm(&self) -> bool {
        self.lines.is_empty() && self.echo.is_empty()
    }

    /// Whether no line is in doubt.
    pub(super) fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// Whether the last line goes on.
    pub(super) fn is_open(&self) -> bool {
        self.lines.back().is_some_and(|line| !line.ended)
    }

    /// Whether rows that scroll by may tell something: not while the kernel edits an unfinished line.
    pub(super) fn reads_rows(&self) -> bool {
        !self.canonical || self.lines.iter().any(|line| line.ended)
    }

    /// When a sample is due or something is decided.
    pub(super) fn deadline(&self) -> Option<Moment> {
        let due = self.lines.iter().filter_map(|line| Some(line.due?.0)).min();
        self.sample_at.into_iter().chain(due).min()
    }

    /// Takes text of the last line, or begins one. `echo` tells whether the kernel will echo it,
    /// `at_prompt` and `secret` what stands on the row, `follows` that the line before came in the
    /// same read.
    pub(super) fn text(
        &mut self,
        ticket: Ticket,
        bytes: &[u8],
        origin: Origin,
        now: Moment,
        vault: &mut Vault,
        out: Out<'_>,
    ) {
        if !self.is_open() {
            let behind_paste = |line: &Line| line.pasted && now.since(line.typed) <= AT_ONCE;
            let pasted = origin.pasted || self.lines.back().is_some_and(behind_paste);
            self.next += 1;
            self.lines.push_back(Line::new(self.next, origin, pasted, now));
        }
        let Some(line) = self.lines.back_mut() else { return };
        line.tickets.push(ticket);
        line.pasted |= origin.pasted;
        line.cost += bytes.len();
        self.cost += bytes.len();
        for &byte in bytes {
            edit(&mut line.text, byte);
            if origin.echo {
                self.echo.expect(line.id, byte, false);
            }
        }
        self.echo_due = now + ECHO_PATIENCE;
        while self.cost > TYPED {
            let oldest = self.lines.front().map(|line| line.id);
            self.conclude(vault, out, |line| (Some(line.id) == oldest).then(|| line.unproven()));
        }
    }

    /// The last line's end was typed.
    pub(super) fn end(
        &mut self,
        byte: u8,
        echo: bool,
        now: Moment,
        vault: &mut Vault,
        out: Out<'_>,
    ) {
        let Some(line) = self.lines.back_mut().filter(|line| !line.ended) else { return };
        line.ended = true;
        line.typed = now;
        if echo {
            self.echo.expect(line.id, byte, true);
            self.echo_due = now + ECHO_PATIENCE;
        } else {
            line.echoed = Some(now);
        }
        if line.secret {
            let fate = Fate::Secret(SecretRule::Prompt);
            self.conclude(vault, out, |line| line.secret.then_some(fate));
        }
        self.step = 0;
        self.schedule(now);
    }

    /// What becomes of the echo of line `id`: `None` while it is in doubt.
    pub(super) fn fate_of(&self, id: u64) -> Option<Fate> {
        let found = self.decided.iter().position(|(line, _)| *line == id)?;
        Some(self.decided[found].1)
    }

    /// Echoed text of line `id` was found.
    pub(super) fn echoed(&mut self, id: u64, echo: &[u8]) {
        let Ok(index) = self.lines.binary_search_by_key(&id, |line| line.id) else { return };
        let line = &mut self.lines[index];
        for _ in memchr::memchr_iter(b'\n', echo) {
            let rest = &line.text[line.entered..];
            let end = memchr::memchr2(b'\r', b'\n', rest).map_or(rest.len(), |end| end + 1);
            line.entered += end;
            self.entered += end as u64;
        }
    }

    /// Echoed text of line `id` was sealed.
    pub(super) fn add_echo(&mut self, id: u64, ticket: Ticket) {
        if let Ok(index) = self.lines.binary_search_by_key(&id, |line| line.id) {
            self.lines[index].echoes.push(ticket);
        }
    }

    /// Output was searched for echoes.
    pub(super) fn searched(&mut self, now: Moment) {
        if self.echo_due <= now {
            self.echo.forget();
        }
        let next = self.echo.next_line();
        let mut arrived = false;
        for line in &mut self.lines {
            let complete = next.is_none_or(|next| next > line.id);
            if line.ended && line.echoed.is_none() && complete {
                line.echoed = Some(now);
                self.entered += (line.text.len() - line.entered) as u64 + 1;
                line.entered = line.text.len();
                arrived = true;
            }
        }
        self.decided.retain(|(id, _)| next.is_some_and(|next| next <= *id));
        if arrived {
            self.step = 0;
            self.schedule(now);
        }
    }

    /// Looks whether a line is shown again: at the end of a chunk, or when a line feed takes the
    /// cursor off its row.
    pub(super) fn look(&mut self, rows: &Rows, leaving: bool, shown: &mut Vec<u64>) {
        if !leaving && self.canonical {
            return;
        }
        let mut row = None;
        for line in self.lines.iter_mut().take(LOOKED_FOR) {
            let entered = line.shown < line.entered || line.echoed.is_some();
            let may_show = if leaving { entered } else { !line.ended };
            if !may_show || shown.contains(&line.id) {
                continue;
            }
            let rest = line.text[line.shown..].trim_ascii_start();
            let end = rest.iter().position(|b| matches!(b, b'\r' | b'\n'));
            let end = end.unwrap_or(rest.len());
            let row =
                row.get_or_insert_with(|| if leaving { rows.row() } else { rows.before_cursor() });
            if shows(row.trim_end(), &rest[..end]) {
                line.shown = line.text.len() - rest.len() + end;
                if line.text[line.shown..].trim_ascii().is_empty() {
                    shown.push(line.id);
                }
                return;
            }
        }
    }

    /// Lines that were shown again are harmless.
    pub(super) fn shown(&mut self, shown: &[u64], vault: &mut Vault, out: Out<'_>) {
        if !shown.is_empty() {
            self.conclude(vault, out, |line| {
                (shown.contains(&line.id) && !line.secret).then_some(Fate::Clear)
            });
        }
    }

    /// Takes note who edits lines, the kernel or the program.
    pub(super) fn noted(&mut self, state: LineState) {
        self.canonical = state.canonical;
    }

    /// The line discipline was sampled.
    pub(super) fn sampled(&mut self, sample: Sample, now: Moment, vault: &mut Vault, out: Out<'_>) {
        let Sample { state, whole, asked, window } = sample;
        let suspect = state.hides_input() || asked;
        let before = self.reading;
        if let Some(unread) = state.unread {
            let read = self.entered.saturating_sub(u64::from(unread));
            if read > self.read {
                (self.read, self.reading) = (read, now);
            }
        }
        let patience = window * 4;
        // How much the kernel holds behind each line, at least; a line is read when no more than
        // that is unread.
        let mut behind = 0_u64;
        for line in self.lines.iter_mut().rev() {
            let late = line.echoed.is_none() && line.typed + ECHO_PATIENCE <= now;
            if line.ended && late {
                line.echoed = Some(now);
                line.waited = true;
            }
            let Some(echoed) = line.echoed.filter(|_| line.ended) else {
                let answered = line.ended && line.at_prompt && !line.follows;
                let coming = answered && now.since(line.typed) <= AT_ONCE;
                if state.hides_input() && !coming {
                    line.due = Some((now, AHEAD));
                } else if !line.ended && !state.canonical && !state.echo {
                    line.due.get_or_insert((now + patience, AHEAD));
                }
                continue;
            };
            let read = state.unread.map(|unread| u64::from(unread) <= behind);
            behind += line.text.len() as u64 + 1;
            // What was read now was awaited if the reader was there a moment ago.
            // Its sample may come a step after the one that found it unread.
            let (since, limit) =
                if read == Some(true) { (before, AT_ONCE * 2) } else { (self.reading, AT_ONCE) };
            let at_once =
                !line.waited && (line.taken.is_some() || now.since(echoed.max(since)) <= limit);
            if read != Some(true) || !at_once {
                line.taken = None;
            }
            line.counted |= read == Some(false);
            let again = line.taken.is_some_and(|taken| now.since(taken) >= CONFIRMED);
            let confirmed = at_once && (line.counted || again);
            // The prompt before this line may not have put its terminal back yet.
            let restoring = line.waited && line.follows && now.since(line.typed) <= AT_ONCE;
            let suspect = (suspect || line.prompted) && !restoring;
            let awaited = at_once && line.at_prompt && !line.follows;
            line.due = match read {
                _ if !whole && (!suspect || awaited) => line.due,
                _ if suspect && !(awaited && read != Some(false)) => Some((now, AHEAD)),
                Some(true) if at_once && line.follows => {
                    line.due.or(Some((now + AT_ONCE, Fate::Clear)))
                }
                // The prompt of whoever took it may be on its way.
                Some(true) if confirmed => line.due.or(Some((now + CONFIRMED, Fate::Clear))),
                Some(true) if at_once => {
                    line.taken.get_or_insert(now);
                    None
                }
                Some(true) => line.due.or(Some((now + patience, line.unproven()))),
                Some(false) => {
                    line.waited |= !at_once;
                    None
                }
                None if suspect => Some((now, Fate::Clear)),
                None if line.waited => line.due.or(Some((now + patience, line.unproven()))),
                None => line.due.or(Some((now + patience, Fate::Clear))),
            };
        }
        self.settle(now, vault, out);
        self.schedule(now);
    }

    /// Time has passed. Returns whether a sample is due.
    pub(super) fn expire(&mut self, now: Moment, vault: &mut Vault, out: Out<'_>) -> bool {
        self.settle(now, vault, out);
        let due = self.sample_at.is_some_and(|at| at <= now);
        if due {
            self.step = (self.step + 1).min(STEPS.len() - 1);
            self.schedule(now);
        }
        due
    }

    /// Whether a whole line is in doubt.
    pub(super) fn wait_for_a_reader(&self) -> bool {
        self.lines.iter().any(|line| line.ended)
    }

    /// A prompt for a secret was shown: whatever is in doubt may be its answer.
    pub(super) fn prompted(&mut self) {
        for line in self.lines.iter_mut().filter(|line| line.ended) {
            line.prompted = true;
            line.due = line.due.filter(|(_, fate)| *fate != Fate::Clear);
        }
    }

    /// The kernel flushed what was typed: nobody will tell what it was.
    pub(super) fn flushed(&mut self, vault: &mut Vault, out: Out<'_>) {
        self.conclude(vault, out, |line| Some(line.unproven()));
        self.sample_at = None;
    }

    /// The session ends.
    pub(super) fn finish(&mut self, asked: bool, now: Moment, vault: &mut Vault, out: Out<'_>) {
        self.conclude(vault, out, |line| {
            // The last line is often the one that ends the program.
            let recent = line.echoed.is_some_and(|at| now.since(at) <= ECHO_PATIENCE);
            let read = line.ended && recent && !line.waited && !line.follows && !line.secret;
            Some(if asked || line.prompted {
                AHEAD
            } else if read {
                Fate::Clear
            } else {
                line.unproven()
            })
        });
    }

    fn settle(&mut self, now: Moment, vault: &mut Vault, out: Out<'_>) {
        self.conclude(vault, out, |line| line.due.filter(|(at, _)| *at <= now).map(|(_, f)| f));
    }

    fn schedule(&mut self, now: Moment) {
        let waiting = self.lines.iter().any(|line| line.ended);
        self.sample_at = waiting.then(|| now + STEPS[self.step]);
    }

    /// Decides the lines `fate` decides.
    fn conclude(&mut self, vault: &mut Vault, out: Out<'_>, fate: impl Fn(&Line) -> Option<Fate>) {
        let next_echo = self.echo.next_line();
        let decided = &mut self.decided;
        self.lines.retain(|line| {
            let Some(fate) = fate(line) else { return true };
            line.tickets.iter().for_each(|ticket| vault.decide(*ticket, fate));
            vault.decide_echoes(&line.echoes, fate, out);
            self.cost -= line.cost;
            if next_echo.is_some_and(|next| next <= line.id) {
                decided.push_back((line.id, fate));
            }
            false
        });
        if !self.lines.iter().any(|line| line.ended) {
            self.sample_at = None;
        }
    }
}

/// A sample of the line discipline.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sample {
    pub(super) state: LineState,
    /// It says what is unread, if the system does.
    pub(super) whole: bool,
    /// A prompt for a secret stands on the cursor's row.
    pub(super) asked: bool,
    /// How long an echo may take.
    pub(super) window: Duration,
}
