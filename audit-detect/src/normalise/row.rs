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
#[derive(Clone, Debug, Default)]
pub(super) struct Row {
    cells: Vec<Cell>,
    cursor: usize,
    text: Vec<u8>,
    starts: Vec<u64>,
}

/// The cursor does not go beyond this column.
const WIDEST: usize = super::ROW_LIMIT;

impl Row {
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
    pub(super) fn cursor_bytes(&self) -> usize {
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
        while self.cells.len() < self.cursor {
            self.cells.push(Cell { bytes: [b' ', 0, 0, 0], len: 1, from });
        }
    }

    pub(super) fn back(&mut self, count: usize) {
        self.cursor = self.cursor.saturating_sub(count);
    }

    pub(super) fn forward(&mut self, count: usize) {
        self.cursor = (self.cursor + count).min(WIDEST);
    }

    /// To the start of the present line of the screen.
    pub(super) fn carriage_return(&mut self, columns: Option<usize>) {
        self.cursor = columns.map_or(0, |c| self.cursor - self.cursor % c);
    }

    pub(super) fn go_to_column(&mut self, column: usize, columns: Option<usize>) {
        self.carriage_return(columns);
        self.forward(column);
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
            1 => {
                for cell in self.cells.iter_mut().take(self.cursor + 1) {
                    (cell.bytes[0], cell.len) = (b' ', 1);
                }
            }
            _ => self.cells.clear(),
        }
    }

    pub(super) fn delete(&mut self, count: usize) {
        let start = self.cursor.min(self.cells.len());
        let end = (start + count).min(self.cells.len());
        self.cells.drain(start..end);
    }

    pub(super) fn insert_blanks(&mut self, count: usize) {
        if self.cursor < self.cells.len() && self.cells.len() + count <= WIDEST {
            let blank = Cell { bytes: [b' ', 0, 0, 0], len: 1, from: self.cells[self.cursor].from };
            let at = self.cursor;
            self.cells.splice(at..at, std::iter::repeat_n(blank, count));
        }
    }

    pub(super) fn blank(&mut self, count: usize) {
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
