//! `auditty run`: puts a session together from configuration and surroundings, and drives it.

mod ends;
mod parts;
mod spec;

use std::ffi::OsString;
use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::sync::Arc;

use audit_core::{CommandSpec, End, EngineEntry, EngineError, Outcome, Session};
use figment::value::Value;

use crate::args::RunArgs;
use crate::config::{ConfigError, Layer, Loaded, Place, flag};
use crate::context::Context;
use crate::failure::{self, Failure};
use crate::log::{AuditLog, LogSettings};
pub(crate) use parts::{registry, toolkit};
pub(crate) use spec::{host, prepare_journal, user};

/// The argument that makes this program a worker process of a session.
pub(crate) const WORKER: &str = "worker";

/// Exit status of a command that was not found, as shells report it.
const NOT_FOUND: u8 = 127;

/// Exit status of a command that cannot be executed, as shells report it.
const NOT_EXECUTABLE: u8 = 126;

/// Carries out `auditty run`.
///
/// # Errors
/// The session could not be started: the configuration is wrong, the journal cannot be written.
pub(crate) fn run(context: &Context, args: RunArgs) -> anyhow::Result<u8> {
    let loaded = context.load_with(flags(&args)?)?;
    let command = spec::command(&loaded.config, context, &args.command);
    if !loaded.config.audit.enabled {
        return Err(become_command(&command).into());
    }
    if loaded.config.control.enabled && !args.quiet {
        let place = loaded.place("control", "enabled");
        eprintln!("auditty: {place}: there is no link to a control server yet; use `auditty ctl`");
    }
    if !args.quiet {
        tell_of_log(&loaded);
    }
    // Threads inherit the mask: this comes before the first of them.
    audit_pty::block_signals()?;
    let engine = engine(&loaded)?;
    let journal = spec::journal(&loaded, &args)?;
    let (user, terminal) = ends::user_end()?;
    let wanted = spec::Wanted { id: args.session_id, quiet: args.quiet, terminal };
    let session = Session {
        spec: spec::build(context, &loaded, wanted, command, engine.name, journal)?,
        user,
        toolkit: Arc::new(toolkit()),
        seed: random()?,
    };
    let program = session.spec.command.program.to_string_lossy().into_owned();
    let engine = (engine.build)(&loaded.config.engine_settings(worker()?))?;
    // What comes lasts longer than what was, and needs little of it.
    drop(loaded);
    audit_pty::give_back();
    keep_panics_off_the_screen();
    let outcome = engine.run(session).map_err(not_started)?;
    tell(&outcome, &program);
    Ok(u8::try_from(outcome.status()).unwrap_or(u8::MAX))
}

/// A part that panics is told of in the journal and by a banner; what the standard library says of
/// it would stand in the middle of the user's screen. The terminal's own thread still tells.
fn keep_panics_off_the_screen() {
    let tell = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if std::thread::current().name() == Some("main") {
            tell(panic);
        }
    }));
}

/// Says that the audit log cannot be written. Its session goes on without it; the journal is what
/// counts, and says so too.
fn tell_of_log(loaded: &Loaded) {
    let settings = LogSettings::of(&loaded.config);
    let path = settings.path.clone();
    if let Err(error) = AuditLog::new(settings).check() {
        let place = loaded.place("logging", "audit_log_path");
        let reason = failure::line(&error.into()).to_lowercase();
        let line = format!(
            "{place}: logging.audit_log_path = \"{}\": {reason}; there is no audit log of this session",
            path.display()
        );
        // Standard error may be gone; the journal tells as well.
        let _ = writeln!(std::io::stderr(), "auditty: {}", crate::text::sanitised(&line));
    }
}

/// A session that did not begin: because of its journal it ends as one that loses it, because of
/// its monitor (rules, the address of a server) the configuration is wrong.
fn not_started(error: EngineError) -> anyhow::Error {
    let status = match error.operation.as_str() {
        parts::JOURNAL => u8::try_from(Outcome::JOURNAL_FAILED).unwrap_or(1),
        audit_detect::NAME => ConfigError::STATUS,
        _ => return error.into(),
    };
    Failure::new(status, error.to_string()).into()
}

/// What starts a worker process.
///
/// # Errors
/// The system does not tell where this program is.
pub(crate) fn worker() -> anyhow::Result<Vec<OsString>> {
    Ok(vec![std::env::current_exe()?.into(), WORKER.into()])
}

/// `N` random bytes.
///
/// # Errors
/// The system has none.
pub(crate) fn random<const N: usize>() -> anyhow::Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)?;
    Ok(bytes)
}

/// The flags of `run` as settings.
fn flags(args: &RunArgs) -> anyhow::Result<Layer> {
    let mut layer = Layer::default();
    if let Some(engine) = &args.engine {
        let place = Place::Flag("--engine");
        layer.0.push(flag("audit", "implementation", Value::from(engine.as_str()), place)?);
    }
    if let Some(policy) = args.on_journal_failure {
        let place = Place::Flag("--on-journal-failure");
        layer.0.push(flag("journal", "on_failure", Value::from(policy.word()), place)?);
    }
    Ok(layer)
}

/// The engine the configuration names.
fn engine(loaded: &Loaded) -> anyhow::Result<EngineEntry> {
    let name = &loaded.config.audit.implementation;
    let registry = registry();
    registry.find(name).copied().ok_or_else(|| {
        let known: Vec<_> = registry.entries().iter().map(|e| e.name).collect();
        let place = loaded.place("audit", "implementation");
        let message =
            format!("{place}: engine `{name}` is not in this build; known: {}", known.join(", "));
        Failure::new(ConfigError::STATUS, message).into()
    })
}

/// With auditing switched off, the command takes this process's place.
fn become_command(command: &CommandSpec) -> Failure {
    let error = std::process::Command::new(&command.program).args(&command.args).exec();
    let status = match error.kind() {
        std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory => NOT_FOUND,
        _ => NOT_EXECUTABLE,
    };
    Failure::new(status, format!("{}: {error}", command.program.to_string_lossy()))
}

/// What the session core could not tell the user itself.
fn tell(outcome: &Outcome, program: &str) {
    if let End::SpawnFailed { message, .. } = &outcome.end {
        let text = if message.contains(program) {
            message.clone()
        } else {
            format!("{program}: {message}")
        };
        // Standard error may be gone; the exit status tells as well.
        let _ = writeln!(std::io::stderr(), "auditty: {}", crate::text::sanitised(&text));
    }
}
