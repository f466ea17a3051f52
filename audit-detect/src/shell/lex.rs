//! From text to pipelines of simple commands.

use std::collections::BTreeMap;

use super::expand;

/// Variables assigned so far, by name.
pub type Variables = BTreeMap<String, String>;

/// A simple command: words without quotes, and redirections.
#[derive(Clone, Debug, Default)]
pub(super) struct Simple {
    pub(super) words: Vec<String>,
    /// Operator and target; a here document has the operator `<<<` and its text as target.
    pub(super) redirects: Vec<(String, String)>,
}

impl Simple {
    pub(super) fn is_empty(&self) -> bool {
        self.words.is_empty() && self.redirects.is_empty()
    }

    /// The canonical spelling: words and redirections joined by single spaces.
    pub(super) fn text(&self) -> String {
        let mut text = self.words.join(" ");
        for (operator, target) in &self.redirects {
            if !text.is_empty() {
                text.push(' ');
            }
            text.push_str(operator);
            if !target.is_empty() {
                if !operator.ends_with('&') {
                    text.push(' ');
                }
                text.push_str(target);
            }
        }
        text
    }
}

/// Commands joined by `|`.
#[derive(Clone, Debug, Default)]
pub(super) struct Pipeline {
    pub(super) commands: Vec<Simple>,
    /// What stands behind it: `;`, `&&`, `||`, `&` or nothing.
    pub(super) joint: &'static str,
}

/// What a text holds.
#[derive(Debug, Default)]
pub(super) struct Parsed {
    pub(super) pipelines: Vec<Pipeline>,
    /// Texts of `$(…)`, backquotes and `<(…)`.
    pub(super) substitutions: Vec<String>,
    /// Texts that substitutions decoded.
    pub(super) decoded: Vec<String>,
}

/// Reads `text`; assignments on the way go to `variables`.
pub(super) fn parse(text: &str, variables: &mut Variables, nest: usize) -> Parsed {
    let mut lexer = Lexer {
        text: text.as_bytes(),
        at: 0,
        nest,
        variables,
        parsed: Parsed::default(),
        pipeline: Pipeline::default(),
        simple: Simple::default(),
        word: None,
        redirect: None,
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
}

struct Lexer<'a> {
    text: &'a [u8],
    at: usize,
    nest: usize,
    variables: &'a mut Variables,
    parsed: Parsed,
    pipeline: Pipeline,
    simple: Simple,
    word: Option<Word>,
    redirect: Option<String>,
    heredocs: Vec<String>,
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
                    other => self.push(&[other]),
                }
                self.at += 2;
            }
            b'\'' => {
                let end = find(self.text, self.at + 1, b"'");
                let part = &self.text[self.at + 1..end];
                self.push_quoted(part);
                self.at = end + 1;
            }
            b'"' => self.double_quoted(),
            b'#' if self.word.is_none() => self.at = find(self.text, self.at, b"\n"),
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

    fn double_quoted(&mut self) {
        self.at += 1;
        self.push_quoted(b"");
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
                self.push_quoted(&part);
                self.at = end + 1;
            }
            b'"' if !quoted => self.at += 1,
            _ => {
                let (value, length, splits) =
                    expand::parameter(&self.text[self.at..], self.variables);
                self.at += length;
                // at the head of a word an unknown parameter stays; inside one it hides nothing
                if splits && !quoted {
                    for (index, part) in value.split([' ', '\t', '\n']).enumerate() {
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
                if decoded {
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
        if self.parsed.substitutions.len() < super::COMMAND_LIMIT {
            self.parsed.substitutions.push(inner);
        }
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
            self.parsed.substitutions.push(inner);
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
            self.redirect = Some("<<".into());
        } else {
            self.redirect = Some(operator);
        }
    }

    fn end_word(&mut self) {
        let Some(word) = self.word.take() else { return };
        let text = String::from_utf8_lossy(&word.text).into_owned();
        if let Some(operator) = self.redirect.take() {
            if operator == "<<" {
                self.heredocs.push(text);
                self.simple.redirects.push(("<<<".into(), String::new()));
            } else {
                let text = if word.quoted { text } else { expand::wildcard(text) };
                self.simple.redirects.push((operator, text));
            }
            return;
        }
        if word.quoted {
            self.simple.words.push(text);
            return;
        }
        match expand::braces(&text) {
            Some(words) => self.simple.words.extend(words),
            None => self.simple.words.push(expand::wildcard(text)),
        }
    }

    fn end_command(&mut self) {
        self.end_word();
        if let Some(operator) = self.redirect.take() {
            self.simple.redirects.push((operator, String::new()));
        }
        let simple = std::mem::take(&mut self.simple);
        if simple.is_empty() || self.pipeline.commands.len() >= super::COMMAND_LIMIT {
            return;
        }
        expand::assign(&simple.words, self.variables);
        self.pipeline.commands.push(simple);
    }

    fn end_pipeline(&mut self, joint: &'static str) {
        self.end_command();
        let mut pipeline = std::mem::take(&mut self.pipeline);
        if !pipeline.commands.is_empty() && self.parsed.pipelines.len() < super::COMMAND_LIMIT {
            pipeline.joint = joint;
            self.parsed.pipelines.push(pipeline);
        }
    }

    /// The bodies of here documents start behind the line that names them.
    fn take_heredocs(&mut self) {
        for word in std::mem::take(&mut self.heredocs) {
            let mut body = String::new();
            while self.at < self.text.len() {
                let end = find(self.text, self.at, b"\n");
                let line = String::from_utf8_lossy(&self.text[self.at..end]).into_owned();
                self.at = end + 1;
                if line.trim() == word {
                    break;
                }
                body.push_str(&line);
                body.push('\n');
            }
            let open = self
                .parsed
                .pipelines
                .iter_mut()
                .flat_map(|p| p.commands.iter_mut())
                .flat_map(|c| c.redirects.iter_mut())
                .find(|(operator, target)| operator == "<<<" && target.is_empty());
            if let Some((_, target)) = open {
                *target = body;
            }
        }
        self.at = self.at.min(self.text.len());
    }
}

/// Where `needle` is from `from` on; the end of the text when it is not there.
pub(super) fn find(text: &[u8], from: usize, needle: &[u8]) -> usize {
    let from = from.min(text.len());
    memchr::memmem::find(&text[from..], needle).map_or(text.len(), |at| from + at)
}

/// Where the bracket opened at `open` closes; the end of the text when it does not.
fn matching(text: &[u8], open: usize) -> usize {
    let (mut depth, mut at) = (0usize, open);
    while at < text.len() {
        match text[at] {
            b'(' => depth += 1,
            b')' => {
                depth -= 1;
                if depth == 0 {
                    return at;
                }
            }
            b'\\' => at += 1,
            b'\'' => at = find(text, at + 1, b"'"),
            b'"' => {
                at += 1;
                while at < text.len() && text[at] != b'"' {
                    at += if text[at] == b'\\' { 2 } else { 1 };
                }
            }
            _ => {}
        }
        at += 1;
    }
    text.len()
}
