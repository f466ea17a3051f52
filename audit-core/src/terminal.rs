//! Facts about a terminal, as plain data.

use serde::{Deserialize, Serialize};

/// Size of a terminal window: rows × columns in cells, and pixels where the terminal tells
/// (`struct winsize` of `ioctl_tty(2)`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Winsize {
    /// Rows of cells, from 1.
    pub rows: u16,
    /// Columns of cells, from 1.
    pub columns: u16,
    /// Width in pixels, 0 when unknown.
    #[serde(default)]
    pub pixel_width: u16,
    /// Height in pixels, 0 when unknown.
    #[serde(default)]
    pub pixel_height: u16,
}

impl Winsize {
    /// A window of `rows` × `columns` cells whose pixels are unknown.
    pub const fn new(rows: u16, columns: u16) -> Self {
        Self { rows, columns, pixel_width: 0, pixel_height: 0 }
    }
}

/// The line discipline's state, sampled from the PTY master beside a read (`termios(3)`).
///
/// A sample may already be old when it is used: the child changes its flags when it likes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LineState {
    /// `ECHO`: the kernel echoes input.
    pub echo: bool,
    /// `ICANON`: the kernel edits lines.
    pub canonical: bool,
    /// `ECHONL`: newlines are echoed even without `ECHO`.
    pub echo_newline: bool,
    /// Bytes which the child has not read yet, in canonical mode those of whole lines only
    /// (`FIONREAD` on the slave); `None` when the system does not tell.
    pub unread: Option<u32>,
}

impl LineState {
    /// A terminal as a shell script finds it: canonical, with echo.
    pub const COOKED: Self =
        Self { echo: true, canonical: true, echo_newline: false, unread: None };

    /// What line editors and full-screen programs use: neither canonical nor echoing.
    pub const RAW: Self = Self { echo: false, canonical: false, echo_newline: false, unread: None };

    /// What password prompts use: canonical, without echo.
    pub const NO_ECHO: Self =
        Self { echo: false, canonical: true, echo_newline: false, unread: None };

    /// Whether what is typed now is a secret by rule one: no echo, yet edited by the kernel.
    pub const fn hides_input(self) -> bool {
        !self.echo && (self.canonical || self.echo_newline)
    }
}
