//! The recent output, kept so that the cursor's row can be worked out when a key is typed.

use super::row::Rows;

/// How much recent output is kept, in bytes: a prompt and the row it stands on.
const KEPT: usize = 8 << 10;

/// Rows, brought up to date only when somebody asks.
#[derive(Default)]
pub(super) struct Screen {
    rows: Rows,
    /// Output that `rows` has not seen.
    behind: Vec<u8>,
}

impl Screen {
    /// Takes output nobody looks at now: a copy of at most 8 KiB, no work per byte.
    pub(super) fn note(&mut self, chunk: &[u8]) {
        if self.behind.len() + chunk.len() > 2 * KEPT {
            let older = KEPT.saturating_sub(chunk.len());
            self.behind.drain(..self.behind.len().saturating_sub(older));
            self.forget();
        }
        self.behind.extend_from_slice(&chunk[chunk.len().saturating_sub(KEPT)..]);
    }

    /// The rows as they are now.
    pub(super) fn rows(&mut self) -> &mut Rows {
        if !self.behind.is_empty() {
            let behind = std::mem::take(&mut self.behind);
            self.rows.feed(&behind, |_| {});
            self.behind = behind;
            self.behind.clear();
        }
        &mut self.rows
    }

    /// What is kept no longer continues what `rows` saw.
    fn forget(&mut self) {
        self.rows = Rows::default();
        if let Some(newline) = memchr::memchr(b'\n', &self.behind) {
            self.behind.drain(..=newline);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_row_under_the_cursor_survives_a_flood() {
        let mut screen = Screen::default();
        for size in [1, 700, 4096, 65536] {
            for chunk in "line of a flood\r\n".repeat(20_000).as_bytes().chunks(size) {
                screen.note(chunk);
                assert!(screen.behind.len() <= 2 * KEPT);
            }
            screen.note(b"Password: ");
            assert_eq!(screen.rows().before_cursor(), "Password: ");
            screen.note(b"\r\n");
        }
    }
}
