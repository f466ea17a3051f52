//! Where the work of a session's parts runs: each in a process of its own.

use std::collections::HashMap;
use std::ffi::OsString;
use std::sync::{Arc, Mutex, Once, PoisonError};

use audit_core::lanes::MakeLanes;
use audit_core::{EngineError, Mailbox, SessionId, SessionSpec, Toolkit};

use crate::crew::Crew;

/// Passed when this process has become a relay.
static STARTED: Once = Once::new();

/// Makes the lanes of the `multiproc` engine.
#[derive(Clone, Debug)]
pub struct ProcessLanes {
    /// Program and leading arguments of a worker.
    program: Arc<[OsString]>,
    /// Crews that stand ready for sessions which the loop has not seated yet.
    hired: Arc<Mutex<HashMap<SessionId, Crew>>>,
}

impl ProcessLanes {
    /// Lanes whose workers are started with this program and these leading arguments.
    pub fn new(program: &[OsString]) -> Self {
        Self { program: program.into(), hired: Arc::default() }
    }

    /// Starts the workers of a session before the loop gets to it, so that the loop's other
    /// sessions do not wait for them.
    ///
    /// # Errors
    /// As [`MakeLanes::prepare`].
    pub fn hire(&self, spec: &SessionSpec) -> Result<(), EngineError> {
        let crew = Crew::hire(&self.program, spec)?;
        self.hired().insert(spec.id, crew);
        Ok(())
    }

    /// Dismisses the workers of a session that is not seated after all.
    pub fn dismiss(&self, session: SessionId) {
        self.hired().remove(&session);
    }

    fn hired(&self) -> std::sync::MutexGuard<'_, HashMap<SessionId, Crew>> {
        self.hired.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl MakeLanes for ProcessLanes {
    type Parts = Crew;
    type Lanes = Crew;

    fn prepare(&self, spec: &SessionSpec, _toolkit: &Toolkit) -> Result<Crew, EngineError> {
        // The workers build the parts, with a toolkit of their own.
        let hired = self.hired().remove(&spec.id);
        hired.map_or_else(|| Crew::hire(&self.program, spec), Ok)
    }

    fn start(&self, crew: Crew, _mailbox: Mailbox) -> Result<Crew, EngineError> {
        // What read the command line and the configuration does not run again.
        STARTED.call_once(audit_pty::give_back);
        Ok(crew)
    }
}
