//! `auditty bench`: what each engine costs on this machine, over a bare relay that only copies.
//!
//! One process plays the terminal. It runs the relay and every engine in turn, round by round, so
//! that whatever else the machine does falls on all of them, and compares within a round. Each
//! session is a whole `auditty run` with its journal; the relay has the same child, the same
//! terminal and the same buffer, and records nothing.

mod measure;
mod payload;
mod procs;
mod relay;
mod report;
mod seat;
mod stage;
mod stop;

use std::ffi::OsString;
use std::fs;
use std::io::{IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use audit_core::EngineEntry;

use crate::args::BenchArgs;
use crate::config::text_of_size;
use crate::context::Context;
use crate::failure::Failure;
use crate::run;
use measure::{Echo, Flow};
pub(crate) use seat::seat;
use stage::{Stage, Subject};
use stop::{Stop, Stopped};

/// Name of the bare relay in tables.
const RELAY: &str = "relay";

/// What one subject did in one round.
struct Run {
    subject: &'static str,
    round: u32,
    flow: Flow,
    echo: Echo,
}

/// Carries out `auditty bench`.
///
/// # Errors
/// An engine is unknown, a session could not be started, or a terminal did not show what it should.
pub(crate) fn bench(context: &Context, args: &BenchArgs) -> anyhow::Result<u8> {
    let stop = Stop::open()?;
    let done = measure_all(context, args, &stop);
    match done.as_ref().err().and_then(|error| error.downcast_ref::<Stopped>()) {
        // Everything it had started and made is gone by now.
        Some(stopped) => Ok(stopped.status()),
        None => done.map(|()| 0),
    }
}

fn measure_all(context: &Context, args: &BenchArgs, stop: &Stop) -> anyhow::Result<()> {
    let engines = chosen(&args.engines)?;
    // A wrong configuration is better told before anything runs.
    context.load()?;
    let place = Place::new(args.dir.as_deref())?;
    let payload = payload::logs(args.size);
    let file = place.dir.join("payload");
    fs::write(&file, &payload).with_context(|| format!("write {}", file.display()))?;
    let shown = payload::as_shown(&payload);
    let bench = Bench { context, place, stop, file, shown, keys: args.keys };

    let names: Vec<&'static str> =
        std::iter::once(RELAY).chain(engines.iter().map(|e| e.name)).collect();
    let told = !args.json && std::io::stderr().is_terminal();
    let mut runs = Vec::new();
    for round in 0..args.rounds {
        // Whoever runs first finds other caches than who runs last: take turns.
        let first = round as usize % names.len();
        for subject in names[first..].iter().chain(&names[..first]).copied() {
            if told {
                eprint!("\rround {} of {}: {subject:<12}", round + 1, args.rounds);
            }
            let run = bench
                .one(subject, round)
                .with_context(|| format!("{subject}, round {}", round + 1));
            if told && run.is_err() {
                eprintln!();
            }
            let run = run?;
            if args.json {
                report::json_line(&mut std::io::stdout().lock(), &run)?;
            }
            runs.push(run);
        }
    }
    if told {
        eprint!("\r{:<40}\r", "");
    }
    if !args.json {
        let mut out = std::io::stdout().lock();
        let (size, keys) = (text_of_size(args.size as u64), args.keys);
        writeln!(out, "{} rounds, {size} of log lines and {keys} keys in each\n", args.rounds)?;
        report::table(&mut out, &names, &runs)?;
    }
    Ok(())
}

/// The engines a list names, in the registry's order for `all`.
fn chosen(list: &str) -> anyhow::Result<Vec<EngineEntry>> {
    let registry = run::registry();
    if list == "all" {
        return Ok(registry.entries().to_vec());
    }
    let find = |name: &str| {
        registry.find(name.trim()).copied().ok_or_else(|| {
            let known: Vec<_> = registry.entries().iter().map(|e| e.name).collect();
            let message =
                format!("--engines: `{name}` is not in this build; known: {}", known.join(", "));
            Failure::usage(message).into()
        })
    };
    list.split(',').map(find).collect()
}

/// What every run has in common.
struct Bench<'a> {
    context: &'a Context,
    place: Place,
    stop: &'a Stop,
    /// What a child shows.
    file: PathBuf,
    /// What a terminal shows of it.
    shown: Vec<u8>,
    keys: u32,
}

impl Bench<'_> {
    /// Both measurements of one subject.
    fn one(&self, subject: &'static str, round: u32) -> anyhow::Result<Run> {
        let stage = self.stage(subject, &measure::flow_child(&self.file))?;
        let mut flow = measure::flow(stage, &self.shown)?;
        flow.recorded = (subject != RELAY).then(|| self.place.recorded()).transpose()?;
        let stage = self.stage(subject, &measure::echo_child())?;
        let echo = measure::echo(stage, self.keys, u64::from(round) + 1)?;
        Ok(Run { subject, round, flow, echo })
    }

    fn stage(&self, subject: &'static str, child: &[OsString]) -> anyhow::Result<Stage<'_>> {
        let subject = self.place.subject(self.context, subject)?.with_child(child);
        Stage::start(&subject, self.stop)
    }
}

/// A directory of our own, removed at the end.
struct Place {
    dir: PathBuf,
}

impl Place {
    fn new(parent: Option<&Path>) -> anyhow::Result<Self> {
        let parent = parent.map_or_else(std::env::temp_dir, Path::to_owned);
        let dir =
            std::path::absolute(parent)?.join(format!("auditty-bench-{}", std::process::id()));
        fs::create_dir_all(&dir).with_context(|| format!("create {}", dir.display()))?;
        Ok(Self { dir })
    }

    fn journal(&self) -> PathBuf {
        self.dir.join("sessions")
    }

    /// `subject`, ready to be given a child. The journals of the one before are removed.
    fn subject(&self, context: &Context, subject: &'static str) -> anyhow::Result<Subject> {
        if self.journal().exists() {
            fs::remove_dir_all(self.journal())?;
        }
        if subject == RELAY {
            return Ok(Subject::new(["--relay"].map(OsString::from)));
        }
        let mut words: Vec<OsString> = vec!["--".into(), std::env::current_exe()?.into()];
        words.extend(["run", "--quiet", "--engine", subject, "--journal"].map(OsString::from));
        words.push(self.journal().into());
        if let Some(config) = &context.common.config {
            words.extend(["--config".into(), config.into()]);
        }
        let log = self.dir.join("audit.log");
        Ok(Subject::new(words)
            .with_variable("AUDITTY_LOGGING__AUDIT_LOG_PATH", log)
            // The payload is harmless, and a block would be waited for.
            .with_variable("AUDITTY_BLOCKING__ENABLE_EMERGENCY_BLOCK", "false")
            .with_variable("XDG_RUNTIME_DIR", &self.dir))
    }

    /// Bytes of everything a session left behind.
    fn recorded(&self) -> anyhow::Result<u64> {
        let (mut sum, mut dirs) = (0, vec![self.journal()]);
        while let Some(dir) = dirs.pop() {
            for entry in fs::read_dir(&dir).with_context(|| format!("list {}", dir.display()))? {
                let entry = entry?;
                let meta = entry.metadata()?;
                match meta.is_dir() {
                    true => dirs.push(entry.path()),
                    false => sum += meta.len(),
                }
            }
        }
        Ok(sum)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // What cannot be removed lies in a directory for temporary files.
        let _ = fs::remove_dir_all(&self.dir);
    }
}
