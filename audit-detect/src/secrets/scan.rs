//! The search itself.

use std::sync::OnceLock;

use aho_corasick::AhoCorasick;
use regex_automata::meta::Regex;

use super::families::{FAMILIES, Family, KEY_END, KEY_START};
use crate::normalise::{End, Map};
use crate::rules::{compile, compile_scan};
use crate::sieve::Sieve;

/// A key of more rows than this is none.
const KEY_ROWS: u32 = 400;

/// Literals one of which is in every row that holds a secret, folded.
const ANCHORS: [&str; 66] = [
    "akia",
    "asia",
    "abia",
    "acca",
    "pass",
    "pwd",
    "secret",
    "token",
    "key",
    "auth",
    "credential",
    "://",
    "ghp_",
    "gho_",
    "ghu_",
    "ghs_",
    "ghr_",
    "github_pat_",
    "glpat",
    "gldt-",
    "glrt-",
    "glptt",
    "xox",
    "xapp-",
    "hooks.slack",
    "/webhooks/",
    "sk_",
    "rk_live",
    "whsec_",
    "sk-",
    "hf_",
    "npm_",
    "pypi-",
    "aiza",
    "gocspx",
    "ya29.",
    "1//0",
    "_v1_",
    "hvs.",
    "hvb.",
    "dapi",
    "shpat_",
    "sg.",
    "lin_api_",
    "pul-",
    "r8_",
    "sbp_",
    "glsa_",
    "rubygems_",
    "atlasv1",
    ":aa",
    "eyj",
    "$6$",
    "$y$",
    "$2a$",
    "$2b$",
    "$2y$",
    "$apr1$",
    "{ss",
    "bearer",
    "basic ",
    "sig=",
    "identified by",
    "curl",
    " -p",
    "eaaa",
];

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

/// Where in `text`, from `from` on, a secret may be.
pub fn has_anchor(text: &[u8], from: usize) -> Option<usize> {
    static SIEVE: OnceLock<Sieve> = OnceLock::new();
    let sieve = SIEVE.get_or_init(|| Sieve::new(ANCHORS.into_iter().map(|anchor| (anchor, 0))));
    sieve.next(text, from).map(|found| found.at)
}

/// Secrets in a row, in order and apart from each other. Private keys are left to [`RowScanner`],
/// except those in one row.
pub fn find_in(text: &[u8]) -> Vec<Found> {
    let folded = text.to_ascii_lowercase();
    let mut found: Vec<Found> = Vec::new();
    if has_anchor(&folded, 0).is_none() {
        return found;
    }
    let present = families_in(&folded);
    for (index, family) in FAMILIES.iter().enumerate() {
        if present & 1 << index != 0
            && let Some(regex) = regex(index)
        {
            family_in(family, regex, text, &mut found);
        }
    }
    found.sort_by_key(|f| f.start);
    found
}

/// Families one of whose anchors is in `folded`, as bits by their index: one pass for all.
fn families_in(folded: &[u8]) -> u64 {
    const { assert!(FAMILIES.len() <= 64) };
    static ANCHORED: OnceLock<Option<(AhoCorasick, Vec<u64>)>> = OnceLock::new();
    let anchored = ANCHORED.get_or_init(|| {
        let (anchors, families): (Vec<&str>, Vec<u64>) = FAMILIES
            .iter()
            .enumerate()
            .flat_map(|(index, family)| family.anchors.iter().map(move |a| (*a, 1 << index)))
            .unzip();
        AhoCorasick::new(anchors).ok().map(|automaton| (automaton, families))
    });
    let Some((automaton, families)) = anchored else { return u64::MAX };
    automaton
        .find_overlapping_iter(folded)
        .fold(0, |present, found| present | families[found.pattern().as_usize()])
}

fn family_in(family: &Family, regex: &Regex, text: &[u8], found: &mut Vec<Found>) {
    let mut captures = regex.create_captures();
    let mut at = 0;
    while at < text.len() && found.len() < 64 {
        regex.captures(regex_automata::Input::new(text).span(at..text.len()), &mut captures);
        let Some(whole) = captures.get_match() else { break };
        let group = match family.group {
            0 => (1..captures.group_len()).find_map(|g| captures.get_group(g)),
            group => captures.get_group(group),
        };
        let Some(mut span) = group else { break };
        while span.end > span.start
            && matches!(text[span.end - 1], b'.' | b',' | b')' | b'\\')
            && family.group != 1
        {
            span.end -= 1;
        }
        at = whole.end().max(at + 1);
        let value = String::from_utf8_lossy(&text[span.start..span.end]);
        let overlaps = found.iter().any(|f| f.start < span.end && span.start < f.end);
        if !value.is_empty() && !overlaps && (family.check)(&value) {
            found.push(Found { family: family.name, start: span.start, end: span.end });
        } else {
            // something may start inside what was refused
            at = at.min(span.end.max(whole.start() + 1));
        }
    }
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

/// `text` with every secret in it replaced by the name of its family.
pub fn redact(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut scanner = RowScanner::default();
    for (index, row) in text.split('\n').enumerate() {
        if index > 0 {
            out.push('\n');
        }
        let mut at = 0;
        for found in scanner.row_texts(row.as_bytes()) {
            out.push_str(&String::from_utf8_lossy(&row.as_bytes()[at..found.start]));
            out.push_str(&format!("[{}]", found.family));
            at = found.end;
        }
        out.push_str(&String::from_utf8_lossy(&row.as_bytes()[at..]));
    }
    out
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
    fn row_texts(&mut self, text: &[u8]) -> Vec<Found> {
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
