//! Giving a recording to other tools.
//!
//! | format | holds | loses |
//! |---|---|---|
//! | `raw` | the bytes of one side | times, everything else |
//! | `asciicast-v2`, `-v3` | output, input, sizes, markers, exit (v3) | bytes that are no UTF-8 become U+FFFD; which output stream |
//! | `ttyrec` | output with times to the microsecond | input, sizes, exit |
//! | `script` | typescript; in a directory also timing, input, sizes, exit | which output stream |
//! | `jsonl` | everything, exact, `data_b64` | nothing |
//! | `text` | lines, escape sequences removed | everything else |

mod asciicast;
mod jsonl;
mod script;
mod ttyrec;

use std::io::{self, Write};
use std::path::Path;
use std::str::FromStr;

use audit_core::{Body, Stream};
use sha2::{Digest, Sha256};

use crate::chain::Hash;
use crate::entries::{Entries, Journal};
use crate::error::{JournalError, Result};
use crate::search;

pub use script::export_script;

/// The formats a recording can be exported to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Format {
    /// The bytes of one side.
    Raw,
    /// asciicast v2.
    AsciicastV2,
    /// asciicast v3.
    AsciicastV3,
    /// ttyrec.
    Ttyrec,
    /// The typescript of `script(1)`; see [`export_script`] for all of its files.
    Script,
    /// One JSON object per line.
    Jsonl,
    /// Lines of text, escape sequences removed.
    Text,
}

impl Format {
    /// Every format, with its name on the command line.
    pub const ALL: [(Self, &'static str); 7] = [
        (Self::Raw, "raw"),
        (Self::AsciicastV2, "asciicast-v2"),
        (Self::AsciicastV3, "asciicast-v3"),
        (Self::Ttyrec, "ttyrec"),
        (Self::Script, "script"),
        (Self::Jsonl, "jsonl"),
        (Self::Text, "text"),
    ];

    /// Name on the command line.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(f, _)| *f == self).map_or("raw", |(_, name)| name)
    }
}

impl FromStr for Format {
    type Err = JournalError;

    fn from_str(name: &str) -> Result<Self> {
        Self::ALL.iter().find(|(_, n)| *n == name).map(|(f, _)| *f).ok_or_else(|| {
            let known: Vec<_> = Self::ALL.iter().map(|(_, n)| *n).collect();
            JournalError::Input {
                reason: format!("unknown format {name}; known are {}", known.join(", ")),
            }
        })
    }
}

/// Which side of a session is exported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// What the child wrote.
    Output,
    /// What the user typed.
    Input,
}

impl Side {
    /// The streams of this side.
    pub const fn streams(self) -> &'static [Stream] {
        match self {
            Self::Output => &[Stream::Tty, Stream::Stdout, Stream::Stderr],
            Self::Input => &[Stream::Input],
        }
    }
}

/// Writes a recording to `out`. Without a side, formats that can hold both get both, others the
/// output. Secrets that were never revealed come out as `*`, as many as they had bytes.
///
/// # Errors
/// The journal cannot be read, `out` cannot be written, or the format has no such side;
/// [`JournalError::Damaged`] when something is missing behind what was written.
pub fn export(
    journal: &Journal,
    format: Format,
    side: Option<Side>,
    out: &mut dyn Write,
) -> Result<()> {
    let one = side.unwrap_or(Side::Output);
    let both = |side: Option<Side>| side.map_or(&Stream::ALL[..], Side::streams);
    let entries = |streams: &[Stream]| -> Result<Entries> { Ok(journal.entries()?.only(streams)) };
    match format {
        Format::Raw => raw(entries(one.streams())?, one, out),
        Format::AsciicastV2 => {
            asciicast::write(journal, entries(both(side))?, asciicast::Version::V2, out)
        }
        Format::AsciicastV3 => {
            asciicast::write(journal, entries(both(side))?, asciicast::Version::V3, out)
        }
        Format::Ttyrec => ttyrec::write(journal, entries(one.streams())?, out),
        Format::Script => script::typescript(journal, entries(one.streams())?, out),
        Format::Jsonl => jsonl::write(journal, entries(both(side))?, out),
        Format::Text => text(journal, one, out),
    }
}

