//! Commands and what joins them.

use std::collections::BTreeMap;

/// Variables assigned so far, by name.
pub type Variables = BTreeMap<String, String>;

/// A stretch of a text, in bytes.
pub(super) type Stretch = (usize, usize);

/// A here document's operator: what it reads is text, not the name of a file.
pub(super) const HERE_DOCUMENT: &str = "<<";
/// A here string's operator.
pub(super) const HERE_STRING: &str = "<<<";

/// A simple command: words without quotes, and redirections.
#[derive(Clone, Debug, Default)]
pub(super) struct Simple {
    pub(super) words: Vec<String>,
    /// Operator and target; the target of a here document is its text.
    pub(super) redirects: Vec<(String, String)>,
    /// Where it stands in the text it was read from.
    pub(super) place: Stretch,
    /// Where the texts of its here documents stand.
    pub(super) bodies: Vec<Stretch>,
    /// Whether other commands run to make its words.
    pub(super) substitutes: bool,
    /// Whether the name of a program in it is spelt so that it is not recognised.
    pub(super) disguised: bool,
}

impl Simple {
    pub(super) fn is_empty(&self) -> bool {
        self.words.is_empty() && self.redirects.is_empty()
    }

    /// Text it reads from a here document or here string.
    pub(super) fn here(&self) -> Option<&str> {
        let here = |o: &str| o == HERE_DOCUMENT || o == HERE_STRING;
        self.redirects.iter().find(|(o, _)| here(o)).map(|(_, text)| text.as_str())
    }

    /// The canonical spelling: words and redirections joined by single spaces, white space inside
    /// a word as spaces, long words cut in the middle, here documents left out.
    pub(super) fn text(&self) -> String {
        self.spell(|word, out| out.extend(word.chars().map(|c| if c == '\n' { ' ' } else { c })))
    }

    /// As [`text`](Self::text), with `;`, `|` and `&` inside words as spaces too: in a line made of
    /// several commands these stand between commands and nowhere else.
    pub(super) fn part(&self) -> String {
        let plain = |c| if matches!(c, '\n' | ';' | '|' | '&') { ' ' } else { c };
        self.spell(|word, out| {
            // `&1` and `>&` of an operator are kept by its being no word
            out.extend(word.chars().map(plain));
        })
    }

    fn spell(&self, word: impl Fn(&str, &mut String)) -> String {
        let mut text = String::new();
        let add = |one: &str, text: &mut String| {
            let (head, tail) = shortened(one);
            word(head, text);
            if !tail.is_empty() {
                text.push('…');
                word(tail, text);
            }
        };
        for (index, one) in self.words.iter().enumerate() {
            if index > 0 {
                text.push(' ');
            }
            add(one, &mut text);
        }
        for (operator, target) in &self.redirects {
            if !text.is_empty() {
                text.push(' ');
            }
            text.push_str(operator);
            if !target.is_empty() && operator != HERE_DOCUMENT {
                if !operator.ends_with('&') {
                    text.push(' ');
                }
                add(target, &mut text);
            }
        }
        text
    }
}

/// A word longer than this is cut in the middle where it is spelt out. What it carries (a script,
/// encoded text) is looked at whole.
const WORD_LIMIT: usize = 2 << 10;

fn shortened(word: &str) -> (&str, &str) {
    if word.len() <= WORD_LIMIT {
        return (word, "");
    }
    let (mut head, mut tail) = (WORD_LIMIT / 2, word.len() - WORD_LIMIT / 2);
    while !word.is_char_boundary(head) {
        head -= 1;
    }
    while !word.is_char_boundary(tail) {
        tail += 1;
    }
    (&word[..head], &word[tail..])
}

/// Commands joined by `|`.
#[derive(Clone, Debug, Default)]
pub(super) struct Pipeline {
    pub(super) commands: Vec<Simple>,
    /// What stands behind it: `;`, `&&`, `||`, `&` or nothing.
    pub(super) joint: &'static str,
    /// How many groups in brackets it stands in.
    pub(super) depth: usize,
}

/// What a text holds.
#[derive(Debug, Default)]
pub(super) struct Parsed {
    pub(super) pipelines: Vec<Pipeline>,
    /// Texts of `$(…)`, backquotes and `<(…)`.
    pub(super) substitutions: Vec<String>,
    /// Texts that substitutions decoded.
    pub(super) decoded: Vec<String>,
    /// Where comments stand.
    pub(super) comments: Vec<Stretch>,
    /// Whether commands were left out because there are too many.
    pub(super) cut: bool,
}
