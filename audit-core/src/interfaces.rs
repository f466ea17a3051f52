//! The three interfaces of a session: who records, who judges, who watches and orders.
//!
//! All three are synchronous and object-safe: a lane is a thread, a pool job or a process anyway.

use std::sync::Arc;
use std::time::Duration;

use crate::control::{Command, Notice};
use crate::monitor::{Request, Ruling, Verdict, Window};
use crate::record::Record;

/// How far a [`Recorder::sync`] must go.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
pub enum Durability {
    /// Survives the death of every process of ours, `kill -9` included: `write(2)` has returned.
    Process,
    /// As [`Durability::Process`], and `fdatasync(2)` follows while the session goes on. That it
    /// failed is told by a later [`Recorder::sync`].
    Writeback,
    /// Survives the machine: `fdatasync(2)` has returned.
    Machine,
}

/// Keeps records.
pub trait Recorder: Send {
    /// Takes a record. It may stay in memory until [`Recorder::sync`].
    ///
    /// # Errors
    /// The record is not kept. The recorder may be asked again with the same record, after
    /// [`Recorder::sync`] or later, and must not keep it twice.
    fn record(&mut self, record: &Record) -> Result<(), RecorderError>;

    /// Makes every record taken so far durable and returns the number of the last one.
    ///
    /// # Errors
    /// Records after the last number returned may be missing.
    fn sync(&mut self, durability: Durability) -> Result<u64, RecorderError>;

    /// Does one bounded piece (about a millisecond) of work that was put off, such as compression.
    /// Returns whether more remains. Called only while nothing waits to be recorded.
    ///
    /// # Errors
    /// The work could not be done; nothing recorded is lost.
    fn idle(&mut self) -> Result<bool, RecorderError> {
        Ok(false)
    }

    /// Ends the recording after its last record ([`crate::Body::End`]) was taken: finishes what was
    /// put off, signs, syncs. Nothing is recorded afterwards.
    ///
    /// # Errors
    /// The recording is readable up to the last successful [`Recorder::sync`].
    fn close(&mut self) -> Result<(), RecorderError>;
}

/// Judges what a session shows and does.
pub trait Monitor: Send {
    /// Inspects the next window. Windows of a session come one at a time, in order.
    ///
    /// # Errors
    /// The window is not judged.
    fn inspect(&mut self, window: &Window) -> Result<Verdict, MonitorError>;

    /// Judges something before it happens.
    ///
    /// # Errors
    /// There is no ruling; the core's policy decides.
    fn judge(&mut self, request: &Request) -> Result<Ruling, MonitorError>;

    /// Whether answers to windows inspected before are still to come, from an analyser that was
    /// asked about them. Then [`Monitor::late`] is called while nothing waits to be inspected.
    fn awaits(&self) -> bool {
        false
    }

    /// Waits up to `wait` for such an answer. It can only add to what was found before.
    fn late(&mut self, wait: Duration) -> Option<Verdict> {
        let _ = wait;
        None
    }
}

/// Wakes a [`Controller`] that waits in [`Controller::receive`].
pub type Wake = Arc<dyn Fn() + Send + Sync>;

/// Tells the outside what happens and brings its orders.
pub trait Controller: Send {
    /// Tells a notice.
    ///
    /// # Errors
    /// Nobody was told. The session goes on.
    fn publish(&mut self, notice: &Notice) -> Result<(), ControllerError>;

    /// Waits up to `wait` for an order; `Duration::MAX` waits for ever. Returns `None` when the
    /// time is up or [`Controller::wake`] was called.
    ///
    /// # Errors
    /// No order can come any more until the controller has recovered by itself.
    fn receive(&mut self, wait: Duration) -> Result<Option<Command>, ControllerError>;

    /// What interrupts [`Controller::receive`] from another thread, so that waiting needs no timer.
    fn wake(&self) -> Wake;
}

/// Why something was not recorded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RecorderError {
    /// No room is left. It may help to free some; the recorder can be asked again.
    #[error("{operation}: no space left on the device")]
    NoSpace {
        /// What was tried, with the path.
        operation: String,
    },
    /// The recording cannot go on.
    #[error("{operation}: {reason}")]
    Failed {
        /// What was tried, with the path.
        operation: String,
        /// Why it failed.
        reason: String,
    },
}

/// Why something was not judged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct MonitorError {
    /// What failed, and why, one line.
    pub reason: String,
}

/// Why nobody could be told, or no order can come.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct ControllerError {
    /// What failed, and why, one line.
    pub reason: String,
}
