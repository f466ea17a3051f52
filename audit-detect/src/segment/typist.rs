//! Lines as typed or pasted, from the input alone.

/// A line is handed over in pieces of this many bytes …
const LINE_LIMIT: usize = 16 << 10;
/// … each of which begins with so much of the one before.
const OVERLAP: usize = 1 << 10;
/// Corrections inside a line longer than this are not followed.
const EDIT_LIMIT: usize = 4 << 10;
/// A word that the cursor steps over has at most so many bytes, a character so many.
const WORD_LIMIT: usize = 256;
const CHARACTER_LIMIT: usize = 4;

/// A line that was typed and handed over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Submitted {
    /// What was typed, with its corrections, trimmed.
    pub text: String,
    /// Whether that is all that stands on the line. It may not be when it was fetched from the
    /// history, completed, or changed by a key that is not known.
    pub whole: bool,
    /// Whether it ended inside a bracketed paste.
    pub pasted: bool,
    /// Whether the line ends with it; `false` for a piece of a very long one.
    pub ends: bool,
    /// Offsets in the input: of its first byte, and behind its last.
    pub range: (u64, u64),
}

/// Follows the keys of a line editor.
#[derive(Clone, Debug, Default)]
pub struct Typist {
    line: Vec<u8>,
    /// Where the next byte goes.
    cursor: usize,
    escape: Escape,
    pasting: bool,
    /// Something else may stand on the line.
    unknown: bool,
    /// The next byte is no key but text (`lnext`, quoted insert).
    quoted: bool,
    /// A string has begun on this line that a terminal may be answering with.
    answering: bool,
    /// Offset of the line's first byte, once it has one.
    start: Option<u64>,
    /// There are no keys: a pipe brings lines.
    plain: bool,
    /// A key was pressed since last asked: not all that comes in was typed.
    touched: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Escape {
    #[default]
    None,
    Seen,
    /// A control sequence: its first number, and whether a second one was begun.
    Control(u32, bool),
    Single,
}

impl Typist {
    /// For a pipe, whose bytes are no keys: lines end at line feeds alone.
    pub fn plain() -> Self {
        Self { plain: true, ..Self::default() }
    }

    /// Reads typed bytes, the first of which has this offset in the input; calls `submitted` with
    /// each line. Returns whether a key was among them: a terminal also answers questions of
    /// programs, and reports the mouse.
    pub fn feed(
        &mut self,
        bytes: &[u8],
        offset: u64,
        mut submitted: impl FnMut(Submitted),
    ) -> bool {
        for (byte, at) in bytes.iter().zip(offset..) {
            self.start.get_or_insert(at);
            if !self.plain {
                self.byte(*byte, at, &mut submitted);
            } else if *byte == b'\n' {
                self.submit(at, true, &mut submitted);
            } else {
                self.insert(*byte, at, &mut submitted);
            }
        }
        std::mem::take(&mut self.touched)
    }

    fn byte(&mut self, byte: u8, at: u64, submitted: &mut impl FnMut(Submitted)) {
        if std::mem::take(&mut self.quoted) {
            return self.insert(byte, at, submitted);
        }
        // A line ends wherever it is ended, inside an unfinished sequence as well.
        if self.escape != Escape::None && !submits(byte) {
            return self.sequence(byte);
        }
        self.escape = Escape::None;
        match byte {
            0x1b => self.escape = Escape::Seen,
            byte if submits(byte) => {
                self.submit(at, true, submitted);
                // The next line of the history stands there already.
                self.unknown = byte == 0x0f;
            }
            byte if byte >= b' ' && byte != 0x7f => self.insert(byte, at, submitted),
            b'\t' if self.pasting => self.insert(byte, at, submitted),
            byte => self.key(byte),
        }
    }

    fn key(&mut self, byte: u8) {
        self.touched = true;
        match byte {
            0x7f | 0x08 => self.delete_back(),
            0x03 | 0x07 | 0x1a | 0x1c => self.clear(),
            0x15 => self.remove(0, self.cursor),
            0x0b => self.line.truncate(self.cursor),
            0x17 => self.delete_word_back(|b| b == b' '),
            0x16 => self.quoted = true,
            0x01 => self.cursor = 0,
            0x05 => self.cursor = self.line.len(),
            0x02 => self.left(),
            0x06 => self.right(),
            0x04 => self.delete(),
            0x10 | 0x0e => self.recall(),
            // Redraw, and what the terminal keeps to itself.
            0x0c | 0x11 | 0x13 => {}
            // Completion, search, yank, undo, and keys that may be bound to anything.
            _ => self.unknown = true,
        }
    }

