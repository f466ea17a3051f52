//! `auditty show`: what is known about a session.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use audit_core::{Body, Moment, Stream};
use audit_journal::{Entry, Journal, JournalError, SessionSummary, json_line};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::concealed::concealed;
use super::{locate, ls};
use crate::args::ShowArgs;
use crate::config::text_of_size;
use crate::context::Context;
use crate::text;

/// Carries out `auditty show`. Nothing is verified; that is what `auditty verify` is for.
///
/// # Errors
/// The session is not there or cannot be read, or nobody reads what is shown.
pub(crate) fn show(context: &Context, args: &ShowArgs) -> anyhow::Result<u8> {
    let dir = locate(context, &args.session)?;
    let summary = audit_journal::summary(&dir)?;
    let found = Found::read(&dir)?;
    let mut out = std::io::stdout().lock();
    match args.json {
        true => writeln!(out, "{}", json_line(&found.as_json(&summary)?))?,
        false => out.write_all(found.as_text(&summary).as_bytes())?,
    }
    Ok(0)
}

/// What a journal holds, counted and sorted.
#[derive(Default)]
struct Found {
    /// How many of each kind.
    counts: BTreeMap<&'static str, u64>,
    /// Length and digest of each stream that has bytes, as `export --format raw` gives it.
    streams: BTreeMap<Stream, (u64, Sha256)>,
    /// Everything else that is worth telling, in order.
    told: Vec<Told>,
    /// Why the records ended before the journal did, if they did.
    damage: Option<String>,
    /// How the session ended.
    outcome: Option<Value>,
    last: Moment,
}

/// One thing worth telling.
struct Told {
    at: Moment,
    kind: &'static str,
    line: String,
    value: Value,
}

impl Found {
    fn read(dir: &Path) -> anyhow::Result<Self> {
        let journal = Journal::open(dir)?;
        let mut entries = journal.entries()?;
        let mut found = Self::default();
        for entry in entries.by_ref() {
            match entry {
                // Told below, with what there is.
                Err(JournalError::Damaged { .. }) => break,
                entry => found.take(&entry?)?,
            }
        }
        found.damage = entries.damage().map(str::to_owned);
        Ok(found)
    }

    fn take(&mut self, entry: &Entry) -> anyhow::Result<()> {
        self.last = entry.at;
        let kind = kind(&entry.body);
        *self.counts.entry(kind).or_default() += 1;
        let line = match &entry.body {
            Body::Data { stream, bytes } => {
                let (len, digest) = self.streams.entry(*stream).or_default();
                *len += bytes.len() as u64;
                digest.update(bytes);
                return Ok(());
            }
            Body::Verdict(verdict) => {
                let rules: Vec<_> =
                    verdict.findings.iter().map(|f| format!("{} ({})", f.title, f.rule)).collect();
                format!("score {:.2}: {}", verdict.score.value(), rules.join(", "))
            }
            Body::Blocked { block, approval } => format!("block {block}: {}", approval.subject),
            Body::Decided { block, decision } => {
                let answer = serde_json::to_value(decision.answer)?;
                let own = if decision.own { " (the blocked user himself)" } else { "" };
                let answer = answer.as_str().unwrap_or_default().to_owned();
                format!("block {block}: {answer} by {}{own} {}", decision.by, decision.comment)
            }
            Body::Gap { from, through, bytes, reason } => {
                format!("records {from} to {through} are missing, {bytes} bytes: {reason}")
            }
            Body::Marker { name, text } => format!("{name}: {text}"),
            Body::End(outcome) => {
                self.outcome = Some(serde_json::to_value(outcome)?);
                let exit = outcome.exit.map(|e| format!(", status {}", e.status()));
                format!("{}{}", outcome.end.name(), exit.unwrap_or_default())
            }
            _ => return Ok(()),
        };
        let value = serde_json::to_value(&entry.body)?;
        self.told.push(Told { at: entry.at, kind, line, value });
        Ok(())
    }

