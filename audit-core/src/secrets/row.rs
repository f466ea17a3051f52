//! A small model of the rows around the cursor, enough to read a prompt and to see an echo.
//!
//! It knows what line editors use: carriage return, backspace, cursor movement, erase, insert and
//! delete in a row, absolute addressing, save and restore. It does not know the window's size, so
//! that a wrapped line is one long row, and it knows no scroll regions.

use std::mem;

use unicode_width::UnicodeWidthChar;
use zeroize::Zeroize;

/// How many rows are kept.
const ROWS: usize = 256;

/// How many cells of a row are kept; what is written beyond piles up in the last one.
const CELLS: usize = 1024;

/// The second cell of a wide character.
const FILLER: char = '\0';

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Ground,
    Escape,
    /// `ESC (` and the like: one more byte.
    Charset,
    Csi,
    /// An OSC, DCS, APC, PM or SOS string.
    Text,
    TextEscape,
}

/// Rows of text and a cursor.
pub(super) struct Rows {
    rows: Vec<Vec<char>>,
    /// Index into `rows`, always valid.
    line: usize,
    column: usize,
    /// How many rows were dropped at the top, so that line numbers stay unique.
    dropped: usize,
    saved: (usize, usize),
    state: State,
    parameters: Vec<u8>,
    /// The beginning of a UTF-8 character.
    partial: Vec<u8>,
}

impl Default for Rows {
    fn default() -> Self {
        Self {
            rows: vec![Vec::new()],
            line: 0,
            column: 0,
            dropped: 0,
            saved: (0, 0),
            state: State::default(),
            parameters: Vec::new(),
            partial: Vec::new(),
        }
    }
}

impl Rows {
    /// Takes output. `leave` is called before a line feed takes the cursor off its row.
    pub(super) fn feed(&mut self, bytes: &[u8], mut leave: impl FnMut(&Self)) {
        let mut rest = bytes;
        loop {
            if self.state == State::Ground {
                let run = rest.iter().position(|b| !matches!(b, 0x20..=0x7e));
                let (run, other) = rest.split_at(run.unwrap_or(rest.len()));
                self.put_run(run);
                rest = other;
            }
            let Some((&byte, others)) = rest.split_first() else { return };
            rest = others;
            match self.state {
                State::Ground => match byte {
                    0x1b => self.state = State::Escape,
                    b'\n' | 0x0b | 0x0c => {
                        leave(self);
                        self.move_to(self.line + 1, self.column);
                    }
                    b'\r' => self.column = 0,
                    0x08 => self.column = self.column.saturating_sub(1),
                    b'\t' => self.column = ((self.column / 8 + 1) * 8).min(CELLS),
                    0x00..=0x7f => {}
                    0x80.. => self.put_part(byte),
                },
                State::Escape => self.escape(byte),
                State::Charset => self.state = State::Ground,
                State::Csi => match byte {
                    0x40..=0x7e => {
                        self.state = State::Ground;
                        self.control(byte);
                        self.parameters.clear();
                    }
                    0x1b => self.state = State::Escape,
                    _ if self.parameters.len() < 64 => self.parameters.push(byte),
                    _ => {}
                },
                State::Text => match byte {
                    0x07 => self.state = State::Ground,
                    0x1b => self.state = State::TextEscape,
                    _ => {}
                },
                State::TextEscape if byte == b'\\' => self.state = State::Ground,
                State::TextEscape => self.escape(byte),
            }
        }
    }

    /// Where the cursor is: a number of its row that only line feeds and movement change, and the
    /// cell.
    pub(super) fn cursor(&self) -> (usize, usize) {
        (self.dropped + self.line, self.column)
    }

    /// The text on the cursor's row in front of the cursor.
    pub(super) fn before_cursor(&self) -> String {
        text(self.cells(self.cursor().0, 0, self.column))
    }

    /// The text on the whole of the cursor's row, without blanks at its end.
    pub(super) fn row(&self) -> String {
        let mut text = text(self.cells(self.cursor().0, 0, CELLS));
        text.truncate(text.trim_end().len());
        text
    }

    /// The text of the cursor's row and of `count` rows above it.
    pub(super) fn above(&self, count: usize) -> String {
        let rows = &self.rows[self.line.saturating_sub(count)..=self.line];
        rows.iter().map(|row| text(row)).collect::<Vec<_>>().join("\n")
    }

    /// The text of the row with this number before cell `column`, and the text from there on.
    pub(super) fn around(&self, line: usize, column: usize) -> (String, String) {
        let (before, after) = (self.cells(line, 0, column), self.cells(line, column, CELLS));
        (text(before), text(after))
    }

    fn cells(&self, line: usize, from: usize, to: usize) -> &[char] {
        let row = line.checked_sub(self.dropped).and_then(|line| self.rows.get(line));
        row.map_or(&[], |row| &row[from.min(row.len())..to.min(row.len())])
    }

