//! What a monitor is asked and what it answers.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::moment::Moment;
use crate::stream::Stream;

/// A stretch of one stream to be inspected. Windows of a stream come in order and leave no gap;
/// masked bytes are never in them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Window {
    /// Number of the window in its session, from 1, across all streams.
    pub id: u64,
    /// When its last byte arrived.
    pub at: Moment,
    /// Which stream.
    pub stream: Stream,
    /// Offset of the first byte in what was inspected of that stream so far.
    pub offset: u64,
    /// The bytes, exact.
    pub bytes: Bytes,
}

/// How dangerous something is: `0.0..=1.0`.
#[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(try_from = "f32", into = "f32")]
pub struct Score(f32);

impl Score {
    /// Harmless.
    pub const ZERO: Self = Self(0.0);

    /// A score; `None` unless `value` is a number in `0.0..=1.0`.
    pub fn new(value: f32) -> Option<Self> {
        (0.0..=1.0).contains(&value).then_some(Self(value))
    }

    /// The number, `0.0..=1.0`.
    pub const fn value(self) -> f32 {
        self.0
    }
}

impl TryFrom<f32> for Score {
    type Error = ScoreError;

    fn try_from(value: f32) -> Result<Self, ScoreError> {
        Self::new(value).ok_or(ScoreError(value))
    }
}

impl From<Score> for f32 {
    fn from(score: Score) -> Self {
        score.0
    }
}

/// A score outside `0.0..=1.0`.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[error("score {0} is not in 0.0..=1.0")]
pub struct ScoreError(f32);

/// What a monitor found in a window, together with what it remembers of the windows before.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// The highest score found.
    pub score: Score,
    /// What was found, worst first.
    pub findings: Vec<Finding>,
    /// Secrets shown: byte ranges in the window's stream, by its offsets.
    pub secrets: Vec<Span>,
}

/// One thing found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// Stable name of the rule or model.
    pub rule: String,
    /// One line for people.
    pub title: String,
    /// Category, such as `reverse_shell`.
    pub category: String,
    /// MITRE ATT&CK technique numbers.
    pub mitre: Vec<String>,
    /// How dangerous this finding alone is.
    pub score: Score,
    /// The text it was found in: normalised, secrets redacted, at most 200 characters.
    pub excerpt: String,
}

/// A byte range of a stream: `start..end`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    /// Which stream.
    pub stream: Stream,
    /// Offset of the first byte.
    pub start: u64,
    /// Offset behind the last byte.
    pub end: u64,
}

/// Something that must be judged before it may happen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Request {
    /// Number of the request in its session, from 1.
    pub id: u64,
    /// When it was made.
    pub at: Moment,
    /// A command line as submitted.
    pub command: String,
}

/// The answer to a [`Request`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ruling {
    /// It may happen.
    Allow,
    /// It must not happen.
    Deny(Verdict),
    /// People decide.
    Ask(Verdict),
}
