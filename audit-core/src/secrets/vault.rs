//! Bytes in doubt: sealed at once, opened or destroyed later.
//!
//! Input keeps its order: what is typed behind something undecided is sealed too and revealed
//! only after it, so that a reader and a monitor see the keys as they were typed. Output does not
//! wait: an echo in doubt must not hold back what the session shows meanwhile.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;

use bytes::Bytes;
use zeroize::Zeroizing;

use super::piece::{Opened, Piece};
use crate::record::SecretRule;
use crate::seal::{Ratchet, SealId, SealKey};
use crate::stream::Stream;

/// At most this many bytes are in doubt; beyond it the oldest counts as secret.
pub(super) const LIMIT: usize = 256 << 10;

/// A redaction that does not tell the exact length tells a multiple of this, in bytes.
const ROUND: u64 = 16;

/// Where decisions go.
pub(super) type Out<'a> = &'a mut dyn FnMut(Piece);

/// Names sealed input or a sealed echo.
pub(super) type Ticket = u64;

/// What becomes of bytes in doubt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// They prove harmless.
    Clear,
    /// They are, or may be, a secret.
    Secret(SecretRule),
}

/// A seal whose key still exists.
struct Held {
    seal: SealId,
    key: SealKey,
    plain: Zeroizing<Vec<u8>>,
}

enum Content {
    Sealed(Held),
    /// So many bytes that were never kept.
    Masked(u64),
}

struct Entry {
    fate: Option<Fate>,
    content: Content,
}

/// A secret of the input that is not told yet because it may go on.
struct Typed {
    seals: Vec<SealId>,
    length: u64,
    rule: SecretRule,
}

/// Every byte of the session that is in doubt.
pub(super) struct Vault {
    ratchet: Ratchet,
    exact: bool,
    /// Input from the oldest undecided entry on; the front is never decided between two calls.
    input: VecDeque<Entry>,
    /// Ticket of the front of `input`.
    first: Ticket,
    echoes: BTreeMap<Ticket, Held>,
    next_echo: Ticket,
    /// Plain bytes held, both streams.
    held: usize,
    opened: Vec<Opened>,
    typed: Option<Typed>,
}

impl Vault {
    pub(super) fn new(seed: [u8; 32], exact: bool) -> Self {
        Self {
            ratchet: Ratchet::new(seed),
            exact,
            input: VecDeque::new(),
            first: 0,
            echoes: BTreeMap::new(),
            next_echo: 0,
            held: 0,
            opened: Vec::new(),
            typed: None,
        }
    }

    /// Plain bytes held.
    #[cfg(test)]
    pub(super) fn held(&self) -> usize {
        self.held
    }

    /// Takes input that is not in doubt. It is sealed all the same while older input is.
    pub(super) fn clear(&mut self, bytes: &Bytes, out: Out<'_>) {
        if bytes.is_empty() {
            return;
        }
        if self.input.is_empty() {
            self.tell(out);
            out(Piece::Clear { stream: Stream::Input, bytes: bytes.clone() });
        } else {
            self.push(bytes, Some(Fate::Clear), out);
        }
    }

    /// Takes input in doubt.
    pub(super) fn seal(&mut self, bytes: &[u8], out: Out<'_>) -> Ticket {
        self.push(bytes, None, out)
    }

    /// Takes the number of input bytes that are certainly secret. Consecutive ones become one
    /// secret.
    pub(super) fn mask(&mut self, length: u64, rule: SecretRule, out: Out<'_>) {
        if length > 0 {
            let fate = Some(Fate::Secret(rule));
            self.input.push_back(Entry { fate, content: Content::Masked(length) });
            self.settle(out);
        }
    }

    /// Takes output in doubt.
    pub(super) fn seal_echo(&mut self, bytes: &[u8], out: Out<'_>) -> Ticket {
        let held = self.held_of(Stream::Tty, bytes, out);
        let ticket = self.next_echo;
        self.next_echo += 1;
        self.echoes.insert(ticket, held);
        self.bound(out);
        ticket
    }

    /// Takes the number of output bytes that are certainly secret.
    pub(super) fn mask_echo(&self, length: u64, rule: SecretRule, out: Out<'_>) {
        out(self.redaction(Stream::Tty, Typed { seals: Vec::new(), length, rule }));
    }

    /// Decides input in doubt. What was decided before stays so.
    pub(super) fn decide(&mut self, ticket: Ticket, fate: Fate) {
        let Some(index) = ticket.checked_sub(self.first) else { return };
        if let Some(entry) = usize::try_from(index).ok().and_then(|i| self.input.get_mut(i)) {
            entry.fate.get_or_insert(fate);
        }
    }

