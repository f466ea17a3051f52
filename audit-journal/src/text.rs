//! Terminal output as text: escape sequences removed, line by line.
//!
//! This is for search and for reading, not a screen: cursor movements within a line that overtype
//! (carriage return, backspace, erase to the end of the line) are followed, jumps to other rows
//! end the line.

use memchr::memchr3;

/// A line is cut after this many bytes, so that a stream without line feeds stays bounded.
const MAX_LINE: usize = 64 << 10;

/// Where the bytes of an escape sequence are expected to go on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Text,
    /// Behind ESC.
    Escape,
    /// Behind ESC and an intermediate byte (`ESC ( B`).
    Intermediate,
    /// In a control sequence, behind ESC `[`.
    Control,
    /// In a string (OSC, DCS, SOS, PM, APC) that ends with BEL or ST.
    String,
    /// In such a string, behind ESC.
    StringEscape,
}

/// Turns bytes of a stream into lines of text. Chunks may be cut anywhere.
#[derive(Clone, Debug, Default)]
pub struct TextLines {
    state: State,
    /// First parameter of the control sequence under way, and whether digits came.
    parameter: usize,
    private: bool,
    line: Line,
}

/// The line under way: characters, and where the next one goes.
#[derive(Clone, Debug, Default)]
struct Line {
    cells: Vec<char>,
    column: usize,
    /// Bytes of a character that is not whole yet.
    partial: Vec<u8>,
    touched: bool,
}

impl TextLines {
    /// Nothing read yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes bytes and hands every line that ends in them to `out`, without its end. Bytes that are
    /// no UTF-8 become U+FFFD.
    pub fn feed(&mut self, bytes: &[u8], mut out: impl FnMut(&str)) {
        let mut rest = bytes;
        while let Some((&byte, behind)) = rest.split_first() {
            if self.state == State::Text && (0x20..0x7f).contains(&byte) {
                // A run of plain characters, up to the next control.
                let room = MAX_LINE.saturating_sub(self.line.cells.len()).max(1);
                let most = &rest[..rest.len().min(room)];
                let run = most.iter().position(|b| !(0x20..0x7f).contains(b)).unwrap_or(most.len());
                self.line.plain(&rest[..run]);
                rest = &rest[run..];
            } else if self.state == State::String {
                // Strings may be long (images): jump to what can end them.
                match memchr3(0x07, 0x1b, 0x18, rest) {
                    Some(at) => {
                        self.byte(rest[at], &mut out);
                        rest = &rest[at + 1..];
                    }
                    None => return,
                }
            } else {
                self.byte(byte, &mut out);
                rest = behind;
            }
            if self.line.cells.len() >= MAX_LINE {
                self.end_line(&mut out);
            }
        }
    }

    /// The line under way, as it stands: a prompt, or what has no line feed yet.
    pub fn rest(&mut self) -> Option<String> {
        let mut last = None;
        if self.line.touched {
            self.end_line(&mut |line: &str| last = Some(line.to_owned()));
        }
        last.filter(|l| !l.is_empty())
    }

    fn byte(&mut self, byte: u8, out: &mut impl FnMut(&str)) {
        match self.state {
            State::Text => match byte {
                0x1b => self.state = State::Escape,
                b'\n' | 0x0b | 0x0c => self.end_line(out),
                b'\r' => self.line.go_to(0),
                0x08 => self.line.go_to(self.line.column.saturating_sub(1)),
                b'\t' => self.line.put('\t'),
                0..0x20 | 0x7f => {}
                _ => self.line.byte(byte),
            },
            State::Escape => self.escape(byte, out),
            State::Intermediate => {
                if !(0x20..0x30).contains(&byte) {
                    self.state = State::Text;
                }
            }
            State::Control => match byte {
                b'0'..=b'9' => {
                    self.parameter = (self.parameter * 10 + usize::from(byte - b'0')).min(9999);
                }
                b'<'..=b'?' => self.private = true,
                // Only the first parameter matters to what follows.
                b';' | b':' => self.private = true,
                0x40..=0x7e => {
                    self.state = State::Text;
                    self.control(byte, out);
                }
                0x1b => self.state = State::Escape,
                0x18 | 0x1a => self.state = State::Text,
                b'\n' => self.end_line(out),
                _ => {}
            },
            State::String => match byte {
                0x07 | 0x18 => self.state = State::Text,
                0x1b => self.state = State::StringEscape,
                _ => {}
            },
            State::StringEscape => {
                self.state = State::Text;
                if byte != b'\\' {
                    self.escape(byte, out);
                }
            }
        }
    }

