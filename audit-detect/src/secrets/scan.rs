//! The search itself.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use regex_automata::meta::Regex;

use super::families::{FAMILIES, Family, KEY_END, KEY_START};
use crate::normalise::{End, Map};
use crate::rules::{compile, compile_scan};
use crate::sieve::Sieve;

/// What the first row of a private key holds, folded.
const KEY_ANCHORS: [&str; 2] = ["-----begin", "private-lines:"];
/// The bit that stands for private keys.
const KEYS: u64 = 1 << FAMILIES.len();
/// A key of more rows than this is none.
const KEY_ROWS: u32 = 400;

/// A secret found in a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Which family, such as `github`.
    pub family: &'static str,
    /// First byte of it in the row.
    pub start: usize,
    /// Behind its last byte.
    pub end: usize,
}

/// Finds the literals one of which is in every secret, and tells the families they stand for, as
/// bits by their index.
fn anchors() -> &'static Sieve {
    const { assert!(FAMILIES.len() < 64) };
    static SIEVE: OnceLock<Sieve> = OnceLock::new();
    SIEVE.get_or_init(|| {
        let mut table: BTreeMap<String, u64> = BTreeMap::new();
        for anchor in KEY_ANCHORS {
            table.insert(anchor.to_owned(), KEYS);
        }
        for (index, family) in FAMILIES.iter().enumerate() {
            for anchor in family.anchors.iter().flat_map(|anchor| spellings(anchor)) {
                *table.entry(anchor).or_default() |= 1 << index;
            }
        }
        Sieve::new(table.iter().map(|(anchor, families)| (anchor.as_str(), *families)))
    })
}

/// What an anchor stands for: `?` is a sign between two words, or nothing.
fn spellings(anchor: &str) -> Vec<String> {
    match anchor.split_once('?') {
        None => vec![anchor.to_owned()],
        Some((a, b)) => ["", "_", "-", "."].map(|sign| format!("{a}{sign}{b}")).into(),
    }
}

/// Where in `text`, from `from` on, a secret may be: the place of a literal one of which is in
/// every secret of every family.
pub fn has_anchor(text: &[u8], from: usize) -> Option<usize> {
    anchors().next(text, from).map(|found| found.at)
}

/// Secrets in a row, in order and apart from each other. Private keys are left to [`RowScanner`],
/// except those in one row.
pub fn find_in(text: &[u8]) -> Vec<Found> {
    let mut found: Vec<Found> = Vec::new();
    let mut taken = vec![false; text.len()];
    let present = anchors().tags(text);
    for (index, family) in FAMILIES.iter().enumerate() {
        if present & 1 << index != 0
            && let Some(regex) = regex(index)
        {
            family_in(family, regex, text, &mut taken, &mut found);
        }
    }
    found.sort_by_key(|f| f.start);
    found
}

fn family_in(
    family: &Family,
    regex: &Regex,
    text: &[u8],
    taken: &mut [bool],
    found: &mut Vec<Found>,
) {
    let mut captures = regex.create_captures();
    let mut at = 0;
    while at < text.len() {
        regex.captures(regex_automata::Input::new(text).span(at..text.len()), &mut captures);
        let Some(whole) = captures.get_match() else { break };
        let group = match family.group {
            0 => (1..captures.group_len()).find_map(|g| captures.get_group(g)),
            group => captures.get_group(group),
        };
        let Some(mut span) = group else { break };
        span.end = span.start + value_ends(&text[span.start..span.end], family.name);
        while span.end > span.start
            && matches!(text[span.end - 1], b'.' | b',' | b')' | b'\\')
            && family.group != 1
        {
            span.end -= 1;
        }
        at = whole.end().max(at + 1);
        let value = String::from_utf8_lossy(&text[span.start..span.end]);
        let overlaps = taken[span.start..span.end].contains(&true);
        let before = String::from_utf8_lossy(&text[whole.start()..span.start]);
        if !value.is_empty() && !overlaps && (family.check)(&value, &before) {
            taken[span.start..span.end].fill(true);
            found.push(Found { family: family.name, start: span.start, end: span.end });
        } else {
            // something may start inside what was refused
            at = at.min(span.end.max(whole.start() + 1));
        }
    }
}

/// Where the value of a password ends that stands among others, as in `password=a&user=b`.
fn value_ends(value: &[u8], family: &str) -> usize {
    let next = |at: usize| {
        let name = value[at + 1..].iter().take_while(|b| b.is_ascii_alphabetic() || **b == b'_');
        let length = name.count();
        length > 0 && value.get(at + 1 + length) == Some(&b'=')
    };
    let cut = (family == "password_value")
        .then(|| (0..value.len()).find(|at| value[*at] == b'&' && next(*at)))
        .flatten();
    cut.unwrap_or(value.len())
}

