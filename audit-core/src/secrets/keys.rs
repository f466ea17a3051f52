//! Takes the user's bytes apart into text, ends of lines and keys that are never a secret.

use std::ops::Range;

/// The longest answer of a terminal (OSC, DCS) that is passed over, in bytes.
const LONGEST_ANSWER: usize = 4096;

/// The longest control sequence, in bytes.
const LONGEST_SEQUENCE: usize = 64;

/// What a stretch of input is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Key {
    /// Characters: what may be a secret.
    Text,
    /// One byte that ends a line or a prompt: carriage return, newline, `^C`, `^D`, `^Z`, `^\`.
    End,
    /// A line's end inside a bracketed paste: text to a line editor.
    PastedEnd,
    /// Backspace, delete, `^W`, `^U`, `^V`: edits text.
    Edit,
    /// Other keys, mouse reports and answers of the terminal.
    Control,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Ground,
    Escape,
    /// After `ESC O`.
    Single,
    Csi,
    /// So many bytes of an X10 mouse report are to come.
    Mouse(u8),
    Answer,
    AnswerEscape,
}

/// The scanner; sequences may be split across reads.
#[derive(Debug, Default)]
pub(super) struct Keys {
    state: State,
    sequence: Vec<u8>,
    length: usize,
    pasting: bool,
}

/// Whether this byte ends what is typed at a prompt.
pub(super) const fn ends(byte: u8) -> bool {
    matches!(byte, b'\r' | b'\n' | 0x03 | 0x04 | 0x1a | 0x1c)
}

impl Keys {
    /// Takes a read apart. The ranges cover it, in order; ends stand alone, other neighbours of a
    /// kind are joined.
    pub(super) fn scan(&mut self, bytes: &[u8]) -> Vec<(Key, Range<usize>)> {
        // An escape at the end of a read was the key, unless a control sequence goes on here.
        if self.state == State::Escape && bytes.first().is_some_and(|b| *b != b'[') {
            self.state = State::Ground;
        }
        let mut keys: Vec<(Key, Range<usize>)> = Vec::new();
        for (at, byte) in bytes.iter().enumerate() {
            let key = self.step(*byte);
            match keys.last_mut() {
                Some((last, range)) if *last == key && key != Key::End => range.end = at + 1,
                _ => keys.push((key, at..at + 1)),
            }
        }
        keys
    }

    fn step(&mut self, byte: u8) -> Key {
        self.length += 1;
        match self.state {
            State::Ground => return self.ground(byte),
            State::Escape => {
                self.length = 0;
                self.sequence.clear();
                self.state = match byte {
                    b'[' => State::Csi,
                    b'O' => State::Single,
                    b']' | b'P' | b'_' | b'^' | b'X' => State::Answer,
                    0x1b => State::Escape,
                    _ if ends(byte) => return self.ground(byte),
                    _ => State::Ground,
                };
            }
            State::Csi if byte < 0x20 || self.length > LONGEST_SEQUENCE => {
                return self.ground(byte);
            }
            State::Csi if (0x40..=0x7e).contains(&byte) => {
                match self.sequence.as_slice() {
                    b"200" if byte == b'~' => self.pasting = true,
                    b"201" if byte == b'~' => self.pasting = false,
                    _ => {}
                }
                let mouse = byte == b'M' && self.sequence.is_empty();
                self.state = if mouse { State::Mouse(3) } else { State::Ground };
            }
            State::Csi => self.sequence.push(byte),
            State::Single if byte < 0x20 => return self.ground(byte),
            State::Single => self.state = State::Ground,
            State::Mouse(left) => {
                self.state = if left > 1 { State::Mouse(left - 1) } else { State::Ground };
            }
            State::Answer | State::AnswerEscape if ends(byte) || self.length > LONGEST_ANSWER => {
                return self.ground(byte);
            }
            State::AnswerEscape if byte == b'\\' => self.state = State::Ground,
            State::Answer | State::AnswerEscape => {
                self.state = match byte {
                    0x07 => State::Ground,
                    0x1b => State::AnswerEscape,
                    _ => State::Answer,
                };
            }
        }
        Key::Control
    }

    fn ground(&mut self, byte: u8) -> Key {
        self.state = State::Ground;
        match byte {
            b'\r' | b'\n' if self.pasting => Key::PastedEnd,
            _ if ends(byte) => {
                self.pasting = false;
                Key::End
            }
            0x08 | 0x15 | 0x16 | 0x17 | 0x7f => Key::Edit,
            0x1b => {
                self.state = State::Escape;
                Key::Control
            }
            0x00..=0x1f => Key::Control,
            0x20.. => Key::Text,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scan(bytes: &[u8]) -> Vec<(Key, &[u8])> {
        Keys::default().scan(bytes).into_iter().map(|(key, range)| (key, &bytes[range])).collect()
    }

    #[test]
    fn text_is_told_from_keys() {
        assert_eq!(scan(b"ls\r"), [(Key::Text, &b"ls"[..]), (Key::End, b"\r")]);
        assert_eq!(scan(b"\x1b[A\x1bOB\x1bb"), [(Key::Control, &b"\x1b[A\x1bOB\x1bb"[..])]);
        assert_eq!(
            scan(b"a\x7f\x12"),
            [(Key::Text, &b"a"[..]), (Key::Edit, b"\x7f"), (Key::Control, b"\x12")]
        );
    }

    #[test]
    fn answers_of_the_terminal_are_keys() {
        for answer in [
            &b"\x1b[12;40R"[..],
            b"\x1b]11;rgb:0000/0000/0000\x1b\\",
            b"\x1bP>|xterm(390)\x1b\\",
            b"\x1b[<0;10;20M",
            b"\x1b[M !!",
            b"\x1b]11;x\x07",
        ] {
            let with_key = [answer, b"k"].concat();
            assert_eq!(scan(&with_key), [(Key::Control, answer), (Key::Text, b"k")]);
        }
    }

    #[test]
    fn the_escape_key_does_not_swallow_what_is_typed_later() {
        let mut keys = Keys::default();
        keys.scan(b"\x1b");
        assert_eq!(keys.scan(b"Pa"), [(Key::Text, 0..2)]);
        keys.scan(b"\x1b");
        assert_eq!(keys.scan(b"[Aa"), [(Key::Control, 0..2), (Key::Text, 2..3)]);
    }

    #[test]
    fn an_answer_that_never_ends_does_not_hide_a_line() {
        assert_eq!(scan(b"\x1b]x\rls")[1..], [(Key::End, &b"\r"[..]), (Key::Text, b"ls")]);
    }

    #[test]
    fn a_newline_in_a_bracketed_paste_ends_no_line() {
        let keys = scan(b"\x1b[200~a\rb\x1b[201~\r");
        assert_eq!(
            keys.iter().map(|k| k.0).collect::<Vec<_>>(),
            [Key::Control, Key::Text, Key::PastedEnd, Key::Text, Key::Control, Key::End]
        );
    }
}
