//! Which bytes of a session are recorded clear, sealed or masked.
//!
//! Four rules find what is typed at a prompt for a secret; `docs/src/secrets.md` tells users what
//! they promise.
//!
//! 1. *Line discipline*: the kernel edits but does not echo. Certain, masked at once.
//! 2. *Correlation* ([`correlate`]): neither edited nor echoed by the kernel. What comes back at
//!    the cursor decides.
//! 3. *Prompt* ([`prompt`]): the kernel echoes, yet the cursor's row asks for a secret. Masked in
//!    the input and in the output.
//! 4. *Type-ahead* ([`lines`]): edited and echoed by the kernel, read by nobody yet. What reads it
//!    decides.
//!
//! Where a rule cannot tell at once, bytes are in doubt: recorded enciphered ([`vault`]), and
//! revealed or given up later. A byte in doubt is never recorded clear, a doubt always ends, and
//! when nothing tells, it ends in silence.

mod alternate;
mod correlate;
mod kernel_echo;
mod keys;
mod line;
mod lines;
mod piece;
mod prompt;
mod row;
mod screen;
#[cfg(test)]
mod tests;
mod typed;
mod vault;
mod watch;

use std::fmt;
use std::time::Duration;

use bytes::Bytes;

#[allow(unused_imports, reason = "the type of a public field of Piece")]
pub(crate) use piece::Opened;
pub(crate) use piece::Piece;

use crate::moment::Moment;
use crate::policy;
use crate::stream::Stream;
use crate::terminal::LineState;
use alternate::Alternate;
use correlate::Correlation;
use keys::Keys;
use lines::{Lines, Sample};
use prompt::{Prompts, Suspicion};
use screen::Screen;
use vault::{Out, Vault};

/// Samples are not wanted more often than this, however much the child writes.
const SAMPLE_PAUSE: Duration = Duration::from_millis(1);

/// A chunk of at most so many bytes may be a prompt, behind which a sample is always wanted.
const PROMPT_CHUNK: usize = 256;

/// Decides about the bytes of one session's terminal. Pure: time is an argument.
pub(crate) struct Secrets {
    masking: bool,
    window: Duration,
    prompts: Prompts,
    vault: Vault,
    alternate: Alternate,
    screen: Screen,
    keys: Keys,
    correlation: Correlation,
    /// What stands before a secret that goes on until its end is typed (rule two).
    veil: Option<String>,
    lines: Lines,
    line: Option<LineState>,
    wants_sample: bool,
    last_sample: Option<Moment>,
}

impl Secrets {
    /// The secrets of a session. Without a terminal (`pty` false) everything is clear.
    pub(crate) fn new(policy: &policy::Secrets, seed: [u8; 32], pty: bool) -> Self {
        Self {
            masking: policy.mask_input && pty,
            window: policy.echo_window,
            prompts: Prompts::new(&policy.prompt_patterns),
            vault: Vault::new(seed, policy.exact_length),
            alternate: Alternate::default(),
            screen: Screen::default(),
            keys: Keys::default(),
            correlation: Correlation::default(),
            veil: None,
            lines: Lines::default(),
            line: None,
            wants_sample: false,
            last_sample: None,
        }
    }

    /// The user's bytes on their way to the child; `line` is the line discipline sampled beside
    /// the read.
    pub(crate) fn input(
        &mut self,
        bytes: &Bytes,
        line: Option<LineState>,
        now: Moment,
        out: &mut impl FnMut(Piece),
    ) {
        let state = line.or(self.line).filter(|_| self.masking);
        let Some(state) = state else {
            self.vault.clear(bytes, out);
            return;
        };
        self.lines.echo.next_read();
        self.observe(state, false, now, out);
        if state.hides_input() {
            self.veil = None;
            self.hidden(bytes, now, out);
        } else if state.echo && state.canonical {
            self.veil = None;
            self.cooked(bytes, now, out);
        } else {
            self.raw(bytes, now, out);
        }
        self.conclude(out);
    }

