//! The local controller of a session: its own socket, and the audit log.
//!
//! `auditty ctl` talks to the socket in JSON lines ([`protocol`]). Only the session's user and root
//! may; who asks is what the kernel says, not what the client says. A process of the session
//! itself never decides its own block.

mod ctl;
mod peer;
mod place;
mod protocol;
mod server;
mod snapshot;

use std::path::PathBuf;
use std::time::Duration;

use audit_core::{
    Command, Controller, ControllerError, News, Notice, Part, PartError, SessionSpec, Wake,
};
use serde::{Deserialize, Serialize};

use crate::log::{AuditLog, LogSettings};
pub(crate) use ctl::ctl;
pub(crate) use peer::SESSION_VARIABLE;
pub(crate) use place::socket_dir;
use server::SocketServer;
use snapshot::Snapshot;

/// Name of the local controller in the toolkit.
pub(crate) const LOCAL: &str = "local";

/// Settings of the local controller.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct LocalSettings {
    /// Directory of the socket; made when it is missing.
    pub(crate) socket_dir: PathBuf,
    /// The process that holds the session: all of the session's processes descend from it.
    pub(crate) owner: i32,
    /// The audit log.
    pub(crate) log: LogSettings,
}

impl LocalSettings {
    /// The part of a session spec that asks for this controller.
    pub(crate) fn part(&self) -> Part {
        Part::new(LOCAL, serde_json::to_value(self).unwrap_or_default())
    }
}

/// Publishes to the socket and to the audit log, and receives from the socket.
struct LocalController {
    server: SocketServer,
    snapshot: Snapshot,
    log: AuditLog,
    /// What went wrong and was not told yet. Nothing here ends a session.
    trouble: Option<String>,
}

/// Builds the local controller of a session.
///
/// # Errors
/// The settings are not [`LocalSettings`], or the system has no descriptor left. A socket that
/// cannot be made is told later: the session goes on without it.
pub(crate) fn local(spec: &SessionSpec) -> Result<Box<dyn Controller>, PartError> {
    let part = spec.controller.as_ref();
    let settings: LocalSettings = part.map_or_else(
        || Err(PartError { part: LOCAL.into(), reason: "no settings".into() }),
        Part::settings,
    )?;
    let (server, trouble) = SocketServer::new(&settings.socket_dir, spec.id)
        .map_err(|e| PartError { part: LOCAL.into(), reason: e.to_string() })?;
    let log = AuditLog::new(settings.log);
    Ok(Box::new(LocalController {
        server,
        snapshot: Snapshot::new(spec, settings.owner),
        log,
        trouble,
    }))
}

impl Controller for LocalController {
    fn publish(&mut self, notice: &Notice) -> Result<(), ControllerError> {
        self.snapshot.take(notice);
        self.server.publish(notice);
        let logged = self.log.notice(self.snapshot.spec(), notice);
        if matches!(notice.news, News::Opened { .. }) {
            // What starts a session does not run in it again.
            audit_pty::give_back();
        }
        logged.map_err(|error| ControllerError { reason: format!("audit log: {error}") })
    }

    fn receive(&mut self, wait: Duration) -> Result<Option<Command>, ControllerError> {
        match self.trouble.take() {
            Some(reason) => Err(ControllerError { reason }),
            None => Ok(self.server.receive(&mut self.snapshot, wait)),
        }
    }

    fn wake(&self) -> Wake {
        self.server.wake()
    }
}