    fn put_part(&mut self, byte: u8) {
        if byte >= 0xc0 {
            self.partial.clear();
        }
        self.partial.push(byte);
        match str::from_utf8(&self.partial) {
            Ok(whole) => {
                let char = whole.chars().next();
                self.partial.clear();
                char.into_iter().for_each(|char| self.put(char));
            }
            Err(error) if error.error_len().is_some() => {
                self.partial.clear();
                self.put(char::REPLACEMENT_CHARACTER);
            }
            Err(_) => {}
        }
    }

    /// Puts printable ASCII characters, as [`Rows::put`] would one by one.
    fn put_run(&mut self, run: &[u8]) {
        let Some(last) = run.last() else { return };
        let column = self.column.min(CELLS - 2);
        let end = (column + run.len()).min(CELLS - 1);
        let row = &mut self.rows[self.line];
        if row.len() < end {
            row.resize(end, ' ');
        }
        for (cell, byte) in row[column..end].iter_mut().zip(run) {
            *cell = char::from(*byte);
        }
        // What is written beyond the last cell piles up in it.
        row[end - 1] = char::from(*last);
        self.column = end;
    }

    fn put(&mut self, char: char) {
        let width = if char.is_ascii() { 1 } else { char.width().unwrap_or(0) };
        if width == 0 {
            return;
        }
        let column = self.column.min(CELLS - 2);
        let row = &mut self.rows[self.line];
        if row.len() < column + width {
            row.resize(column + width, ' ');
        }
        row[column] = char;
        if width == 2 {
            row[column + 1] = FILLER;
        }
        self.column = column + width;
    }

    fn move_to(&mut self, line: usize, column: usize) {
        self.line = line;
        while self.line >= self.rows.len() && self.line < 2 * ROWS {
            self.rows.push(Vec::new());
        }
        if self.line >= ROWS {
            let surplus = self.line.min(self.rows.len() - 1) + 1 - ROWS / 2;
            self.rows.drain(..surplus).for_each(|mut row| row.zeroize());
            self.dropped += surplus;
            self.line = ROWS / 2 - 1;
        }
        self.column = column.min(CELLS);
    }

    fn escape(&mut self, byte: u8) {
        self.state = State::Ground;
        match byte {
            b'[' => {
                self.parameters.clear();
                self.state = State::Csi;
            }
            b']' | b'P' | b'X' | b'^' | b'_' => self.state = State::Text,
            b'(' | b')' | b'*' | b'+' | b'#' | b'%' | b' ' => self.state = State::Charset,
            0x1b => self.state = State::Escape,
            b'7' => self.saved = self.cursor(),
            b'8' => self.restore(),
            b'D' | b'E' => {
                let column = if byte == b'E' { 0 } else { self.column };
                self.move_to(self.line + 1, column);
            }
            b'M' => self.line = self.line.saturating_sub(1),
            b'c' => self.clear_all(),
            _ => {}
        }
    }

    fn restore(&mut self) {
        let (line, column) = self.saved;
        self.move_to(line.saturating_sub(self.dropped).min(ROWS - 1), column);
    }

    fn clear_all(&mut self) {
        self.rows.iter_mut().for_each(|row| row.zeroize());
        self.move_to(0, 0);
        self.dropped += 1;
    }

    /// Carries out a control sequence (ECMA-48, and the DEC modes of the alternate screen).
    fn control(&mut self, last: u8) {
        let parameters = mem::take(&mut self.parameters);
        let private = parameters.first().is_some_and(|b| matches!(b, b'?' | b'>' | b'<' | b'='));
        if private {
            let modes = &parameters[1..];
            let switch =
                modes.split(|b| *b == b';').any(|m| matches!(m, b"47" | b"1047" | b"1049"));
            if switch && matches!(last, b'h' | b'l') {
                self.clear_all();
            }
        } else {
            let number = |index: usize| {
                let field = parameters.split(|b| *b == b';').nth(index)?;
                str::from_utf8(field).ok()?.parse::<usize>().ok()
            };
            let zero_or_more = number(0).unwrap_or(0);
            let one_or_more = zero_or_more.clamp(1, CELLS);
            let second = number(1).unwrap_or(1).clamp(1, CELLS) - 1;
            self.edit(last, zero_or_more, one_or_more, second);
        }
        self.parameters = parameters;
    }

