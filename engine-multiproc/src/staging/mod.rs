//! Staging: frames on their way from the relay to the recorder's process, in shared memory.
//!
//! The memory is cut into segments. The relay fills one after the other, always taking the lowest
//! free one next, so that only as much memory is ever touched as was waiting at once. A frame that
//! does not fit into the rest of a segment goes on in the next. Each segment ends with a header
//! that names its successor.
//!
//! The relay alone decides what is free: a worker reads from a position it is told, up to the head
//! the relay publishes, and what it has read stays until the relay is told that it is durable. A
//! worker that dies takes nothing with it.

mod reader;
mod writer;

use serde::{Deserialize, Serialize};

pub(crate) use reader::Reader;
pub(crate) use writer::Writer;

/// Bytes of a segment.
const SEGMENT: usize = 128 << 10;
/// Bytes of a header: kind and value, 32 bits each, little-endian.
const HEADER: usize = 8;
/// Frames and headers begin at multiples of this.
const ALIGN: usize = 8;
/// Bytes a segment can hold in one piece: all but this piece's header and the last one.
const ROOM: usize = SEGMENT - 2 * HEADER;

/// A header before the last (or only) piece of a frame; the value is its length.
const LAST: u32 = 1;
/// A header before a piece of a frame that goes on; the value is its length.
const MORE: u32 = 2;
/// A header behind which nothing stands: the value is the segment to go on in.
const NEXT: u32 = 3;

/// A place between two frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Position {
    segment: u32,
    offset: u32,
}

impl Position {
    const START: Self = Self { segment: 0, offset: 0 };

    const fn pack(self) -> u64 {
        (self.segment as u64) << 32 | self.offset as u64
    }

    const fn unpack(packed: u64) -> Self {
        Self { segment: (packed >> 32) as u32, offset: packed as u32 }
    }

    /// Offset in the data.
    const fn at(self) -> usize {
        self.segment as usize * SEGMENT + self.offset as usize
    }

    /// How many bytes a piece that begins here may have.
    const fn room(self) -> usize {
        (SEGMENT - self.offset as usize).saturating_sub(2 * HEADER)
    }
}

const fn aligned(len: usize) -> usize {
    len.next_multiple_of(ALIGN)
}

#[cfg(test)]
mod tests;
