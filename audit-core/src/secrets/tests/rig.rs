//! A terminal session on a simulated clock, and what its recording shows.

use std::collections::HashMap;
use std::time::Duration;

use bytes::Bytes;

use super::super::{Piece, Secrets};
use crate::moment::Moment;
use crate::policy::{self, Policy};
use crate::record::SecretRule;
use crate::seal::SealId;
use crate::stream::Stream;
use crate::terminal::LineState;

/// One step of a milliseconds clock.
pub(super) const fn millis(count: u64) -> Duration {
    Duration::from_millis(count)
}

/// What the line discipline may be.
pub(super) const COOKED: LineState = LineState { unread: Some(0), ..LineState::COOKED };
pub(super) const RAW: LineState = LineState { unread: Some(0), ..LineState::RAW };
pub(super) const HIDDEN: LineState = LineState { unread: Some(0), ..LineState::NO_ECHO };

/// The policy everybody gets.
pub(super) fn policy() -> policy::Secrets {
    Policy::default().secrets
}

/// A session under test.
pub(super) struct Rig {
    pub(super) secrets: Secrets,
    pub(super) now: Moment,
    /// What samples say.
    pub(super) line: LineState,
    pub(super) pieces: Vec<Piece>,
    /// All input and output, as it was.
    typed: Vec<u8>,
    shown: Vec<u8>,
}

impl Rig {
    pub(super) fn new() -> Self {
        Self::with(&policy(), true)
    }

    pub(super) fn with(policy: &policy::Secrets, pty: bool) -> Self {
        Self {
            secrets: Secrets::new(policy, [3; 32], pty),
            now: Moment::START,
            line: COOKED,
            pieces: Vec::new(),
            typed: Vec::new(),
            shown: Vec::new(),
        }
    }

    /// The program sets its terminal up.
    pub(super) fn line(&mut self, line: LineState) -> &mut Self {
        self.line = line;
        self
    }

    /// So many bytes lie unread from now on.
    pub(super) fn unread(&mut self, bytes: u32) -> &mut Self {
        self.line.unread = Some(bytes);
        self
    }

    /// The user types or pastes, one read.
    pub(super) fn types(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        self.typed.extend_from_slice(bytes.as_ref());
        let bytes = Bytes::copy_from_slice(bytes.as_ref());
        // Engines sample the flags alone beside a read.
        let line = LineState { unread: None, ..self.line };
        self.secrets.input(&bytes, Some(line), self.now, &mut |p| self.pieces.push(p));
        self.sample()
    }

    /// The user types key by key, `echo` comes back for each, and time passes.
    pub(super) fn types_echoed(&mut self, text: &str) -> &mut Self {
        for char in text.chars() {
            let mut buffer = [0; 4];
            let key = char.encode_utf8(&mut buffer).as_bytes().to_vec();
            self.types(&key).waits(3).shows(&key).waits(40);
        }
        self
    }

    /// The user types key by key and nothing comes back.
    pub(super) fn types_unseen(&mut self, text: &str) -> &mut Self {
        for key in text.as_bytes() {
            self.types([*key]).waits(40);
        }
        self
    }

    /// The terminal shows something, one read.
    pub(super) fn shows(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        self.shown.extend_from_slice(bytes.as_ref());
        let bytes = Bytes::copy_from_slice(bytes.as_ref());
        self.secrets.output(&bytes, self.now, &mut |p| self.pieces.push(p));
        self.sample()
    }

    /// Time passes, and every deadline in it.
    pub(super) fn waits(&mut self, time: u64) -> &mut Self {
        let end = self.now + millis(time);
        self.until(end)
    }

    pub(super) fn until(&mut self, end: Moment) -> &mut Self {
        let mut turns = 0;
        while let Some(due) = self.secrets.deadline().filter(|due| *due <= end) {
            self.now = self.now.max(due);
            self.secrets.timeout(self.now, &mut |p| self.pieces.push(p));
            self.sample();
            turns += 1;
            assert!(turns < 100_000, "the clock does not get on");
        }
        self.now = self.now.max(end);
        self
    }

