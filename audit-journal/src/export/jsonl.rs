//! One JSON object per line: exact, and easy to take apart.
//!
//! The first line is `{"header": …}`, with `"concealed": true` where secrets that were shown stand as
//! `*`. Every other line has `seq` (first record), `last`, `at_ns`
//! and either `stream`, `data_b64`, `masked` and `secret`, or `record` with the record itself.

use std::io::Write;

use audit_core::Body;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::json;

use super::write_error;
use crate::entries::{Entries, Journal};
use crate::error::Result;
use crate::text::json_line;

/// Writes `entries` as lines of JSON.
pub(super) fn write(journal: &Journal, entries: Entries, out: &mut dyn Write) -> Result<()> {
    let mut head = json!({ "header": journal.header() });
    if journal.conceals() && journal.secrets_shown()? > 0 {
        head["concealed"] = true.into();
    }
    writeln!(out, "{}", json_line(&head)).map_err(write_error)?;
    for entry in entries {
        let entry = entry?;
        let at = entry.at.as_nanos();
        let line = match &entry.body {
            Body::Data { stream, bytes } => json!({
                "seq": entry.first, "last": entry.last, "at_ns": at, "stream": stream.name(),
                "masked": entry.masked, "secret": entry.secret, "data_b64": BASE64.encode(bytes),
            }),
            Body::Other { kind, payload } => json!({
                "seq": entry.first, "last": entry.last, "at_ns": at,
                "record": { "other": { "kind": kind, "cbor_b64": BASE64.encode(payload) } },
            }),
            // Keys of opened seals are of no use any more and none of anybody's business.
            Body::Reveal { keys } => json!({
                "seq": entry.first, "last": entry.last, "at_ns": at,
                "record": { "reveal": { "seals": keys.iter().map(|(id, _)| id).collect::<Vec<_>>() } },
            }),
            body => json!({
                "seq": entry.first, "last": entry.last, "at_ns": at, "record": body,
            }),
        };
        writeln!(out, "{}", json_line(&line)).map_err(write_error)?;
    }
    Ok(())
}
