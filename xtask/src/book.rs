//! The book and the other Markdown pages: every page listed, every link leads somewhere, every
//! inclusion finds its text. Quick, and needs no mdBook.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Component, Path, PathBuf};

use anyhow::Context as _;

/// Where the book's pages are.
const PAGES: &str = "docs/src";

/// Everything found, one line each.
///
/// # Errors
/// A page cannot be read.
pub(crate) fn check(top: &Path) -> anyhow::Result<Vec<String>> {
    let mut found = Vec::new();
    let book = pages(&top.join(PAGES))?;
    listed(top, &book, &mut found)?;
    let mut pages = book;
    for entry in fs::read_dir(top)? {
        let path = entry?.path();
        if path.extension().is_some_and(|e| e == "md") {
            pages.insert(path);
        }
    }
    for page in pages {
        let text = read(&page)?;
        let name = page.strip_prefix(top).unwrap_or(&page).display().to_string();
        for (line, target) in links(&text) {
            if let Some(wrong) = follow(&page, &target)? {
                found.push(format!("{name}:{line}: {wrong}"));
            }
        }
        for (line, target) in inclusions(&text) {
            if let Some(wrong) = included(&page, &target)? {
                found.push(format!("{name}:{line}: {wrong}"));
            }
        }
    }
    Ok(found)
}

/// Every page below `dir`.
fn pages(dir: &Path) -> anyhow::Result<BTreeSet<PathBuf>> {
    let mut pages = BTreeSet::new();
    let mut dirs = vec![dir.to_owned()];
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(&dir).with_context(|| format!("list {}", dir.display()))? {
            let path = entry?.path();
            if path.is_dir() {
                dirs.push(path);
            } else if path.extension().is_some_and(|e| e == "md") {
                pages.insert(path);
            }
        }
    }
    Ok(pages)
}

/// Whether the summary lists every page; that it lists no page too many is found as a dead link.
fn listed(top: &Path, book: &BTreeSet<PathBuf>, found: &mut Vec<String>) -> anyhow::Result<()> {
    let summary = top.join(PAGES).join("SUMMARY.md");
    let text = read(&summary)?;
    let listed: BTreeSet<PathBuf> =
        links(&text).into_iter().map(|(_, target)| top.join(PAGES).join(target)).collect();
    for page in book.iter().filter(|page| **page != summary && !listed.contains(*page)) {
        let name = page.strip_prefix(top).unwrap_or(page).display();
        found.push(format!("{name}: not in SUMMARY.md"));
    }
    Ok(())
}

/// The targets of all links outside of code, each with its line.
fn links(text: &str) -> Vec<(usize, String)> {
    let mut links = Vec::new();
    for (number, line) in prose(text) {
        for (at, _) in line.match_indices("](") {
            let rest = &line[at + 2..];
            if let Some(end) = rest.find(')') {
                links.push((number, rest[..end].to_owned()));
            }
        }
    }
    links
}

/// The arguments of all `{{#include …}}`, each with its line; in code too, where most stand.
fn inclusions(text: &str) -> Vec<(usize, String)> {
    let arguments = |(number, line): (usize, &str)| {
        let rest = line.trim().strip_prefix("{{#include ")?;
        Some((number, rest.strip_suffix("}}")?.trim().to_owned()))
    };
    (1..).zip(text.lines()).filter_map(arguments).collect()
}

/// Lines outside of fenced code, with inline code blanked out.
fn prose(text: &str) -> impl Iterator<Item = (usize, String)> {
    let mut fenced = false;
    (1..).zip(text.lines()).filter_map(move |(number, line)| {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
            return None;
        }
        let outside = line.split('`').step_by(2).collect::<Vec<_>>().join(" ");
        (!fenced).then_some((number, outside))
    })
}