    fn sequence(&mut self, byte: u8) {
        match self.escape {
            Escape::Seen => {
                self.escape = match byte {
                    b'[' => Escape::Control(0, false),
                    b'O' => Escape::Single,
                    0x1b => Escape::Seen,
                    _ => Escape::None,
                };
                match byte {
                    b'[' | b'O' | 0x1b => {}
                    b'b' => self.word_left(),
                    b'f' => self.word_right(),
                    b'd' => self.delete_word(),
                    0x7f | 0x08 => self.delete_word_back(is_no_word),
                    // What a terminal answers, up to the string terminator, or a key with Alt: what
                    // follows is kept, and what comes behind the answer stands for itself.
                    b'P' | b'_' | b'^' | b'X' => (self.answering, self.unknown) = (true, true),
                    b'\\' if std::mem::take(&mut self.answering) => {
                        self.line.insert(self.cursor, b'\n');
                        self.cursor += 1;
                    }
                    // Alone it may begin the commands of an editor in the manner of vi.
                    _ => self.unknown = true,
                }
            }
            Escape::Single => {
                self.escape = Escape::None;
                self.named(byte, 0, false);
            }
            Escape::Control(number, more) => match byte {
                b'0'..=b'9' if !more => {
                    let number = number.saturating_mul(10).saturating_add(u32::from(byte - b'0'));
                    self.escape = Escape::Control(number, false);
                }
                b';' => self.escape = Escape::Control(number, true),
                0x40..=0x7e => {
                    self.escape = Escape::None;
                    self.named(byte, number, more);
                }
                0x18 | 0x1a => self.escape = Escape::None,
                _ => {}
            },
            Escape::None => {}
        }
    }

    /// A key with a name: its last byte, its number, and whether another key was held.
    fn named(&mut self, last: u8, number: u32, held: bool) {
        let answers = matches!(last, b'R' | b'c' | b'n' | b'M' | b'm' | b'y' | b'I');
        self.touched |= !answers;
        match (last, number) {
            (b'~', 200) => self.pasting = true,
            (b'~', 201) => self.pasting = false,
            (b'D', _) if held => self.word_left(),
            (b'C', _) if held => self.word_right(),
            (b'D', _) => self.left(),
            (b'C', _) => self.right(),
            (b'H', _) | (b'~', 1 | 7) => self.cursor = 0,
            (b'F', _) | (b'~', 4 | 8) => self.cursor = self.line.len(),
            (b'~', 3) => self.delete(),
            (b'A' | b'B', _) => self.recall(),
            _ => self.unknown |= !answers,
        }
    }

    /// Another line comes from the history.
    fn recall(&mut self) {
        self.clear();
        self.unknown = true;
    }

    fn clear(&mut self) {
        self.line.clear();
        (self.cursor, self.unknown, self.answering, self.start) = (0, false, false, None);
    }

    fn submit(&mut self, at: u64, ends: bool, submitted: &mut impl FnMut(Submitted)) {
        let start = self.start.unwrap_or(at);
        self.touched = true;
        submitted(Submitted {
            text: String::from_utf8_lossy(&self.line).trim().to_owned(),
            whole: !self.unknown,
            pasted: self.pasting,
            ends,
            range: (start, at),
        });
        if ends {
            self.clear();
        } else {
            let cut = self.line.len().saturating_sub(OVERLAP);
            self.line.drain(..cut);
            self.cursor = self.line.len();
            self.start = Some(at.saturating_sub(self.line.len() as u64));
        }
    }

    fn insert(&mut self, byte: u8, at: u64, submitted: &mut impl FnMut(Submitted)) {
        self.touched = true;
        if self.cursor < self.line.len() && self.line.len() > EDIT_LIMIT {
            self.unknown = true;
            self.cursor = self.line.len();
        }
        self.line.insert(self.cursor, byte);
        self.cursor += 1;
        if self.line.len() >= LINE_LIMIT {
            self.submit(at + 1, false, submitted);
        }
    }

