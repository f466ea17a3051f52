//! Every scenario, played by this engine.

use std::process::ExitCode;

fn main() -> ExitCode {
    engine_conformance::main(engine_poll::ENTRY, None)
}
