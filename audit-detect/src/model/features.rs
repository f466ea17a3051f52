//! What the model sees of a command line.

use crate::shell::Resolved;

/// No more text of a line than this is looked at.
const TEXT_LIMIT: usize = 768;

/// Calls `feature` with the index of each feature of the line; an index may come twice.
pub(super) fn of(resolved: &Resolved, mut feature: impl FnMut(usize)) {
    let text = normal(if resolved.line.is_empty() { &resolved.raw } else { &resolved.line });
    let bytes = text.as_bytes();
    for (kind, length) in [(1u32, 2), (2, 3), (3, 4)] {
        for gram in bytes.windows(length) {
            feature(hash(kind, gram));
        }
    }
    let mut last: &str = "^";
    for word in text.split(' ').filter(|w| !w.is_empty()) {
        feature(hash(4, word.as_bytes()));
        let mut pair = last.as_bytes().to_vec();
        pair.push(b' ');
        pair.extend_from_slice(word.as_bytes());
        feature(hash(5, &pair));
        last = word;
    }
    for fact in &resolved.facts {
        feature(hash(6, fact.as_bytes()));
    }
}

fn hash(kind: u32, bytes: &[u8]) -> usize {
    let mut state = 0x811c_9dc5u32 ^ kind.wrapping_mul(0x9e37_79b9);
    for byte in bytes {
        state = (state ^ u32::from(*byte)).wrapping_mul(0x0100_0193);
    }
    state ^= state >> 15;
    state = state.wrapping_mul(0x85eb_ca6b);
    ((state >> 16) ^ (state & 0xffff)) as usize & (super::SIZE - 1)
}

/// The line in lower case, with addresses, numbers and places replaced by what kind they are.
fn normal(line: &str) -> String {
    let mut out = String::with_capacity(line.len().min(TEXT_LIMIT));
    for word in line.split_whitespace() {
        if out.len() >= TEXT_LIMIT {
            break;
        }
        if !out.is_empty() {
            out.push(' ');
        }
        one(word, &mut out);
    }
    out
}

fn one(word: &str, out: &mut String) {
    let mut rest = word;
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix("https://").or(rest.strip_prefix("http://")) {
            let end = after.find(['"', '\'', ')', '|', ';', '>']).unwrap_or(after.len());
            let host_end = after[..end].find(['/', ':']).unwrap_or(end);
            let bare = after[..host_end].bytes().all(|b| b.is_ascii_digit() || b == b'.');
            out.push_str(if bare { "<ipurl>" } else { "<url>" });
            rest = &after[end..];
            continue;
        }
        let place = [
            ("/tmp/", "<tmp>"),
            ("/var/tmp/", "<tmp>"),
            ("/dev/shm/", "<tmp>"),
            ("/root/", "<home>"),
            ("/home/", "<home>"),
            ("~/", "<home>"),
        ]
        .iter()
        .find(|(p, _)| rest.starts_with(p));
        if let Some((prefix, class)) = place {
            out.push_str(class);
            rest = &rest[prefix.len()..];
            continue;
        }
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        if digits > 0 {
            let dotted = rest.bytes().take_while(|b| b.is_ascii_digit() || *b == b'.').count();
            let dots = rest[..dotted].bytes().filter(|b| *b == b'.').count();
            if dots == 3 {
                out.push_str("<ip>");
                rest = &rest[dotted..];
            } else {
                out.push_str(match digits {
                    1 => "1",
                    2..=5 => "<n>",
                    _ => "<num>",
                });
                rest = &rest[digits..];
            }
            continue;
        }
        let mut chars = rest.chars();
        if let Some(c) = chars.next() {
            out.extend(c.to_lowercase());
        }
        rest = chars.as_str();
    }
}
