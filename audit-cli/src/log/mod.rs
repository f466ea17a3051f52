//! The audit log: one JSON object a line, fields named after the Elastic Common Schema (ECS), no
//! terminal data.
//!
//! Several sessions write to one file at once: each line is one `write(2)` in append mode under
//! `flock(2)`, and whoever would grow the file beyond its limit rotates it first. A log that cannot
//! be written never ends a session; it is told when the session begins, and in its journal.

mod event;
mod file;

use std::path::PathBuf;

use audit_core::{Identity, Notice, SessionSpec};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::config::{Config, is_logged};
use file::LogFile;

/// Settings of the audit log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LogSettings {
    /// The file.
    pub(crate) path: PathBuf,
    /// It is rotated before it grows beyond this many bytes.
    pub(crate) max_size: u64,
    /// How many rotated files are kept.
    pub(crate) keep: u32,
    /// The least severe level it takes.
    pub(crate) level: String,
}

impl LogSettings {
    /// The settings in `config`.
    pub(crate) fn of(config: &Config) -> Self {
        Self {
            path: config.logging.audit_log_path.clone(),
            max_size: config.logging.max_log_size.0,
            keep: config.logging.log_rotation,
            level: config.audit.log_level.clone(),
        }
    }
}

/// How severe an event is; also its `log.level`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Level {
    Debug,
    Info,
    Warning,
    Error,
    Critical,
}

impl Level {
    /// The name the configuration uses.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Debug => "DEBUG",
            Self::Info => "INFO",
            Self::Warning => "WARNING",
            Self::Error => "ERROR",
            Self::Critical => "CRITICAL",
        }
    }
}

/// The audit log.
#[derive(Debug)]
pub(crate) struct AuditLog {
    file: LogFile,
    level: String,
    /// Whether a failure was told already.
    told: bool,
}

impl AuditLog {
    /// The log of these settings; nothing is opened yet.
    pub(crate) fn new(settings: LogSettings) -> Self {
        let LogSettings { path, max_size, keep, level } = settings;
        Self { file: LogFile::new(path, max_size, keep), level, told: false }
    }

    /// Whether it can be written.
    ///
    /// # Errors
    /// It cannot, and why.
    pub(crate) fn check(&self) -> std::io::Result<()> {
        self.file.check()
    }

    /// Writes what happened in a session.
    ///
    /// # Errors
    /// The first time it cannot be written.
    pub(crate) fn notice(&mut self, spec: &SessionSpec, notice: &Notice) -> Result<(), String> {
        match event::of_notice(spec, notice) {
            Some((level, fields)) => self.write(level, fields),
            None => Ok(()),
        }
    }

    /// Writes that a recorded session failed verification.
    ///
    /// # Errors
    /// The first time it cannot be written.
    pub(crate) fn failed_verification(
        &mut self,
        session: &str,
        status: &str,
        reason: &str,
    ) -> Result<(), String> {
        let (user, host) = here();
        let place = (&user, host.as_str());
        self.write(Level::Critical, event::failed_verification(place, session, status, reason))
    }

    /// Writes that a recorded session was removed because its time was up.
    ///
    /// # Errors
    /// The first time it cannot be written.
    pub(crate) fn expired(&mut self, session: &str) -> Result<(), String> {
        let (user, host) = here();
        self.write(Level::Info, event::expired((&user, host.as_str()), session))
    }

    fn write(&mut self, level: Level, fields: Map<String, Value>) -> Result<(), String> {
        if !is_logged(level.name(), &self.level) {
            return Ok(());
        }
        let mut line = Value::Object(fields).to_string();
        line.push('\n');
        match self.file.append(line.as_bytes()) {
            Ok(()) => {
                self.told = false;
                Ok(())
            }
            Err(_) if self.told => Ok(()),
            Err(error) => {
                self.told = true;
                Err(error.to_string())
            }
        }
    }
}

/// Who this process belongs to, and on which host.
fn here() -> (Identity, String) {
    (crate::run::user(), crate::run::host().unwrap_or_default())
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use serde_json::json;

    /// A session of `sh -c`, with an escape character in its arguments.
    pub(crate) fn spec() -> SessionSpec {
        serde_json::from_value(json!({
            "id": "01920000-0000-7000-8000-000000000001",
            "user": { "kind": "person", "name": "ada", "uid": 1000 },
            "host": "turing",
            "opened_unix_millis": 1_700_000_000_000_u64,
            "engine": "poll",
            "command": { "program": { "Unix": b"sh" }, "args": [{ "Unix": b"-c" }, { "Unix": b"a\x1bb" }] },
            "pty": true,
            "winsize": { "rows": 24, "columns": 80 },
            "buffer_size": 65536,
            "policy": audit_core::Policy::default(),
            "recorder": { "name": "journal", "settings": "{}" },
        }))
        .unwrap()
    }

    #[test]
    fn a_log_that_cannot_be_written_is_told_once() {
        let settings = LogSettings {
            path: "/proc/no-such-directory/audit.log".into(),
            max_size: 1000,
            keep: 1,
            level: "INFO".into(),
        };
        let mut log = AuditLog::new(settings);
        assert!(log.failed_verification("x", "corrupt", "y").is_err());
        assert!(log.failed_verification("x", "corrupt", "y").is_ok());
    }

    #[test]
    fn the_level_holds_back_what_is_less_severe() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("audit.log");
        let settings =
            LogSettings { path: path.clone(), max_size: 1000, keep: 1, level: "ERROR".into() };
        let mut log = AuditLog::new(settings);
        let opened = Notice {
            id: 1,
            at: audit_core::Moment::START,
            news: audit_core::News::Opened { pid: 1 },
        };
        log.notice(&spec(), &opened).unwrap();
        assert!(!path.exists());
        log.failed_verification("x", "corrupt", "y").unwrap();
        assert!(path.exists());
    }
}