/// What is wrong with a link of `page`, if anything. Addresses outside are not looked at.
fn follow(page: &Path, target: &str) -> anyhow::Result<Option<String>> {
    if target.contains("://") || target.starts_with("mailto:") {
        return Ok(None);
    }
    let (file, heading) = target.split_once('#').unwrap_or((target, ""));
    let path = if file.is_empty() { page.to_owned() } else { beside(page, file) };
    if !path.exists() {
        return Ok(Some(format!("`{target}` leads nowhere")));
    }
    if heading.is_empty() || path.extension().is_none_or(|e| e != "md") {
        return Ok(None);
    }
    let text = read(&path)?;
    let known = prose_headings(&text).any(|h| h == heading);
    Ok((!known).then(|| format!("`{target}`: no such heading")))
}

/// What is wrong with an inclusion of `page`, if anything.
fn included(page: &Path, target: &str) -> anyhow::Result<Option<String>> {
    let (file, anchor) = target.split_once(':').unwrap_or((target, ""));
    let path = beside(page, file);
    if !path.is_file() {
        return Ok(Some(format!("`{target}` includes nothing")));
    }
    let known = anchor.is_empty() || read(&path)?.contains(&format!("ANCHOR: {anchor}\n"));
    Ok((!known).then(|| format!("`{target}`: no such anchor")))
}

/// The names links use for the headings of a page.
fn prose_headings(text: &str) -> impl Iterator<Item = String> {
    let mut fenced = false;
    text.lines().filter_map(move |line| {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        }
        let title = line.trim_start_matches('#');
        (!fenced && title.len() < line.len() && title.starts_with(' ')).then(|| slug(title.trim()))
    })
}

/// A heading as links name it: lower case, spaces as hyphens, punctuation left out.
fn slug(title: &str) -> String {
    let kept = title.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.collect::<String>().to_lowercase().replace(' ', "-")
}

/// `file` as seen from `page`, with `..` resolved.
fn beside(page: &Path, file: &str) -> PathBuf {
    let mut path = page.parent().unwrap_or(page).to_owned();
    for part in Path::new(file).components() {
        match part {
            Component::ParentDir => drop(path.pop()),
            Component::CurDir => {}
            part => path.push(part),
        }
    }
    path
}

fn read(path: &Path) -> anyhow::Result<String> {
    fs::read_to_string(path).with_context(|| format!("read {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A top with a book of one page, this text.
    fn book(text: &str) -> PathBuf {
        static COUNT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
        let count = COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let top = std::env::temp_dir().join(format!("xtask-book-{}-{count}", std::process::id()));
        let pages = top.join(PAGES);
        fs::create_dir_all(&pages).expect("a directory");
        fs::write(pages.join("SUMMARY.md"), "- [Page](page.md)\n").expect("a summary");
        fs::write(pages.join("page.md"), text).expect("a page");
        top
    }

    fn found_in(text: &str) -> Vec<String> {
        let top = book(text);
        let found = check(&top).expect("a book");
        fs::remove_dir_all(top).expect("it can be removed");
        found
    }

    #[test]
    fn links_to_pages_and_headings_are_followed() {
        assert!(
            found_in("# A title, here\n[x](#a-title-here) [y](page.md#a-title-here)\n").is_empty()
        );
        assert_eq!(found_in("\n[x](gone.md)\n"), ["docs/src/page.md:2: `gone.md` leads nowhere"]);
        assert_eq!(found_in("[x](page.md#gone)\n").len(), 1);
    }

    #[test]
    fn links_in_code_are_not_links() {
        assert!(found_in("`[x](gone.md)`\n```\n[y](gone.md)\n```\n").is_empty());
    }

    #[test]
    fn an_inclusion_must_find_its_anchor() {
        let anchored = "```\n{{#include page.md:part}}\n```\n// ANCHOR: part\n";
        assert!(found_in(anchored).is_empty());
        assert_eq!(found_in("{{#include page.md:part}}\n").len(), 1);
        assert_eq!(found_in("{{#include gone.rs}}\n").len(), 1);
    }

    #[test]
    fn a_page_that_the_summary_forgot_is_found() {
        let top = book("");
        fs::write(top.join(PAGES).join("lost.md"), "").expect("a page");
        let found = check(&top).expect("a book");
        fs::remove_dir_all(top).expect("it can be removed");
        assert_eq!(found, ["docs/src/lost.md: not in SUMMARY.md"]);
    }
}
