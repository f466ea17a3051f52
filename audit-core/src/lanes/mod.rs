//! Lanes: where the work of recorders, monitors and controllers runs.
//!
//! The core never calls them. It emits effects; an engine's lanes decide whether the work runs on
//! the loop itself, on a thread, in a pool or in a process. All answers come back as [`Mail`].
//! Here stand the pieces every engine builds its lanes from; starting a thread or a pool job is
//! left to the engine, which passes a [`Spawn`].

mod desk;
mod guarded;
mod judge;
mod link;
mod record;

use std::os::fd::BorrowedFd;
use std::sync::Arc;
use std::time::Duration;

use crate::control::Notice;
use crate::engine::{EngineError, Mailbox};
use crate::event::Mail;
use crate::interfaces::{Controller, Durability, Recorder};
use crate::monitor::{Request, Window};
use crate::record::Record;
use crate::spec::{PartError, SessionSpec, Toolkit};

pub use desk::Desk;
pub use judge::{Judge, JudgeLane, Rebuild, Schedule, Work};
pub use link::LinkLane;
pub use record::RecordLane;

/// How long a session must be quiet before put-off work of its recorder begins: under a flood,
/// a short pause of the child is no time to compress.
pub const QUIET: Duration = Duration::from_millis(200);

/// Runs a lane's loop somewhere it may block; the name is for people and debuggers.
pub type Spawn<'a> = &'a dyn Fn(&'static str, Box<dyn FnOnce() + Send>) -> std::io::Result<()>;

/// What carries out the effects that concern recorder, monitor and controller.
pub trait Lanes {
    /// Takes a record; may keep it until [`Lanes::flush`].
    fn record(&mut self, record: Record);

    /// Makes the records taken so far durable and answers [`Mail::Recorded`].
    fn flush(&mut self, durability: Durability);

    /// Waits until the flushes asked for so far are carried out, at most this long: the process is
    /// about to be stopped, and its threads with it.
    fn catch_up(&mut self, wait: Duration) {
        let _ = wait;
    }

    /// Finishes the recording and answers [`Mail::RecorderClosed`].
    fn close(&mut self);

    /// Has a window inspected and answers [`Mail::Verdict`].
    fn inspect(&mut self, window: Window);

    /// Has a request judged and answers [`Mail::Ruling`].
    fn judge(&mut self, request: Request);

    /// Has a notice told.
    fn publish(&mut self, notice: Notice);

    /// An answer that is at hand already because its work ran on the loop. Engines take these
    /// after each turn's effects; answers of other threads come through the mailbox.
    fn take_mail(&mut self) -> Option<Mail> {
        None
    }

    /// What becomes readable when [`Lanes::ready`] is to be called, for lanes whose answers come
    /// from other processes and are read on the loop itself.
    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        None
    }

    /// Takes what made [`Lanes::descriptor`] readable, all of it; [`Lanes::take_mail`] has the
    /// answers.
    fn ready(&mut self) {}

    /// Does a bounded piece of put-off work of the lanes that run on the loop itself. Returns
    /// whether more remains.
    fn idle(&mut self) -> bool {
        false
    }

    /// The session is over: ends the lanes, waiting at most this long for each.
    fn end(&mut self, wait: Duration);
}

/// How an engine makes the lanes of its sessions, in two steps.
pub trait MakeLanes {
    /// What is made in the first step.
    type Parts;
    /// The lanes.
    type Lanes: Lanes + Send + 'static;

    /// Builds what must stand before the command runs: a journal that cannot be written fails
    /// here, with nothing started.
    ///
    /// # Errors
    /// A part cannot be built.
    fn prepare(&self, spec: &SessionSpec, toolkit: &Toolkit) -> Result<Self::Parts, EngineError>;

    /// Turns the parts into lanes, after the fork: a process without threads is cheaper and safer
    /// to copy.
    ///
    /// # Errors
    /// A thread or process cannot be started.
    fn start(&self, parts: Self::Parts, mailbox: Mailbox) -> Result<Self::Lanes, EngineError>;
}

/// The parts of one session that run in this process.
pub struct Parts {
    /// Keeps the records.
    pub recorder: Box<dyn Recorder>,
    /// Judges, if anything does.
    pub monitor: Option<Judge>,
    /// Watches and orders, if anything does.
    pub controller: Option<Box<dyn Controller>>,
}

impl Parts {
    /// Builds the parts `spec` names; the recorder last, which leaves a journal behind.
    ///
    /// # Errors
    /// One of them cannot be built.
    pub fn build(spec: &SessionSpec, toolkit: &Toolkit) -> Result<Self, EngineError> {
        let failed = |error: PartError| EngineError::new(error.part, error.reason);
        let monitor = judge(spec, toolkit).map_err(failed)?;
        let controller = toolkit.controller(spec).map_err(failed)?;
        let recorder = toolkit.recorder(spec).map_err(failed)?;
        Ok(Self { recorder, monitor, controller })
    }
}

/// The monitor `spec` names, if it names one, and how to build another like it.
fn judge(spec: &SessionSpec, toolkit: &Toolkit) -> Result<Option<Judge>, PartError> {
    let Some(monitor) = toolkit.monitor(spec)? else { return Ok(None) };
    let (spec, toolkit) = (spec.clone(), toolkit.clone());
    let rebuild = move || {
        let gone = || PartError { part: "monitor".into(), reason: "not named any more".into() };
        toolkit.monitor(&spec)?.ok_or_else(gone)
    };
    Ok(Some(Judge::new(monitor, Arc::new(rebuild))))
}

/// Starts a thread for a lane: the [`Spawn`] of engines whose lanes are threads.
///
/// # Errors
/// The system has no thread left.
pub fn spawn_thread(name: &'static str, work: Box<dyn FnOnce() + Send>) -> std::io::Result<()> {
    // Lanes hash, compress and match: 256 KiB of stack is ample, and untouched pages cost nothing.
    std::thread::Builder::new().name(name.into()).stack_size(256 << 10).spawn(work).map(drop)
}

/// The lanes of an engine that runs in one process.
#[derive(Debug)]
pub struct LaneSet {
    record: RecordLane,
    judge: Option<JudgeLane>,
    link: Option<LinkLane>,
}

impl LaneSet {
    /// Lanes for one session; a session without monitor or controller has no lane for it.
    pub fn new(record: RecordLane, judge: Option<JudgeLane>, link: Option<LinkLane>) -> Self {
        Self { record, judge, link }
    }
}

impl Lanes for LaneSet {
    fn record(&mut self, record: Record) {
        self.record.record(record);
    }

    fn flush(&mut self, durability: Durability) {
        self.record.flush(durability);
    }

    fn catch_up(&mut self, wait: Duration) {
        self.record.catch_up(wait);
    }

    fn close(&mut self) {
        self.record.close();
    }

    fn inspect(&mut self, window: Window) {
        if let Some(judge) = &mut self.judge {
            judge.inspect(window);
        }
    }

    fn judge(&mut self, request: Request) {
        if let Some(judge) = &mut self.judge {
            judge.judge(request);
        }
    }

    fn publish(&mut self, notice: Notice) {
        if let Some(link) = &mut self.link {
            link.publish(notice);
        }
    }

    fn take_mail(&mut self) -> Option<Mail> {
        self.record.take_mail()
    }

    fn idle(&mut self) -> bool {
        self.record.idle()
    }

    fn end(&mut self, wait: Duration) {
        self.record.end(wait);
        self.judge = None;
        if let Some(link) = self.link.take() {
            link.end(wait);
        }
    }
}
