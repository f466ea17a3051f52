//! A journal that there was no room for when its session began.

use audit_core::{Durability, Record, Recorder, RecorderError, SessionSpec};

use super::Writer;
use crate::settings::JournalSettings;

/// Refuses everything until the journal can be begun. The session goes on meanwhile as its policy
/// says, asks again from time to time, and has a gap recorded first.
pub(super) struct Awaited {
    spec: SessionSpec,
    settings: JournalSettings,
    begun: Option<Writer>,
}

impl Awaited {
    pub(super) fn new(spec: SessionSpec, settings: JournalSettings) -> Self {
        Self { spec, settings, begun: None }
    }

    fn begun(&mut self) -> Result<&mut Writer, RecorderError> {
        let writer = match self.begun.take() {
            Some(writer) => writer,
            None => Writer::open(&self.spec, self.settings.clone())?,
        };
        Ok(self.begun.insert(writer))
    }
}

impl Recorder for Awaited {
    fn record(&mut self, record: &Record) -> Result<(), RecorderError> {
        self.begun()?.record(record)
    }

    fn sync(&mut self, durability: Durability) -> Result<u64, RecorderError> {
        self.begun()?.sync(durability)
    }

    fn idle(&mut self) -> Result<bool, RecorderError> {
        self.begun.as_mut().map_or(Ok(false), Recorder::idle)
    }

    fn close(&mut self) -> Result<(), RecorderError> {
        self.begun()?.close()
    }
}
