//! `auditty export`: a session in another format.

use std::io::{self, BufWriter, Write};
use std::path::Path;

use audit_journal::{Format, JournalError, Side, export_script};

use super::checked::{Wanted, checked};
use super::concealed::Wish;
use super::progress::Progress;
use super::whole_file::write_whole;
use super::{concealed, locate};
use crate::args::{ExportArgs, ExportFormat, StreamChoice};
use crate::context::Context;

/// Carries out `auditty export`. A file appears under its name only when it is whole.
///
/// # Errors
/// The session fails verification or cannot be read, the format has no such stream, or the output
/// cannot be written.
pub(crate) fn export(context: &Context, args: &ExportArgs) -> anyhow::Result<u8> {
    let dir = locate(context, &args.session)?;
    let wanted = Wanted { verb: "exports", unverified: args.unverified, whole: false };
    checked(context, &dir, wanted)?;
    let progress = Progress::new("export");
    // The output may be the terminal the bar is on.
    let onto_terminal = args.output.is_none() && io::IsTerminal::is_terminal(&io::stdout());
    let wish = match args.format {
        ExportFormat::Raw if !args.reveal_secrets => Wish::Exact,
        _ => Wish::of(args.reveal_secrets),
    };
    let journal = concealed::open(context, &dir, wish)?;
    let journal = match onto_terminal {
        true => journal,
        false => journal.telling(progress.teller()),
    };
    concealed::tell(context, &journal)?;
    let (format, side) = (format(args.format), args.stream.map(side));
    let fill = |out: &mut dyn Write| {
        let exported = audit_journal::export(&journal, format, side, out);
        told(exported, args.unverified)
    };
    let Some(path) = &args.output else {
        let mut out = BufWriter::new(io::stdout().lock());
        fill(&mut out)?;
        out.flush()?;
        return Ok(0);
    };
    if format == Format::Script && is_dir(path) {
        export_script(&journal, path)?;
        return Ok(0);
    }
    write_whole(path, fill)?;
    Ok(0)
}

fn is_dir(path: &Path) -> bool {
    path.is_dir() || path.as_os_str().as_encoded_bytes().ends_with(b"/")
}

/// That a journal is damaged was told before, to somebody who wants what can be read of it.
fn told(exported: Result<(), JournalError>, unverified: bool) -> anyhow::Result<()> {
    match exported {
        Err(JournalError::Damaged { .. }) if unverified => Ok(()),
        exported => Ok(exported?),
    }
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
