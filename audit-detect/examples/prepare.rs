//! Brings the program's rules into the form they are run in: `rules/prepared.bin`.
//! To be run when a rule was changed.

use std::path::Path;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("rules/prepared.bin");
    std::fs::write(file, audit_detect::rules::prepared()?)?;
    Ok(())
}
