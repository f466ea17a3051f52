//! Workers that die, stand still or are of no use: sessions on real terminals, real `SIGKILL`s.
//!
//! The test binary runs itself again as worker, and for the death of the relay also as relay.

mod parts;
mod play;
mod scenarios;

use std::ffi::OsString;
use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};

/// First argument of a worker.
const WORKER: &str = "crash-worker";
/// First argument of a relay that is to be killed; then its directory.
const RELAY: &str = "crash-relay";

fn main() -> ExitCode {
    let args: Vec<OsString> = std::env::args_os().skip(1).collect();
    match args.first().and_then(|arg| arg.to_str()) {
        Some(WORKER) => engine_multiproc::worker_main(&parts::toolkit(), args.into_iter()),
        Some(RELAY) => play::relay(args[1].as_ref()),
        _ => {
            let mut arguments = Arguments::from_args();
            // Workers are found among the children of this process.
            arguments.test_threads = Some(1);
            let trials = scenarios::ALL.iter().map(|(name, run)| {
                Trial::test(*name, move || {
                    run();
                    Ok(())
                })
            });
            libtest_mimic::run(&arguments, trials.collect()).exit_code()
        }
    }
}
