//! From offsets in normalised text to offsets in the raw stream.

/// From here on text and raw stream go side by side, until the next cut.
#[derive(Clone, Copy, Debug)]
pub struct Cut {
    /// Offset in the text.
    pub(super) text: usize,
    /// Offset in the raw stream.
    pub(super) raw: u64,
}

/// Where each byte of a row came from.
#[derive(Clone, Copy, Debug)]
pub enum Map<'a> {
    /// The row begins at `start` of a text with these cuts.
    Cuts {
        /// In order; the first is at the start of the text.
        cuts: &'a [Cut],
        /// Where in the text the row begins.
        start: usize,
    },
    /// One raw offset per byte of the row.
    Offsets(&'a [u64]),
}

impl Map<'_> {
    /// Raw offset of the byte at `at`.
    ///
    /// # Panics
    /// If `at` is not in the row.
    pub fn raw(&self, at: usize) -> u64 {
        match self {
            Self::Cuts { cuts, start } => {
                let text = start + at;
                let cut = cuts[cuts.partition_point(|cut| cut.text <= text) - 1];
                cut.raw + (text - cut.text) as u64
            }
            Self::Offsets(starts) => starts[at],
        }
    }

    /// The raw bytes that show `start..end` of the row: from the first to behind the last of them,
    /// escape sequences in between included. `None` for an empty range.
    pub fn raw_range(&self, start: usize, end: usize) -> Option<(u64, u64)> {
        if start >= end {
            return None;
        }
        match self {
            Self::Cuts { .. } => Some((self.raw(start), self.raw(end - 1) + 1)),
            Self::Offsets(starts) => {
                let part = starts.get(start..end)?;
                Some((*part.iter().min()?, part.iter().max()? + 1))
            }
        }
    }
}
