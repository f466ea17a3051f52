//! The relay's side of staging.

use std::collections::{BTreeSet, VecDeque};
use std::io;
use std::os::fd::OwnedFd;

use super::{ALIGN, HEADER, LAST, MORE, NEXT, Position, ROOM, SEGMENT, aligned};
use crate::sys::WriteMap;

/// Writes frames and frees what is acknowledged.
#[derive(Debug)]
pub(crate) struct Writer {
    map: WriteMap,
    /// The segments that hold nothing.
    free: BTreeSet<u32>,
    /// The others in the order they were filled; the last one is being filled. Never empty.
    used: VecDeque<u32>,
    head: Position,
}

impl Writer {
    /// Staging for at least `bytes`, and the descriptor its readers map.
    pub(crate) fn new(bytes: usize) -> io::Result<(Self, OwnedFd)> {
        let segments = bytes.div_ceil(ROOM).max(2);
        let count = u32::try_from(segments).map_err(|_| io::ErrorKind::InvalidInput)?;
        let (map, memory) = WriteMap::new(segments * SEGMENT)?;
        let used = VecDeque::from([0]);
        Ok((Self { map, free: (1..count).collect(), used, head: Position::START }, memory))
    }

    /// Behind the last frame.
    pub(crate) fn head(&self) -> Position {
        self.head
    }

    /// The longest frame that finds room once everything before it is released.
    pub(crate) fn longest(&self) -> usize {
        (self.free.len() + self.used.len() - 1) * ROOM
    }

    /// Writes a frame that consists of these parts and publishes it, if room for `spare` bytes is
    /// left afterwards. Returns whether it did.
    pub(crate) fn push(&mut self, parts: [&[u8]; 2], spare: usize) -> bool {
        let len = parts[0].len() + parts[1].len();
        let room = self.head.room() + self.free.len() * ROOM;
        if aligned(len) + spare > room {
            return false;
        }
        let mut parts = parts;
        let mut left = len;
        loop {
            if self.head.room() == 0 {
                self.open_segment();
            }
            let piece = left.min(self.head.room());
            left -= piece;
            self.put_header(if left == 0 { LAST } else { MORE }, piece as u32);
            self.put(&mut parts, piece);
            if left == 0 {
                break;
            }
        }
        self.map.publish(self.head.pack());
        true
    }

    /// Frees everything before `through`, a place where a frame has ended.
    pub(crate) fn release(&mut self, through: Position) {
        while self.used.len() > 1 && self.used.front() != Some(&through.segment) {
            self.free.extend(self.used.pop_front());
        }
    }

    fn open_segment(&mut self) {
        let segment = self.free.pop_first().expect("the caller has counted the free segments");
        self.put_header(NEXT, segment);
        self.used.push_back(segment);
        self.head = Position { segment, offset: 0 };
    }

    fn put_header(&mut self, kind: u32, value: u32) {
        let mut header = [0; HEADER];
        header[..4].copy_from_slice(&kind.to_le_bytes());
        header[4..].copy_from_slice(&value.to_le_bytes());
        self.map.write(self.head.at(), &header);
        self.head.offset += HEADER as u32;
    }

    /// Moves the next `len` bytes of the parts into the open segment.
    fn put(&mut self, parts: &mut [&[u8]; 2], len: usize) {
        let mut at = self.head.at();
        let mut left = len;
        for part in parts {
            let (now, later) = part.split_at(left.min(part.len()));
            self.map.write(at, now);
            at += now.len();
            left -= now.len();
            *part = later;
        }
        self.head.offset += aligned(len) as u32;
        debug_assert_eq!(self.head.offset as usize % ALIGN, 0);
    }

    /// How many segments hold something.
    #[cfg(test)]
    pub(super) fn used(&self) -> usize {
        self.used.len()
    }

    /// The highest segment that holds something.
    #[cfg(test)]
    pub(super) fn highest(&self) -> u32 {
        self.used.iter().copied().max().unwrap_or(0)
    }
}
