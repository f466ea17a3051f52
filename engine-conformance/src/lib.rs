//! One list of scenarios, on real terminals, that every engine plays.
//!
//! An engine's `tests/conformance.rs` (with `harness = false`) is one call of [`main`]. It runs
//! every scenario of this crate against that engine; none can be left out. What differs between
//! engines is cost and isolation, so nothing here asks which engine it is.
//!
//! `cargo test -p engine-poll --test conformance [FILTER]` plays the scenarios whose names hold
//! FILTER. With `--features engine-conformance/slow-tests` those that only repeat do it at their
//! full count.
//!
//! Words: a *scene* is a session about to be played, with a directory of its own; a *terminal* is
//! the user, scripted: it expects text, types, changes its size, stops reading, hangs up; a
//! *part* is the recorder, monitor or controller of this crate. Parts keep what they get in files
//! of the scene's directory and take their faults from switches there (a switch is a file that
//! exists), so that they work in worker processes too.
//!
//! Most sessions run inside the test process through `Engine::open`. Where the process itself is
//! the subject (its signals, its terminal, its death) the test binary runs itself again under a
//! shell on a terminal of its own, and drives one session through `Engine::run`.

mod frames;
mod journal;
mod live;
mod owned;
mod parts;
mod patience;
mod process;
mod processes;
mod scenarios;
mod scene;
mod terminal;

use std::ffi::{OsStr, OsString};
use std::process::ExitCode;

use audit_core::{EngineEntry, Toolkit};
use libtest_mimic::{Arguments, Trial};

/// What a worker process of an engine runs: the table of parts and the engine's own arguments.
pub type Worker = fn(&Toolkit, &[OsString]) -> ExitCode;

/// First argument of a process that drives one session.
const SESSION: &str = "conformance-session";

/// First argument of a process that is an engine's worker.
const WORKER: &str = "conformance-worker";

/// So many scenarios run at once unless the command line says otherwise: they wait more than they
/// compute.
const AT_ONCE: usize = 4;

/// Plays every scenario against this engine; or, when the test binary has started itself again,
/// drives a session or does an engine's work.
pub fn main(entry: EngineEntry, worker: Option<Worker>) -> ExitCode {
    let args: Vec<OsString> = std::env::args_os().skip(1).collect();
    match (args.first().and_then(|first| OsStr::to_str(first)), worker) {
        (Some(SESSION), _) => process::run(&entry, &args[1..]),
        (Some(WORKER), Some(worker)) => worker(&parts::toolkit(), &args[1..]),
        (Some(WORKER), None) => ExitCode::from(2),
        _ => play(entry),
    }
}

fn play(entry: EngineEntry) -> ExitCode {
    raise_descriptor_limit();
    let mut args = Arguments::from_args();
    args.test_threads.get_or_insert(AT_ONCE);
    let trials = scenarios::all()
        .map(|scenario| {
            let run = move || {
                (scenario.run)(&scene::Stage::new(&entry));
                Ok(())
            };
            Trial::test(scenario.name, run).with_kind(entry.name)
        })
        .collect();
    libtest_mimic::run(&args, trials).exit_code()
}

/// A hundred sessions in one process need more descriptors than shells hand out.
fn raise_descriptor_limit() {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    if let Ok((_, hard)) = getrlimit(Resource::RLIMIT_NOFILE) {
        // What is refused leaves the limit as it is, and the scenario says what it lacks.
        let _ = setrlimit(Resource::RLIMIT_NOFILE, hard.min(16_384), hard);
    }
}
