//! `auditty ls`: the recorded sessions, newest first.

use std::io::{self, Write};
use std::time::Duration;

use audit_journal::{SessionState, SessionSummary, json_line, sessions};
use serde_json::{Value, json};

use super::concealed::concealed;
use super::since;
use crate::args::{LsArgs, StateFilter};
use crate::config::text_of_size;
use crate::context::Context;
use crate::text;

/// Columns of the command line in the table.
const COMMAND_WIDTH: usize = 60;

/// Carries out `auditty ls`. Sessions that cannot be read are told on standard error; then the
/// status is 1.
///
/// # Errors
/// The journal directory cannot be listed, or nobody reads the list.
pub(crate) fn ls(context: &Context, args: &LsArgs) -> anyhow::Result<u8> {
    let since = args.since.as_deref().map(|t| since::point_in_time("--since", t)).transpose()?;
    let mut out = io::BufWriter::new(io::stdout().lock());
    let mut status = 0;
    let colour = context.colour();
    let Some(root) = super::existing_root(context, 1)? else { return Ok(0) };
    for (dir, summary) in sessions(&root)? {
        let summary = match summary {
            Ok(summary) => summary,
            Err(error) => {
                let (place, error) = (dir.display().to_string(), error.to_string());
                // Some errors say themselves where they are.
                let line = if error.contains(&place) { error } else { format!("{place}: {error}") };
                writeln!(io::stderr(), "auditty: {}", text::sanitised(&line))?;
                status = 1;
                continue;
            }
        };
        let wanted = args.user.as_ref().is_none_or(|user| summary.header.user.name == *user)
            && since.is_none_or(|since| summary.opened_unix_millis >= since)
            && args.state.is_none_or(|state| state_of(state) == summary.state);
        if !wanted {
            continue;
        }
        match args.json {
            true => writeln!(out, "{}", json_line(&as_json(&summary)))?,
            false => row(&mut out, &summary, colour)?,
        }
    }
    out.flush()?;
    Ok(status)
}

/// A session's summary as one object.
pub(super) fn as_json(summary: &SessionSummary) -> Value {
    let header = &summary.header;
    json!({
        "session": summary.id,
        "state": summary.state,
        "user": header.user.name,
        "host": header.host,
        "opened": text::rfc3339(summary.opened_unix_millis),
        "seconds": seconds(summary.duration_millis),
        "command": concealed(header).command_line(),
        "engine": header.engine,
        "pty": header.pty,
        "imported": header.imported,
        "records": summary.records,
        "bytes": summary.bytes,
        "stored_bytes": summary.stored_bytes,
        "path": summary.dir.to_string_lossy(),
    })
}

fn seconds(millis: u64) -> f64 {
    Duration::from_millis(millis).as_secs_f64()
}

fn row(out: &mut impl Write, summary: &SessionSummary, colour: bool) -> io::Result<()> {
    let state = format!("{:<9}", summary.state.name());
    let state = match (colour, summary.state) {
        (true, SessionState::Active) => format!("\x1b[32m{state}\x1b[0m"),
        (true, SessionState::Blocked) => format!("\x1b[31m{state}\x1b[0m"),
        (true, SessionState::Truncated) => format!("\x1b[33m{state}\x1b[0m"),
        _ => state,
    };
    let opened = text::rfc3339(summary.opened_unix_millis);
    writeln!(
        out,
        "{}  {}  {:>7}  {state}  {:<10} {:>8}  {}",
        summary.id,
        opened.get(..19).unwrap_or(&opened),
        text::span(Duration::from_millis(summary.duration_millis)),
        text::sanitised(&summary.header.user.name),
        text_of_size(summary.bytes),
        text::shortened(&concealed(&summary.header).command_line(), COMMAND_WIDTH),
    )
}

const fn state_of(filter: StateFilter) -> SessionState {
    match filter {
        StateFilter::Active => SessionState::Active,
        StateFilter::Complete => SessionState::Complete,
        StateFilter::Truncated => SessionState::Truncated,
        StateFilter::Blocked => SessionState::Blocked,
    }
}