    fn escape(&mut self, byte: u8, out: &mut impl FnMut(&str)) {
        self.state = match byte {
            b'[' => {
                (self.parameter, self.private) = (0, false);
                State::Control
            }
            b']' | b'P' | b'X' | b'^' | b'_' => State::String,
            0x20..0x30 => State::Intermediate,
            0x1b => State::Escape,
            _ => State::Text,
        };
        // Index, next line, reverse index and reset leave the row.
        if matches!(byte, b'D' | b'E' | b'M' | b'c') {
            self.end_line(out);
        }
    }

    /// A control sequence: only those that move within the line, or leave it, matter.
    fn control(&mut self, last: u8, out: &mut impl FnMut(&str)) {
        let line = &mut self.line;
        let count = self.parameter.max(1);
        match last {
            b'C' | b'a' => line.go_to(line.column + count),
            b'D' | b'j' => line.go_to(line.column.saturating_sub(count)),
            b'G' | b'`' => line.go_to(count - 1),
            b'K' if !self.private => match self.parameter {
                0 => line.cells.truncate(line.column),
                1 => {
                    let end = (line.column + 1).min(line.cells.len());
                    line.cells[..end].fill(' ');
                }
                _ => line.cells.clear(),
            },
            b'P' => {
                let end = (line.column + count).min(line.cells.len());
                if line.column < end {
                    line.cells.drain(line.column..end);
                }
            }
            b'@' if line.column < line.cells.len() => {
                let blanks = std::iter::repeat_n(' ', count.min(MAX_LINE));
                line.cells.splice(line.column..line.column, blanks);
            }
            b'X' => {
                let end = (line.column + count).min(line.cells.len());
                if line.column < end {
                    line.cells[line.column..end].fill(' ');
                }
            }
            b'A' | b'B' | b'E' | b'F' | b'H' | b'f' | b'd' | b'J' | b'S' | b'T' => {
                self.end_line(out);
            }
            // The alternate screen is another page.
            b'h' | b'l' if self.private => {
                if matches!(self.parameter, 47 | 1047 | 1049) {
                    self.end_line(out);
                }
            }
            _ => {}
        }
    }

    fn end_line(&mut self, out: &mut impl FnMut(&str)) {
        self.line.flush_partial();
        if self.line.touched || !self.line.cells.is_empty() {
            let text: String = self.line.cells.iter().collect();
            out(text.trim_end_matches(' '));
        } else {
            out("");
        }
        self.line.cells.clear();
        self.line.column = 0;
        self.line.touched = false;
    }
}

impl Line {
    fn plain(&mut self, ascii: &[u8]) {
        self.flush_partial();
        self.touched = true;
        if self.column == self.cells.len() {
            self.cells.extend(ascii.iter().map(|b| char::from(*b)));
            self.column = self.cells.len();
        } else {
            ascii.iter().for_each(|b| self.put(char::from(*b)));
        }
    }

    fn byte(&mut self, byte: u8) {
        self.touched = true;
        if byte & 0xc0 != 0x80 {
            self.flush_partial();
        }
        self.partial.push(byte);
        match std::str::from_utf8(&self.partial) {
            Ok(text) => {
                let found: Vec<char> = text.chars().collect();
                self.partial.clear();
                found.into_iter().filter(|c| !steers(*c)).for_each(|c| self.put(c));
            }
            Err(e) if e.error_len().is_some() => {
                self.partial.clear();
                self.put(char::REPLACEMENT_CHARACTER);
            }
            Err(_) => {}
        }
    }

    fn flush_partial(&mut self) {
        if !self.partial.is_empty() {
            self.partial.clear();
            self.put(char::REPLACEMENT_CHARACTER);
        }
    }

    fn put(&mut self, c: char) {
        self.touched = true;
        if self.column > self.cells.len() {
            self.cells.resize(self.column, ' ');
        }
        match self.cells.get_mut(self.column) {
            Some(cell) => *cell = c,
            None => self.cells.push(c),
        }
        self.column += 1;
    }

    fn go_to(&mut self, column: usize) {
        self.flush_partial();
        self.column = column.min(MAX_LINE - 1);
    }
}

