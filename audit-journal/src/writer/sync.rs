//! Making what was written survive the machine: behind the session's back, or before it goes on.

use std::path::PathBuf;

use super::Writer;
use super::seal::log;
use crate::disk::{Dirty, sync_dir};
use crate::error::Result;
use crate::hostlog::Leaf;
use crate::settings::JournalSettings;

/// What may not survive the machine yet.
struct Unsynced {
    /// Records without a single head would look like ones that were never signed.
    heads: Option<Dirty>,
    segments: Vec<Dirty>,
    dirs: Vec<PathBuf>,
    leaves: Vec<Leaf>,
    settings: JournalSettings,
}

impl Unsynced {
    fn sync(self) -> Result<()> {
        let _ = self.heads.as_ref().map(Dirty::sync);
        self.segments.iter().try_for_each(Dirty::sync)?;
        self.dirs.iter().try_for_each(|dir| sync_dir(dir))?;
        for leaf in &self.leaves {
            // Not being able to say it in the host log is no reason to stop recording.
            let _ = log(&self.settings, leaf);
        }
        Ok(())
    }
}

impl Writer {
    /// Has everything written so far made to survive the machine, and goes on meanwhile.
    /// [`Writer::check_behind`] tells whether it failed.
    pub(super) fn sync_behind(&mut self) -> Result<()> {
        if self.background.is_behind() {
            // What waits covers what is written until it begins; the rest comes with the next.
            return Ok(());
        }
        let unsynced = self.unsynced()?;
        self.background.start(|| unsynced.sync());
        Ok(())
    }

    /// Makes everything written so far survive the machine.
    pub(super) fn sync_machine(&mut self) -> Result<()> {
        let before = self.background.wait();
        self.note_failure(before)?;
        let synced = self.unsynced()?.sync();
        self.note_failure(synced)
    }

    /// Tells of a [`Writer::sync_behind`] that failed.
    pub(super) fn check_behind(&mut self) -> Result<()> {
        let failed = self.background.check();
        self.note_failure(failed)
    }

    /// After a failure the open segment and the names are synced again. That this succeeds proves
    /// nothing of before, since the kernel lets go of what it could not write: the failure itself
    /// is what must be told.
    fn note_failure(&mut self, synced: Result<()>) -> Result<()> {
        if synced.is_err() {
            self.segment.still_dirty();
            self.new_names = true;
        }
        synced
    }

    fn unsynced(&mut self) -> Result<Unsynced> {
        let open = self.segment.take_dirty()?;
        let mut unsynced = Unsynced {
            heads: None,
            segments: self.closed_segments.drain(..).chain(open).collect(),
            dirs: Vec::new(),
            leaves: std::mem::take(&mut self.leaves),
            settings: self.settings.clone(),
        };
        if std::mem::take(&mut self.new_names) {
            let month = self.dir.parent().unwrap_or(&self.dir);
            unsynced.dirs = vec![self.dir.clone(), month.to_owned()];
            if let Some(signer) = &mut self.signer {
                unsynced.heads = signer.heads.take_dirty().unwrap_or(None);
            }
        }
        Ok(unsynced)
    }
}
