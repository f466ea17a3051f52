//! An entry on its way to the reader.

use std::time::{Duration, Instant};

use audit_core::{Body, SealId};

use crate::conceal::Secrets;
use crate::entries::Entry;

/// While following, output waits this long for a verdict that may tell of a secret in it, and no
/// more entries than this do.
const HELD: Duration = Duration::from_millis(500);
pub(crate) const HELD_ENTRIES: usize = 256;

/// An entry, and what it waits for while following.
pub(crate) struct Slot {
    pub(crate) entry: Entry,
    /// A seal whose key may come, with the enciphered bytes.
    pub(crate) sealed: Option<(SealId, Vec<u8>)>,
    /// Where its bytes begin in what was recorded of their stream.
    pub(crate) start: u64,
    /// When it was read, if it waits for what may be said of it.
    pub(crate) since: Option<Instant>,
}

impl Slot {
    /// An entry that waits for nothing.
    pub(crate) fn new(entry: Entry) -> Self {
        Self { entry, sealed: None, start: 0, since: None }
    }

    /// Whether something may still be said of it.
    pub(crate) fn is_held(&self) -> bool {
        self.since.is_some_and(|since| since.elapsed() < HELD)
    }

    /// Conceals the secrets in it.
    pub(crate) fn conceal(&mut self, secrets: &Secrets) {
        if let Body::Data { stream, bytes } = &mut self.entry.body
            && let Some(concealed) = secrets.conceal(*stream, self.start, bytes)
        {
            *bytes = concealed.into();
            self.entry.secret = true;
        }
    }
}