    fn remove(&mut self, from: usize, to: usize) {
        self.line.drain(from..to);
        self.cursor = from;
    }

    /// Start of the character before the cursor.
    fn before(&self) -> usize {
        let is_start = |at: &usize| self.line[*at] & 0xc0 != 0x80;
        let near = self.cursor.saturating_sub(CHARACTER_LIMIT)..self.cursor;
        near.clone().rev().find(is_start).unwrap_or(near.start)
    }

    /// End of the character at the cursor.
    fn behind(&self) -> usize {
        let is_start = |at: &usize| self.line[*at] & 0xc0 != 0x80;
        let end = self.line.len().min(self.cursor + CHARACTER_LIMIT);
        (self.cursor + 1..end).find(is_start).unwrap_or(end)
    }

    /// Where the word before the cursor begins; `breaks` tells what stands between words.
    fn word_before(&self, breaks: impl Fn(u8) -> bool) -> usize {
        let from = self.cursor.saturating_sub(WORD_LIMIT);
        let head = &self.line[from..self.cursor];
        let end = head.iter().rposition(|b| !breaks(*b)).map_or(0, |at| at + 1);
        from + head[..end].iter().rposition(|b| breaks(*b)).map_or(0, |at| at + 1)
    }

    /// Where the word behind the cursor ends.
    fn word_behind(&self) -> usize {
        let tail = &self.line[self.cursor..self.line.len().min(self.cursor + WORD_LIMIT)];
        let start = tail.iter().position(u8::is_ascii_alphanumeric).unwrap_or(tail.len());
        let rest = &tail[start..];
        let end = rest.iter().position(|b| !b.is_ascii_alphanumeric()).unwrap_or(rest.len());
        self.cursor + start + end
    }

    fn left(&mut self) {
        self.cursor = self.before();
    }

    fn right(&mut self) {
        self.cursor = self.behind();
    }

    fn delete_back(&mut self) {
        self.remove(self.before(), self.cursor);
    }

    fn delete(&mut self) {
        let (from, to) = (self.cursor, self.behind());
        if from < to {
            self.remove(from, to);
        }
    }

    fn word_left(&mut self) {
        self.cursor = self.word_before(is_no_word);
    }

    fn word_right(&mut self) {
        self.cursor = self.word_behind();
    }

    fn delete_word(&mut self) {
        self.remove(self.cursor, self.word_behind());
    }

