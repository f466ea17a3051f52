//! Finding text in what was recorded.

use audit_core::{Body, Moment, Stream};
use regex::{Regex, RegexBuilder};

use crate::entries::{Entry, Journal};
use crate::error::{JournalError, Result};
use crate::text::TextLines;

/// What is looked for.
#[derive(Clone, Debug)]
pub struct Pattern(Regex);

impl Pattern {
    /// Exactly this text.
    ///
    /// # Errors
    /// It is longer than a pattern may be.
    pub fn literal(text: &str) -> Result<Self> {
        Self::regex(&regex::escape(text))
    }

    /// A regular expression, in the syntax of the `regex` crate.
    ///
    /// # Errors
    /// It is none, or too large.
    pub fn regex(pattern: &str) -> Result<Self> {
        RegexBuilder::new(pattern)
            .size_limit(4 << 20)
            .build()
            .map(Self)
            .map_err(|e| JournalError::Input { reason: Self::fault(&e) })
    }

    /// What is wrong with a regular expression, in one line: the last of those that `regex` draws.
    pub fn fault(error: &regex::Error) -> String {
        let reason = error.to_string();
        let last = reason.lines().last().unwrap_or_default().trim_start();
        last.trim_start_matches("error: ").to_owned()
    }

    /// Whether `line` holds it.
    pub fn matches(&self, line: &str) -> bool {
        self.0.is_match(line)
    }
}

/// A line that was recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Line {
    /// Which stream.
    pub stream: Stream,
    /// When its last byte arrived.
    pub at: Moment,
    /// Record that holds its last byte.
    pub record: u64,
    /// The line, escape sequences removed.
    pub text: String,
    /// Whether some of what it was recorded with is of a secret that was shown, and stands as `*`:
    /// see [`Journal::concealing`].
    pub secret: bool,
}

/// The lines of a session, escape sequences removed, in the order they ended.
pub struct Lines<I> {
    entries: I,
    streams: [(Stream, TextLines); Stream::ALL.len()],
    ready: std::collections::VecDeque<Line>,
    last: (Moment, u64),
    /// By stream: whether what has no end yet holds something concealed.
    secret: [bool; Stream::ALL.len()],
    wanted: Vec<Stream>,
    done: bool,
    /// Why the entries ended early; told behind the last line.
    fault: Option<JournalError>,
}

/// The lines of `streams` in a journal.
///
/// # Errors
/// The files cannot be read.
pub fn lines(
    journal: &Journal,
    streams: &[Stream],
) -> Result<Lines<impl Iterator<Item = Result<Entry>> + use<>>> {
    Ok(Lines::over(journal.entries()?.only(streams), streams))
}

impl<I: Iterator<Item = Result<Entry>>> Lines<I> {
    /// The lines of `streams` in these entries.
    pub fn over(entries: I, streams: &[Stream]) -> Self {
        Self {
            entries,
            streams: Stream::ALL.map(|s| (s, TextLines::new())),
            ready: std::collections::VecDeque::new(),
            last: (Moment::START, 0),
            secret: [false; Stream::ALL.len()],
            wanted: streams.to_vec(),
            done: false,
            fault: None,
        }
    }

    /// No more entries come: what has no end yet is a line too.
    fn finish(&mut self) {
        self.done = true;
        let (at, record) = self.last;
        for (stream, text) in &mut self.streams {
            let rest = text.rest();
            let secret = self.secret[usize::from(stream.number())];
            let line = |text| Line { stream: *stream, at, record, text, secret };
            self.ready.extend(rest.map(line));
        }
    }

    fn take(&mut self, entry: &Entry) {
        let Body::Data { stream, bytes } = &entry.body else { return };
        if !self.wanted.contains(stream) {
            return;
        }
        self.last = (entry.at, entry.last);
        let Some((stream, text)) = self.streams.iter_mut().find(|(s, _)| s == stream) else {
            return;
        };
        let ready = &mut self.ready;
        let open = &mut self.secret[usize::from(stream.number())];
        *open |= entry.secret;
        let mut push = |line: &str| {
            ready.push_back(Line {
                stream: *stream,
                at: entry.at,
                record: entry.last,
                text: line.to_owned(),
                secret: *open,
            });
            *open = entry.secret;
        };
        if *stream == Stream::Input {
            // A terminal sends a carriage return for the key that ends a line.
            for piece in bytes.split_inclusive(|b| *b == b'\r') {
                match piece.split_last() {
                    Some((b'\r', line)) => {
                        text.feed(&erase(line), &mut push);
                        text.feed(b"\n", &mut push);
                    }
                    _ => text.feed(&erase(piece), &mut push),
                }
            }
        } else {
            text.feed(bytes, push);
        }
    }
}

/// Typed bytes as a line editor takes them: the erase key, as most terminals send it, takes back
/// a character.
fn erase(typed: &[u8]) -> std::borrow::Cow<'_, [u8]> {
    if memchr::memchr2(0x7f, 0x15, typed).is_none() {
        return typed.into();
    }
    let mut out = Vec::with_capacity(typed.len() + 16);
    for byte in typed {
        match byte {
            0x7f => out.extend_from_slice(b"\x08\x1b[K"),
            // Kill the line.
            0x15 => out.extend_from_slice(b"\r\x1b[K"),
            other => out.push(*other),
        }
    }
    out.into()
}

impl<I: Iterator<Item = Result<Entry>>> Iterator for Lines<I> {
    type Item = Result<Line>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(line) = self.ready.pop_front() {
                return Some(Ok(line));
            }
            if self.done {
                return self.fault.take().map(Err);
            }
            match self.entries.next() {
                Some(Ok(entry)) => self.take(&entry),
                Some(Err(e)) => {
                    self.finish();
                    self.fault = Some(e);
                }
                None => self.finish(),
            }
        }
    }
}

/// The lines of `streams` that hold `pattern`.
///
/// # Errors
/// The files cannot be read.
pub fn search(
    journal: &Journal,
    streams: &[Stream],
    pattern: &Pattern,
) -> Result<impl Iterator<Item = Result<Line>> + use<>> {
    let pattern = pattern.clone();
    let wanted =
        move |line: &Result<Line>| line.as_ref().map_or(true, |l| pattern.matches(&l.text));
    Ok(lines(journal, streams)?.filter(wanted))
}
