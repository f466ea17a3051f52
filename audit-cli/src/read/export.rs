//! `auditty export`: a session in another format.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use audit_journal::{Format, Journal, Side, export_script};

use super::locate;
use crate::args::{ExportArgs, ExportFormat, StreamChoice};
use crate::context::Context;

/// Carries out `auditty export`. A file appears under its name only when it is whole.
///
/// # Errors
/// The session cannot be read, the format has no such stream, or the output cannot be written.
pub(crate) fn export(context: &Context, args: &ExportArgs) -> anyhow::Result<u8> {
    let dir = locate(context, &args.session)?;
    let journal = Journal::open(&dir)?;
    let (format, side) = (format(args.format), args.stream.map(side));
    let Some(path) = &args.output else {
        let mut out = BufWriter::new(io::stdout().lock());
        audit_journal::export(&journal, format, side, &mut out)?;
        out.flush()?;
        return Ok(0);
    };
    let is_dir = path.is_dir() || path.as_os_str().as_encoded_bytes().ends_with(b"/");
    if format == Format::Script && is_dir {
        export_script(&journal, path)?;
        return Ok(0);
    }
    write_whole(path, |out| Ok(audit_journal::export(&journal, format, side, out)?))?;
    Ok(0)
}

fn beside(path: &Path, extension: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{extension}"));
    PathBuf::from(name)
}

fn write_whole(
    path: &Path,
    fill: impl FnOnce(&mut dyn Write) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    if path.metadata().is_ok_and(|m| !m.is_file()) {
        // A pipe or a device is written as it is.
        let file = File::options().write(true).open(path);
        let mut out = BufWriter::new(file.with_context(|| format!("open {}", path.display()))?);
        fill(&mut out)?;
        return Ok(out.flush()?);
    }
    let part = beside(path, &format!("part-{}", std::process::id()));
    // What was recorded is nobody else's business until its owner says so.
    let file = File::options().write(true).create_new(true).mode(0o600).open(&part);
    let file = file.with_context(|| format!("create {}", part.display()))?;
    let mut out = BufWriter::new(file);
    let written = fill(&mut out).and_then(|()| Ok(out.flush()?));
    let done = written.and_then(|()| {
        std::fs::rename(&part, path).with_context(|| format!("write {}", path.display()))
    });
    if done.is_err() {
        // The first failure is the one to tell.
        let _ = std::fs::remove_file(&part);
    }
    done
}

const fn side(choice: StreamChoice) -> Side {
    match choice {
        StreamChoice::Output => Side::Output,
        StreamChoice::Input => Side::Input,
    }
}

const fn format(choice: ExportFormat) -> Format {
    match choice {
        ExportFormat::Raw => Format::Raw,
        ExportFormat::AsciicastV2 => Format::AsciicastV2,
        ExportFormat::AsciicastV3 => Format::AsciicastV3,
        ExportFormat::Ttyrec => Format::Ttyrec,
        ExportFormat::Script => Format::Script,
        ExportFormat::Jsonl => Format::Jsonl,
        ExportFormat::Text => Format::Text,
    }
}