    /// The child's terminal output ([`Stream::Tty`]) on its way to the screen. Costs next to
    /// nothing while nothing is in doubt.
    pub(crate) fn output(&mut self, bytes: &Bytes, now: Moment, out: &mut impl FnMut(Piece)) {
        let alternate = self.alternate.is_on();
        self.alternate.feed(bytes);
        if alternate && !self.alternate.is_on() {
            self.correlation.leave_screen();
        }
        if !self.masking {
            out(Piece::Clear { stream: Stream::Tty, bytes: bytes.clone() });
            return;
        }
        if self.correlation.is_empty() && self.lines.is_calm() {
            self.screen.note(bytes);
            out(Piece::Clear { stream: Stream::Tty, bytes: bytes.clone() });
            return;
        }
        self.watch(bytes, now, out);
        let rested = self.last_sample.is_none_or(|last| now.since(last) >= SAMPLE_PAUSE);
        let answers = bytes.len() <= PROMPT_CHUNK && self.lines.wait_for_a_reader();
        self.wants_sample |= answers || (rested && !self.lines.is_empty());
        self.conclude(out);
    }

    /// Answer to a wanted sample of the line discipline.
    pub(crate) fn sampled(&mut self, line: LineState, now: Moment, out: &mut impl FnMut(Piece)) {
        self.wants_sample = false;
        if self.masking {
            self.observe(line, true, now, out);
            self.conclude(out);
        }
    }

    /// Whether the terminal shows its alternate screen.
    pub(crate) fn sees_alternate(&self) -> bool {
        self.alternate.is_on()
    }

    /// Whether the line discipline is to be sampled now. Ask after every other call.
    pub(crate) fn wants_sample(&self) -> bool {
        self.wants_sample
    }

    /// Time has come: call when [`Secrets::deadline`] is reached.
    pub(crate) fn timeout(&mut self, now: Moment, out: &mut impl FnMut(Piece)) {
        if self.correlation.deadline(self.window).is_some_and(|due| due <= now) {
            let mut decided = Vec::new();
            let rows = self.screen.rows();
            self.correlation.expire(now, self.window, rows, &self.prompts, &mut decided);
            self.apply(decided);
        }
        self.wants_sample |= self.lines.expire(now, &mut self.vault, out);
        self.conclude(out);
    }

    /// When [`Secrets::timeout`] is to be called, if at all.
    pub(crate) fn deadline(&self) -> Option<Moment> {
        self.correlation.deadline(self.window).into_iter().chain(self.lines.deadline()).min()
    }

    /// The session ends: decides what is still in doubt.
    pub(crate) fn finish(&mut self, now: Moment, out: &mut impl FnMut(Piece)) {
        let rows = self.screen.rows();
        let asked = self.prompts.judge(rows) == Suspicion::Strong;
        let mut decided = Vec::new();
        self.correlation.finish(rows, &self.prompts, &mut decided);
        self.apply(decided);
        self.lines.finish(asked, now, &mut self.vault, out);
        self.vault.close(out);
        self.wants_sample = false;
    }

    /// Takes note of the line discipline. Beside a read of input its flags alone are sampled, which
    /// is no `whole` sample.
    fn observe(&mut self, line: LineState, whole: bool, now: Moment, out: Out<'_>) {
        self.line = Some(line);
        self.lines.noted(line);
        if whole {
            self.last_sample = Some(now);
        }
        if !self.lines.is_empty() {
            // A line editor may have shown what it found before this sample told that it runs.
            let rows = self.screen.rows();
            let asked = self.prompts.judge(rows) == Suspicion::Strong;
            let mut shown = Vec::new();
            self.lines.look(rows, false, &mut shown);
            self.lines.shown(&shown, &mut self.vault, out);
            let sample = Sample { state: line, whole, asked, window: self.window };
            self.lines.sampled(sample, now, &mut self.vault, out);
        }
    }

    fn apply(&mut self, decided: correlate::Decided) {
        for (ticket, fate) in decided {
            self.vault.decide(ticket, fate);
        }
        if let Some(prompt) = self.correlation.take_judged() {
            self.veil = Some(prompt);
        }
    }

    /// Tells what was decided, and the last secret if it does not go on.
    fn conclude(&mut self, out: Out<'_>) {
        self.vault.settle(out);
        let hides = self.line.is_some_and(LineState::hides_input);
        if !hides && self.veil.is_none() {
            self.vault.tell(out);
        }
    }
}

impl fmt::Debug for Secrets {
    /// Tells nothing of what was typed.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secrets").field("vault", &self.vault).finish_non_exhaustive()
    }
}
