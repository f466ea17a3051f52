//! Where the work of a session's parts runs: records on the loop, the rest on helper threads.

use audit_core::lanes::{JudgeLane, LaneSet, LinkLane, MakeLanes, Parts, RecordLane, spawn_thread};
use audit_core::{EngineError, Mailbox, SessionSpec, Toolkit};

/// Makes the lanes of the `poll` engine.
#[derive(Clone, Copy, Debug)]
pub struct PollLanes;

impl MakeLanes for PollLanes {
    type Parts = Parts;
    type Lanes = LaneSet;

    fn prepare(&self, spec: &SessionSpec, toolkit: &Toolkit) -> Result<Parts, EngineError> {
        Parts::build(spec, toolkit)
    }

    fn start(&self, parts: Parts, mailbox: Mailbox) -> Result<LaneSet, EngineError> {
        let record = RecordLane::inline(parts.recorder);
        let judge = parts.monitor.map(|monitor| JudgeLane::thread(monitor, mailbox.clone()));
        let link = parts
            .controller
            .map(|controller| LinkLane::start(controller, mailbox, &spawn_thread))
            .transpose()
            .map_err(|error| EngineError::new("starting the link's thread", error))?;
        Ok(LaneSet::new(record, judge, link))
    }
}
