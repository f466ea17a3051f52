//! `auditty search`: text in what was recorded.

use std::io::{self, Write as _};
use std::path::PathBuf;

use audit_core::Stream;
use audit_journal::{Journal, Line, Pattern};
use serde_json::json;

use super::progress::Progress;
use super::{locate, streams};
use crate::args::SearchArgs;
use crate::context::Context;
use crate::failure::Failure;
use crate::text;

/// Exit status when nothing was found, as grep(1) has it.
const NOT_FOUND: u8 = 1;

/// Carries out `auditty search`: sessions newest first, lines in their order. The status is 0 when
/// something was found, else 1.
///
/// # Errors
/// The pattern is none, the session is not there, or nobody reads what is found.
pub(crate) fn search(context: &Context, args: &SearchArgs) -> anyhow::Result<u8> {
    let pattern = match args.regex {
        true => Pattern::regex(&args.pattern),
        false => Pattern::literal(&args.pattern),
    };
    let pattern = pattern.map_err(|error| Failure::usage(format!("PATTERN: {error}")))?;
    let dirs: Vec<PathBuf> = match &args.session {
        Some(session) => vec![locate(context, session)?],
        None => {
            let sessions = audit_journal::sessions(&context.journal_dir()?)?;
            sessions.into_iter().map(|(dir, _)| dir).collect()
        }
    };
    let streams = streams(args.stream);
    let progress = Progress::new("search");
    let (mut found, total) = (false, dirs.len() as u64);
    for (done, dir) in (0..).zip(dirs) {
        progress.at(done, total);
        match search_one(&dir, &streams, &pattern, args.json, &progress) {
            Ok(any) => found |= any,
            Err(error) if error.downcast_ref::<io::Error>().is_some() => return Err(error),
            // One session that is damaged does not hide the others.
            Err(error) => progress.aside(|| {
                writeln!(
                    io::stderr(),
                    "auditty: {}: {}",
                    dir.display(),
                    crate::failure::line(&error)
                )
            })?,
        }
    }
    Ok(if found { 0 } else { NOT_FOUND })
}

fn search_one(
    dir: &std::path::Path,
    streams: &[Stream],
    pattern: &Pattern,
    as_json: bool,
    progress: &Progress,
) -> anyhow::Result<bool> {
    let journal = Journal::open(dir)?;
    let mut found = false;
    for line in audit_journal::search(&journal, streams, pattern)? {
        let line = line?;
        found = true;
        let shown = match as_json {
            true => object(&journal, &line),
            false => format!(
                "{} {} {}",
                journal.header().session,
                time(&journal, &line),
                text::sanitised(&line.text)
            ),
        };
        progress.aside(|| writeln!(io::stdout(), "{shown}"))?;
    }
    Ok(found)
}

fn object(journal: &Journal, line: &Line) -> String {
    json!({
        "session": journal.header().session,
        "time": time(journal, line),
        "seconds": std::time::Duration::from_nanos(line.at.as_nanos()).as_secs_f64(),
        "stream": line.stream.name(),
        "record": line.record,
        "line": line.text,
    })
    .to_string()
}

fn time(journal: &Journal, line: &Line) -> String {
    text::rfc3339(journal.header().opened_unix_millis + line.at.as_nanos() / 1_000_000)
}
