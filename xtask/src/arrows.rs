//! Who may depend on whom.

use std::path::Path;

use crate::{cargo, output};

/// What the session core must do without: whatever talks to the system.
const NOT_IN_CORE: [&str; 6] = ["tokio", "mio", "nix", "libc", "rayon", "rustix"];

/// What no engine knows: policy and storage come to it through audit-core.
const NOT_IN_ENGINES: [&str; 5] =
    ["audit-journal", "audit-detect", "audit-guard", "audit-server", "audit-cli"];

/// What the journal does without, so that it can be built and used alone.
const NOT_IN_JOURNAL: [&str; 4] = ["audit-pty", "audit-detect", "audit-cli", "tokio"];

/// Every dependency that must not be, one line each.
///
/// # Errors
/// cargo fails.
pub(crate) fn check(top: &Path) -> anyhow::Result<Vec<String>> {
    let mut found = Vec::new();
    for member in members(top)? {
        let forbidden: &[&str] = match member.as_str() {
            "audit-core" => &NOT_IN_CORE,
            "audit-journal" => &NOT_IN_JOURNAL,
            name if name.starts_with("engine-") => &NOT_IN_ENGINES,
            _ => continue,
        };
        let tree = dependencies(top, &member)?;
        let wrong = forbidden.iter().filter(|name| tree.iter().any(|t| t == *name));
        found.extend(wrong.map(|name| format!("{member} depends on {name}")));
    }
    // Feature unification hides what a crate forgot to ask for.
    output(cargo(top).args(["check", "--quiet", "--package", "audit-journal"]))?;
    Ok(found)
}

/// Names of the workspace's own crates.
fn members(top: &Path) -> anyhow::Result<Vec<String>> {
    let tree =
        output(cargo(top).args(["tree", "--workspace", "--depth", "0", "--prefix", "none"]))?;
    Ok(names(&tree))
}

/// Names of everything `package` links, itself included.
fn dependencies(top: &Path, package: &str) -> anyhow::Result<Vec<String>> {
    let args =
        ["tree", "--edges", "normal,no-proc-macro", "--prefix", "none", "--package", package];
    Ok(names(&output(cargo(top).args(args))?))
}

fn names(tree: &str) -> Vec<String> {
    tree.lines().filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect()
}
