//! One typed line in doubt.

use zeroize::Zeroizing;

use super::vault::{Fate, Ticket};
use crate::moment::Moment;
use crate::record::SecretRule;

/// The secret rule of a line that nothing proved harmless.
pub(super) const AHEAD: Fate = Fate::Secret(SecretRule::TypeAhead);

/// One typed line, or the lines of a long paste, which share their fate.
pub(super) struct Line {
    pub(super) id: u64,
    pub(super) tickets: Vec<Ticket>,
    pub(super) echoes: Vec<Ticket>,
    /// The line as edited.
    pub(super) text: Zeroizing<Vec<u8>>,
    /// How many bytes were typed for it.
    pub(super) cost: usize,
    /// How much of it the kernel has, in bytes of whole lines: their echo was found.
    pub(super) entered: usize,
    /// How much of it was shown again, in bytes.
    pub(super) shown: usize,
    pub(super) typed: Moment,
    /// Its end was typed.
    pub(super) ended: bool,
    /// When the echo of its end was seen: since then the kernel has it.
    pub(super) echoed: Option<Moment>,
    /// When a sample first found it read, by a reader who was waiting for it. The echo of its end
    /// may reach us a moment before the kernel counts the line as unread, so one sample proves
    /// nothing.
    pub(super) taken: Option<Moment>,
    /// A sample found it unread: then the kernel had counted it.
    pub(super) counted: bool,
    /// It lay unread, or came behind something that no sample can tell apart from it.
    pub(super) waited: bool,
    /// It came in one read with the line before.
    pub(super) follows: bool,
    /// It was typed behind something on the row, as at the prompt of a waiting program.
    pub(super) at_prompt: bool,
    /// The prompt asked for a secret (rule three).
    pub(super) secret: bool,
    /// A prompt for a secret was shown while it was in doubt: it may be the answer.
    pub(super) prompted: bool,
    /// It belongs to a paste of many lines.
    pub(super) pasted: bool,
    /// It is decided then, unless something happens before.
    pub(super) due: Option<(Moment, Fate)>,
}

impl Line {
    /// A line that begins now; `pasted` tells that it belongs to a paste of many lines.
    pub(super) fn new(id: u64, origin: Origin, pasted: bool, now: Moment) -> Self {
        Self {
            id,
            tickets: Vec::new(),
            echoes: Vec::new(),
            text: Zeroizing::default(),
            cost: 0,
            entered: 0,
            shown: 0,
            typed: now,
            ended: false,
            echoed: None,
            taken: None,
            counted: false,
            waited: !origin.echo,
            follows: origin.follows,
            at_prompt: origin.at_prompt,
            secret: origin.secret,
            prompted: false,
            pasted,
            due: None,
        }
    }

    /// What becomes of it when nothing tells: a secret may be any line, but not one of many.
    pub(super) fn unproven(&self) -> Fate {
        if self.pasted && !self.secret { Fate::Clear } else { AHEAD }
    }
}

/// Where a line comes from.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Origin {
    /// The kernel will echo it.
    pub(super) echo: bool,
    /// The line before came in the same read.
    pub(super) follows: bool,
    /// Something stands on the row in front of it.
    pub(super) at_prompt: bool,
    /// A prompt for a secret stands in front of it.
    pub(super) secret: bool,
    /// It is a paste of many lines.
    pub(super) pasted: bool,
}

/// Whether the row ends in this text.
pub(super) fn shows(row: &str, text: &[u8]) -> bool {
    let Ok(text) = str::from_utf8(text.trim_ascii_end()) else { return false };
    // A short text ends many a row by chance.
    let sure = |before: &str| {
        text.len() >= 4 || before.is_empty() || before.ends_with([' ', '$', '#', '>', '%'])
    };
    !text.is_empty() && row.strip_suffix(text).is_some_and(sure)
}

/// Edits a line as the kernel does (`VERASE`, `VWERASE`, `VKILL`).
pub(super) fn edit(line: &mut Vec<u8>, byte: u8) {
    match byte {
        0x08 | 0x7f => {
            let last = line.iter().rposition(|b| b & 0xc0 != 0x80);
            line.truncate(last.unwrap_or(0));
        }
        0x15 => line.clear(),
        0x17 => {
            let word = line.iter().rposition(|b| *b != b' ').map_or(0, |end| end + 1);
            let start = line[..word].iter().rposition(|b| *b == b' ').map_or(0, |blank| blank + 1);
            line.truncate(start);
        }
        _ => line.push(byte),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_edited_as_the_kernel_does() {
        for (typed, left) in [
            ("lx\x7fs", "ls"),
            ("ß\x7fa", "a"),
            ("rm all the\x17files", "rm all files"),
            ("wrong\x15right", "right"),
            ("\x7f\x17\x15", ""),
        ] {
            let mut line = Vec::new();
            typed.bytes().for_each(|byte| edit(&mut line, byte));
            assert_eq!(line, left.as_bytes(), "{typed:?}");
        }
    }
}
