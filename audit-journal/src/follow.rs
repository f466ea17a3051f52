//! Reading records while they are recorded.

use std::path::PathBuf;

use audit_core::Stream;

use crate::entries::{Entries, Entry};
use crate::error::{JournalError, Result};
use crate::layout::Lock;

/// A session that is followed while it is recorded.
#[derive(Debug)]
pub struct Follow {
    entries: Entries,
    dir: PathBuf,
}

/// What [`Follow::poll`] found.
#[derive(Clone, Debug, PartialEq)]
pub enum Polled {
    /// The next entry.
    Entry(Entry),
    /// Nothing new yet. Ask again, some tens of milliseconds later.
    Pending,
    /// The session is over: it was closed, or nobody writes it any more.
    Ended,
}

impl Follow {
    /// Follows the session in `dir`, whose entries were opened for that.
    pub(crate) fn new(entries: Entries, dir: PathBuf) -> Self {
        Self { entries, dir }
    }

    /// Leaves out bytes of streams other than `streams`.
    #[must_use]
    pub fn only(mut self, streams: &[Stream]) -> Self {
        self.entries = self.entries.only(streams);
        self
    }

    /// The next entry, if it is there.
    ///
    /// # Errors
    /// The files cannot be read, or are damaged.
    pub fn poll(&mut self) -> Result<Polled> {
        // Asked first: whatever a writer wrote before it died is found below.
        let written = Lock::is_taken(&self.dir);
        self.entries.fill_live()?;
        if let Some(entry) = self.entries.pop() {
            return Ok(Polled::Entry(entry));
        }
        if let Some(damage) = self.entries.damage() {
            return Err(JournalError::corrupt(self.dir.display(), damage));
        }
        if self.entries.is_done() {
            return Ok(Polled::Ended);
        }
        if !written {
            // What still waits for its key waits in vain.
            self.entries.give_up();
            return Ok(self.entries.pop().map_or(Polled::Ended, Polled::Entry));
        }
        Ok(Polled::Pending)
    }
}
