//! From text to pipelines of simple commands.

mod find;
mod heredoc;

use super::command::{HERE_DOCUMENT, Parsed, Pipeline, Simple, Variables};
use super::expand;
pub(super) use find::find;
use find::matching;

/// Behind more words than this no program is expected any more.
const HEADS: usize = 8;
/// Of a value in a text that swells too much this many bytes are left.
const CUT: usize = 32;

/// Reads `text`; assignments on the way go to `variables`.
pub(super) fn parse(text: &str, variables: &mut Variables, nest: usize) -> Parsed {
    read(text, variables, nest, true)
}

/// Reads `text`; assignments on the way are forgotten.
pub(super) fn peek(text: &str, variables: &mut Variables, nest: usize) -> Parsed {
    read(text, variables, nest, false)
}

fn read(text: &str, variables: &mut Variables, nest: usize, assigns: bool) -> Parsed {
    let mut lexer = Lexer {
        text: text.as_bytes(),
        at: 0,
        nest,
        variables,
        assigns,
        parsed: Parsed::default(),
        pipeline: Pipeline::default(),
        simple: Simple::default(),
        word: None,
        redirect: None,
        begun: None,
        ended: 0,
        depth: 0,
        expanded: 0,
        heredocs: Vec::new(),
    };
    lexer.run();
    lexer.parsed
}

/// Words under construction.
#[derive(Debug, Default)]
struct Word {
    text: Vec<u8>,
    /// Whether any of it was quoted.
    quoted: bool,
    /// How often quotes or empty expansions interrupt letters.
    turns: usize,
    /// How often a backslash does.
    escapes: usize,
    /// Expansions whose values are known.
    expansions: usize,
}

struct Lexer<'a> {
    text: &'a [u8],
    at: usize,
    nest: usize,
    variables: &'a mut Variables,
    /// Whether assignments are remembered.
    assigns: bool,
    parsed: Parsed,
    pipeline: Pipeline,
    simple: Simple,
    word: Option<Word>,
    redirect: Option<String>,
    /// Where the present command begins.
    begun: Option<usize>,
    /// Where its last word ended.
    ended: usize,
    /// Brackets open.
    depth: usize,
    /// Bytes that values of variables have made.
    expanded: usize,
    /// Words that end here documents, and whether they were quoted.
    heredocs: Vec<(String, bool)>,
}

