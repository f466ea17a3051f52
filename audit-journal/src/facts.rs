//! The payloads of structured frames: CBOR maps, and what they say.

use audit_core::{CommandSpec, Identity, SessionId, SessionSpec, Stream, Winsize};
use bytes::Bytes;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

use crate::chain::Hash;
use crate::error::{JournalError, Result};

/// The facts of a session, as its first frame states them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Header {
    /// Version of the format, 1.
    pub format: u32,
    /// Name of the session.
    pub session: SessionId,
    /// Session this one was started from, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<SessionId>,
    /// Who is at the user's end.
    pub user: Identity,
    /// Name of the host.
    pub host: String,
    /// When the session opened, milliseconds since the Unix epoch.
    pub opened_unix_millis: u64,
    /// Name of the engine that drives it.
    pub engine: String,
    /// Program, as it was asked for.
    #[serde(with = "os_text")]
    pub program: OsString,
    /// Its arguments, without the program's own name.
    pub args: Vec<OsText>,
    /// Working directory, where one was set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cwd: Option<OsText>,
    /// Whether the child's terminal is a PTY; `false` is pipe mode.
    pub pty: bool,
    /// Size of the terminal when the session opened.
    pub winsize: Winsize,
    /// What was captured: `pty` or `pipe`; later parts of the product add to it (`pty+exec`).
    pub capture: String,
    /// Whether input is recorded.
    pub input: bool,
    /// Whether output was recorded before it was shown, and input before it was passed on.
    pub strict: bool,
    /// How the journal is sealed.
    pub sealing: Sealing,
    /// Public half of the host key that certifies the session's first epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host_key: Option<Key32>,
    /// Whether the host log has a leaf for this session.
    pub host_log: bool,
    /// Format this journal was imported from, if it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub imported: Option<String>,
    /// What wrote the journal, with its version.
    pub writer: String,
}

/// How a journal is sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sealing {
    /// Signed heads under evolving Ed25519 keys.
    Epochs,
    /// Not at all: the chain shows damage, but proves nothing about who wrote it.
    None,
}

impl Header {
    /// The facts of `spec`, as yet unsealed.
    pub(crate) fn of(spec: &SessionSpec) -> Self {
        let CommandSpec { program, args, cwd, .. } = &spec.command;
        Self {
            format: 1,
            session: spec.id,
            parent: spec.parent,
            user: spec.user.clone(),
            host: spec.host.clone(),
            opened_unix_millis: spec.opened_unix_millis,
            engine: spec.engine.clone(),
            program: program.clone(),
            args: args.iter().cloned().map(OsText).collect(),
            cwd: cwd.as_ref().map(|c| OsText(c.clone().into_os_string())),
            pty: spec.pty,
            winsize: spec.winsize,
            capture: if spec.pty { "pty" } else { "pipe" }.to_owned(),
            input: spec.policy.recording.input,
            strict: spec.policy.recording.strict,
            sealing: Sealing::None,
            host_key: None,
            host_log: false,
            imported: None,
            writer: concat!("auditty ", env!("CARGO_PKG_VERSION")).to_owned(),
        }
    }

    /// Program and arguments in one line, for people; bytes that are no UTF-8 become U+FFFD.
    pub fn command_line(&self) -> String {
        let mut line = self.program.to_string_lossy().into_owned();
        for arg in &self.args {
            line.push(' ');
            line.push_str(&arg.0.to_string_lossy());
        }
        line
    }

    /// Working directory, where one was set.
    pub fn working_directory(&self) -> Option<PathBuf> {
        self.cwd.as_ref().map(|c| PathBuf::from(&c.0))
    }
}

/// Thirty-two bytes: a public key.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Key32(pub [u8; 32]);

impl std::fmt::Debug for Key32 {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

impl Serialize for Key32 {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.serialize_str(&hex(&self.0))
        } else {
            serializer.serialize_bytes(&self.0)
        }
    }
}

impl<'de> Deserialize<'de> for Key32 {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let bytes = if deserializer.is_human_readable() {
            unhex(&String::deserialize(deserializer)?)
        } else {
            Some(Bytes::deserialize(deserializer)?.to_vec())
        };
        bytes
            .and_then(|b| <[u8; 32]>::try_from(b.as_slice()).ok())
            .map(Self)
            .ok_or_else(|| serde::de::Error::custom("expected 32 bytes"))
    }
}