fn regex(index: usize) -> Option<&'static Regex> {
    static COMPILED: [OnceLock<Option<Regex>>; FAMILIES.len()] =
        [const { OnceLock::new() }; FAMILIES.len()];
    COMPILED[index].get_or_init(|| compile_scan(FAMILIES[index].pattern)).as_ref()
}

fn key_start() -> Option<&'static Regex> {
    static START: OnceLock<Option<Regex>> = OnceLock::new();
    START.get_or_init(|| compile(KEY_START)).as_ref()
}

fn key_end() -> Option<&'static Regex> {
    static END: OnceLock<Option<Regex>> = OnceLock::new();
    END.get_or_init(|| compile(KEY_END)).as_ref()
}

/// Finds secrets row by row; remembers a private key that began in an earlier row.
#[derive(Clone, Debug, Default)]
pub struct RowScanner {
    /// Rows since a key began, and where the last of them ended in the raw stream.
    key: Option<(u32, u64)>,
}

impl RowScanner {
    /// Whether a private key goes on in the next row.
    pub fn in_key(&self) -> bool {
        self.key.is_some()
    }

    /// Searches the next row; calls `found` with a family and the raw bytes of each secret. The
    /// raw bytes between the rows of a key belong to it. A row that is still open changes nothing
    /// that is remembered.
    pub fn row(
        &mut self,
        text: &[u8],
        map: Map<'_>,
        end: End,
        mut found: impl FnMut(&'static str, u64, u64),
    ) {
        let before = self.key;
        for secret in self.row_texts(text) {
            let Some((mut start, stop)) = map.raw_range(secret.start, secret.end) else { continue };
            if let Some((_, last)) =
                before.filter(|_| secret.start == 0 && secret.family == "private_key")
            {
                start = last.min(start);
            }
            found(secret.family, start, stop);
        }
        if end == End::Open {
            self.key = before;
        } else if let (Some((_, last)), Some((_, stop))) =
            (&mut self.key, map.raw_range(0, text.len()))
        {
            *last = stop;
        }
    }

    /// Secrets of the next row by their place in it.
    pub(super) fn row_texts(&mut self, text: &[u8]) -> Vec<Found> {
        let mut keys = Vec::new();
        let mut at = 0;
        if let Some((rows, _)) = &mut self.key {
            *rows += 1;
            let ends = key_end().and_then(|r| r.find(text)).map(|m| m.end());
            let plausible = *rows < KEY_ROWS && key_row(text);
            if let Some(end) = ends {
                keys.push(Found { family: "private_key", start: 0, end });
                self.key = None;
                at = end;
            } else if plausible {
                if !text.is_empty() {
                    keys.push(Found { family: "private_key", start: 0, end: text.len() });
                }
                return keys;
            } else {
                self.key = None;
            }
        }
        if at == 0 && text.starts_with(b"Private-Lines:") {
            // the key that PuTTY writes has no end of its own; what is no Base64 ends it
            self.key = Some((0, 0));
            return keys;
        }
        while let Some(start) = key_begins(text, at) {
            let end = key_end()
                .and_then(|r| r.find(regex_automata::Input::new(text).span(start..text.len())))
                .map(|m| m.end());
            keys.push(Found { family: "private_key", start, end: end.unwrap_or(text.len()) });
            match end {
                Some(end) => at = end,
                None => {
                    self.key = Some((0, 0));
                    break;
                }
            }
        }
        let mut all = find_in(text);
        all.retain(|f| !keys.iter().any(|k| k.start < f.end && f.start < k.end));
        all.extend(keys);
        all.sort_by_key(|f| f.start);
        all
    }
}

fn key_begins(text: &[u8], from: usize) -> Option<usize> {
    memchr::memmem::find(&text[from..], b"-----BEGIN")?;
    let found = key_start()?.find(regex_automata::Input::new(text).span(from..text.len()))?;
    Some(found.start())
}

/// Whether a row can be part of a key: Base64, a header, or nothing.
fn key_row(text: &[u8]) -> bool {
    let text = text.trim_ascii();
    let base64 = text.iter().all(|b| b.is_ascii_alphanumeric() || b"+/=|>#.\\\"', ".contains(b));
    let spaces = text.iter().filter(|b| **b == b' ').count();
    (base64 && (spaces <= 2))
        || text.starts_with(b"Proc-Type:")
        || text.starts_with(b"DEK-Info:")
        || text.starts_with(b"Version:")
        || text.starts_with(b"Comment:")
}
