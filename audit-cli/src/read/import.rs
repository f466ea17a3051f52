//! `auditty import`: a recording of another tool as an unsigned journal.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Write as _};
use std::path::Path;

use anyhow::Context as _;
use audit_core::SessionId;
use audit_journal::ImportFacts;

use crate::args::{ImportArgs, ImportFormat};
use crate::context::Context;
use crate::run;
use crate::text;

/// Carries out `auditty import` and prints the id of the new session; `-` reads standard input.
///
/// # Errors
/// The file is not of that format, or the journal cannot be written.
pub(crate) fn import(context: &Context, args: &ImportArgs) -> anyhow::Result<u8> {
    let config = context.load()?.config;
    let root = &config.journal.dir;
    run::prepare_journal(root).with_context(|| format!("make {}", root.display()))?;
    let mut input: Box<dyn BufRead> = match args.file == Path::new("-") {
        true => Box::new(io::stdin().lock()),
        false => {
            let file = File::open(&args.file);
            Box::new(BufReader::new(file.with_context(|| format!("open {}", args.file.display()))?))
        }
    };
    let now = text::now_unix_millis();
    let facts = ImportFacts {
        id: SessionId::new(now, run::random()?),
        user: run::user(),
        host: run::host()?,
        opened_unix_millis: now,
    };
    let format = match args.format {
        ImportFormat::Asciicast => audit_journal::ImportFormat::Asciicast,
        ImportFormat::Ttyrec => audit_journal::ImportFormat::Ttyrec,
    };
    audit_journal::import(&mut input, format, config.journal_settings(root), &facts)
        .with_context(|| format!("import {}", args.file.display()))?;
    writeln!(io::stdout(), "{}", facts.id)?;
    Ok(0)
}
