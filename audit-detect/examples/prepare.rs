//! Writes what is found out about the program's rules before it is built: `rules/literals.txt`.
//! To be run when a rule was changed.

use std::path::Path;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("rules/literals.txt");
    std::fs::write(file, audit_detect::rules::prepared()?)?;
    Ok(())
}
