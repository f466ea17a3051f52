//! Where bytes come from and where they go.

use serde::{Deserialize, Serialize};

/// A recorded stream of bytes. The streams of a session are kept apart and each has its own digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stream {
    /// What the child wrote to its terminal, read from the PTY master.
    Tty = 0,
    /// What the user typed or piped in, as it reached us.
    Input = 1,
    /// What the child wrote to a standard output that is not a terminal.
    Stdout = 2,
    /// What the child wrote to a standard error that is not a terminal.
    Stderr = 3,
}

impl Stream {
    /// Every stream, in the order of their numbers.
    pub const ALL: [Self; 4] = [Self::Tty, Self::Input, Self::Stdout, Self::Stderr];

    /// The stream with this number, as journals and frames write it.
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number)).copied()
    }

    /// The number journals and frames write.
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// Whether this stream flows from the child to the user.
    pub const fn is_output(self) -> bool {
        !matches!(self, Self::Input)
    }

    /// The name used in exports, on the command line and in documents.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tty => "tty",
            Self::Input => "input",
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
        }
    }
}

/// A place bytes are written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Port {
    /// The child's input: the PTY master, or the pipe to its standard input.
    Child,
    /// The user's end of an output stream: the screen for [`Stream::Tty`], else a pipe or file.
    User(Stream),
}

impl Port {
    /// Every port a session may write to.
    pub const ALL: [Self; 4] = [
        Self::Child,
        Self::User(Stream::Tty),
        Self::User(Stream::Stdout),
        Self::User(Stream::Stderr),
    ];

    /// Where it stands in [`Port::ALL`]. The user's end of what he types is his screen.
    pub const fn index(self) -> usize {
        match self {
            Self::Child => 0,
            Self::User(Stream::Tty | Stream::Input) => 1,
            Self::User(Stream::Stdout) => 2,
            Self::User(Stream::Stderr) => 3,
        }
    }
}