/// Text of the operating system: a CBOR text where it is UTF-8, else a byte string.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct OsText(#[serde(with = "os_text")] pub OsString);

mod os_text {
    use super::{OsStrExt, OsString, OsStringExt};
    use serde::{Deserializer, Serializer, de};

    pub(super) fn serialize<S: Serializer>(text: &OsString, s: S) -> Result<S::Ok, S::Error> {
        match text.to_str() {
            Some(text) => s.serialize_str(text),
            None if s.is_human_readable() => s.serialize_str(&text.to_string_lossy()),
            None => s.serialize_bytes(text.as_bytes()),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<OsString, D::Error> {
        struct Text;
        impl de::Visitor<'_> for Text {
            type Value = OsString;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("text or bytes")
            }
            fn visit_str<E>(self, text: &str) -> Result<OsString, E> {
                Ok(text.into())
            }
            fn visit_bytes<E>(self, bytes: &[u8]) -> Result<OsString, E> {
                Ok(OsString::from_vec(bytes.to_vec()))
            }
        }
        d.deserialize_any(Text)
    }
}

/// First frame of every segment but the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SegmentStart {
    pub(crate) session: SessionId,
    pub(crate) number: u32,
}

/// Last frame of every segment but the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Rotate {
    pub(crate) next: u32,
}

/// A new signing key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Epoch {
    pub(crate) epoch: u32,
    pub(crate) key: Key32,
    pub(crate) by: CertifiedBy,
    pub(crate) reason: EpochReason,
    pub(crate) signature: Bytes,
}

/// Whose key certifies an epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum CertifiedBy {
    Host,
    Previous,
}

/// Why an epoch began.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum EpochReason {
    /// The session began.
    Start,
    /// The key before was old.
    Age,
    /// The writer died and another goes on.
    Restarted,
    /// A torn tail is mended.
    Recovered,
}

/// A torn tail was cut.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Recovered {
    /// Bytes that were cut, kept beside the segment.
    pub(crate) cut: u64,
    /// Length of the segment before.
    pub(crate) old_len: u64,
    pub(crate) reason: String,
}

/// Last frame of a session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct EndSeal {
    /// Number of the last record.
    pub records: u64,
    /// `closed` by its writer, or `recovered` after its writer had died.
    pub how: Ended,
    /// Each stream that has bytes.
    pub streams: Vec<StreamSum>,
}

/// How a journal was closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ended {
    /// By its writer.
    Closed,
    /// By recovery, after its writer had died.
    Recovered,
}

/// Length and digest of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamSum {
    /// Which stream.
    pub stream: Stream,
    /// How many bytes.
    pub len: u64,
    /// SHA-256 of the bytes as recorded; sealed bytes count enciphered.
    pub sha256: Key32,
    /// SHA-256 of the bytes as `export --format raw` gives them, where that differs because seals
    /// were opened or stayed shut.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exported: Option<Key32>,
}

/// CBOR of `value`.
pub(crate) fn cbor<T: Serialize>(value: &T) -> Vec<u8> {
    let mut out = Vec::new();
    // Writing into memory fails only for types that refuse to be serialised; ours do not.
    ciborium::into_writer(value, &mut out).unwrap_or_default();
    out
}

/// Reads CBOR; `what` names it in errors.
pub(crate) fn uncbor<T: serde::de::DeserializeOwned>(bytes: &[u8], what: &str) -> Result<T> {
    ciborium::de::from_reader_with_recursion_limit(bytes, 32)
        .map_err(|e| JournalError::corrupt(what, e))
}

/// Lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes
        .iter()
        .flat_map(|b| [DIGITS[usize::from(b >> 4)], DIGITS[usize::from(b & 15)]])
        .map(char::from)
        .collect()
}

/// Bytes of lower-case hexadecimal digits.
pub(crate) fn unhex(text: &str) -> Option<Vec<u8>> {
    let digit = |b: u8| match b {
        b'0'..=b'9' => Some(b - b'0'),
        b'a'..=b'f' => Some(b - b'a' + 10),
        _ => None,
    };
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    rest.is_empty().then_some(())?;
    pairs.iter().map(|[a, b]| Some(digit(*a)? << 4 | digit(*b)?)).collect()
}

/// Thirty-two bytes from hexadecimal digits.
pub(crate) fn unhex32(text: &str) -> Option<Hash> {
    unhex(text)?.try_into().ok()
}