    fn as_json(&self, summary: &SessionSummary) -> anyhow::Result<Value> {
        let mut object = ls::as_json(summary);
        let streams: Vec<Value> = self
            .streams()
            .map(|(stream, len, sha256)| {
                json!({ "stream": stream.name(), "bytes": len, "sha256": sha256 })
            })
            .collect();
        let of = |wanted: &str| -> Vec<Value> {
            let told = self.told.iter().filter(|t| t.kind == wanted);
            told.map(|t| json!({ "seconds": seconds(t.at), wanted: inner(&t.value) })).collect()
        };
        let extra = json!({
            "header": serde_json::to_value(concealed(&summary.header))?,
            "counts": self.counts,
            "streams": streams,
            "verdicts": of("verdict"),
            "blocks": of("blocked"),
            "decisions": of("decided"),
            "gaps": of("gap"),
            "markers": of("marker"),
            "outcome": self.outcome,
            "damage": self.damage,
        });
        if let (Value::Object(object), Value::Object(extra)) = (&mut object, extra) {
            object.extend(extra);
        }
        Ok(object)
    }

    fn as_text(&self, summary: &SessionSummary) -> String {
        let header = &summary.header;
        let mut out = String::new();
        let mut line = |name: &str, value: &str| {
            let _ = writeln!(out, "{name:<10}{}", text::sanitised(value));
        };
        line("session", &summary.id.to_string());
        line("state", summary.state.name());
        line("opened", &text::rfc3339(summary.opened_unix_millis));
        line("lasted", &text::span(self.last.since(Moment::START)));
        line("user", &format!("{} on {}", header.user.name, header.host));
        line("command", &concealed(header).command_line());
        let size = format!("{} × {}", header.winsize.rows, header.winsize.columns);
        line("terminal", if header.pty { &size } else { "none (pipe mode)" });
        line("engine", &header.engine);
        if let Some(format) = &header.imported {
            line("imported", format);
        }
        if let Some(parent) = header.parent {
            line("parent", &parent.to_string());
        }
        line("path", &summary.dir.to_string_lossy());
        line("stored", &text_of_size(summary.stored_bytes));
        let counts: Vec<_> = self.counts.iter().map(|(k, n)| format!("{k} {n}")).collect();
        line("entries", &counts.join(", "));
        for (stream, len, sha256) in self.streams() {
            line(stream.name(), &format!("{len} bytes, sha256 {sha256}"));
        }
        for told in &self.told {
            line(told.kind, &format!("{:>9.3}s  {}", seconds(told.at), told.line));
        }
        if let Some(damage) = &self.damage {
            line("damage", damage);
        }
        out
    }

    fn streams(&self) -> impl Iterator<Item = (Stream, u64, String)> {
        self.streams.iter().map(|(stream, (len, digest))| {
            let digest = digest.clone().finalize();
            let hex = digest.iter().fold(String::new(), |mut hex, byte| {
                let _ = write!(hex, "{byte:02x}");
                hex
            });
            (*stream, *len, hex)
        })
    }
}

fn seconds(at: Moment) -> f64 {
    Duration::from_nanos(at.as_nanos()).as_secs_f64()
}

/// What stands in a body that serialises as `{ kind: … }`.
fn inner(value: &Value) -> &Value {
    value.as_object().and_then(|o| o.values().next()).unwrap_or(value)
}

/// Stable name of a kind of record.
const fn kind(body: &Body) -> &'static str {
    match body {
        Body::Data { .. } => "data",
        Body::Sealed { .. } => "sealed",
        Body::Reveal { .. } => "reveal",
        Body::Redaction { .. } => "redaction",
        Body::Resize(_) => "resize",
        Body::Signal { .. } => "signal",
        Body::Suspended => "suspended",
        Body::Continued => "continued",
        Body::Refused { .. } => "refused",
        Body::Verdict(_) => "verdict",
        Body::Blocked { .. } => "blocked",
        Body::Decided { .. } => "decided",
        Body::Marker { .. } => "marker",
        Body::Gap { .. } => "gap",
        Body::End(_) => "end",
        _ => "other",
    }
}
