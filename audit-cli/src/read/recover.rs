//! `auditty recover`: mends a torn tail.

use std::io::Write as _;

use audit_journal::{Recovery, root_of};

use super::locate;
use crate::args::RecoverArgs;
use crate::config::text_of_size;
use crate::context::Context;

/// Carries out `auditty recover`; doing it again changes nothing.
///
/// # Errors
/// The session is still being recorded, or more is wrong with it than a torn tail.
pub(crate) fn recover(context: &Context, args: &RecoverArgs) -> anyhow::Result<u8> {
    let dir = locate(context, &args.session)?;
    let name = dir.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let config = context.load()?.config;
    let root = root_of(&dir).unwrap_or_else(|| config.journal.dir.clone());
    let said = match audit_journal::recover(&dir, Some(config.journal_settings(&root)))? {
        Recovery::Closed => "is whole; nothing to mend".to_owned(),
        Recovery::Mended { records, cut: 0 } => format!("mended behind record {records}"),
        Recovery::Mended { records, cut } => {
            format!("mended behind record {records}; {} kept aside", text_of_size(cut))
        }
        _ => "holds not one whole frame; nothing to mend".to_owned(),
    };
    writeln!(std::io::stdout(), "{name} {said}")?;
    Ok(0)
}
