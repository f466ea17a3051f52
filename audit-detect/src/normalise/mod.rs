//! Raw terminal output turned into the text a reader of the screen saw, with a map back to the
//! raw bytes.
//!
//! Backspace, carriage return, erase and cursor moves are applied within the current row; colours
//! disappear; what cannot be told without a whole screen (addressing another row) ends the row.
//! Plain rows are handed over without a copy. Hidden text, clipboard writes and title changes are
//! reported as [`Signal`]s, shell integration marks (OSC 133 and OSC 633) as [`Mark`]s.

mod map;
mod row;
mod slab;

pub use map::{Cut, Map};
use row::Row;
use slab::Slab;
pub use slab::{RowAt, Rows};

/// A row longer than this is handed over in pieces.
pub const ROW_LIMIT: usize = 16 << 10;
/// How much of a row's end is repeated at the start of its next piece, so that nothing of interest
/// is cut in two.
const OVERLAP: usize = 512;
/// An escape sequence longer than this is given up.
const SEQUENCE_LIMIT: usize = 8 << 10;
/// Fewer hidden characters than this in a row are chance.
const HIDDEN_MIN: u32 = 4;

/// Why a row was handed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// A line feed.
    Newline,
    /// The cursor went elsewhere, the screen was cleared or the row grew too long.
    Break,
    /// It is still being written; it will come again, longer or changed.
    Open,
}

/// Where a shell with integration says it is (OSC 133 and OSC 633).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// The prompt starts.
    Prompt,
    /// The prompt ends: what follows is typed.
    Typed,
    /// The command was submitted: what follows is its output.
    Output,
    /// The command ended.
    Done,
    /// Bracketed paste was switched on: a line editor waits for input.
    Editing,
    /// Bracketed paste was switched off: the line editor is done.
    Edited,
}

/// Something a reader of the screen does not see, or not as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Signal {
    /// Text in concealed or same-on-same colours; how many characters.
    Hidden(u32),
    /// The program wrote to the clipboard (OSC 52).
    Clipboard,
    /// The window's title was changed to this, at most 200 bytes.
    Title(String),
}

/// Receives what the normaliser finds.
pub trait Sink {
    /// A row of text; `map` leads from offsets in `text` to offsets in the raw stream.
    fn row(&mut self, text: &[u8], map: Map<'_>, end: End);
    /// Many finished rows at once; as if each came by [`Sink::row`] with [`End::Newline`].
    fn rows(&mut self, rows: Rows<'_>) {
        rows.each(self);
    }
    /// A mark of shell integration, at `column` bytes in the present row.
    fn mark(&mut self, mark: Mark, column: usize);
    /// Something suspicious about how the text is shown.
    fn signal(&mut self, signal: Signal);
    /// The alternate screen was switched on or off.
    fn alternate(&mut self, _on: bool) {}
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Ground,
    Escape,
    /// An escape sequence with an intermediate byte: one more byte follows.
    Intermediate,
    Control,
    /// OSC, DCS, APC, PM or SOS, until BEL or ST.
    Text,
    /// An escape inside such a text.
    TextEscape,
}

/// Turns raw output into rows.
#[derive(Clone, Debug)]
pub struct Normaliser {
    offset: u64,
    state: State,
    sequence: Vec<u8>,
    osc: bool,
    row: Row,
    slab: Slab,
    columns: Option<usize>,
    alternate: bool,
    conceal: bool,
    foreground: u16,
    background: u16,
    hidden: u32,
    /// A space was followed by a carriage return: a line editor's soft wrap, unless a line feed
    /// follows.
    wrap: bool,
}

impl Default for Normaliser {
    fn default() -> Self {
        Self::new(None)
    }
}

impl Normaliser {
    /// A normaliser for a terminal of `columns` columns, where known.
    pub fn new(columns: Option<u16>) -> Self {
        Self {
            offset: 0,
            state: State::Ground,
            sequence: Vec::new(),
            osc: false,
            row: Row::default(),
            slab: Slab::default(),
            columns: columns.map(usize::from).filter(|c| *c >= 8),
            alternate: false,
            conceal: false,
            foreground: u16::MAX,
            background: u16::MAX,
            hidden: 0,
            wrap: false,
        }
    }

