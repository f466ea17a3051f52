//! A session written down as plain data.

use std::ffi::OsString;
use std::fs;
use std::io::Write as _;
use std::path::Path;

use audit_core::{CommandSpec, Identity, OnFailure, Outcome, Part, SessionId, SessionSpec};
use audit_journal::{JournalError, JournalSettings, Status, TrustedKey};
use nix::unistd::{Uid, User, gethostname};

use super::ends::Terminal;
use super::random;
use crate::args::RunArgs;
use crate::config::{Config, ConfigError, Loaded};
use crate::context::Context;
use crate::control::{LocalSettings, SESSION_VARIABLE, socket_dir};
use crate::failure::{Failure, is_full};
use crate::known::KnownKeys;
use crate::log::{AuditLog, LogSettings};
use crate::text;

/// What is run: `words`, or the configured shell.
pub(super) fn command(config: &Config, context: &Context, words: &[OsString]) -> CommandSpec {
    match words.split_first() {
        Some((program, args)) => CommandSpec::new(program, args),
        None => {
            let (program, args) = config.shell(&context.around);
            CommandSpec::new(program, args)
        }
    }
}

/// Where the session is recorded; the directory is made, so that what is wrong with it is known
/// before anything runs.
///
/// # Errors
/// It cannot be made or written to.
pub(super) fn journal(loaded: &Loaded, args: &RunArgs) -> anyhow::Result<JournalSettings> {
    let config = &loaded.config;
    let dir = &config.journal.dir;
    let closed = config.journal.on_failure == OnFailure::Closed;
    // A session that can do without begins its journal once there is room.
    let prepared = prepare_journal(dir);
    let prepared = prepared.or_else(|e| if !closed && is_full(&e) { Ok(()) } else { Err(e) });
    if let Err(error) = prepared {
        let status = match closed {
            true => u8::try_from(Outcome::JOURNAL_FAILED).unwrap_or(1),
            false => ConfigError::STATUS,
        };
        let reason = error.to_string();
        let reason = reason.split(" (os error").next().unwrap_or(&reason).to_lowercase();
        let place = loaded.place("journal", "dir");
        let message = format!("{place}: journal.dir = \"{}\": {reason}", dir.display());
        return Err(Failure::new(status, message).into());
    }
    if let Some(id) = args.session_id.filter(|id| crate::read::exists(dir, *id)) {
        return Err(Failure::usage(format!("--session-id: session {id} exists already")).into());
    }
    let settings = config.journal_settings(dir);
    watch_over(loaded, &settings);
    Ok(settings)
}

/// Remembers which host key the directory is signed with, and tells when it is another one or when
/// somebody changed the host log. The session is recorded all the same: nobody is to be kept from
/// recording by damaging a file.
fn watch_over(loaded: &Loaded, settings: &JournalSettings) {
    // What keeps a journal from beginning is told when it should begin.
    let Ok(key) = TrustedKey::of_host(settings) else { return };
    let known = KnownKeys::of(&loaded.config);
    let strange = match known.find(&settings.root) {
        Ok(Some(old)) if old != key => Some(known.strange(&settings.root, old)),
        Ok(None) if loaded.standing_journal() == Some(&settings.root) => {
            // Without a place for it, `verify` remembers it.
            let _ = known.add(&settings.root, key);
            None
        }
        _ => None,
    };
    let damaged = audit_journal::check_host_log(settings).err();
    let damaged = damaged.filter(|e| matches!(e, JournalError::HostLog { .. }));
    let mut log = AuditLog::new(LogSettings::of(&loaded.config));
    let faults = strange
        .map(|reason| (Status::BadSignature, reason))
        .into_iter()
        .chain(damaged.map(|error| (Status::HostLogMismatch, error.to_string())));
    for (status, reason) in faults {
        // Standard error may be closed, and so may the log.
        let _ = writeln!(std::io::stderr(), "auditty: warning: {}", text::sanitised(&reason));
        let _ = log.failed_verification("host-log", status.name(), &reason);
    }
}

/// What a session is asked to be besides its command.
pub(super) struct Wanted {
    /// Its name; drawn when there is none.
    pub(super) id: Option<SessionId>,
    /// Whether to write to the terminal only what must be seen.
    pub(super) quiet: bool,
    /// The terminal it has.
    pub(super) terminal: Option<Terminal>,
}

/// The whole session.
///
/// # Errors
/// The system has no randomness or no host name.
pub(super) fn build(
    context: &Context,
    loaded: &Loaded,
    wanted: Wanted,
    mut command: CommandSpec,
    engine: &str,
    journal: JournalSettings,
) -> anyhow::Result<SessionSpec> {
    let (config, around) = (&loaded.config, &context.around);
    let Wanted { id, quiet, terminal } = wanted;
    let opened_unix_millis = text::now_unix_millis();
    let id = match id {
        Some(id) => id,
        None => SessionId::new(opened_unix_millis, random()?),
    };
    command.env.insert(SESSION_VARIABLE.into(), Some(id.to_string().into()));
    let controller = LocalSettings {
        socket_dir: socket_dir(around),
        owner: i32::try_from(std::process::id()).unwrap_or_default(),
        log: LogSettings::of(config),
    };
    Ok(SessionSpec {
        id,
        parent: around.variable(SESSION_VARIABLE).and_then(|v| v.parse().ok()),
        user: user(),
        host: host()?,
        opened_unix_millis,
        engine: engine.to_owned(),
        command,
        pty: terminal.is_some(),
        winsize: terminal.and_then(|t| t.winsize).unwrap_or_else(|| config.winsize()),
        buffer_size: usize::try_from(config.pty.buffer_size.0).unwrap_or(65_536),
        policy: config.policy(quiet, config.language(around)),
        recorder: Part::new(super::parts::JOURNAL, serde_json::to_value(journal)?),
        monitor: crate::detect::part(config),
        controller: Some(controller.part()),
    })
}

/// Name of this host.
///
/// # Errors
/// It has none.
pub(crate) fn host() -> anyhow::Result<String> {
    Ok(gethostname()?.to_string_lossy().into_owned())
}

/// Who is at the terminal: the user this process was started by.
pub(crate) fn user() -> Identity {
    let uid = Uid::current();
    let entry = User::from_uid(uid).ok().flatten();
    Identity::person(entry.map_or_else(|| uid.to_string(), |u| u.name), uid.as_raw())
}

/// Makes the journal directory for this user alone, unless it is there.
///
/// # Errors
/// It cannot be made or written to.
pub(crate) fn prepare_journal(dir: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    nix::unistd::access(dir, nix::unistd::AccessFlags::W_OK | nix::unistd::AccessFlags::X_OK)?;
    Ok(())
}
