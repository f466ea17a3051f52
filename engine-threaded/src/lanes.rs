//! Where the work of a session's parts runs: on one thread each.

use audit_core::lanes::{JudgeLane, LaneSet, LinkLane, MakeLanes, Parts, RecordLane, spawn_thread};
use audit_core::{EngineError, Mailbox, SessionSpec, Toolkit};

/// Makes the lanes of the `threaded` engine.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ThreadedLanes;

impl MakeLanes for ThreadedLanes {
    type Parts = Parts;
    type Lanes = LaneSet;

    fn prepare(&self, spec: &SessionSpec, toolkit: &Toolkit) -> Result<Parts, EngineError> {
        Parts::build(spec, toolkit)
    }

    fn start(&self, parts: Parts, mailbox: Mailbox) -> Result<LaneSet, EngineError> {
        let failed = |error| EngineError::new("starting a lane's thread", error);
        let record =
            RecordLane::thread(parts.recorder, mailbox.clone(), &spawn_thread).map_err(failed)?;
        let judge = parts.monitor.map(|monitor| JudgeLane::thread(monitor, mailbox.clone()));
        let link = parts
            .controller
            .map(|controller| LinkLane::start(controller, mailbox, &spawn_thread))
            .transpose()
            .map_err(failed)?;
        Ok(LaneSet::new(record, judge, link))
    }
}
