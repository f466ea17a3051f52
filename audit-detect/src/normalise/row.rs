//! The row the cursor is in.

/// One character: up to four bytes, with the raw offset of each.
#[derive(Clone, Copy, Debug)]
struct Cell {
    bytes: [u8; 4],
    len: u8,
    from: u64,
}

/// The row the cursor is in, as cells. It is not cut at the width of the terminal: what wraps
/// stays in one row.
#[derive(Clone, Debug)]
pub(super) struct Row {
    cells: Vec<Cell>,
    cursor: usize,
    text: Vec<u8>,
    starts: Vec<u64>,
    /// How many cells may be touched that no byte of text stands for.
    credit: usize,
}

/// The cursor does not go beyond this column.
const WIDEST: usize = super::ROW_LIMIT;
/// A move of the cursor where the width of the terminal is not known goes no further than this.
const FARTHEST: usize = 512;
/// Cells a byte read is worth: what moves of the cursor and erasures may cost at most, so that no
/// output costs much more than other output of its length.
const WORTH: usize = 8;
/// What may be saved up, so that honest editing of a long line is never cut short.
const SAVINGS: usize = 64 << 10;

impl Default for Row {
    fn default() -> Self {
        let (cells, text, starts) = Default::default();
        Self { cells, cursor: 0, text, starts, credit: SAVINGS }
    }
}

impl Row {
    /// So many bytes are read.
    pub(super) fn earn(&mut self, bytes: usize) {
        self.credit = (self.credit + bytes * WORTH).min(SAVINGS);
    }

    /// How many of so many cells may be touched.
    fn spend(&mut self, cells: usize) -> usize {
        let granted = cells.min(self.credit);
        self.credit -= granted;
        granted
    }

    fn affords(&mut self, cells: usize) -> bool {
        cells <= self.credit && self.spend(cells) == cells
    }

    /// What moving all cells from `start` on costs: a copy, many at a time.
    fn affords_move(&mut self, start: usize) -> bool {
        self.affords((self.cells.len() - start) / 4 + 1)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.cells.is_empty() && self.cursor == 0
    }

    pub(super) fn len(&self) -> usize {
        self.cells.len()
    }

    pub(super) fn cursor(&self) -> usize {
        self.cursor
    }

    /// Bytes of text before the cursor.
    pub(super) fn cursor_bytes(&mut self) -> usize {
        if !self.affords(self.cursor.min(self.cells.len()) / 4) {
            return self.cursor;
        }
        self.cells.iter().take(self.cursor).map(|c| usize::from(c.len)).sum()
    }

    pub(super) fn clear(&mut self) {
        self.cells.clear();
        self.cursor = 0;
    }

    /// Keeps the last `count` cells only.
    pub(super) fn keep_tail(&mut self, count: usize) {
        let cut = self.cells.len().saturating_sub(count);
        self.cells.drain(..cut);
        self.cursor = self.cursor.saturating_sub(cut);
    }

    /// Writes a byte at the cursor; a continuation byte of UTF-8 joins the character before it.
    pub(super) fn put(&mut self, byte: u8, from: u64) {
        if byte & 0xc0 == 0x80
            && let Some(cell) = self.cursor.checked_sub(1).and_then(|at| self.cells.get_mut(at))
            && cell.bytes[0] >= 0xc0
            && cell.len < 4
            && cell.from + u64::from(cell.len) == from
        {
            cell.bytes[usize::from(cell.len)] = byte;
            cell.len += 1;
            return;
        }
        let cell = Cell { bytes: [byte, 0, 0, 0], len: 1, from };
        self.pad(from);
        match self.cells.get_mut(self.cursor) {
            Some(old) => *old = cell,
            None => self.cells.push(cell),
        }
        self.cursor += 1;
    }

    fn pad(&mut self, from: u64) {
        if self.cells.len() < self.cursor {
            let blanks = self.spend(self.cursor - self.cells.len());
            self.cursor = self.cells.len() + blanks;
            self.cells.resize(self.cursor, Cell { bytes: [b' ', 0, 0, 0], len: 1, from });
        }
    }