    fn edit(&mut self, last: u8, mode: usize, count: usize, second: usize) {
        let (line, column) = (self.line, self.column);
        match last {
            b'A' => self.line = line.saturating_sub(count),
            b'B' | b'e' => self.move_to(line + count.min(ROWS), column),
            b'C' | b'a' => self.column = (column + count).min(CELLS),
            b'D' => self.column = column.saturating_sub(count),
            b'E' => self.move_to(line + count.min(ROWS), 0),
            b'F' => self.move_to(line.saturating_sub(count), 0),
            b'G' | b'`' => self.column = count - 1,
            b'H' | b'f' => self.move_to((count - 1).min(ROWS - 1), second),
            b'd' => self.move_to((count - 1).min(ROWS - 1), column),
            b'J' if mode == 0 => {
                self.rows.truncate(line + 1);
                self.rows[line].truncate(column);
            }
            b'J' if mode >= 2 => self.rows.iter_mut().for_each(|row| row.zeroize()),
            b'K' => self.erase(mode),
            b'P' => {
                let row = &mut self.rows[line];
                row.drain(column.min(row.len())..(column + count).min(row.len()));
            }
            b'@' => {
                let row = &mut self.rows[line];
                if column < row.len() {
                    row.splice(column..column, std::iter::repeat_n(' ', count));
                    row.truncate(CELLS);
                }
            }
            b'X' => {
                let row = &mut self.rows[line];
                let end = (column + count).min(row.len());
                row[column.min(end)..end].fill(' ');
            }
            b's' => self.saved = self.cursor(),
            b'u' => self.restore(),
            _ => {}
        }
    }

    fn erase(&mut self, mode: usize) {
        let row = &mut self.rows[self.line];
        let end = (self.column + 1).min(row.len());
        match mode {
            0 => row.truncate(self.column),
            1 => row[..end].fill(' '),
            _ => row.zeroize(),
        }
    }
}

fn text(cells: &[char]) -> String {
    let mut text = String::with_capacity(cells.len());
    text.extend(cells.iter().filter(|c| **c != FILLER));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(bytes: &[u8]) -> (String, String) {
        let mut rows = Rows::default();
        rows.feed(bytes, |_| {});
        (rows.before_cursor(), rows.row())
    }

    #[test]
    fn a_prompt_is_read_through_colours_and_titles() {
        let prompt = b"\x1b]0;me@host: ~\x07\x1b[01;32mme@host\x1b[00m:\x1b[34m~\x1b[0m$ ";
        assert_eq!(shown(prompt).0, "me@host:~$ ");
        assert_eq!(shown(b"old\r\n\x1b(B\x1b[mPassword: \x1b[K").0, "Password: ");
    }

    #[test]
    fn line_editing_is_followed() {
        assert_eq!(shown(b"$ lx\x08 \x08s").0, "$ ls");
        assert_eq!(shown(b"$ ac\x08\x1b[1@b").1, "$ abc");
        assert_eq!(shown(b"$ abc\x08\x08\x1b[1P").1, "$ ac");
        assert_eq!(shown(b"$ ls\x1b[90m -la\x1b[0m\x1b[4D").0, "$ ls");
        assert_eq!(shown(b"$ wrong\r\x1b[2C\x1b[Kright").1, "$ right");
    }

    #[test]
    fn rows_can_be_returned_to() {
        assert_eq!(shown(b"$ ls\r\nfile\x1b[A\r\x1b[4Ca").0, "$ lsa");
        assert_eq!(shown(b"\x1b[5;1Hstatus\x1b[2;1HPassword: ").0, "Password: ");
        assert_eq!(shown(b"ask: \x1b7\r\nbelow\x1b8x").0, "ask: x");
    }

    #[test]
    fn wide_characters_take_two_cells() {
        assert_eq!(shown("パスワード: ".as_bytes()).0, "パスワード: ");
        assert_eq!(shown("口令*\x08 \x08".as_bytes()).0, "口令");
    }

    #[test]
    fn any_split_shows_the_same() {
        let stream = "\x1b[1;31m密码\x1b[0m：\x1b[?25h\x1b]2;t\x1b\\ab\x1b[2D".as_bytes();
        let whole = shown(stream);
        for cut in 0..stream.len() {
            let mut rows = Rows::default();
            rows.feed(&stream[..cut], |_| {});
            rows.feed(&stream[cut..], |_| {});
            assert_eq!((rows.before_cursor(), rows.row()), whole, "cut at {cut}");
        }
    }

    #[test]
    fn a_run_is_put_as_its_characters_are() {
        for len in [1, CELLS - 2, CELLS - 1, CELLS, 3 * CELLS] {
            let run: Vec<u8> = (0..len).map(|n| b'a' + (n % 26) as u8).collect();
            for start in ["", "\x1b[40C", "\x1b[999C", "\x1b[1022C", "\x1b[2000C", "xxx\x08\x08"] {
                let (mut one, mut all) = (Rows::default(), Rows::default());
                all.feed(&[start.as_bytes(), &run].concat(), |_| {});
                one.feed(start.as_bytes(), |_| {});
                run.iter().for_each(|byte| one.put(char::from(*byte)));
                assert_eq!(all.rows, one.rows, "{len} behind {start:?}");
                assert_eq!(all.cursor(), one.cursor(), "{len} behind {start:?}");
            }
        }
    }

    #[test]
    fn a_million_rows_take_no_more_room_than_some() {
        let mut rows = Rows::default();
        for _ in 0..10_000 {
            rows.feed(b"row\r\n", |_| {});
            rows.feed(b"\x1b[999;999Hx\x1b[9999B", |_| {});
        }
        assert!(rows.rows.len() <= 2 * ROWS);
    }
}
