//! `auditty engines`: the table of engines.

use std::io::Write as _;

use crate::context::Context;
use crate::run;

/// Carries out `auditty engines`; the configured one is marked.
///
/// # Errors
/// The configuration is wrong, or nobody reads the table.
pub(crate) fn engines(context: &Context) -> anyhow::Result<u8> {
    let registry = run::registry();
    let chosen = context.load()?.config.audit.implementation;
    let chosen = registry.find(&chosen).map(|e| e.name);
    let mut out = std::io::stdout().lock();
    for entry in registry.entries() {
        let mark = if chosen == Some(entry.name) { '*' } else { ' ' };
        let aliases = entry.aliases.join(", ");
        writeln!(out, "{mark} {:<10} {aliases:<16} {}", entry.name, entry.purpose)?;
    }
    Ok(0)
}