    /// Whether the alternate screen is on: full-screen programs, whose rows are no commands.
    pub fn alternate(&self) -> bool {
        self.alternate
    }

    /// Offset in the raw stream of the next byte.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Goes on at `offset` after a gap; what was unfinished is dropped.
    pub fn skip_to(&mut self, offset: u64) {
        self.offset = offset;
        self.row.clear();
        self.state = State::Ground;
        self.sequence.clear();
        self.wrap = false;
    }

    /// The terminal has this many columns now.
    pub fn resize(&mut self, columns: u16) {
        self.columns = Some(usize::from(columns)).filter(|c| *c >= 8);
    }

    /// The row being written, as text.
    pub fn present(&mut self) -> &[u8] {
        self.row.render().0
    }

    /// Reads the next bytes. Finished rows go to `sink` at once; the unfinished one stays.
    pub fn feed(&mut self, bytes: &[u8], sink: &mut impl Sink) {
        let mut at = 0;
        self.slab.begin(bytes.len());
        while at < bytes.len() {
            if self.begins_row() {
                at = self.whole_rows(bytes, at, sink);
                if at >= bytes.len() {
                    break;
                }
            }
            if self.state == State::Ground {
                let run = plain_run(&bytes[at..]);
                if run > 0 {
                    self.row.earn(run);
                    self.print(&bytes[at..at + run], sink);
                    self.offset += run as u64;
                    at += run;
                    continue;
                }
            }
            self.row.earn(1);
            self.byte(bytes[at], sink);
            self.offset += 1;
            at += 1;
        }
    }

    /// Hands the unfinished row to `sink` with [`End::Open`]; it stays.
    pub fn flush_open(&mut self, sink: &mut impl Sink) {
        if !self.row.is_empty() {
            let (text, starts) = self.row.render();
            sink.row(text, Map::Offsets(starts), End::Open);
        }
    }

    /// Whether the next byte is the first of a row, with nothing going on.
    fn begins_row(&self) -> bool {
        self.state == State::Ground && self.row.is_empty() && !self.wrap && !self.conceals()
    }

    fn conceals(&self) -> bool {
        self.conceal || (self.foreground != u16::MAX && self.foreground == self.background)
    }

    fn print(&mut self, run: &[u8], sink: &mut impl Sink) {
        if self.wrap {
            self.soft_wrap();
        }
        if self.conceals() {
            self.hidden += run.iter().filter(|b| !b.is_ascii_whitespace()).count() as u32;
        }
        for (at, byte) in run.iter().enumerate() {
            self.row.put(*byte, self.offset + at as u64);
            if self.row.len() >= ROW_LIMIT {
                let (text, starts) = self.row.render();
                sink.row(text, Map::Offsets(starts), End::Break);
                self.row.keep_tail(OVERLAP);
            }
        }
    }

    /// A readline-like editor wraps by writing a space and a carriage return behind the last
    /// column: the text goes on.
    fn soft_wrap(&mut self) {
        self.wrap = false;
        match self.columns {
            Some(columns) => self.row.carriage_return(Some(columns)),
            None => self.row.unwrap_space(),
        }
    }

    fn end_row(&mut self, end: End, sink: &mut impl Sink) {
        if self.hidden >= HIDDEN_MIN {
            sink.signal(Signal::Hidden(self.hidden));
        }
        self.hidden = 0;
        self.wrap = false;
        if end == End::Newline || !self.row.is_empty() {
            let (text, starts) = self.row.render();
            sink.row(text, Map::Offsets(starts), end);
        }
        self.row.clear();
    }