    pub(super) fn back(&mut self, count: usize) {
        self.cursor = self.cursor.saturating_sub(count);
    }

    /// To the right, as far as the present line of the screen goes.
    pub(super) fn forward(&mut self, count: usize, columns: Option<usize>) {
        let last = match columns {
            Some(columns) => self.cursor - self.cursor % columns + columns - 1,
            None => self.cursor + FARTHEST,
        };
        self.cursor = (self.cursor + count).min(last).min(WIDEST);
    }

    /// To the start of the present line of the screen.
    pub(super) fn carriage_return(&mut self, columns: Option<usize>) {
        self.cursor = columns.map_or(0, |c| self.cursor - self.cursor % c);
    }

    pub(super) fn go_to_column(&mut self, column: usize, columns: Option<usize>) {
        self.carriage_return(columns);
        self.forward(column, columns);
    }

    /// Up `count` lines, if this row began there.
    pub(super) fn up(&mut self, count: usize, columns: usize) -> bool {
        let back = count * columns;
        let fits = self.cursor >= back;
        if fits {
            self.cursor -= back;
        }
        fits
    }

    /// Down `count` lines, if this row goes on there.
    pub(super) fn down(&mut self, count: usize, columns: usize) -> bool {
        let fits = self.cursor / columns + count <= self.cells.len() / columns;
        if fits {
            self.cursor += count * columns;
        }
        fits
    }

    /// EL: 0 to the end, 1 from the start, 2 all.
    pub(super) fn erase(&mut self, part: u32) {
        match part {
            0 => self.cells.truncate(self.cursor),
            1 if self.affords(self.cells.len().min(self.cursor + 1)) => {
                for cell in self.cells.iter_mut().take(self.cursor + 1) {
                    (cell.bytes[0], cell.len) = (b' ', 1);
                }
            }
            1 => {}
            _ => self.cells.clear(),
        }
    }

    pub(super) fn delete(&mut self, count: usize) {
        let start = self.cursor.min(self.cells.len());
        let end = (start + count).min(self.cells.len());
        if self.affords_move(end) {
            self.cells.drain(start..end);
        }
    }

    pub(super) fn insert_blanks(&mut self, count: usize) {
        if self.cursor < self.cells.len()
            && self.cells.len() + count <= WIDEST
            && self.affords_move(self.cursor)
            && self.affords(count)
        {
            let blank = Cell { bytes: [b' ', 0, 0, 0], len: 1, from: self.cells[self.cursor].from };
            let at = self.cursor;
            self.cells.splice(at..at, std::iter::repeat_n(blank, count));
        }
    }

    pub(super) fn blank(&mut self, count: usize) {
        let count = count.min(self.cells.len().saturating_sub(self.cursor));
        if !self.affords(count) {
            return;
        }
        for cell in self.cells.iter_mut().skip(self.cursor).take(count) {
            (cell.bytes[0], cell.len) = (b' ', 1);
        }
    }

    pub(super) fn ends_in_space(&self) -> bool {
        self.cursor >= 2
            && self.cursor == self.cells.len()
            && self.cells.last().is_some_and(|c| c.bytes[0] == b' ')
    }

    /// Takes back the space a soft wrap wrote.
    pub(super) fn unwrap_space(&mut self) {
        self.cells.pop();
        self.cursor = self.cells.len();
    }

    /// The text, and the raw offset of each of its bytes. Blanks at the end stay.
    pub(super) fn render(&mut self) -> (&[u8], &[u64]) {
        self.text.clear();
        self.starts.clear();
        for cell in &self.cells {
            for (at, byte) in cell.bytes[..usize::from(cell.len)].iter().enumerate() {
                self.text.push(*byte);
                self.starts.push(cell.from + at as u64);
            }
        }
        (&self.text, &self.starts)
    }
}
