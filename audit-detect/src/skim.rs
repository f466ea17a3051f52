//! Where in quiet output something may be: a few vectorised searches over many rows at once, so
//! that rows with nothing in them are never looked at.

use std::sync::OnceLock;

use aho_corasick::packed::{Config, Searcher};

use crate::secrets::has_anchor;

/// One of these is in everything that rules for text that was only shown are about.
const TELLING: [&str; 20] = [
    "/dev/tcp/",
    "/dev/udp/",
    "mkfifo",
    "mknod",
    "nc ",
    "ncat ",
    "socat",
    "| sh",
    "|sh",
    "| bash",
    "|bash",
    "base64",
    "stratum",
    "ocket",
    "sockopen",
    "rm -",
    "HIST",
    "curl ",
    "169.254.",
    "() {",
];

/// One of these is in every row that looks like a prompt.
const SIGNS: [&str; 9] = ["$ ", "# ", "% ", "> ", "❯ ", "➜ ", "» ", "λ ", "⟩ "];

/// Finds the next row worth a look.
pub(crate) struct Skim<'a> {
    searches: [Search<'a>; 3],
    end: usize,
}

struct Search<'a> {
    text: &'a [u8],
    next: fn(&[u8], usize) -> Option<usize>,
    /// Where its next hit is: before that there is none.
    hit: usize,
}

impl<'a> Skim<'a> {
    /// Looks for secrets in `text`; where commands are read for what rules are about too; and
    /// where looks count, for prompts.
    pub(crate) fn new(text: &'a [u8], commands: bool, looks: bool) -> Self {
        let search = |wanted, next: fn(&[u8], usize) -> Option<usize>| {
            let hit = if wanted { next(text, 0) } else { None };
            Search { text, next, hit: hit.unwrap_or(text.len()) }
        };
        let searches = [
            search(true, has_anchor),
            search(commands, next_telling),
            search(commands && looks, next_sign),
        ];
        Self { searches, end: text.len() }
    }

    /// The first place from `from` on where something may be; the end of the text when there is
    /// none.
    pub(crate) fn next(&mut self, from: usize) -> usize {
        for Search { text, next, hit } in &mut self.searches {
            if *hit < from {
                *hit = next(text, from).unwrap_or(text.len());
            }
        }
        self.searches.iter().map(|search| search.hit).min().unwrap_or(self.end)
    }
}

/// Where in `text`, from `from` on, the next word is that rules for shown text are about.
pub(crate) fn next_telling(text: &[u8], from: usize) -> Option<usize> {
    static SEARCH: OnceLock<Option<Searcher>> = OnceLock::new();
    next(&SEARCH, &TELLING, text, from)
}

/// Where in `text`, from `from` on, the next sign is that may end a prompt.
fn next_sign(text: &[u8], from: usize) -> Option<usize> {
    static SEARCH: OnceLock<Option<Searcher>> = OnceLock::new();
    next(&SEARCH, &SIGNS, text, from)
}

fn next(
    search: &OnceLock<Option<Searcher>>,
    words: &[&str],
    text: &[u8],
    from: usize,
) -> Option<usize> {
    let search = search.get_or_init(|| Config::new().builder().extend(words).build());
    match search {
        Some(search) => {
            let span = aho_corasick::Span { start: from, end: text.len() };
            search.find_in(text, span).map(|found| found.start())
        }
        // A processor without the instructions for it.
        None => words
            .iter()
            .filter_map(|word| memchr::memmem::find(text.get(from..)?, word.as_bytes()))
            .min()
            .map(|at| from + at),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &str, commands: bool, looks: bool) -> Vec<usize> {
        let mut skim = Skim::new(text.as_bytes(), commands, looks);
        let mut found = Vec::new();
        let mut from = 0;
        loop {
            match skim.next(from) {
                end if end == text.len() => return found,
                at => found.push(at),
            }
            from = found[found.len() - 1] + 1;
        }
    }

    #[test]
    fn each_search_finds_its_own_in_order() {
        let text = "quiet\nuser@host:~$ id\nrm -rf x\nGHP_\nquiet\n";
        let at = |word: &str| text.find(word).unwrap();
        assert_eq!(all(text, true, true), [at("$ "), at("rm -"), at("GHP_")]);
        assert_eq!(all(text, true, false), [at("rm -"), at("GHP_")]);
        assert_eq!(all(text, false, false), [at("GHP_")]);
    }

    #[test]
    fn the_slow_search_finds_the_same() {
        let text = "one # two > three $ four".as_bytes();
        static NONE: OnceLock<Option<Searcher>> = OnceLock::new();
        NONE.set(None).unwrap();
        for from in 0..text.len() {
            assert_eq!(next(&NONE, &SIGNS, text, from), next_sign(text, from), "{from}");
        }
    }
}
