//! asciicast v2 and v3, the formats of asciinema.

use std::io::Write;

use audit_core::{Body, Stream, Winsize};
use serde_json::{Value, json};

use super::{Utf8, mark, write_error};
use crate::entries::{Entries, Journal};
use crate::error::Result;
use crate::text::json_line;

/// Versions of asciicast.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Version {
    /// Times since the beginning.
    V2,
    /// Times since the event before, and an exit event.
    V3,
}

/// Writes `entries` as asciicast.
pub(super) fn write(
    journal: &Journal,
    entries: Entries,
    version: Version,
    out: &mut dyn Write,
) -> Result<()> {
    let header = journal.header();
    let timestamp = header.opened_unix_millis / 1000;
    let Winsize { rows, columns, .. } = header.winsize;
    let command = header.command_line();
    let mut head = match version {
        Version::V2 => json!({
            "version": 2, "width": columns, "height": rows, "timestamp": timestamp,
        }),
        Version::V3 => json!({
            "version": 3, "term": { "cols": columns, "rows": rows }, "timestamp": timestamp,
        }),
    };
    // An imported session may not know its command.
    if !command.is_empty() {
        head["command"] = command.into();
    }
    // Players pass over what they do not know.
    if journal.conceals() && journal.secrets_shown()? > 0 {
        head["auditty"] = json!({ "concealed": true });
    }
    writeln!(out, "{}", json_line(&head)).map_err(write_error)?;
    let mut events = Events { version, out, last: 0, size: header.winsize };
    let mut texts = Stream::ALL.map(|_| Utf8::default());
    let mut last = 0;
    for entry in entries {
        let entry = entry?;
        last = entry.at.as_nanos();
        match &entry.body {
            Body::Data { stream, bytes } => {
                let text = texts[usize::from(stream.number())].take(bytes);
                events.text(last, *stream, text)?;
            }
            Body::Resize(size) if *size != events.size => {
                events.size = *size;
                events.put(last, "r", format!("{}x{}", size.columns, size.rows))?;
            }
            Body::End(outcome) => {
                rests(&mut events, &mut texts, last)?;
                if let (Version::V3, Some(exit)) = (version, outcome.exit) {
                    events.put(last, "x", exit.status().to_string())?;
                }
            }
            body => {
                if let Some(label) = mark(body) {
                    events.put(last, "m", label)?;
                }
            }
        }
    }
    rests(&mut events, &mut texts, last)
}

/// What is left of characters that were cut for good.
fn rests(events: &mut Events<'_>, texts: &mut [Utf8; Stream::ALL.len()], at: u64) -> Result<()> {
    for (stream, text) in Stream::ALL.into_iter().zip(texts) {
        if let Some(rest) = text.rest() {
            events.text(at, stream, rest)?;
        }
    }
    Ok(())
}

struct Events<'a> {
    version: Version,
    out: &'a mut dyn Write,
    /// Microseconds at which the last event was written.
    last: u64,
    size: Winsize,
}

impl Events<'_> {
    fn text(&mut self, at: u64, stream: Stream, text: String) -> Result<()> {
        if text.is_empty() {
            return Ok(());
        }
        self.put(at, if stream.is_output() { "o" } else { "i" }, text)
    }

    fn put(&mut self, at: u64, code: &str, data: String) -> Result<()> {
        // Only a journal that is not ours goes back in time; a cast cannot.
        let micros = (at / 1000).max(self.last);
        let time = match self.version {
            Version::V2 => micros,
            // Differences of rounded times, so that rounding does not add up.
            Version::V3 => micros - self.last,
        };
        self.last = micros;
        let data = json_line(&Value::String(data));
        let (seconds, fraction) = (time / 1_000_000, time % 1_000_000);
        writeln!(self.out, "[{seconds}.{fraction:06}, \"{code}\", {data}]").map_err(write_error)
    }
}
