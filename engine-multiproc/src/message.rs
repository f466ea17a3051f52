//! What relay and workers tell each other over their socket, and how it is framed.
//!
//! A message is its length (32 bits, little-endian) and its postcard form. Only a relay's wake-ups
//! of the recorder are less: after the greeting, each is one byte of any value.

use audit_core::{Command, Moment, Notice, Request, Ruling, SessionSpec, Verdict, Window};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::staging::Position;

/// The three kinds of worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// Keeps the records.
    Recorder,
    /// Judges.
    Monitor,
    /// Watches and orders.
    Link,
}

impl Role {
    const ALL: [Self; 3] = [Self::Recorder, Self::Monitor, Self::Link];

    /// The name in arguments, troubles and errors.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Recorder => "recorder",
            Self::Monitor => "monitor",
            Self::Link => "link",
        }
    }

    /// The role of this name.
    pub(crate) fn named(name: &std::ffi::OsStr) -> Option<Self> {
        Self::ALL.into_iter().find(|role| name == role.name())
    }
}

/// From the relay. The first message is the greeting.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum ToWorker {
    Hello(Box<Hello>),
    Inspect(Window),
    Judge(Request),
    Tell(Notice),
}

/// What a worker needs to begin.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Hello {
    pub(crate) spec: SessionSpec,
    /// Where a recorder begins to read.
    pub(crate) staged: Option<Staged>,
}

/// The state of staging when a recorder begins.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Staged {
    /// The first frame that is not known to be durable.
    pub(crate) from: Position,
    /// The last record before it.
    pub(crate) last: Stamp,
    /// Whether what follows is missing already, up to [`crate::frame::Frame::Resume`].
    pub(crate) missing: bool,
}

/// Number and moment of a record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Stamp {
    pub(crate) seq: u64,
    pub(crate) at: Moment,
}

/// From a worker. The first message is [`FromWorker::Ready`] or [`FromWorker::Refused`].
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum FromWorker {
    /// The part is built.
    Ready,
    /// The part cannot be built: its name, and why.
    Refused { part: String, reason: String },
    /// A recorder has reached the flush with this number.
    Flushed { number: u64, recorded: Option<u64>, failure: Option<String> },
    /// A recorder has reached the close with this number.
    Closed { number: u64, failure: Option<String> },
    /// A verdict on a window judged before, that took longer.
    Late { window: u64, verdict: Verdict },
    /// A monitor has judged a window; `open` tells that more may come of what it has judged.
    Verdict { window: u64, verdict: Result<Verdict, String>, open: bool },
    /// Nothing more comes of the windows a monitor has judged so far.
    Settled,
    /// A monitor has judged a request.
    Ruling { request: u64, ruling: Result<Ruling, String> },
    /// A controller has told the notice with this number.
    Told { notice: u64 },
    /// A controller's order.
    Command(Command),
    /// For people.
    Trouble { name: String, text: String },
}

/// A frame that is not one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum MessageError {
    /// It says to be longer than any message is.
    #[error("a message of {0} bytes")]
    TooLong(usize),
    /// Its bytes make no message, or a message cannot be written down.
    #[error("a message of the wrong form: {0}")]
    Form(#[from] postcard::Error),
}

/// Bytes before a message.
pub(crate) const PREFIX: usize = 4;

/// Appends the frame of `message`.
pub(crate) fn encode(message: &impl Serialize, into: &mut Vec<u8>) -> Result<(), MessageError> {
    let start = into.len();
    into.extend_from_slice(&[0; PREFIX]);
    let mut whole = postcard::to_extend(message, std::mem::take(into))?;
    let len = whole.len() - start - PREFIX;
    let prefix = u32::try_from(len).map_err(|_| MessageError::TooLong(len))?;
    whole[start..start + PREFIX].copy_from_slice(&prefix.to_le_bytes());
    *into = whole;
    Ok(())
}

/// Length of the message behind this prefix.
pub(crate) fn length(prefix: [u8; PREFIX], longest: usize) -> Result<usize, MessageError> {
    let len = u32::from_le_bytes(prefix) as usize;
    if len > longest { Err(MessageError::TooLong(len)) } else { Ok(len) }
}

/// Reads a message.
pub(crate) fn decode<M: DeserializeOwned>(message: &[u8]) -> Result<M, MessageError> {
    Ok(postcard::from_bytes(message)?)
}
