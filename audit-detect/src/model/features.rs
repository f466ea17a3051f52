//! What the model sees of a command line: what is done to what, not how it is worded.
//!
//! Programs, their options, and the kind of each argument (a place, an address, a variable), alone
//! and together; which program's output another reads; names in code. Words of free text, file names
//! and numbers are left out: they tell sources apart and not attacks.

use crate::shell::Resolved;

/// No more commands of a line than this are looked at, and words of a command.
const COMMANDS: usize = 48;
const WORDS: usize = 48;
/// No more names of one piece of code than this.
const NAMES: usize = 64;

/// The features of a line, each once and in order.
pub(super) fn of(resolved: &Resolved) -> Vec<u16> {
    let mut found = Vec::with_capacity(64);
    visit(resolved, |index| found.push(index as u16));
    found.sort_unstable();
    found.dedup();
    found
}

/// Calls `feature` with the index of each feature of the line.
fn visit(resolved: &Resolved, mut feature: impl FnMut(usize)) {
    let mut kind = String::new();
    for command in resolved.commands.iter().take(COMMANDS) {
        let mut words = command.split(' ').filter(|w| !w.is_empty());
        let Some(first) = words.next() else { continue };
        let program = program(first);
        feature(hash(1, &[program]));
        let mut target = false;
        for word in words.take(WORDS) {
            if operator(word) {
                target = true;
                continue;
            }
            kind.clear();
            kind_of(word, &mut kind);
            if kind.is_empty() {
                continue;
            }
            let role = if target { ">" } else { "" };
            feature(hash(2, &[program, role, &kind]));
            feature(hash(3, &[role, &kind]));
            target = false;
        }
        if command.contains(['(', '{']) {
            for name in names(command).take(NAMES) {
                feature(hash(4, &[name]));
            }
        }
    }
    for pipeline in resolved.pipelines.iter().take(COMMANDS) {
        let mut before: Option<&str> = None;
        for part in pipeline.split(" | ") {
            let now = program(part.split(' ').next().unwrap_or(""));
            if let Some(before) = before {
                feature(hash(5, &[before, now]));
                feature(hash(6, &[now]));
            }
            before = Some(now);
        }
    }
    for fact in &resolved.facts {
        feature(hash(7, &[fact]));
    }
    feature(hash(8, &[bucket(resolved.commands.len())]));
    feature(hash(9, &[bucket(resolved.decoded.len())]));
}

fn bucket(count: usize) -> &'static str {
    match count {
        0 => "0",
        1 => "1",
        2..=3 => "2",
        4..=7 => "4",
        _ => "8",
    }
}

/// The name of a program, without directory and version.
fn program(word: &str) -> &str {
    let name = word.rsplit('/').next().unwrap_or(word);
    let bare = name.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.');
    if bare.is_empty() { name } else { bare }
}

fn operator(word: &str) -> bool {
    word.bytes().all(|b| matches!(b, b'<' | b'>' | b'&' | b'0'..=b'9'))
        && word.bytes().any(|b| matches!(b, b'<' | b'>'))
}

/// What kind of thing a word is; nothing for free text.
fn kind_of(word: &str, out: &mut String) {
    if word.len() > 1 && word.starts_with('-') {
        out.push_str(word.split(['=', ':']).next().unwrap_or(word));
        out.truncate(out.char_indices().nth(16).map_or(out.len(), |(at, _)| at));
        if let Some((_, value)) = word.split_once('=') {
            out.push('=');
            place(value, out);
        }
        return;
    }
    let value = match word.split_once('=') {
        Some((name, value)) if name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') => {
            out.push_str(name);
            out.push('=');
            value
        }
        _ => word.trim_start_matches(['@', '"', '\'']),
    };
    place(value, out);
}

