//! Where the work of a session's parts runs: nothing on the loop.

use std::sync::{Arc, OnceLock};

use audit_core::lanes::{
    JudgeLane, LaneSet, LinkLane, MakeLanes, Parts, RecordLane, Work, spawn_thread,
};
use audit_core::{EngineError, Mailbox, SessionSpec, Toolkit};
use rayon::{ThreadPool, ThreadPoolBuilder};

/// Makes the lanes of the `hybrid` engine. All sessions of an engine share one pool.
#[derive(Clone, Debug)]
pub struct HybridLanes {
    threads: usize,
    /// Started with the first session that has a monitor.
    pool: Arc<OnceLock<ThreadPool>>,
}

impl HybridLanes {
    /// Lanes whose judgements run on a pool of so many threads.
    pub fn new(threads: usize) -> Self {
        Self { threads: threads.max(1), pool: Arc::new(OnceLock::new()) }
    }

    fn start_pool(&self) -> Result<(), EngineError> {
        if self.pool.get().is_none() {
            let pool = ThreadPoolBuilder::new()
                .num_threads(self.threads)
                .thread_name(|n| format!("judge-{n}"))
                .build()
                .map_err(|error| EngineError::new("starting the judgement pool", error))?;
            // A pool that lost the race against another session's ends unused.
            let _ = self.pool.set(pool);
        }
        Ok(())
    }
}

impl MakeLanes for HybridLanes {
    type Parts = Parts;
    type Lanes = LaneSet;

    fn prepare(&self, spec: &SessionSpec, toolkit: &Toolkit) -> Result<Parts, EngineError> {
        Parts::build(spec, toolkit)
    }

    fn start(&self, parts: Parts, mailbox: Mailbox) -> Result<LaneSet, EngineError> {
        let failed = |error| EngineError::new("starting a lane's thread", error);
        let record =
            RecordLane::thread(parts.recorder, mailbox.clone(), &spawn_thread).map_err(failed)?;
        let judge = match parts.monitor {
            Some(monitor) => {
                self.start_pool()?;
                let pool = Arc::clone(&self.pool);
                let schedule = Arc::new(move |work: Work| {
                    if let Some(pool) = pool.get() {
                        pool.spawn(work);
                    }
                });
                Some(JudgeLane::new(monitor, mailbox.clone(), schedule))
            }
            None => None,
        };
        let link = parts
            .controller
            .map(|controller| LinkLane::start(controller, mailbox, &spawn_thread))
            .transpose()
            .map_err(failed)?;
        Ok(LaneSet::new(record, judge, link))
    }
}
