//! A session as plain data, and the table that turns names into parts.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::identity::Identity;
use crate::ids::SessionId;
use crate::interfaces::{Controller, Monitor, Recorder};
use crate::policy::Policy;
use crate::terminal::Winsize;

/// Everything about a session that can be written down. It crosses into worker processes, where a
/// trait object cannot.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SessionSpec {
    /// Name of the session.
    pub id: SessionId,
    /// Session this one was started from, if any.
    #[serde(default)]
    pub parent: Option<SessionId>,
    /// Who is at the user's end.
    pub user: Identity,
    /// Name of the host.
    pub host: String,
    /// Wall-clock time at which the session opened, milliseconds since the Unix epoch.
    pub opened_unix_millis: u64,
    /// Name of the engine that drives it.
    pub engine: String,
    /// What is run.
    pub command: CommandSpec,
    /// Whether the child's terminal is a PTY; `false` is pipe mode.
    pub pty: bool,
    /// Size of the terminal when the session opens.
    pub winsize: Winsize,
    /// Bytes per read.
    pub buffer_size: usize,
    /// How the session behaves.
    pub policy: Policy,
    /// What keeps the records.
    pub recorder: Part,
    /// What judges, if anything does.
    #[serde(default)]
    pub monitor: Option<Part>,
    /// What watches and orders, if anything does.
    #[serde(default)]
    pub controller: Option<Part>,
}

/// What a session runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CommandSpec {
    /// Program: a path, or a name looked up in `PATH`.
    pub program: OsString,
    /// Its arguments, without the program's own name.
    pub args: Vec<OsString>,
    /// What the program finds as its own name, where that differs (`-bash` for a login shell).
    #[serde(default)]
    pub argv0: Option<OsString>,
    /// Environment variables set on top of the inherited ones; `None` removes one.
    #[serde(default)]
    pub env: BTreeMap<OsString, Option<OsString>>,
    /// Working directory; `None` keeps ours.
    #[serde(default)]
    pub cwd: Option<PathBuf>,
}

impl CommandSpec {
    /// `program` with `args`, in the present environment and directory.
    pub fn new<A: Into<OsString>>(
        program: impl Into<OsString>,
        args: impl IntoIterator<Item = A>,
    ) -> Self {
        Self {
            program: program.into(),
            args: args.into_iter().map(Into::into).collect(),
            argv0: None,
            env: BTreeMap::new(),
            cwd: None,
        }
    }
}

/// A recorder, monitor or controller by name and settings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Part {
    /// Name in the [`Toolkit`].
    pub name: String,
    /// Settings its builder understands, as JSON text.
    settings: String,
}

impl Part {
    /// A part with these settings.
    pub fn new(name: impl Into<String>, settings: Value) -> Self {
        Self { name: name.into(), settings: settings.to_string() }
    }

    /// The settings as the builder's own type.
    ///
    /// # Errors
    /// The settings are not of that type.
    pub fn settings<T: serde::de::DeserializeOwned>(&self) -> Result<T, PartError> {
        serde_json::from_str(&self.settings)
            .map_err(|e| PartError { part: self.name.clone(), reason: e.to_string() })
    }
}

/// A part that cannot be built.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{part}: {reason}")]
pub struct PartError {
    /// Name of the part.
    pub part: String,
    /// Why, one line.
    pub reason: String,
}

type RecorderBuilder = fn(&SessionSpec) -> Result<Box<dyn Recorder>, PartError>;
type MonitorBuilder = fn(&SessionSpec) -> Result<Box<dyn Monitor>, PartError>;
type ControllerBuilder = fn(&SessionSpec) -> Result<Box<dyn Controller>, PartError>;

/// The parts a program knows, by name. Worker processes build the same table, so that a name means
/// the same in all of them.
///
/// A builder called again for a session that already has a recording (a worker was restarted)
/// continues it: records the recording already holds are passed over.
#[derive(Clone, Debug, Default)]
pub struct Toolkit {
    recorders: BTreeMap<&'static str, RecorderBuilder>,
    monitors: BTreeMap<&'static str, MonitorBuilder>,
    controllers: BTreeMap<&'static str, ControllerBuilder>,
}

impl Toolkit {
    /// An empty table.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a recorder.
    #[must_use]
    pub fn with_recorder(mut self, name: &'static str, build: RecorderBuilder) -> Self {
        self.recorders.insert(name, build);
        self
    }

    /// Adds a monitor.
    #[must_use]
    pub fn with_monitor(mut self, name: &'static str, build: MonitorBuilder) -> Self {
        self.monitors.insert(name, build);
        self
    }

    /// Adds a controller.
    #[must_use]
    pub fn with_controller(mut self, name: &'static str, build: ControllerBuilder) -> Self {
        self.controllers.insert(name, build);
        self
    }

    /// Builds the recorder `spec` names.
    ///
    /// # Errors
    /// The name is unknown or the recorder cannot start.
    pub fn recorder(&self, spec: &SessionSpec) -> Result<Box<dyn Recorder>, PartError> {
        find(&self.recorders, &spec.recorder)?(spec)
    }

    /// Builds the monitor `spec` names, if it names one.
    ///
    /// # Errors
    /// The name is unknown or the monitor cannot start.
    pub fn monitor(&self, spec: &SessionSpec) -> Result<Option<Box<dyn Monitor>>, PartError> {
        spec.monitor.as_ref().map(|part| find(&self.monitors, part)?(spec)).transpose()
    }

    /// Builds the controller `spec` names, if it names one.
    ///
    /// # Errors
    /// The name is unknown or the controller cannot start.
    pub fn controller(&self, spec: &SessionSpec) -> Result<Option<Box<dyn Controller>>, PartError> {
        spec.controller.as_ref().map(|part| find(&self.controllers, part)?(spec)).transpose()
    }
}

fn find<B: Copy>(table: &BTreeMap<&'static str, B>, part: &Part) -> Result<B, PartError> {
    table.get(part.name.as_str()).copied().ok_or_else(|| PartError {
        part: part.name.clone(),
        reason: format!(
            "unknown; known are {}",
            table.keys().copied().collect::<Vec<_>>().join(", ")
        ),
    })
}