    /// Decides output in doubt; all of it is one secret, if it is one.
    pub(super) fn decide_echoes(&mut self, tickets: &[Ticket], fate: Fate, out: Out<'_>) {
        let mut gone = Typed { seals: Vec::new(), length: 0, rule: SecretRule::TypeAhead };
        for ticket in tickets {
            let Some(held) = self.echoes.remove(ticket) else { continue };
            self.held -= held.plain.len();
            match fate {
                Fate::Clear => self.opened.push(held.open(Stream::Tty)),
                Fate::Secret(rule) => {
                    gone.rule = rule;
                    gone.length += held.plain.len() as u64;
                    gone.seals.push(held.seal);
                }
            }
        }
        if !gone.seals.is_empty() {
            out(self.redaction(Stream::Tty, gone));
        }
    }

    /// Tells what has been decided, as far as nothing older is in doubt.
    pub(super) fn settle(&mut self, out: Out<'_>) {
        while let Some(fate) = self.input.front().and_then(|entry| entry.fate) {
            let Some(entry) = self.input.pop_front() else { break };
            self.first += 1;
            match (fate, entry.content) {
                (Fate::Clear, Content::Sealed(held)) => {
                    self.held -= held.plain.len();
                    if self.typed.is_some() {
                        self.tell(out);
                    }
                    self.opened.push(held.open(Stream::Input));
                }
                (Fate::Secret(rule), Content::Sealed(held)) => {
                    self.held -= held.plain.len();
                    self.add(Some(held.seal), held.plain.len() as u64, rule, out);
                }
                (Fate::Secret(rule), Content::Masked(length)) => self.add(None, length, rule, out),
                (Fate::Clear, Content::Masked(_)) => {}
            }
        }
        self.reveal(out);
    }

    /// Tells the secret that was being typed: it does not go on.
    pub(super) fn tell(&mut self, out: Out<'_>) {
        self.reveal(out);
        if let Some(typed) = self.typed.take() {
            out(self.redaction(Stream::Input, typed));
        }
    }

    /// The session ends: whatever nobody decided is secret.
    pub(super) fn close(&mut self, out: Out<'_>) {
        for entry in &mut self.input {
            entry.fate.get_or_insert(Fate::Secret(SecretRule::TypeAhead));
        }
        let echoes: Vec<_> = self.echoes.keys().copied().collect();
        self.decide_echoes(&echoes, Fate::Secret(SecretRule::TypeAhead), out);
        self.settle(out);
        self.tell(out);
    }

    fn push(&mut self, bytes: &[u8], fate: Option<Fate>, out: Out<'_>) -> Ticket {
        let held = self.held_of(Stream::Input, bytes, out);
        let ticket = self.first + self.input.len() as u64;
        self.input.push_back(Entry { fate, content: Content::Sealed(held) });
        self.bound(out);
        ticket
    }

    fn held_of(&mut self, stream: Stream, bytes: &[u8], out: Out<'_>) -> Held {
        let (seal, key) = self.ratchet.draw();
        let mut cipher = bytes.to_vec();
        key.apply(&mut cipher);
        self.held += bytes.len();
        out(Piece::Sealed { stream, seal, cipher: cipher.into() });
        Held { seal, key, plain: Zeroizing::new(bytes.to_vec()) }
    }

    /// Decides the oldest as secret while too much is in doubt.
    fn bound(&mut self, out: Out<'_>) {
        while self.held > LIMIT {
            let silence = Fate::Secret(SecretRule::TypeAhead);
            if let Some(oldest) = self.echoes.keys().next().copied() {
                self.decide_echoes(&[oldest], silence, out);
            }
            if let Some(front) = self.input.front_mut() {
                front.fate.get_or_insert(silence);
            }
            self.settle(out);
        }
    }

    fn add(&mut self, seal: Option<SealId>, length: u64, rule: SecretRule, out: Out<'_>) {
        self.reveal(out);
        let typed = self.typed.get_or_insert(Typed { seals: Vec::new(), length: 0, rule });
        typed.seals.extend(seal);
        typed.length += length;
    }

    fn reveal(&mut self, out: Out<'_>) {
        if !self.opened.is_empty() {
            out(Piece::Reveal { opened: std::mem::take(&mut self.opened) });
        }
    }

    fn redaction(&self, stream: Stream, Typed { seals, length, rule }: Typed) -> Piece {
        let length = if self.exact { length } else { length.next_multiple_of(ROUND) };
        Piece::Redaction { stream, seals, length, exact: self.exact, rule }
    }
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vault").field("held", &self.held).finish_non_exhaustive()
    }
}

impl Held {
    fn open(mut self, stream: Stream) -> Opened {
        let bytes = std::mem::take(&mut *self.plain).into();
        Opened { seal: self.seal, key: self.key, stream, bytes }
    }
}
