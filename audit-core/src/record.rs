//! What a session leaves behind: the records handed to the recorder.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::approval::{Approval, Decision};
use crate::ids::BlockId;
use crate::moment::Moment;
use crate::monitor::Verdict;
use crate::outcome::Outcome;
use crate::seal::{SealId, SealKey};
use crate::stream::Stream;
use crate::terminal::Winsize;

/// One thing that happened, in the order the session saw it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Number of the record in its session: from 1, without gaps, whatever the kind.
    pub seq: u64,
    /// When it happened; never earlier than the record before.
    pub at: Moment,
    /// What happened.
    pub body: Body,
}

/// The kinds of record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Body {
    /// Bytes of a stream, exact.
    Data {
        /// Which stream.
        stream: Stream,
        /// The bytes.
        bytes: Bytes,
    },
    /// Bytes of a stream that may be a secret, enciphered under a key that only the core's memory
    /// holds. A later [`Body::Reveal`] carries the key, or a later [`Body::Redaction`] says that
    /// the key is gone.
    Sealed {
        /// Which stream.
        stream: Stream,
        /// Name of the seal, unique in the session.
        seal: SealId,
        /// The enciphered bytes, as many as the clear ones.
        cipher: Bytes,
    },
    /// Seals that proved harmless, with their keys.
    Reveal {
        /// Each seal with its key.
        keys: Vec<(SealId, SealKey)>,
    },
    /// A secret was typed or shown here and is not recorded.
    Redaction {
        /// Which stream held it.
        stream: Stream,
        /// Seals whose keys are destroyed; empty when the bytes were never recorded.
        seals: Vec<SealId>,
        /// How many bytes it had: exact, or rounded up to a multiple of 16 so that the journal
        /// does not tell the length of a password.
        length: u64,
        /// Whether `length` is exact.
        exact: bool,
        /// Which rule found it.
        rule: SecretRule,
    },
    /// The terminal has a new size. The first record of a session with a terminal is one.
    Resize(Winsize),
    /// A signal reached the recorder.
    Signal {
        /// Number of the signal.
        number: i32,
        /// Process that sent it, 0 when the kernel did.
        sender: i32,
        /// Whether it was passed on to the child.
        forwarded: bool,
    },
    /// The session was stopped by job control of the outer terminal.
    Suspended,
    /// The session goes on after a stop.
    Continued,
    /// Input that arrived while the session was blocked; it was not passed on.
    Refused {
        /// How many bytes were dropped.
        bytes: u64,
    },
    /// A monitor's verdict that is worth keeping. Its secrets lie at these offsets of what is
    /// recorded of a stream: [`Body::Data`] and [`Body::Sealed`] together, from its beginning.
    Verdict(Verdict),
    /// The session was blocked.
    Blocked {
        /// Which block.
        block: BlockId,
        /// What is asked, of whom, until when.
        approval: Approval,
    },
    /// Somebody decided a block, or its deadline did.
    Decided {
        /// Which block.
        block: BlockId,
        /// The decision.
        decision: Decision,
    },
    /// Something worth finding again.
    Marker {
        /// Stable name, such as `monitor.stalled`.
        name: String,
        /// For people.
        text: String,
    },
    /// Records that could not be written.
    Gap {
        /// First missing record.
        from: u64,
        /// Last missing record.
        through: u64,
        /// How many bytes of user and child data they held.
        bytes: u64,
        /// Why.
        reason: String,
    },
    /// The last record of a session.
    End(Outcome),
    /// A kind this version does not know. Readers skip it and still verify it; later parts of the
    /// product record their own kinds through it.
    Other {
        /// Number of the kind, from 64.
        kind: u8,
        /// Its payload, CBOR.
        payload: Bytes,
    },
}

impl Body {
    /// How many bytes of user or child data this record carries: what credit is counted in.
    pub fn data_len(&self) -> usize {
        match self {
            Self::Data { bytes, .. } => bytes.len(),
            Self::Sealed { cipher, .. } => cipher.len(),
            _ => 0,
        }
    }

    /// The stream whose bytes this record carries.
    pub const fn stream(&self) -> Option<Stream> {
        match self {
            Self::Data { stream, .. } | Self::Sealed { stream, .. } => Some(*stream),
            _ => None,
        }
    }
}

/// Which rule found a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SecretRule {
    /// The line discipline edits but does not echo.
    LineDiscipline,
    /// No echo, or only mask characters, came back.
    Echo,
    /// The cursor's row holds a prompt for a secret.
    Prompt,
    /// It was typed before a prompt turned the echo off.
    TypeAhead,
}
