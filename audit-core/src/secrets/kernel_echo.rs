//! Finds the line discipline's own echo of typed bytes in the output (`ECHO`, `termios(3)`).

use std::collections::VecDeque;
use std::ops::Range;

/// An echo is believed where so many bytes agree, or all that were typed in one read: the kernel
/// echoes those together.
const SURE: usize = 64;

/// The echo of a pasted line that does not come in so much output was lost, in bytes.
const LOST: usize = 16 << 10;

/// What the kernel is to echo for one typed byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expected {
    /// The byte itself.
    Byte(u8),
    /// A control character, as `^X` or itself.
    Control(u8),
    /// The rest of `^X`.
    Caret(u8),
    /// A newline, with or without a carriage return; whether it ends its line.
    Newline(bool),
    /// The newline behind a carriage return.
    Feed(bool),
    /// `\b \b`, as often as the kernel likes, and perhaps never.
    Erase,
}

/// An expectation and where it comes from.
#[derive(Clone, Copy)]
struct Token {
    line: u64,
    read: u64,
    expected: Expected,
}

/// A stretch of output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// Something else.
    Other(Range<usize>),
    /// Echoed text of this line.
    Text(u64, Range<usize>),
    /// The echoed newline that ends this line.
    Newline(u64, Range<usize>),
}

/// Echoes to come, oldest first.
#[derive(Default)]
pub(super) struct KernelEcho {
    expected: VecDeque<Token>,
    /// Number of the read that was typed last.
    read: u64,
    /// The last byte of the output before belongs to the echo that goes on now.
    running: bool,
    /// What was found at the end of the output and may turn out to be something else.
    unsure: Vec<Token>,
    /// So much of the echo that goes on was found that it is one.
    sure: bool,
    /// How much output went by without the echo, in bytes.
    missed: usize,
    /// The last byte was a backspace.
    backed: bool,
}

impl KernelEcho {
    /// Whether no echo is to come.
    pub(super) fn is_empty(&self) -> bool {
        self.expected.is_empty()
    }

    /// The line whose echo comes next.
    pub(super) fn next_line(&self) -> Option<u64> {
        self.expected.front().map(|token| token.line)
    }

    /// No echo comes any more: the kernel flushed it, or echo is off.
    pub(super) fn forget(&mut self) {
        *self = Self { read: self.read, ..Self::default() };
    }

    /// What was typed before and what is typed now are echoed apart.
    pub(super) fn next_read(&mut self) {
        self.read += 1;
    }

    /// A byte of `line` was typed; whether it ends the line.
    pub(super) fn expect(&mut self, line: u64, byte: u8, ends: bool) {
        let expected = match byte {
            b'\r' | b'\n' => Expected::Newline(ends),
            b'\t' | 0x20..=0x7e | 0x80.. => Expected::Byte(byte),
            0x08 | 0x15 | 0x17 | 0x7f => Expected::Erase,
            // End of file and flow control are not echoed.
            0x04 | 0x11 | 0x13 => return,
            0x00..=0x1f => Expected::Control(byte),
        };
        self.expected.push_back(Token { line, read: self.read, expected });
    }

    /// Takes output apart. The ranges cover it, in order.
    pub(super) fn find(&mut self, output: &[u8]) -> Vec<Found> {
        let mut found = Vec::new();
        let mut at = 0;
        while at < output.len() {
            let Some(&token) = self.expected.front() else { break };
            let Token { line, expected, .. } = token;
            self.sure &= self.running;
            if !self.running && !self.begins(&output[at..]) {
                let next = self.skip(&output[at..]);
                push(&mut found, Found::Other(at..at + next));
                at += next;
                self.missed += next;
                if self.missed > LOST {
                    self.give_up_line();
                }
                continue;
            }
            let Some((ends, then)) = expected.meets(output[at], &mut self.backed) else {
                self.miss(token);
                continue;
            };
            self.running = true;
            self.missed = 0;
            match then {
                Some(rest) => self.expected[0].expected = rest,
                None => drop(self.expected.pop_front()),
            }
            if !matches!(expected, Expected::Erase | Expected::Caret(_) | Expected::Feed(_)) {
                self.unsure.push(token);
            }
            self.sure |= self.unsure.len() > SURE || self.expected.is_empty() || ends;
            if self.sure {
                self.unsure.clear();
            }
            let range = at..at + 1;
            let newline = matches!(expected, Expected::Newline(true) | Expected::Feed(true));
            let part = if newline { Found::Newline(line, range) } else { Found::Text(line, range) };
            push(&mut found, part);
            at += 1;
        }
        if at < output.len() {
            push(&mut found, Found::Other(at..output.len()));
            self.running = false;
        }
        found
    }

    /// The output goes on with something else than expected.
    fn miss(&mut self, Token { read, expected, .. }: Token) {
        match expected {
            // Nothing (more) was erased; the carriage return stood alone.
            Expected::Erase | Expected::Feed(_) => drop(self.expected.pop_front()),
            _ => {
                self.running = false;
                // What was found of this read merely looked like its echo. The first half of `^X`
                // stands for both.
                if matches!(expected, Expected::Caret(_)) {
                    self.expected.pop_front();
                }
                while let Some(token) = self.unsure.pop().filter(|token| token.read == read) {
                    self.expected.push_front(token);
                }
                self.unsure.clear();
            }
        }
    }