/// Where a word leads: a class of paths, a kind of address, a variable.
fn place(word: &str, out: &mut String) {
    if let Some((scheme, rest)) = word.split_once("://") {
        let host = rest.split(['/', ':', '?']).next().unwrap_or(rest);
        let bare = !host.is_empty() && host.bytes().all(|b| b.is_ascii_digit() || b == b'.');
        out.push_str(if scheme.len() < 12 { scheme } else { "?" });
        out.push_str(if bare { ":<ip>" } else { ":<host>" });
        extension(rest, out);
    } else if word.starts_with(['/', '~']) || word.starts_with("$HOME") {
        path(word, out);
    } else if let Some(inner) = word.strip_prefix("$(") {
        out.push_str("$(");
        out.push_str(program(inner.split(' ').next().unwrap_or("")));
    } else if word.starts_with('$') {
        out.push('$');
    } else if word.contains('@') && word.contains(':') {
        out.push_str("<remote>");
    } else if word.split('.').count() == 4
        && word.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b':' | b'/'))
    {
        out.push_str("<ip>");
    } else if !word.is_empty() && word.bytes().all(|b| b.is_ascii_digit()) {
        out.push_str("<n>");
    } else if word.len() >= 24
        && word.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'='))
    {
        out.push_str("<blob>");
    } else if word.starts_with("./") || word.contains('/') {
        out.push_str("<rel>");
        extension(word, out);
    } else if word.contains('.') {
        extension(word, out);
    } else if word == "*" {
        out.push('*');
    }
}

fn path(word: &str, out: &mut String) {
    let mut parts = word.split('/').filter(|p| !p.is_empty());
    let first = parts.next().unwrap_or("/");
    let hidden = word.split('/').skip(1).any(|p| p.starts_with('.') && p.len() > 1);
    match first {
        "tmp" => out.push_str("<tmp>"),
        "dev" => {
            let device = parts.next().unwrap_or("");
            out.push_str("/dev/");
            out.push_str(device.trim_end_matches(|c: char| c.is_ascii_digit()));
        }
        "home" | "root" | "Users" => out.push_str("<home>"),
        _ if first.starts_with(['~', '$']) => out.push_str("<home>"),
        "etc" | "proc" | "sys" | "var" | "boot" | "run" => {
            out.push('/');
            out.push_str(first);
            let next = parts.next().unwrap_or("");
            if !next.is_empty() && !next.bytes().all(|b| b.is_ascii_digit()) {
                out.push('/');
                out.push_str(if next.starts_with('$') { "$" } else { next });
            }
        }
        "/" => out.push('/'),
        other => {
            out.push('/');
            out.push_str(other);
        }
    }
    if hidden {
        let dot = word.split('/').find(|p| p.starts_with('.') && p.len() > 1).unwrap_or("");
        out.push_str("/.");
        if matches!(first, "home" | "root" | "Users") || first.starts_with(['~', '$']) {
            out.push_str(dot);
        }
    }
    extension(word, out);
}

fn extension(word: &str, out: &mut String) {
    let name = word.rsplit('/').next().unwrap_or(word);
    if let Some((stem, extension)) = name.rsplit_once('.')
        && !stem.is_empty()
        && (1..=5).contains(&extension.len())
        && extension.bytes().all(|b| b.is_ascii_alphanumeric())
    {
        out.push('.');
        out.push_str(extension);
    }
}

/// Names in code.
fn names(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .filter(|w| (3..=16).contains(&w.len()) && !w.as_bytes()[0].is_ascii_digit())
}

fn hash(kind: u32, parts: &[&str]) -> usize {
    let mut state = 0x811c_9dc5u32 ^ kind.wrapping_mul(0x9e37_79b9);
    for part in parts {
        for byte in part.bytes().chain(std::iter::once(0)) {
            state = (state ^ u32::from(byte)).wrapping_mul(0x0100_0193);
        }
    }
    state ^= state >> 15;
    state = state.wrapping_mul(0x85eb_ca6b);
    ((state >> 16) ^ (state & 0xffff)) as usize & (super::SIZE - 1)
}