    fn byte(&mut self, byte: u8, sink: &mut impl Sink) {
        match self.state {
            State::Ground => self.control_character(byte, sink),
            State::Escape => self.escape(byte, sink),
            State::Intermediate => self.state = State::Ground,
            State::Control => match byte {
                0x20..=0x3f => self.gather(byte),
                0x40..=0x7e => {
                    self.state = State::Ground;
                    self.control_sequence(byte, sink);
                }
                0x1b => self.state = State::Escape,
                0x18 | 0x1a => self.state = State::Ground,
                _ => self.control_character(byte, sink),
            },
            State::Text => match byte {
                0x07 => self.end_text(sink),
                0x1b => self.state = State::TextEscape,
                0x18 | 0x1a => self.state = State::Ground,
                _ => self.gather(byte),
            },
            State::TextEscape => {
                if byte == b'\\' {
                    self.end_text(sink);
                } else {
                    self.state = State::Escape;
                    self.escape(byte, sink);
                }
            }
        }
    }

    fn gather(&mut self, byte: u8) {
        if self.sequence.len() < SEQUENCE_LIMIT {
            self.sequence.push(byte);
        } else {
            self.state = State::Ground;
        }
    }

    fn control_character(&mut self, byte: u8, sink: &mut impl Sink) {
        match byte {
            0x1b => {
                self.state = State::Escape;
                self.sequence.clear();
            }
            b'\n' | 0x0b | 0x0c => self.end_row(End::Newline, sink),
            b'\r' => {
                if self.row.ends_in_space() && self.columns.is_none_or(|c| self.row.cursor() > c) {
                    self.wrap = true;
                } else {
                    self.row.carriage_return(self.columns);
                }
            }
            0x08 => self.row.back(1),
            _ => {}
        }
    }

    fn escape(&mut self, byte: u8, sink: &mut impl Sink) {
        self.sequence.clear();
        self.osc = byte == b']';
        self.state = match byte {
            b'[' => State::Control,
            b']' | b'P' | b'X' | b'^' | b'_' => State::Text,
            0x20..=0x2f => State::Intermediate,
            0x1b => State::Escape,
            _ => State::Ground,
        };
        match byte {
            b'c' | b'M' => self.end_row(End::Break, sink),
            b'D' | b'E' => self.end_row(End::Newline, sink),
            _ => {}
        }
    }

    fn control_sequence(&mut self, last: u8, sink: &mut impl Sink) {
        let sequence = std::mem::take(&mut self.sequence);
        let private = sequence.first().copied().filter(|b| (b'<'..=b'?').contains(b));
        if self.wrap && matches!(last, b'K' | b'J' | b'C' | b'D' | b'G') {
            // the carriage return was one after all
            self.wrap = false;
            self.row.carriage_return(self.columns);
        }
        let first = number(&sequence, 0);
        let count = first.max(1).min(ROW_LIMIT as u32) as usize;
        match (private, last) {
            (Some(b'?'), b'h' | b'l') => self.mode(&sequence[1..], last == b'h', sink),
            (Some(_), _) => {}
            (None, b'm') => self.colours(sequence.split(|b| matches!(b, b';' | b':')).map(digits)),
            (None, b'K') => self.row.erase(first),
            (None, b'J') => match first {
                0 => self.row.erase(0),
                _ => self.end_row(End::Break, sink),
            },
            (None, b'C' | b'a') => self.row.forward(count, self.columns),
            (None, b'D') => self.row.back(count),
            (None, b'G' | b'`') => self.row.go_to_column(count - 1, self.columns),
            (None, b'P') => self.row.delete(count),
            (None, b'@') => self.row.insert_blanks(count),
            (None, b'X') => self.row.blank(count),
            (None, b'A' | b'B') => {
                let up = last == b'A';
                let inside = self.columns.is_some_and(|columns| match up {
                    true => self.row.up(count, columns),
                    false => self.row.down(count, columns),
                });
                if !inside {
                    self.end_row(End::Break, sink);
                }
            }
            (None, b'H' | b'f' | b'd' | b'E' | b'F' | b'L' | b'M' | b'S' | b'T') => {
                self.end_row(End::Break, sink);
            }
            _ => {}
        }
        self.sequence = sequence;
        self.sequence.clear();
    }

