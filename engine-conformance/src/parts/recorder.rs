//! The recorder: a file of records that can fail, stall, and be taken up again.

use std::fs::File;
use std::path::PathBuf;

use audit_core::{Durability, PartError, Record, Recorder, RecorderError, SessionSpec};

use super::{JOURNAL, Switch, directory};
use crate::frames;

struct FileRecorder {
    dir: PathBuf,
    file: File,
    staged: Vec<u8>,
    /// Number of the last record taken.
    last: u64,
    /// Number of the last record in the file.
    durable: u64,
}

/// Opens the recording of this session, or goes on with the one there is.
pub(super) fn build(spec: &SessionSpec) -> Result<Box<dyn Recorder>, PartError> {
    let dir = directory(None, spec)?;
    let path = dir.join(JOURNAL);
    let failed =
        |error: std::io::Error| PartError { part: "file".into(), reason: error.to_string() };
    let (records, whole) = frames::read::<Record>(&path);
    let file = frames::open(&path).map_err(failed)?;
    file.set_len(whole as u64).map_err(failed)?;
    let last = records.last().map_or(0, |record| record.seq);
    Ok(Box::new(FileRecorder { dir, file, staged: Vec::new(), last, durable: last }))
}

impl FileRecorder {
    fn check(&self, operation: &str) -> Result<(), RecorderError> {
        if Switch::RecorderFails.is_on(&self.dir) {
            return Err(failed(operation, "switched to fail"));
        }
        Ok(())
    }
}

impl Recorder for FileRecorder {
    fn record(&mut self, record: &Record) -> Result<(), RecorderError> {
        if record.seq <= self.last {
            return Ok(());
        }
        Switch::RecorderPanics.panic_once(&self.dir);
        self.check("append a record")?;
        self.staged.extend_from_slice(&frames::frame(record));
        self.last = record.seq;
        Ok(())
    }

    fn sync(&mut self, _: Durability) -> Result<u64, RecorderError> {
        if Switch::RecorderStalls.is_on(&self.dir) {
            Switch::RecorderIsStalled.on(&self.dir);
            Switch::RecorderStalls.wait_while_on(&self.dir);
        }
        let staged = std::mem::take(&mut self.staged);
        let written = self.check("write records").and_then(|()| {
            let append = frames::append(&mut self.file, &staged);
            append.map_err(|error| failed("write records", &error.to_string()))
        });
        match written {
            Ok(()) => self.durable = self.last,
            // What was staged is lost, so it must be taken when it comes again.
            Err(_) => self.last = self.durable,
        }
        written.map(|()| self.durable)
    }

    fn close(&mut self) -> Result<(), RecorderError> {
        self.sync(Durability::Machine).map(drop)
    }
}

fn failed(operation: &str, reason: &str) -> RecorderError {
    RecorderError::Failed { operation: operation.into(), reason: reason.into() }
}
