//! A recorder of one's own: one line of text for each record.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::PathBuf;

use audit_core::{Body, Durability, PartError, Record, Recorder, RecorderError, SessionSpec};
use serde::{Deserialize, Serialize};

// ANCHOR: recorder
/// Settings of the recorder, as they stand in `SessionSpec::recorder`.
#[derive(Serialize, Deserialize)]
pub struct LinesSettings {
    /// The file to write.
    pub path: PathBuf,
}

/// Writes one line for each record.
struct Lines {
    file: BufWriter<File>,
    last: u64,
}

/// Builds the recorder of a session: an entry of the toolkit.
pub fn lines(spec: &SessionSpec) -> Result<Box<dyn Recorder>, PartError> {
    let LinesSettings { path } = spec.recorder.settings()?;
    let file = File::create(path)
        .map_err(|error| PartError { part: "lines".to_owned(), reason: error.to_string() })?;
    Ok(Box::new(Lines { file: BufWriter::new(file), last: 0 }))
}

impl Recorder for Lines {
    fn record(&mut self, record: &Record) -> Result<(), RecorderError> {
        // After a failure the core may hand over the same record again.
        if record.seq <= self.last {
            return Ok(());
        }
        match &record.body {
            Body::Data { stream, bytes } => {
                writeln!(self.file, "{} {stream:?} {}", record.seq, bytes.escape_ascii())
            }
            other => writeln!(self.file, "{} {other:?}", record.seq),
        }
        .map_err(|error| failed("write", &error))?;
        self.last = record.seq;
        Ok(())
    }

    fn sync(&mut self, durability: Durability) -> Result<u64, RecorderError> {
        self.file.flush().map_err(|error| failed("write", &error))?;
        if durability == Durability::Machine {
            self.file.get_ref().sync_data().map_err(|error| failed("sync", &error))?;
        }
        Ok(self.last)
    }

    fn close(&mut self) -> Result<(), RecorderError> {
        self.sync(Durability::Machine).map(drop)
    }
}
// ANCHOR_END: recorder

fn failed(operation: &str, error: &std::io::Error) -> RecorderError {
    RecorderError::Failed { operation: operation.to_owned(), reason: error.to_string() }
}

fn main() {
    println!("this example is read in the book and run by its test");
}