    /// The kernel drops echoes when the terminal is slow: goes on with the next line of a paste.
    fn give_up_line(&mut self) {
        self.missed = LOST / 2;
        let inner = |token: &Token| matches!(token.expected, Expected::Newline(false));
        if let Some(end) = self.expected.iter().position(inner) {
            self.expected.drain(..=end);
        }
    }

    /// Whether the echo seems to begin here, and not bytes that are merely like it.
    fn begins(&self, output: &[u8]) -> bool {
        let mut output = output.iter();
        let read = self.expected.front().map(|token| token.read);
        let together = self.expected.iter().take_while(|token| Some(token.read) == read);
        // Other output may cut an echo short: the longer it is missed, the less must agree.
        let enough = match self.missed {
            0..4096 => SURE,
            4096..8192 => SURE / 2,
            _ => SURE / 8,
        };
        for Token { expected: token, .. } in together.take(enough) {
            let Some(&byte) = output.as_slice().first() else { return true };
            match token {
                Expected::Erase if byte == 0x08 => return true,
                Expected::Erase => continue,
                Expected::Feed(_) if byte != b'\n' => continue,
                _ => {}
            }
            let Some((_, then)) = token.meets(byte, &mut false) else { return false };
            output.next();
            let rest = match (then, output.as_slice().first()) {
                (Some(rest), Some(byte)) => rest.meets(*byte, &mut false).is_some(),
                _ => continue,
            };
            if rest {
                output.next();
            } else if matches!(then, Some(Expected::Caret(_))) {
                return false;
            }
        }
        true
    }

    /// How much of the output cannot be where the echo begins; at least one byte.
    fn skip(&self, output: &[u8]) -> usize {
        let rest = &output[1..];
        let next = match self.expected.front() {
            Some(Token { expected: Expected::Byte(byte), .. }) => memchr::memchr(*byte, rest),
            _ => Some(0),
        };
        next.map_or(output.len(), |next| next + 1)
    }
}

impl Expected {
    /// Whether `byte` is what was expected: whether that ends a line, and what must follow it.
    fn meets(self, byte: u8, backed: &mut bool) -> Option<(bool, Option<Self>)> {
        match self {
            Self::Byte(wanted) | Self::Caret(wanted) if byte == wanted => Some((false, None)),
            Self::Control(control) if byte == control => Some((false, None)),
            Self::Control(control) if byte == b'^' => {
                Some((false, Some(Self::Caret(control ^ 0x40))))
            }
            Self::Newline(ends) if byte == b'\r' => Some((false, Some(Self::Feed(ends)))),
            Self::Newline(ends) | Self::Feed(ends) if byte == b'\n' => Some((ends, None)),
            Self::Erase => {
                let goes_on = byte == 0x08 || byte == b' ' && *backed;
                *backed = byte == 0x08;
                goes_on.then_some((false, Some(Self::Erase)))
            }
            _ => None,
        }
    }
}

fn push(found: &mut Vec<Found>, next: Found) {
    match (found.last_mut(), &next) {
        (Some(Found::Other(range)), Found::Other(more)) => range.end = more.end,
        (Some(Found::Text(line, range)), Found::Text(other, more)) if line == other => {
            range.end = more.end;
        }
        (Some(Found::Newline(line, range)), Found::Newline(other, more)) if line == other => {
            range.end = more.end;
        }
        _ => found.push(next),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expecting(typed: &[u8]) -> KernelEcho {
        let mut echo = KernelEcho::default();
        typed.iter().for_each(|b| echo.expect(1, *b, *b == b'\n'));
        echo
    }

    #[test]
    fn the_echo_of_a_line_is_found_between_other_output() {
        let mut echo = expecting(b"ls\n");
        let found = echo.find(b"makes ls\r\nmake: ls\r\n");
        assert_eq!(
            found,
            [
                Found::Other(0..6),
                Found::Text(1, 6..8),
                Found::Newline(1, 8..10),
                Found::Other(10..20),
            ]
        );
        assert!(echo.is_empty());
    }

    #[test]
    fn control_characters_and_erasure_are_echoed_as_the_kernel_does() {
        let mut echo = expecting(b"a\x01\x7f\x7fb\n");
        assert_eq!(
            echo.find(b"a^A\x08 \x08\x08 \x08\x08 \x08b\r\n").last(),
            Some(&Found::Newline(1, 13..15))
        );
        let mut nothing_to_erase = expecting(b"\x7fx\n");
        assert_eq!(nothing_to_erase.find(b"x\n"), [Found::Text(1, 0..1), Found::Newline(1, 1..2)]);
    }

    #[test]
    fn what_merely_begins_like_the_echo_is_not_taken_for_it() {
        for cut in 0..=8 {
            let output = b"line 1\r\nline 2\r\n";
            let mut echo = expecting(b"line 2\n");
            echo.find(&output[..cut]);
            let rest = echo.find(&output[cut..]);
            assert!(rest.contains(&Found::Text(1, 8 - cut..14 - cut)), "cut at {cut}: {rest:?}");
            assert!(echo.is_empty());
        }
    }

    #[test]
    fn an_echo_split_anywhere_is_found() {
        let output = "schön^A\x08 \x08\r\n".as_bytes();
        for cut in 0..output.len() {
            let mut echo = expecting("schön\x01\x7f\n".as_bytes());
            echo.find(&output[..cut]);
            let rest = echo.find(&output[cut..]);
            assert!(rest.iter().all(|f| !matches!(f, Found::Other(_))), "cut at {cut}: {rest:?}");
            assert!(echo.is_empty(), "cut at {cut}");
        }
    }
}