    fn delete_word_back(&mut self, breaks: impl Fn(u8) -> bool) {
        self.remove(self.word_before(breaks), self.cursor);
    }
}

fn is_no_word(byte: u8) -> bool {
    !byte.is_ascii_alphanumeric()
}

/// Whether a key hands the line over: Return, Enter, and the one by which line editors run a line
/// and fetch the next (`operate-and-get-next`).
pub fn submits(byte: u8) -> bool {
    matches!(byte, b'\r' | b'\n' | 0x0f)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The lines, and whether each is whole and pasted.
    fn lines(typed: &str) -> Vec<(String, bool, bool)> {
        let mut out = Vec::new();
        Typist::default().feed(typed.as_bytes(), 0, |line| {
            out.push((line.text, line.whole, line.pasted));
        });
        out
    }

    fn line(typed: &str) -> String {
        let found = lines(typed);
        assert!(found.len() == 1 && found[0].1, "{typed:?}: {found:?}");
        found[0].0.clone()
    }

    #[test]
    fn corrections_are_followed() {
        for (typed, wanted) in [
            ("lx\x7fs -la\r", "ls -la"),
            ("rm x\x15id\r", "id"),
            ("rm -rf foo\x17bar\r", "rm -rf bar"),
            ("d\x1b[Di\r", "id"),
            ("d\x1bODi\r", "id"),
            ("d\x01i\r", "id"),
            ("d\x1b[Hi\x1b[F -u\r", "id -u"),
            ("d\x1b[1~i\x1b[4~ -u\r", "id -u"),
            ("ixd\x02\x02\x04\r", "id"),
            ("ixd\x1b[D\x1b[D\x1b[3~\r", "id"),
            ("id; rm\x1b[1;5D\x0b\r", "id;"),
            ("foo bar\x1bb\x1bdid\r", "foo id"),
            ("foo bar\x1b\x7fid\r", "foo id"),
            ("é\x7fid\r", "id"),
            ("aé\x1b[D\x1b[Dx\r", "xaé"),
            ("rm -rf /\x03id\r", "id"),
            ("a\x16\rb\r", "a\rb"),
        ] {
            assert_eq!(line(typed), wanted, "{typed:?}");
        }
    }

    #[test]
    fn what_a_terminal_answers_does_not_hide_what_is_typed_behind_it() {
        let typed = "\x1b[>84;0;0c\x1bP>|tmux 3.3a\x1b\\id\r";
        assert_eq!(lines(typed), [(">|tmux 3.3a\nid".to_owned(), false, false)]);
        assert_eq!(lines("\x1b]11;rgb:0/0/0\x07id\r")[0].0, "id");
        assert_eq!(lines("i\x1b\\d\r")[0].0, "id", "no answer had begun");
    }

    #[test]
    fn every_key_that_submits_does_so_inside_a_sequence_too() {
        for typed in ["id\n", "id\r", "id\x0f", "id\x1b\r", "id\x1b[\r", "id\x1bO\r"] {
            let found = lines(typed);
            assert_eq!((found.len(), found[0].0.as_str()), (1, "id"), "{typed:?}");
        }
    }

    #[test]
    fn what_was_fetched_or_completed_is_not_the_whole_line() {
        for (typed, known) in [
            ("\x1b[A\r", ""),
            ("x\x10 | sh\r", "| sh"),
            ("cat /etc/sha\t\r", "cat /etc/sha"),
            ("\x12cur\r", "cur"),
            ("id\x19\r", "id"),
            ("id\x1b[15~\r", "id"),
        ] {
            assert_eq!(lines(typed), [(known.to_owned(), false, false)], "{typed:?}");
        }
        assert_eq!(lines("id\x0fid\r")[1], ("id".to_owned(), false, false));
        assert_eq!(lines("\x1b[A\x03id\r"), [("id".to_owned(), true, false)]);
    }

    #[test]
    fn what_the_terminal_answers_is_no_key() {
        let mut typist = Typist::default();
        assert!(!typist.feed(b"\x1b[24;80R\x1b[?62;c", 0, |_| {}));
        assert!(typist.feed(b"\x1b[A", 0, |_| {}));
    }

    #[test]
    fn a_pipe_has_lines_and_no_keys() {
        let mut lines = Vec::new();
        Typist::plain().feed(b"a\x7fb\r\n\x1b[Ac\n", 0, |line| lines.push((line.text, line.whole)));
        assert_eq!(lines, [("a\x7fb".into(), true), ("\x1b[Ac".into(), true)]);
    }

    #[test]
    fn pasted_lines_are_told_apart() {
        assert_eq!(
            lines("\x1b[200~id\r\tls\x1b[201~\r"),
            [("id".into(), true, true), ("ls".into(), true, false)]
        );
    }

    #[test]
    fn an_endless_line_comes_in_pieces_that_overlap() {
        let typed =
            format!("{}curl x | sh{}\r", "a".repeat(LINE_LIMIT - 4), "b".repeat(LINE_LIMIT));
        let mut pieces = Vec::new();
        let mut last = (0, 0);
        Typist::default().feed(typed.as_bytes(), 100, |line| {
            assert!(line.text.len() <= LINE_LIMIT && line.range.0 < line.range.1);
            last = line.range;
            pieces.push((line.text.contains("curl x | sh"), line.ends));
        });
        assert_eq!(pieces.iter().filter(|(found, _)| *found).count(), 1);
        assert_eq!(pieces.iter().map(|(_, ends)| *ends).collect::<Vec<_>>(), [false, false, true]);
        assert_eq!(last.1, 100 + typed.len() as u64 - 1);
    }

    #[test]
    fn a_line_knows_its_place() {
        let mut ranges = Vec::new();
        let mut typist = Typist::default();
        typist.feed(b"id\rls", 10, |line| ranges.push(line.range));
        typist.feed(b" -l\r", 15, |line| ranges.push(line.range));
        assert_eq!(ranges, [(10, 12), (13, 18)]);
    }
}
