//! `cargo xtask`: what is checked and generated around the workspace.
//!
//! `tidy` checks what the compiler does not: who may depend on whom, how long a file is, what must
//! not stand in one. `book` checks the book's pages and links. `docgen` writes the reference pages, man pages and completions from the one
//! definition in audit-cli; with `--check` it fails when they are stale. `instructions` counts what
//! the session core spends; `bench-compare` puts auditty beside other recorders.

mod arrows;
mod bench_compare;
mod book;
mod docgen;
mod files;
mod instructions;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context as _, bail};

const USAGE: &str =
    "usage: cargo xtask tidy | book | docgen [--check] | instructions [--write] | bench-compare";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let result = match words.as_slice() {
        ["tidy"] => tidy(),
        ["book"] => book::check(&top()).and_then(|found| report(&found, "the book is in order")),
        ["docgen"] => docgen::write(&top()),
        ["docgen", "--check"] => docgen::check(&top()),
        ["instructions"] => instructions::check(&top()),
        ["instructions", "--write"] => instructions::write(&top()),
        ["bench-compare"] => bench_compare::compare(&top()),
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Every check; reports everything found, not only the first.
fn tidy() -> anyhow::Result<()> {
    let top = top();
    let mut found = files::check(&top)?;
    found.extend(arrows::check(&top)?);
    report(&found, "tidy")
}

/// Says `well` when nothing was found, else fails with everything found.
fn report(found: &[String], well: &str) -> anyhow::Result<()> {
    if found.is_empty() {
        println!("{well}");
        return Ok(());
    }
    bail!("{}\n{} to put right", found.join("\n"), found.len())
}

/// The top of the repository.
fn top() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_owned()
}

/// Where cargo builds.
fn target(top: &Path) -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| top.join("target"), Into::into)
}

/// What a program prints.
///
/// # Errors
/// It cannot be run or fails; its own messages were shown then.
fn output(command: &mut Command) -> anyhow::Result<String> {
    let shown = format!("{command:?}");
    let output = command
        .stderr(std::process::Stdio::inherit())
        .output()
        .with_context(|| format!("run {shown}"))?;
    if !output.status.success() {
        bail!("{shown}: {}", output.status);
    }
    String::from_utf8(output.stdout).with_context(|| format!("read what {shown} printed"))
}

/// The cargo that runs us, in `top`.
fn cargo(top: &Path) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(top);
    command
}
