//! What the secrets of a session decide about its bytes.

use bytes::Bytes;

use crate::record::SecretRule;
use crate::seal::{SealId, SealKey};
use crate::stream::Stream;

/// One decision, in the order it is to be recorded.
///
/// Every byte comes exactly once: clear, sealed, or counted in a redaction without seals. Every
/// seal is named exactly once more, in a reveal or in a redaction.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Piece {
    /// Record and inspect these bytes.
    Clear {
        /// Which stream.
        stream: Stream,
        /// The bytes, exact.
        bytes: Bytes,
    },
    /// Record these enciphered bytes; a monitor must not see them yet.
    Sealed {
        /// Which stream.
        stream: Stream,
        /// Name of the seal.
        seal: SealId,
        /// The enciphered bytes, as many as the clear ones.
        cipher: Bytes,
    },
    /// Record the keys, and only now inspect the bytes. Input is revealed in the order it was
    /// typed; revealed output may come after clear output that was shown later.
    Reveal {
        /// What proved harmless, oldest first; never empty.
        opened: Vec<Opened>,
    },
    /// Record that a secret was here.
    Redaction {
        /// Which stream held it.
        stream: Stream,
        /// Seals whose keys are gone; empty when the bytes were never sealed.
        seals: Vec<SealId>,
        /// How many bytes it had, rounded up unless `exact`.
        length: u64,
        /// Whether `length` is exact.
        exact: bool,
        /// Which rule found it.
        rule: SecretRule,
    },
}

/// A seal that proved harmless.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Opened {
    /// Name of the seal.
    pub(crate) seal: SealId,
    /// Its key.
    pub(crate) key: SealKey,
    /// Which stream.
    pub(crate) stream: Stream,
    /// The bytes under the seal, clear.
    pub(crate) bytes: Bytes,
}
