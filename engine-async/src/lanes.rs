//! Where the work of a session's parts runs: records on the loop, the rest on the blocking pool.

use std::sync::Arc;

use audit_core::lanes::{JudgeLane, LaneSet, LinkLane, MakeLanes, Parts, RecordLane, Work};
use audit_core::{EngineError, Mailbox, SessionSpec, Toolkit};
use tokio::runtime::Handle;

/// Makes the lanes of the `async` engine. Called within its runtime.
#[derive(Clone, Copy, Debug)]
pub struct AsyncLanes;

impl MakeLanes for AsyncLanes {
    type Parts = Parts;
    type Lanes = LaneSet;

    fn prepare(&self, spec: &SessionSpec, toolkit: &Toolkit) -> Result<Parts, EngineError> {
        Parts::build(spec, toolkit)
    }

    fn start(&self, parts: Parts, mailbox: Mailbox) -> Result<LaneSet, EngineError> {
        let runtime = Handle::current();
        let pool = runtime.clone();
        let schedule = Arc::new(move |work: Work| drop(pool.spawn_blocking(work)));
        let record = RecordLane::inline(parts.recorder);
        let judge = parts.monitor.map(|monitor| JudgeLane::new(monitor, mailbox.clone(), schedule));
        let spawn = |_: &'static str, work: Work| {
            drop(runtime.spawn_blocking(work));
            Ok(())
        };
        let link = parts
            .controller
            .map(|controller| LinkLane::start(controller, mailbox, &spawn))
            .transpose()
            .map_err(|error| EngineError::new("starting the link", error))?;
        Ok(LaneSet::new(record, judge, link))
    }
}
