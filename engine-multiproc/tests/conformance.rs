//! Every scenario, played by this engine.

use std::process::ExitCode;

fn main() -> ExitCode {
    engine_conformance::main(
        engine_multiproc::ENTRY,
        Some(|toolkit, args| engine_multiproc::worker_main(toolkit, args.iter().cloned())),
    )
}
