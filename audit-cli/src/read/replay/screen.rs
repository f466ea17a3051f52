//! The screen at a point of a session, for seeking.

use std::num::NonZeroU16;

use audit_core::Winsize;

/// Ends what a session may have left switched on: colours, alternate screen, hidden cursor, mouse
/// reports, bracketed paste, a scrolling region.
pub(super) const RESET: &[u8] = b"\x18\x1b[0m\x1b[r\x1b[?1049l\x1b[?25h\x1b[?7h\x1b[?1l\x1b>\
\x1b[?1000;1002;1003;1004;1006;2004l\x1b[4l\x1b(B\x0f";

/// A terminal's screen as state.
pub(super) struct Screen {
    parser: vt100::Parser,
    first: Winsize,
    /// Whether line feeds come without carriage returns: output of a pipe.
    bare: bool,
}

impl Screen {
    /// An empty screen; `bare` when the session had no terminal.
    pub(super) fn new(size: Winsize, bare: bool) -> Self {
        Self { parser: parser(size), first: size, bare }
    }

    /// Back to the beginning of the session.
    pub(super) fn clear(&mut self) {
        self.parser = parser(self.first);
    }

    /// Takes in what was shown, and returns it as a raw terminal must be sent it.
    pub(super) fn feed(&mut self, bytes: &[u8]) -> Vec<u8> {
        let shown = if self.bare { with_returns(bytes) } else { bytes.to_vec() };
        self.parser.process(&shown);
        shown
    }

    /// The window has a new size.
    pub(super) fn resize(&mut self, size: Winsize) {
        self.parser.screen_mut().set_size(cells(size.rows), cells(size.columns));
    }

    /// What makes any terminal look like this screen.
    pub(super) fn drawing(&self) -> Vec<u8> {
        let mut bytes = RESET.to_vec();
        let screen = self.parser.screen();
        if screen.alternate_screen() {
            bytes.extend_from_slice(b"\x1b[?1049h");
        }
        bytes.extend_from_slice(b"\x1b[H\x1b[2J");
        bytes.extend_from_slice(screen.state_formatted().as_bytes());
        bytes
    }
}

fn parser(size: Winsize) -> vt100::Parser {
    vt100::Parser::new(cells(size.rows), cells(size.columns), 0)
}

/// Programs may say that a terminal has no size.
fn cells(count: u16) -> NonZeroU16 {
    NonZeroU16::new(count).unwrap_or(NonZeroU16::MIN)
}

fn with_returns(bytes: &[u8]) -> Vec<u8> {
    let mut shown = Vec::with_capacity(bytes.len() + bytes.len() / 16);
    for line in bytes.split_inclusive(|b| *b == b'\n') {
        match line.strip_suffix(b"\n") {
            Some(text) => {
                shown.extend_from_slice(text);
                shown.extend_from_slice(b"\r\n");
            }
            None => shown.extend_from_slice(line),
        }
    }
    shown
}