fn raw(entries: Entries, side: Side, out: &mut dyn Write) -> Result<()> {
    for entry in entries {
        if let Body::Data { stream, bytes } = entry?.body
            && side.streams().contains(&stream)
        {
            out.write_all(&bytes).map_err(write_error)?;
        }
    }
    Ok(())
}

fn text(journal: &Journal, side: Side, out: &mut dyn Write) -> Result<()> {
    for line in search::lines(journal, side.streams())? {
        writeln!(out, "{}", line?.text).map_err(write_error)?;
    }
    Ok(())
}

/// SHA-256 of each of `streams` as a raw export gives it; nothing where the journal is damaged.
pub(crate) fn digests(dir: &Path, streams: &[Stream]) -> Result<Vec<(Stream, Hash)>> {
    let mut sums: Vec<_> = streams.iter().map(|s| (*s, Sha256::new())).collect();
    for entry in Journal::open(dir)?.entries()?.only(streams) {
        let entry = match entry {
            Err(JournalError::Damaged { .. }) => return Ok(Vec::new()),
            entry => entry?,
        };
        if let Body::Data { stream, bytes } = entry.body
            && let Some((_, sum)) = sums.iter_mut().find(|(s, _)| *s == stream)
        {
            sum.update(&bytes);
        }
    }
    Ok(sums.into_iter().map(|(s, sum)| (s, sum.finalize().into())).collect())
}

fn write_error(source: io::Error) -> JournalError {
    JournalError::Io { operation: "write the export".to_owned(), source }
}

/// Takes bytes of a stream and gives out text, keeping a character that is cut for later.
#[derive(Default)]
struct Utf8 {
    kept: Vec<u8>,
}

impl Utf8 {
    fn take(&mut self, bytes: &[u8]) -> String {
        let joined;
        let all = if self.kept.is_empty() {
            bytes
        } else {
            joined = [&std::mem::take(&mut self.kept)[..], bytes].concat();
            &joined
        };
        // Only up to three bytes at the end can belong to a character that goes on.
        let tail = all.len() - all.len().min(3);
        let cut = (tail..all.len())
            .find(|at| {
                all[*at] >= 0xc0
                    && std::str::from_utf8(&all[*at..])
                        .is_err_and(|e| e.valid_up_to() == 0 && e.error_len().is_none())
            })
            .unwrap_or(all.len());
        self.kept = all[cut..].to_vec();
        String::from_utf8_lossy(&all[..cut]).into_owned()
    }

    fn rest(&mut self) -> Option<String> {
        (!std::mem::take(&mut self.kept).is_empty()).then(|| "\u{fffd}".to_owned())
    }
}

/// What a structured record is called on a time line, if it is worth a mark.
fn mark(body: &Body) -> Option<String> {
    Some(match body {
        Body::Verdict(verdict) => {
            let found = verdict.findings.first().map_or("", |f| f.title.as_str());
            format!("verdict {:.2} {found}", verdict.score.value())
        }
        Body::Blocked { block, approval } => format!("blocked {block} {}", approval.subject),
        Body::Decided { block, decision } => {
            format!("decided {block} {:?} by {}", decision.answer, decision.by)
        }
        Body::Marker { name, text } => format!("{name} {text}"),
        Body::Gap { from, through, bytes, reason } => {
            format!("gap records {from} to {through}, {bytes} bytes: {reason}")
        }
        Body::Redaction { stream, .. } => format!("redacted {}", stream.name()),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_character_cut_anywhere_comes_out_whole() {
        let text = "a日本🙂é\u{0}z";
        for at in 0..text.len() {
            let mut utf8 = Utf8::default();
            let (a, b) = text.as_bytes().split_at(at);
            assert_eq!(utf8.take(a) + &utf8.take(b), text);
            assert_eq!(utf8.rest(), None);
        }
    }

    #[test]
    fn bytes_that_are_no_text_are_replaced() {
        let mut utf8 = Utf8::default();
        assert_eq!(utf8.take(b"a\xffb\xe6"), "a\u{fffd}b");
        assert_eq!(utf8.take(b"c"), "\u{fffd}c");
        assert_eq!(utf8.take(b"\xf0\x9f"), "");
        assert_eq!(utf8.rest().as_deref(), Some("\u{fffd}"));
    }
}