    /// The session ends.
    pub(super) fn ends(&mut self) -> Recording {
        self.secrets.finish(self.now, &mut |p| self.pieces.push(p));
        assert_eq!(self.secrets.deadline(), None);
        Recording::of(&self.pieces)
    }

    /// What is recorded so far.
    pub(super) fn so_far(&self) -> Recording {
        Recording::of(&self.pieces)
    }

    /// Checks that the whole recording is what was typed and shown.
    pub(super) fn ends_intact(&mut self) {
        let recording = self.ends();
        assert_eq!(recording.redactions, [], "nothing is a secret");
        assert_eq!(text(&recording.input), text(&self.typed));
        assert_eq!(text(&recording.output), text(&self.shown));
    }

    fn sample(&mut self) -> &mut Self {
        if self.secrets.wants_sample() {
            self.secrets.sampled(self.line, self.now, &mut |p| self.pieces.push(p));
            assert!(!self.secrets.wants_sample(), "one sample is enough");
        }
        self
    }
}

/// What a reader of the recording sees.
#[derive(Debug, Default)]
pub(super) struct Recording {
    /// Bytes of each stream that are clear or revealed, in place.
    pub(super) input: Vec<u8>,
    pub(super) output: Vec<u8>,
    pub(super) redactions: Vec<(Stream, u64, SecretRule)>,
    /// How many seals are neither revealed nor redacted.
    pub(super) sealed: usize,
    /// How many bytes of the input and the output are gone with redacted seals.
    pub(super) gone: [usize; 2],
}

impl Recording {
    /// Reads the pieces, and checks what must hold for each of them.
    pub(super) fn of(pieces: &[Piece]) -> Self {
        let mut recording = Self::default();
        let mut slots: Vec<(Stream, Option<Bytes>)> = Vec::new();
        let mut seals: HashMap<SealId, (usize, Bytes)> = HashMap::new();
        for piece in pieces {
            match piece {
                Piece::Clear { stream, bytes } => {
                    assert!(!bytes.is_empty());
                    slots.push((*stream, Some(bytes.clone())));
                }
                Piece::Sealed { stream, seal, cipher } => {
                    assert!(!cipher.is_empty());
                    let known = seals.insert(*seal, (slots.len(), cipher.clone()));
                    assert_eq!(known, None, "a seal is used once");
                    slots.push((*stream, None));
                }
                Piece::Reveal { opened } => {
                    assert!(!opened.is_empty());
                    for opened in opened {
                        let (slot, cipher) = seals.remove(&opened.seal).expect("a live seal");
                        let mut plain = cipher.to_vec();
                        opened.key.apply(&mut plain);
                        assert_eq!(plain, opened.bytes, "the key opens the seal");
                        assert_eq!(slots[slot].0, opened.stream);
                        slots[slot].1 = Some(opened.bytes.clone());
                    }
                }
                Piece::Redaction { stream, seals: gone, length, exact, rule } => {
                    let mut under_seals = 0;
                    for seal in gone {
                        let (slot, cipher) = seals.remove(seal).expect("a live seal");
                        assert_eq!(slots[slot].0, *stream);
                        under_seals += cipher.len();
                    }
                    assert!(*length >= under_seals as u64 && *length > 0);
                    assert!(*exact || length % 16 == 0);
                    recording.gone[usize::from(*stream == Stream::Tty)] += under_seals;
                    recording.redactions.push((*stream, *length, *rule));
                }
            }
        }
        recording.sealed = seals.len();
        for (stream, bytes) in slots {
            let all = match stream {
                Stream::Input => &mut recording.input,
                _ => &mut recording.output,
            };
            all.extend(bytes.into_iter().flatten());
        }
        recording
    }

    pub(super) fn input(&self) -> String {
        text(&self.input)
    }

    pub(super) fn output(&self) -> String {
        text(&self.output)
    }
}

pub(super) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
