//! `auditty search`: text in what was recorded.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use audit_core::Stream;
use audit_journal::{Journal, Line, Pattern, Reading, json_line};
use serde_json::json;

use super::concealed::Wish;
use super::progress::Progress;
use super::{concealed, locate, streams};
use crate::args::SearchArgs;
use crate::context::Context;
use crate::failure::{self, Failure};
use crate::text;

/// Exit statuses, as grep(1) has them: nothing was found, and something could not be searched.
const NOT_FOUND: u8 = 1;
const TROUBLE: u8 = 2;

/// Carries out `auditty search`: sessions newest first, lines in their order. The status is 0 when
/// something was found, 1 when not, and 2 when a session could not be searched to its end.
///
/// # Errors
/// The pattern is none, the session or the journal directory is not there, or nobody reads what is
/// found.
pub(crate) fn search(context: &Context, args: &SearchArgs) -> anyhow::Result<u8> {
    let pattern = match args.regex {
        true => Pattern::regex(&args.pattern),
        false => Pattern::literal(&args.pattern),
    };
    let pattern = pattern.map_err(|error| Failure::usage(format!("PATTERN: {error}")))?;
    let dirs = match &args.session {
        Some(session) => {
            let dir = locate(context, session).map_err(|e| trouble(&e))?;
            let size = audit_journal::summary(&dir).map_or(0, |s| s.stored_bytes);
            vec![(dir, size)]
        }
        None => all(context)?,
    };
    let search = Search { context, args, pattern, streams: streams(args.stream) };
    let progress = Progress::new("search");
    let total = dirs.iter().map(|(_, size)| size).sum();
    let (mut found, mut failed, mut before) = (false, false, 0);
    for (dir, size) in dirs {
        let reading = progress.teller_of(before, Some(total));
        before += size;
        match search.session(&dir, reading, &progress, &mut found) {
            Ok(()) => {}
            Err(error) if error.downcast_ref::<io::Error>().is_some() => return Err(error),
            // One session that is damaged does not hide the others.
            Err(error) => {
                failed = true;
                let line = text::sanitised(&failure::line(&error));
                progress.aside(|| writeln!(io::stderr(), "auditty: {line}"))?;
            }
        }
    }
    Ok(match (failed, found) {
        (true, _) => TROUBLE,
        (false, true) => 0,
        (false, false) => NOT_FOUND,
    })
}

/// Every session with its size on the disk, newest first.
fn all(context: &Context) -> anyhow::Result<Vec<(PathBuf, u64)>> {
    let Some(root) = super::existing_root(context, TROUBLE)? else { return Ok(Vec::new()) };
    let sessions = audit_journal::sessions(&root).map_err(|e| trouble(&e.into()))?;
    let size = |summary: audit_journal::SessionSummary| summary.stored_bytes;
    Ok(sessions.into_iter().map(|(dir, found)| (dir, found.map_or(0, size))).collect())
}

fn trouble(error: &anyhow::Error) -> Failure {
    Failure::new(TROUBLE, failure::line(error))
}

/// What is looked for.
struct Search<'a> {
    context: &'a Context,
    args: &'a SearchArgs,
    pattern: Pattern,
    streams: Vec<Stream>,
}

impl Search<'_> {
    /// Searches the session in `dir`; says in `found` when something is.
    fn session(
        &self,
        dir: &Path,
        reading: Reading,
        progress: &Progress,
        found: &mut bool,
    ) -> anyhow::Result<()> {
        let wish = Wish::of(self.args.reveal_secrets);
        let journal = concealed::open(self.context, dir, wish)?.telling(reading);
        for line in audit_journal::search(&journal, &self.streams, &self.pattern)? {
            let line = line?;
            *found = true;
            let shown = match self.args.json {
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
        Ok(())
    }
}

fn object(journal: &Journal, line: &Line) -> String {
    json_line(&json!({
        "session": journal.header().session,
        "time": time(journal, line),
        "seconds": std::time::Duration::from_nanos(line.at.as_nanos()).as_secs_f64(),
        "stream": line.stream.name(),
        "record": line.record,
        "line": line.text,
        "secret": line.secret,
    }))
}

fn time(journal: &Journal, line: &Line) -> String {
    let opened = journal.header().opened_unix_millis;
    text::rfc3339(opened.saturating_add(line.at.as_nanos() / 1_000_000))
}
