//! Literals a regular expression cannot match without.

use regex_syntax::hir::{Class, Hir, HirKind};

/// Reads an expression the way the engine will: bytes, no Unicode classes, `^` and `$` at lines.
pub(super) fn parse(pattern: &str) -> Result<Hir, String> {
    regex_syntax::ParserBuilder::new()
        .unicode(false)
        .utf8(false)
        .multi_line(true)
        .nest_limit(64)
        .build()
        .parse(pattern)
        .map_err(|e| e.to_string().lines().last().unwrap_or("not a regular expression").to_owned())
}

/// A set of folded literals one of which is in every text that matches; `None` when there is no
/// such set of literals of two bytes or more, or of one rare byte.
pub(super) fn required(pattern: &str) -> Option<Vec<Vec<u8>>> {
    best(&parse(pattern).ok()?).filter(|set| telling(set))
}

/// Whether each literal of a set is long or rare enough to be worth looking for.
fn telling(set: &[Vec<u8>]) -> bool {
    let rare =
        |l: &Vec<u8>| l.len() >= 2 || matches!(l[..], [b] if b"\\$`'\"(){}[]?*!^%~".contains(&b));
    !set.is_empty() && set.iter().all(rare)
}

/// More literals than this are no prefilter.
const SET_LIMIT: usize = 96;

fn quality(set: &[Vec<u8>]) -> (usize, isize) {
    let shortest = set.iter().map(Vec::len).min().unwrap_or(0);
    (shortest.min(4), -(set.len() as isize))
}

fn best(hir: &Hir) -> Option<Vec<Vec<u8>>> {
    match hir.kind() {
        HirKind::Literal(literal) => Some(vec![literal.0.to_ascii_lowercase()]),
        HirKind::Capture(capture) => best(&capture.sub),
        HirKind::Repetition(repeat) => (repeat.min > 0).then(|| best(&repeat.sub)).flatten(),
        HirKind::Alternation(parts) => {
            let mut set = Vec::new();
            for part in parts {
                set.extend(best(part)?);
            }
            set.sort();
            set.dedup();
            (set.len() <= SET_LIMIT).then_some(set)
        }
        HirKind::Concat(parts) => concat(parts),
        HirKind::Class(_) => single(hir).map(|b| vec![vec![b]]),
        HirKind::Empty | HirKind::Look(_) => None,
    }
}

/// Neighbouring literals grow together; the best set of all parts wins.
fn concat(parts: &[Hir]) -> Option<Vec<Vec<u8>>> {
    let mut candidates: Vec<Vec<Vec<u8>>> = Vec::new();
    let mut run: Vec<u8> = Vec::new();
    for part in parts {
        match (single(part), part.kind()) {
            (Some(byte), _) => run.push(byte),
            (None, HirKind::Literal(literal)) => run.extend(literal.0.to_ascii_lowercase()),
            (None, HirKind::Look(_)) => {}
            (None, _) => {
                if !run.is_empty() {
                    candidates.push(vec![std::mem::take(&mut run)]);
                }
                candidates.extend(best(part));
            }
        }
    }
    if !run.is_empty() {
        candidates.push(vec![run]);
    }
    candidates.into_iter().filter(|c| telling(c)).max_by_key(|c| quality(c))
}

/// The byte a class means, if it is one letter in either case.
fn single(hir: &Hir) -> Option<u8> {
    let HirKind::Class(Class::Bytes(class)) = hir.kind() else { return None };
    let mut bytes = class.iter().flat_map(|r| r.start()..=r.end()).map(|b| b.to_ascii_lowercase());
    let first = bytes.next()?;
    bytes.all(|b| b == first).then_some(first)
}
