//! Generated pages: written, or compared with what is there.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

use crate::cargo;

/// Everything that is generated, below the top of the repository.
const GENERATED: [&str; 4] =
    ["docs/src/reference/cli.md", "docs/src/reference/configuration.md", "man", "completions"];

/// Writes everything that is generated.
///
/// # Errors
/// audit-cli does not build, or a file cannot be written.
pub(crate) fn write(top: &Path) -> anyhow::Result<()> {
    let fresh = generate(top)?;
    for name in files(top)?.into_keys().filter(|name| !fresh.contains_key(name)) {
        fs::remove_file(top.join(&name)).with_context(|| format!("remove {}", name.display()))?;
    }
    for (name, text) in fresh {
        let path = top.join(&name);
        if let Some(dir) = path.parent() {
            fs::create_dir_all(dir)?;
        }
        fs::write(&path, text).with_context(|| format!("write {}", name.display()))?;
    }
    Ok(())
}

/// Compares everything that is generated with what is there.
///
/// # Errors
/// Something is stale, missing, or left over.
pub(crate) fn check(top: &Path) -> anyhow::Result<()> {
    let (fresh, present) = (generate(top)?, files(top)?);
    let names = fresh.keys().chain(present.keys().filter(|n| !fresh.contains_key(*n)));
    let stale: Vec<String> = names
        .filter(|name| fresh.get(*name) != present.get(*name))
        .map(|name| format!("{} is stale", name.display()))
        .collect();
    if stale.is_empty() {
        return Ok(());
    }
    bail!("{}\nrun `cargo xtask docgen`", stale.join("\n"))
}

/// What should be there.
fn generate(top: &Path) -> anyhow::Result<BTreeMap<PathBuf, Vec<u8>>> {
    let scratch = crate::target(top).join("docgen");
    if scratch.exists() {
        fs::remove_dir_all(&scratch)?;
    }
    let status = cargo(top)
        .args(["run", "--quiet", "--package", "audit-cli", "--", "docgen"])
        .arg(&scratch)
        .status()
        .context("run audit-cli")?;
    if !status.success() {
        bail!("audit-cli docgen: {status}");
    }
    files(&scratch)
}

/// The generated files that are below `top` now.
fn files(top: &Path) -> anyhow::Result<BTreeMap<PathBuf, Vec<u8>>> {
    let mut files = BTreeMap::new();
    for name in GENERATED {
        let path = top.join(name);
        if path.is_dir() {
            for entry in fs::read_dir(&path)? {
                let entry = entry?;
                files.insert(Path::new(name).join(entry.file_name()), fs::read(entry.path())?);
            }
        } else if path.is_file() {
            files.insert(name.into(), fs::read(&path)?);
        }
    }
    Ok(files)
}
