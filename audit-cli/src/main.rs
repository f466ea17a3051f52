//! `auditty`: records and guards terminal sessions.
//!
//! The only crate that names engines, and the only one that looks at the environment, the clock
//! and the terminal for all the others. `config` turns settings into types, `args` is the command
//! line, `run` puts a session together, `read` holds the commands over journals, `control` the
//! socket of a running session, `log` the audit log.

mod args;
mod bench;
mod config;
mod context;
mod control;
mod detect;
mod docgen;
mod doctor;
mod engines;
mod failure;
mod known;
mod log;
mod read;
mod run;
mod settings;
mod text;

use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser as _;

use args::{Cli, Verb};
use context::Context;

fn main() -> ExitCode {
    let mut args = std::env::args_os().skip(1);
    if args.next().is_some_and(|first| first == run::WORKER) {
        // A worker of an engine, before anything is read or opened.
        return engine_multiproc::worker_main(&run::toolkit(), args);
    }
    let done = match Cli::try_parse() {
        Ok(cli) => carry_out(cli),
        Err(error) => args::answer(&error),
    };
    match done {
        Ok(status) => ExitCode::from(status),
        Err(error) => {
            let (status, line) = failure::report(&error);
            if let Some(line) = line {
                // Standard error may be closed; there is nowhere else to say it.
                let _ = writeln!(std::io::stderr(), "auditty: {line}");
            }
            ExitCode::from(status)
        }
    }
}

fn carry_out(cli: Cli) -> anyhow::Result<u8> {
    let context = Context::of_process(cli.common);
    match cli.command {
        Verb::Ctl(args) => control::ctl(&context, &args),
        Verb::Config(args) => settings::config(&context, &args.action),
        Verb::Completions { shell } => docgen::completions(shell),
        Verb::Man { dir } => docgen::man(dir.as_deref()),
        Verb::Docgen { dir } => docgen::write_all(&dir),
        Verb::Doctor => doctor::doctor(&context),
        Verb::Bench(args) => bench::bench(&context, &args),
        Verb::BenchSeat(args) => bench::seat(&args),
        Verb::Detect(args) => detect::detect(&context, &args.action),
        Verb::Analyze(args) => detect::analyze(&context, &args),
        Verb::Train(args) => detect::train(&args),
        Verb::Engines => engines::engines(&context),
        Verb::Run(args) => run::run(&context, args),
        Verb::Ls(args) => read::ls(&context, &args),
        Verb::Show(args) => read::show(&context, &args),
        Verb::Replay(args) => read::replay(&context, &args),
        Verb::Verify(args) => read::verify(&context, &args),
        Verb::Search(args) => read::search(&context, &args),
        Verb::Recover(args) => read::recover(&context, &args),
        Verb::Expire(args) => read::expire(&context, &args),
        Verb::Export(args) => read::export(&context, &args),
        Verb::Import(args) => read::import(&context, &args),
    }
}