    fn mode(&mut self, parameters: &[u8], set: bool, sink: &mut impl Sink) {
        for parameter in parameters.split(|b| *b == b';') {
            match parameter {
                b"47" | b"1047" | b"1049" => {
                    self.end_row(End::Break, sink);
                    self.alternate = set;
                    sink.alternate(set);
                }
                b"2004" => {
                    let column = self.row.cursor_bytes();
                    sink.mark(if set { Mark::Editing } else { Mark::Edited }, column);
                }
                _ => {}
            }
        }
    }

    fn colours(&mut self, mut parts: impl Iterator<Item = u32>) {
        while let Some(part) = parts.next() {
            match part {
                0 => (self.conceal, self.foreground, self.background) = (false, u16::MAX, u16::MAX),
                8 => self.conceal = true,
                28 => self.conceal = false,
                30..=37 => self.foreground = part as u16 - 30,
                90..=97 => self.foreground = part as u16 - 82,
                39 => self.foreground = u16::MAX,
                40..=47 => self.background = part as u16 - 40,
                100..=107 => self.background = part as u16 - 92,
                49 => self.background = u16::MAX,
                38 | 48 => {
                    let colour = match parts.next() {
                        Some(5) => parts.next().unwrap_or(0) as u16,
                        Some(2) => {
                            let mut mixed = 0u32;
                            for _ in 0..3 {
                                mixed =
                                    mixed.wrapping_mul(31).wrapping_add(parts.next().unwrap_or(0));
                            }
                            0x1000 | (mixed as u16 & 0x0fff)
                        }
                        _ => u16::MAX,
                    };
                    if part == 38 {
                        self.foreground = colour;
                    } else {
                        self.background = colour;
                    }
                }
                _ => {}
            }
        }
    }

    fn end_text(&mut self, sink: &mut impl Sink) {
        self.state = State::Ground;
        if !self.osc {
            return;
        }
        let text = std::mem::take(&mut self.sequence);
        let (code, value) = match text.iter().position(|b| *b == b';') {
            Some(at) => (&text[..at], &text[at + 1..]),
            None => (&text[..], &[][..]),
        };
        match code {
            b"133" | b"633" => {
                let mark = match value.first() {
                    Some(b'A') => Some(Mark::Prompt),
                    Some(b'B') => Some(Mark::Typed),
                    Some(b'C') => Some(Mark::Output),
                    Some(b'D') => Some(Mark::Done),
                    _ => None,
                };
                if let Some(mark) = mark {
                    sink.mark(mark, self.row.cursor_bytes());
                }
            }
            b"52" if value.len() > 4 && !value.ends_with(b"?") => sink.signal(Signal::Clipboard),
            b"0" | b"2" => {
                let title = String::from_utf8_lossy(&value[..value.len().min(200)]).into_owned();
                sink.signal(Signal::Title(title));
            }
            _ => {}
        }
        self.sequence = text;
        self.sequence.clear();
    }
}

/// How many bytes from the start are printable, a tab or part of a character beyond ASCII.
fn plain_run(bytes: &[u8]) -> usize {
    let special = |b: u8| (b < 0x20 && b != b'\t') || b == 0x7f;
    let mut at = 0;
    for chunk in bytes.chunks_exact(32) {
        // one branch per 32 bytes, so that the compiler vectorises the test
        if chunk.iter().fold(false, |any, b| any | special(*b)) {
            break;
        }
        at += 32;
    }
    at + bytes[at..].iter().position(|b| special(*b)).unwrap_or(bytes.len() - at)
}

fn digits(part: &[u8]) -> u32 {
    part.iter()
        .filter(|b| b.is_ascii_digit())
        .fold(0u32, |n, b| n.saturating_mul(10).saturating_add(u32::from(b - b'0')))
}

fn number(sequence: &[u8], index: usize) -> u32 {
    sequence.split(|b| *b == b';').nth(index).map_or(0, digits)
}

#[cfg(test)]
mod tests;
