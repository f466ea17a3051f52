//! A recorder whose panics are failures.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::interfaces::{Durability, Recorder, RecorderError};
use crate::record::Record;

/// A recorder in the process of the terminal. When it panics it has failed for good: it is not
/// asked again, and neither its loop nor the other sessions there go down with it.
pub(super) struct Guarded(Option<Box<dyn Recorder>>);

impl Guarded {
    pub(super) fn boxed(recorder: Box<dyn Recorder>) -> Box<dyn Recorder> {
        Box::new(Self(Some(recorder)))
    }

    fn ask<T>(
        &mut self,
        operation: &'static str,
        question: impl FnOnce(&mut dyn Recorder) -> Result<T, RecorderError>,
    ) -> Result<T, RecorderError> {
        let crashed = || RecorderError::Failed {
            operation: operation.into(),
            reason: "the recorder has crashed".into(),
        };
        let Some(recorder) = &mut self.0 else { return Err(crashed()) };
        catch_unwind(AssertUnwindSafe(|| question(recorder.as_mut()))).unwrap_or_else(|_| {
            let broken = self.0.take();
            // What it holds may be broken too.
            let _ = catch_unwind(AssertUnwindSafe(|| drop(broken)));
            Err(crashed())
        })
    }
}

impl Recorder for Guarded {
    fn record(&mut self, record: &Record) -> Result<(), RecorderError> {
        self.ask("record", |recorder| recorder.record(record))
    }

    fn sync(&mut self, durability: Durability) -> Result<u64, RecorderError> {
        self.ask("sync", |recorder| recorder.sync(durability))
    }

    fn idle(&mut self) -> Result<bool, RecorderError> {
        self.ask("put-off work", |recorder| recorder.idle())
    }

    fn close(&mut self) -> Result<(), RecorderError> {
        self.ask("close", |recorder| recorder.close())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Panics;

    impl Recorder for Panics {
        fn record(&mut self, _: &Record) -> Result<(), RecorderError> {
            Ok(())
        }

        fn sync(&mut self, _: Durability) -> Result<u64, RecorderError> {
            std::panic::resume_unwind(Box::new("on purpose"))
        }

        fn close(&mut self) -> Result<(), RecorderError> {
            Ok(())
        }
    }

    #[test]
    fn a_recorder_that_panics_has_failed_for_good() {
        let mut recorder = Guarded::boxed(Box::new(Panics));
        assert!(recorder.sync(Durability::Process).is_err());
        assert!(recorder.close().is_err(), "it is not asked again");
    }
}
