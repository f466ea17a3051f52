//! From offsets in normalised text to offsets in the raw stream.

/// Where each byte of a row came from.
#[derive(Clone, Copy, Debug)]
pub enum Map<'a> {
    /// The row is a stretch of the raw stream that starts here.
    Linear(u64),
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
            Self::Linear(start) => start + at as u64,
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
            Self::Linear(base) => Some((base + start as u64, base + end as u64)),
            Self::Offsets(starts) => {
                let part = starts.get(start..end)?;
                Some((*part.iter().min()?, part.iter().max()? + 1))
            }
        }
    }
}