impl Lexer<'_> {
    fn peek(&self, ahead: usize) -> u8 {
        self.text.get(self.at + ahead).copied().unwrap_or(0)
    }

    fn run(&mut self) {
        while self.at < self.text.len() {
            self.step();
        }
        self.end_pipeline("");
    }

    fn step(&mut self) {
        let byte = self.peek(0);
        if !matches!(byte, b' ' | b'\t' | b'\r' | b'\n' | b';' | b'|' | b'&' | b'(' | b')' | b'#') {
            self.begun.get_or_insert(self.at);
        }
        match byte {
            b' ' | b'\t' | b'\r' => {
                self.end_word();
                self.at += 1;
            }
            b'\n' => {
                self.end_pipeline(";");
                self.at += 1;
                self.take_heredocs();
            }
            b'\\' => {
                match self.peek(1) {
                    b'\n' => {}
                    b'\r' if self.peek(2) == b'\n' => self.at += 1,
                    0 => self.push(b"\\"),
                    other => {
                        let escapes = other.is_ascii_alphanumeric() && self.in_letters();
                        self.push(&[other]);
                        self.word.get_or_insert_default().escapes += usize::from(escapes);
                    }
                }
                self.at += 2;
            }
            b'\'' => {
                let end = find(self.text, self.at + 1, b"'");
                let part = &self.text[self.at + 1..end];
                let turns = self.turns_around(part, end + 1);
                self.push_quoted(part);
                self.turn(turns);
                self.at = end + 1;
            }
            b'"' => self.double_quoted(),
            b'#' if self.word.is_none() => {
                let end = find(self.text, self.at, b"\n");
                self.parsed.comments.push((self.at, end));
                self.at = end;
            }
            b'$' => self.dollar(false),
            b'`' => {
                let end = find(self.text, self.at + 1, b"`");
                let inner = String::from_utf8_lossy(&self.text[self.at + 1..end]).into_owned();
                self.at = end + 1;
                self.substitute(inner, "$(");
            }
            b';' => {
                self.at += if self.peek(1) == b';' { 2 } else { 1 };
                self.end_pipeline(";");
            }
            b'|' => {
                if self.peek(1) == b'|' {
                    self.at += 2;
                    self.end_pipeline("||");
                } else {
                    self.at += if self.peek(1) == b'&' { 2 } else { 1 };
                    self.end_command();
                }
            }
            b'&' => match self.peek(1) {
                b'&' => {
                    self.at += 2;
                    self.end_pipeline("&&");
                }
                b'>' => self.redirection(),
                _ => {
                    self.at += 1;
                    self.end_pipeline("&");
                }
            },
            b'<' | b'>' => self.redirection(),
            b'(' if self.word.as_ref().is_none_or(|w| w.text.is_empty()) => {
                self.at += 1;
                if !self.simple.is_empty() {
                    self.end_pipeline(";");
                }
                self.depth += 1;
            }
            b'(' => {
                // a function's head, or an array: the brackets belong to the word
                self.push(b"(");
                self.at += 1;
            }
            b')' => self.close(),
            _ => {
                self.push(&[byte]);
                self.at += 1;
            }
        }
    }

    /// A group ends. What is piped out of it is taken to come from its last command.
    fn close(&mut self) {
        self.at += 1;
        self.end_pipeline(";");
        self.depth = self.depth.saturating_sub(1);
        let rest = &self.text[self.at..];
        let piped = rest.iter().find(|b| !matches!(b, b' ' | b'\t')) == Some(&b'|');
        if piped && !rest.trim_ascii_start().starts_with(b"||") {
            self.pipeline = self.parsed.pipelines.pop().unwrap_or_default();
        }
    }

    fn push(&mut self, bytes: &[u8]) {
        self.word.get_or_insert_default().text.extend_from_slice(bytes);
    }

    fn push_quoted(&mut self, bytes: &[u8]) {
        let word = self.word.get_or_insert_default();
        word.quoted = true;
        word.text.extend_from_slice(bytes);
    }

    /// Whether a letter or digit of the present word was read last.
    fn in_letters(&self) -> bool {
        self.word.as_ref().and_then(|w| w.text.last()).is_some_and(u8::is_ascii_alphanumeric)
    }

    fn turn(&mut self, count: usize) {
        self.word.get_or_insert_default().turns += count;
    }

    /// How often a quoted part that ends before `after` interrupts letters.
    fn turns_around(&self, part: &[u8], after: usize) -> usize {
        let letter = |b: Option<&u8>| b.is_some_and(u8::is_ascii_alphanumeric);
        let (before, behind) = (self.in_letters(), letter(self.text.get(after)));
        if part.is_empty() {
            return usize::from(before || behind);
        }
        usize::from(before && letter(part.first())) + usize::from(behind && letter(part.last()))
    }

    fn double_quoted(&mut self) {
        let end = find(self.text, self.at + 1, b"\"");
        let turns = self.turns_around(&self.text[(self.at + 1).min(end)..end], end + 1);
        self.at += 1;
        self.push_quoted(b"");
        self.turn(turns);
        while self.at < self.text.len() {
            match self.peek(0) {
                b'"' => {
                    self.at += 1;
                    return;
                }
                b'\\' => {
                    let next = self.peek(1);
                    match next {
                        b'\n' => {}
                        b'"' | b'\\' | b'$' | b'`' => self.push_quoted(&[next]),
                        _ => self
                            .push_quoted(&self.text[self.at..(self.at + 2).min(self.text.len())]),
                    }
                    self.at += 2;
                }
                b'$' => self.dollar(true),
                b'`' => {
                    let end = find(self.text, self.at + 1, b"`");
                    let inner = String::from_utf8_lossy(&self.text[self.at + 1..end]).into_owned();
                    self.at = end + 1;
                    self.substitute(inner, "$(");
                }
                byte => {
                    self.push_quoted(&[byte]);
                    self.at += 1;
                }
            }
        }
    }

    /// A parameter, a command substitution, or a plain dollar sign.
    fn dollar(&mut self, quoted: bool) {
        match self.peek(1) {
            b'(' if self.peek(2) == b'(' => {
                let end = find(self.text, self.at, b"))");
                let part = &self.text[self.at..(end + 2).min(self.text.len())];
                self.push(part);
                self.at = end + 2;
            }
            b'(' => {
                let end = matching(self.text, self.at + 1);
                let inner = String::from_utf8_lossy(&self.text[self.at + 2..end]).into_owned();
                self.at = end + 1;
                self.substitute(inner, "$(");
            }
            b'\'' if !quoted => {
                let start = self.at + 2;
                let mut end = start;
                while end < self.text.len() && self.text[end] != b'\'' {
                    end += if self.text[end] == b'\\' { 2 } else { 1 };
                }
                let end = end.min(self.text.len());
                let part = super::decode::escapes(&self.text[start..end]);
                let letters = part.iter().filter(|b| b.is_ascii_alphanumeric()).count();
                self.push_quoted(&part);
                // letters that are spelt as numbers
                if letters >= 2 && (end - start) >= part.len() * 3 {
                    self.turn(2);
                }
                self.at = end + 1;
            }
            b'"' if !quoted => self.at += 1,
            _ => {
                let rest = &self.text[self.at..];
                let (mut value, length, splits) = expand::parameter(rest, self.variables);
                let spelling = &rest[..length.min(rest.len())];
                self.expanded += value.len();
                if self.expanded > super::AMPLE + super::SWELL * self.text.len() {
                    self.parsed.cut = true;
                    value.truncate(value.floor_char_boundary(CUT));
                }
                if !quoted {
                    let separates = spelling.starts_with(b"$IFS") || spelling.starts_with(b"${IFS");
                    self.simple.disguised |=
                        (separates && self.in_letters()) || expand::slices(spelling);
                    let interrupts = value.is_empty() && length <= 4 && self.in_letters();
                    self.turn(usize::from(interrupts));
                    let known = splits && !separates;
                    self.word.get_or_insert_default().expansions += usize::from(known);
                }
                self.at += length;
                // at the head of a word an unknown parameter stays; inside one it hides nothing
                if splits && !quoted {
                    let field =
                        self.variables.get("IFS").cloned().unwrap_or_else(|| " \t\n".into());
                    let cuts = |c: char| field.contains(c) || c == ' ';
                    for (index, part) in value.split(cuts).enumerate() {
                        if index > 0 {
                            self.end_word();
                        }
                        self.push(part.as_bytes());
                    }
                } else {
                    self.push(value.as_bytes());
                }
            }
        }
    }

    fn substitute(&mut self, inner: String, opening: &str) {
        match super::resolve::evaluate(&inner, self.variables, self.nest) {
            Some((value, decoded)) => {
                let named = value.len() >= 2
                    && value.bytes().all(|b| b.is_ascii_alphanumeric() || b"/._-".contains(&b));
                self.turn(if named { 2 } else { 0 });
                if decoded && self.parsed.decoded.len() < super::COMMAND_LIMIT {
                    self.parsed.decoded.push(value.clone());
                }
                self.push(value.as_bytes());
            }
            None => {
                self.push(opening.as_bytes());
                self.push(inner.as_bytes());
                self.push(b")");
            }
        }
        self.simple.substitutes = true;
        self.remember_substitution(inner);
    }

    fn redirection(&mut self) {
        // a number before the operator names the descriptor
        let mut operator = match &self.word {
            Some(word)
                if !word.quoted
                    && !word.text.is_empty()
                    && word.text.iter().all(u8::is_ascii_digit) =>
            {
                let number = String::from_utf8_lossy(&word.text).into_owned();
                self.word = None;
                number
            }
            _ => String::new(),
        };
        self.end_word();
        if self.peek(0) == b'&' {
            operator.push('&');
            self.at += 1;
        }
        let first = self.peek(0);
        self.at += 1;
        if self.peek(0) == b'(' {
            // process substitution
            let end = matching(self.text, self.at);
            let inner = String::from_utf8_lossy(&self.text[self.at + 1..end]).into_owned();
            self.at = end + 1;
            self.push(&[first, b'(']);
            self.push(inner.as_bytes());
            self.push(b")");
            self.simple.substitutes = true;
            self.remember_substitution(inner);
            return;
        }
        operator.push(char::from(first));
        while matches!(self.peek(0), b'>' | b'<' | b'&' | b'|') && operator.len() < 6 {
            let next = self.peek(0);
            self.at += 1;
            if next == b'|' {
                continue;
            }
            operator.push(char::from(next));
            if next == b'&' {
                break;
            }
        }
        if operator.ends_with("<<") && !operator.ends_with("<<<") {
            if self.peek(0) == b'-' {
                self.at += 1;
            }
            self.redirect = Some(HERE_DOCUMENT.into());
        } else {
            self.redirect = Some(operator);
        }
    }

    fn end_word(&mut self) {
        let Some(word) = self.word.take() else { return };
        self.ended = self.at.min(self.text.len());
        if word.text.is_empty() && !word.quoted {
            // an expansion of which nothing is left
            if let Some(operator) = self.redirect.take().filter(|o| o != HERE_DOCUMENT) {
                self.simple.redirects.push((operator, String::new()));
            }
            return;
        }
        let text = String::from_utf8_lossy(&word.text).into_owned();
        self.simple.disguised |= self.disguises(&word, &text);
        if let Some(operator) = self.redirect.take() {
            if operator == HERE_DOCUMENT {
                self.heredocs.push((text, word.quoted));
                self.simple.redirects.push((HERE_DOCUMENT.into(), String::new()));
            } else {
                let text = if word.quoted { text } else { expand::wildcard(text) };
                self.simple.redirects.push((operator, expand::path(text)));
            }
            return;
        }
        if word.quoted {
            self.simple.words.push(expand::path(text));
            return;
        }
        match expand::braces(&text) {
            Some(words) => {
                self.simple.disguised |= self.simple.words.is_empty();
                self.simple.words.extend(words);
            }
            None => self.simple.words.push(expand::path(expand::wildcard(text))),
        }
    }

    /// Whether a word names a program or a file so that it is not recognised.
    fn disguises(&self, word: &Word, text: &str) -> bool {
        let wrapped = |w: &String| {
            matches!(
                w.as_str(),
                "sudo"
                    | "env"
                    | "nohup"
                    | "exec"
                    | "eval"
                    | "command"
                    | "then"
                    | "do"
                    | "if"
                    | "while"
            )
        };
        let before = &self.simple.words;
        let program =
            self.redirect.is_none() && before.len() <= HEADS && before.iter().all(wrapped);
        if text.len() > 64 || text.contains(['=', ' ', '\n']) {
            return false;
        }
        let spelt = word.turns + word.escapes + word.expansions >= 1 && expand::known_tool(text);
        let hides = word.turns >= 2 || spelt;
        let masked = !word.quoted && text.contains(['?', '[']);
        match program {
            true => {
                hides && (word.turns + word.escapes > 0 || word.expansions >= 2) && text.len() >= 2
                    || masked && expand::wildcard(text.to_owned()) != text
            }
            false => {
                text.starts_with('/')
                    && (word.turns >= 2 || masked && expand::wildcard(text.to_owned()) != text)
            }
        }
    }

    fn end_command(&mut self) {
        self.end_word();
        if let Some(operator) = self.redirect.take() {
            self.simple.redirects.push((operator, String::new()));
        }
        let mut simple = std::mem::take(&mut self.simple);
        let begun = self.begun.take().unwrap_or(self.ended);
        simple.place = (begun, self.ended.max(begun));
        if simple.is_empty() {
            return;
        }
        if self.pipeline.commands.len() >= super::COMMAND_LIMIT {
            self.parsed.cut = true;
            return;
        }
        if self.assigns {
            expand::assign(&simple.words, self.variables);
        }
        self.pipeline.commands.push(simple);
    }

    fn end_pipeline(&mut self, joint: &'static str) {
        self.end_command();
        let mut pipeline = std::mem::take(&mut self.pipeline);
        if pipeline.commands.is_empty() || nothing(&pipeline) {
            return;
        }
        if self.parsed.pipelines.len() >= super::COMMAND_LIMIT {
            self.parsed.cut = true;
            return;
        }
        (pipeline.joint, pipeline.depth) = (joint, self.depth);
        self.parsed.pipelines.push(pipeline);
    }

    fn remember_substitution(&mut self, inner: String) {
        if self.parsed.substitutions.len() < super::COMMAND_LIMIT {
            self.parsed.substitutions.push(inner);
        } else {
            self.parsed.cut = true;
        }
    }
}

/// Whether a pipeline does nothing: such as are no reason to leave others out.
fn nothing(pipeline: &Pipeline) -> bool {
    let [command] = pipeline.commands.as_slice() else { return false };
    command.redirects.is_empty()
        && matches!(command.words.as_slice(), [word] if matches!(word.as_str(), ":" | "true"))
}
