//! What must not stand in a file.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::Context as _;

use crate::output;

/// No source file is longer than this, in lines.
const LONGEST_FILE: usize = 600;

/// What is not finished. Written in two parts, so that this file passes its own check.
const UNFINISHED: [&str; 2] = [concat!("todo", "!("), concat!("unimplemented", "!(")];

/// Marks of something unfinished in a comment; elsewhere they may be data.
const MARKS: [&str; 2] = [concat!("FIX", "ME"), concat!("XX", "X")];

/// What is about the place the project is worked on, and not about the project.
const OUTSIDE: [&str; 4] = [
    concat!("../", "shared"),
    concat!("/", "work/"),
    concat!("index", ".crates.io"),
    concat!("issue", " #"),
];

/// Everything found in every text file, whatever its name, one line each: `file:line: what`.
///
/// # Errors
/// git fails, or a file cannot be read.
pub(crate) fn check(top: &Path) -> anyhow::Result<Vec<String>> {
    let files = output(Command::new("git").current_dir(top).args(["ls-files", "-z"]))?;
    let mut found = Vec::new();
    for name in files.split_terminator('\0') {
        let path = top.join(name);
        if !path.exists() {
            // Removed and not committed yet.
            continue;
        }
        let bytes = fs::read(&path).with_context(|| format!("read {name}"))?;
        if let Some(text) = as_text(&bytes) {
            check_text(name, text, &mut found);
        }
    }
    Ok(found)
}

/// The text in a file; `None` of one that holds data, as `git diff` tells it: by a zero byte.
fn as_text(bytes: &[u8]) -> Option<&str> {
    if bytes.contains(&0) { None } else { std::str::from_utf8(bytes).ok() }
}

fn check_text(name: &str, text: &str, found: &mut Vec<String>) {
    let is_source = name.ends_with(".rs");
    let length = text.lines().count();
    if is_source && length > LONGEST_FILE {
        found.push(format!("{name}: {length} lines, more than {LONGEST_FILE}"));
    }
    for (number, line) in (1..).zip(text.lines()) {
        let unfinished = UNFINISHED.iter().filter(|w| is_source && line.contains(**w));
        let comment = line.split_once("//").map_or("", |(_, comment)| comment);
        let marks = MARKS.iter().filter(|w| is_source && comment.contains(**w));
        let outside = OUTSIDE.iter().filter(|w| stands_alone(line, w));
        for word in unfinished.chain(marks).chain(outside) {
            found.push(format!("{name}:{number}: `{word}`"));
        }
    }
}

/// Whether `word` stands in `line` as the beginning of something, and not inside a longer path.
fn stands_alone(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| {
        let before = line.get(..at).and_then(|b| b.chars().next_back());
        !before.is_some_and(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '}' | '~'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found_in(name: &str, text: &str) -> Vec<String> {
        let mut found = Vec::new();
        check_text(name, text, &mut found);
        found
    }

    #[test]
    fn unfinished_code_is_found_with_its_line() {
        let text = format!("fn a() {{\n    {}\n}}\n", concat!("todo", "!()"));
        assert_eq!(found_in("a.rs", &text), [concat!("a.rs:2: `todo", "!(`")]);
        assert!(found_in("a.md", &text).is_empty());
    }

    #[test]
    fn a_mark_counts_in_comments_only() {
        assert_eq!(found_in("a.rs", concat!("let x = 1; // FIX", "ME later")).len(), 1);
        assert!(found_in("a.rs", concat!("let x = \"XX", "XX\";")).is_empty());
    }

    #[test]
    fn a_path_of_the_machine_is_found_and_a_longer_path_is_not() {
        assert_eq!(found_in("a.md", concat!("see /", "work/x")).len(), 1);
        assert!(found_in("a.md", concat!("see /home/", "work/x")).is_empty());
    }

    #[test]
    fn a_name_without_an_ending_hides_nothing_and_data_is_no_text() {
        assert_eq!(found_in(".ci/run", concat!("cd /", "work/x")).len(), 1);
        assert_eq!(as_text(b"words"), Some("words"));
        assert_eq!(as_text(b"data\0"), None);
        assert_eq!(as_text(b"\xff\xfe"), None);
    }

    #[test]
    fn a_file_that_is_too_long_is_found() {
        assert!(found_in("a.rs", &"\n".repeat(600)).is_empty());
        assert_eq!(found_in("a.rs", &"\n".repeat(601)).len(), 1);
    }
}
