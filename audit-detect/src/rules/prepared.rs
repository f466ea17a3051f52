//! The literals of the program's own expressions, found before it was built: finding them takes
//! longer than everything else a session needs to start.
//!
//! The file has a table of literals, one a line in hexadecimal digits, an empty line, and a line for
//! each expression: a number that stands for its text, and the numbers of its literals.

use std::collections::{BTreeMap, HashMap};
use std::sync::OnceLock;

use super::{Rule, literals};

const FILE: &str = include_str!("../../rules/literals.txt");

/// Literals one of which is in every match of an expression; an empty set where there are none.
pub(super) fn literals_of(pattern: &str) -> Vec<Vec<u8>> {
    static PREPARED: OnceLock<HashMap<u64, Vec<Vec<u8>>>> = OnceLock::new();
    let known = PREPARED.get_or_init(|| read(FILE).unwrap_or_default());
    match known.get(&number(pattern)) {
        Some(set) => set.clone(),
        None => found(pattern),
    }
}

fn found(pattern: &str) -> Vec<Vec<u8>> {
    literals::required(pattern).unwrap_or_default()
}

/// FNV-1a of the text.
fn number(pattern: &str) -> u64 {
    let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    pattern.bytes().fold(0xcbf2_9ce4_8422_2325, step)
}

fn read(text: &str) -> Option<HashMap<u64, Vec<Vec<u8>>>> {
    let (words, patterns) = text.split_once("\n\n")?;
    let words: Vec<Vec<u8>> = words.lines().map(bytes).collect::<Option<_>>()?;
    let line = |line: &str| {
        let (number, set) = line.split_at_checked(16)?;
        let set = set.split_ascii_whitespace().map(|at| words.get(at.parse::<usize>().ok()?));
        Some((
            u64::from_str_radix(number, 16).ok()?,
            set.map(|w| w.cloned()).collect::<Option<_>>()?,
        ))
    };
    patterns.lines().map(line).collect()
}

fn bytes(digits: &str) -> Option<Vec<u8>> {
    let pairs = (0..digits.len()).step_by(2).map(|at| digits.get(at..at + 2));
    pairs.map(|pair| u8::from_str_radix(pair?, 16).ok()).collect()
}

/// The file as it should be for `rules`.
pub(super) fn written(rules: &[Rule]) -> String {
    let patterns = rules.iter().flat_map(|rule| rule.any.iter().chain(&rule.all).chain(&rule.none));
    let sets: BTreeMap<u64, Vec<Vec<u8>>> = patterns.map(|p| (number(p), found(p))).collect();
    let mut words: Vec<&Vec<u8>> = sets.values().flatten().collect();
    words.sort();
    words.dedup();
    let digits = |word: &Vec<u8>| word.iter().map(|b| format!("{b:02x}")).collect::<String>();
    let mut text: String = words.iter().map(|word| digits(word) + "\n").collect();
    for (number, set) in &sets {
        text.push_str(&format!("\n{number:016x}"));
        for word in set {
            let at = words.partition_point(|w| *w < word);
            text.push_str(&format!(" {at}"));
        }
    }
    text + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::embedded_rules;

    #[test]
    fn the_file_is_that_of_the_rules() {
        let rules = embedded_rules().expect("the embedded rules");
        assert!(
            written(&rules) == FILE,
            "rules were changed: run `cargo run -p audit-detect --example prepare`"
        );
    }

    #[test]
    fn what_is_read_is_what_was_written() {
        let rules = embedded_rules().expect("the embedded rules");
        let known = read(&written(&rules)).expect("it can be read");
        for pattern in rules.iter().flat_map(|rule| rule.any.iter().chain(&rule.all)) {
            assert_eq!(known[&number(pattern)], found(pattern), "{pattern}");
        }
        assert_eq!(literals_of(r"xyzzy\d+"), [b"xyzzy"], "one that nobody prepared");
    }
}
