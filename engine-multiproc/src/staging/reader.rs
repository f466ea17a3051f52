//! A worker's side of staging. Trusts nothing it reads.

use std::io;
use std::os::fd::OwnedFd;

use super::{ALIGN, HEADER, LAST, MORE, NEXT, Position, SEGMENT, aligned};
use crate::sys::ReadMap;

/// Reads frames from a position on.
#[derive(Debug)]
pub(crate) struct Reader {
    map: ReadMap,
    at: Position,
}

/// What stands in the shared memory is not what a relay writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the staging memory is torn")]
pub(crate) struct Torn;

impl Reader {
    /// A reader of this memory that begins at `at`.
    pub(crate) fn open(memory: &OwnedFd, at: Position) -> io::Result<Self> {
        Ok(Self { map: ReadMap::open(memory)?, at })
    }

    /// The next frame, if one is published.
    pub(crate) fn next(&mut self) -> Result<Option<Vec<u8>>, Torn> {
        let head = self.check(Position::unpack(self.map.head()))?;
        self.check(self.at)?;
        if self.at == head {
            return Ok(None);
        }
        let mut frame = Vec::new();
        // No frame has more pieces, nor more headers between them, than there are segments.
        for _ in 0..2 * self.segments() + 1 {
            if self.at == head {
                // Only whole frames are published.
                return Err(Torn);
            }
            let (kind, value) = self.header()?;
            match kind {
                NEXT => self.at = self.check(Position { segment: value, offset: 0 })?,
                LAST | MORE => {
                    self.piece(value as usize, &mut frame)?;
                    if kind == LAST {
                        return Ok(Some(frame));
                    }
                }
                _ => return Err(Torn),
            }
        }
        Err(Torn)
    }

    fn segments(&self) -> usize {
        self.map.capacity() / SEGMENT
    }

    /// A position where a header may stand.
    fn check(&self, position: Position) -> Result<Position, Torn> {
        let inside = (position.segment as usize) < self.segments()
            && position.offset as usize <= SEGMENT - HEADER
            && (position.offset as usize).is_multiple_of(ALIGN);
        inside.then_some(position).ok_or(Torn)
    }

    fn header(&self) -> Result<(u32, u32), Torn> {
        let mut header = Vec::with_capacity(HEADER);
        self.map.read(self.at.at(), HEADER, &mut header).ok_or(Torn)?;
        let number = |bytes: &[u8]| bytes.try_into().map(u32::from_le_bytes).map_err(|_| Torn);
        Ok((number(&header[..4])?, number(&header[4..])?))
    }

    fn piece(&mut self, len: usize, into: &mut Vec<u8>) -> Result<(), Torn> {
        if len > self.at.room() {
            return Err(Torn);
        }
        self.map.read(self.at.at() + HEADER, len, into).ok_or(Torn)?;
        self.at.offset += (HEADER + aligned(len)) as u32;
        Ok(())
    }
}
