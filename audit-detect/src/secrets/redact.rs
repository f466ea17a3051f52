//! Text with its secrets replaced.

use super::scan::RowScanner;

/// Shorter values than this are not looked for elsewhere.
const VALUE_LEAST: usize = 4;

/// A text in which every secret is replaced by the name of its family in brackets.
#[derive(Debug)]
pub(crate) struct Redacted {
    /// What may be shown.
    pub(crate) text: String,
    /// Where a secret was: its start and end, and where what stands for it ends now.
    cuts: Vec<(usize, usize, usize)>,
}

impl Redacted {
    /// Replaces the secrets in `text`, and `values` wherever they stand in it.
    pub(crate) fn new(text: &str, values: &[String]) -> Self {
        let mut found: Vec<(usize, usize, &str)> = secrets_in(text);
        for value in values.iter().filter(|v| v.len() >= VALUE_LEAST) {
            let known = text.match_indices(value.as_str());
            found.extend(known.map(|(at, v)| (at, at + v.len(), "secret")));
        }
        found.sort_by_key(|(start, end, _)| (*start, std::cmp::Reverse(*end)));
        let mut redacted = Self { text: String::with_capacity(text.len()), cuts: Vec::new() };
        let mut at = 0;
        for (start, end, family) in found {
            if start < at {
                // part of what was replaced, or sticking out of it
                if end > at {
                    at = end;
                    if let Some(cut) = redacted.cuts.last_mut() {
                        cut.1 = end;
                    }
                }
                continue;
            }
            redacted.text.push_str(&text[at..start]);
            redacted.text.push_str(&format!("[{family}]"));
            redacted.cuts.push((start, end, redacted.text.len()));
            at = end;
        }
        redacted.text.push_str(&text[at..]);
        redacted
    }

    /// Where what stood at byte `at` of the original is now.
    pub(crate) fn place(&self, at: usize) -> usize {
        let place = match self.cuts.iter().rev().find(|(start, ..)| *start <= at) {
            Some((_, end, now)) if at >= *end => now + (at - end),
            Some((.., now)) => *now,
            None => at,
        };
        place.min(self.text.len())
    }
}

/// `text` with every secret in it replaced by the name of its family.
pub fn redact(text: &str) -> String {
    Redacted::new(text, &[]).text
}

/// `text` with `*` for every byte of a secret in it, so that everything keeps its place.
pub fn conceal(text: &str) -> String {
    let mut concealed = text.to_owned();
    for (start, end, _) in secrets_in(text) {
        concealed.replace_range(start..end, &"*".repeat(end - start));
    }
    concealed
}

/// The secrets of a text themselves, for finding them where the text was changed.
pub(crate) fn values(text: &str) -> Vec<String> {
    secrets_in(text).into_iter().map(|(start, end, _)| text[start..end].to_owned()).collect()
}

/// Places of the secrets in a text of several rows. A secret is made of whole characters here.
fn secrets_in(text: &str) -> Vec<(usize, usize, &'static str)> {
    let mut scanner = RowScanner::default();
    let mut found = Vec::new();
    let mut base = 0;
    for row in text.split('\n') {
        for secret in scanner.row_texts(row.as_bytes()) {
            let (mut start, mut end) = (base + secret.start, base + secret.end);
            while !text.is_char_boundary(start) {
                start -= 1;
            }
            while !text.is_char_boundary(end) {
                end += 1;
            }
            found.push((start, end, secret.family));
        }
        base += row.len() + 1;
    }
    found
}