/// `value` on one line of JSON that steers no terminal: what would is
/// written by its number.
pub fn json_line(value: &serde_json::Value) -> String {
    let plain = value.to_string();
    if plain.bytes().all(|b| (0x20..0x7f).contains(&b)) {
        return plain;
    }
    let mut line = String::with_capacity(plain.len() + 16);
    for c in plain.chars() {
        match steers(c) {
            // Only within strings, where it means the same; all of them lie below U+10000.
            true => line.push_str(&format!("\\u{:04x}", u32::from(c))),
            false => line.push(c),
        }
    }
    line
}

/// Whether a character steers whoever shows it instead of being shown: C1 controls, which a terminal
/// takes for escape sequences, and marks and overrides of writing direction.
fn steers(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn lines(bytes: &[u8]) -> Vec<String> {
        let (mut text, mut out) = (TextLines::new(), Vec::new());
        text.feed(bytes, |l| out.push(l.to_owned()));
        out.extend(text.rest());
        out
    }

    #[test]
    fn colours_titles_and_links_are_removed() {
        let bytes = b"\x1b[1;31mred\x1b[0m\x1b]0;title\x07 text\r\n\
            \x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\\r\n\x1b(Bplain\r\n";
        assert_eq!(lines(bytes), ["red text", "link", "plain"]);
    }

    #[test]
    fn overtyping_leaves_what_was_last_seen() {
        assert_eq!(lines(b"10%\r50%\r100%\r\n"), ["100%"]);
        assert_eq!(lines(b"lx\x08s -l\r\n"), ["ls -l"]);
        assert_eq!(lines(b"rm -rf /\x08\x08\x08\x08\x08\x1b[K\r\n"), ["rm"]);
        // How readline deletes in the middle of a line.
        assert_eq!(lines(b"abcd\x08\x08\x08\x1b[1P\r\n"), ["acd"]);
    }

    #[test]
    fn wide_and_broken_characters_are_kept_apart() {
        assert_eq!(lines("日本語\r\n".as_bytes()), ["日本語"]);
        assert_eq!(lines(b"a\xffb\xe6\x97\r\n"), ["a\u{fffd}b\u{fffd}"]);
    }

    #[test]
    fn what_steers_a_terminal_or_the_writing_direction_is_removed() {
        assert_eq!(lines("a\u{9b}31mb\u{9d}0;t\u{9c}c\u{85}\r\n".as_bytes()), ["a31mb0;tc"]);
        assert_eq!(lines(b"a\x7fb\r\n"), ["ab"]);
        assert_eq!(lines("\u{202e}txt.exe\u{2066}\u{200f}\r\n".as_bytes()), ["txt.exe"]);
        // What joins letters and signs stays.
        assert_eq!(
            lines("👩\u{200d}💻 می\u{200c}خواهم\r\n".as_bytes()),
            ["👩\u{200d}💻 می\u{200c}خواهم"]
        );
    }

    #[test]
    fn json_says_the_same_and_steers_nothing() {
        let text = "a\u{9b}31m\u{7f}\u{202e}\u{1b}\"日本🙂\u{85}";
        let line = json_line(&serde_json::json!({ "text": text }));
        assert!(!line.chars().any(steers) && line.contains("日本🙂"), "{line}");
        let back: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(back["text"], text);
    }

    #[test]
    fn jumping_to_another_row_ends_the_line() {
        assert_eq!(lines(b"\x1b[2;5Hhere\x1b[3;1Hthere"), ["", "here", "there"]);
    }

    #[test]
    fn an_endless_line_is_cut() {
        let out = lines(&vec![b'x'; 3 * MAX_LINE]);
        assert!(out.len() >= 3 && out.iter().all(|l| l.len() <= 2 * MAX_LINE));
    }

    proptest! {
        #[test]
        fn any_split_gives_the_same_lines(
            bytes in proptest::collection::vec(
                prop_oneof![Just(0x1b), Just(b'['), Just(b'\n'), Just(b'K'), Just(8), any::<u8>()],
                0..200,
            ),
            at in 0usize..200,
        ) {
            let at = at.min(bytes.len());
            let (mut text, mut out) = (TextLines::new(), Vec::new());
            text.feed(&bytes[..at], |l| out.push(l.to_owned()));
            text.feed(&bytes[at..], |l| out.push(l.to_owned()));
            out.extend(text.rest());
            prop_assert_eq!(out, lines(&bytes));
        }
    }
}
