//! `auditty config`: show, check and start a configuration.

use std::io::Write as _;

use crate::args::ConfigAction;
use crate::config;
use crate::context::Context;
use crate::detect;

/// Carries out `auditty config`.
///
/// # Errors
/// The configuration is wrong, or nobody reads what is printed.
pub(crate) fn config(context: &Context, action: &ConfigAction) -> anyhow::Result<u8> {
    let mut out = std::io::stdout().lock();
    match action {
        ConfigAction::Show { origin } => {
            out.write_all(config::table(&context.load()?.entries, *origin).as_bytes())?;
        }
        ConfigAction::Check { file: Some(path) } => {
            config::check_file(path)?;
            writeln!(out, "{}: ok", path.display())?;
        }
        ConfigAction::Check { file: None } => {
            detect::check(&context.load()?.config)?;
            writeln!(out, "ok")?;
        }
        ConfigAction::Default => {
            out.write_all(config::default_file(context.around.root).as_bytes())?;
        }
    }
    Ok(0)
}
