//! The payload of a block frame: records, gathered.
//!
//! ```text
//! payload = meta_len (u32) ‖ meta ‖ data
//! meta    = first (u64) ‖ last (u64) ‖ entry*
//! entry   = tag (u8) ‖ dt (varint, ns since the entry before) ‖ rest
//!   data    rest = [count (varint)] ‖ len (varint)
//!   sealed  rest = seal (varint) ‖ offset (varint) ‖ len (varint)
//!   event   rest = kind (u8) ‖ len (varint) ‖ len bytes of CBOR
//!   skip    rest = n (varint)
//! tag     = type (bits 0-2) | PARTIAL (bit 3) | stream (bits 4-5) | COUNT (bit 6)
//! ```
//!
//! `data` holds the bytes of data and sealed entries in their order. A data entry stands for
//! `count` records which arrived within a millisecond (one, without COUNT). PARTIAL says that the
//! last record goes on in the next block; it then does not count. `skip` passes over record
//! numbers that were never written, as the gap behind it says.

use audit_core::{SealId, Stream};

use crate::frame::{self, MAX_PAYLOAD, flag};
use crate::varint;

/// Data records of a stream that arrive within this many nanoseconds become one entry.
const RUN: u64 = 1_000_000;
/// Bytes in front of the entries: length of the meta part, first and last record.
pub(crate) const PREFIX: usize = 20;

const DATA: u8 = 0;
const SEALED: u8 = 1;
const EVENT: u8 = 2;
const SKIP: u8 = 3;
const PARTIAL: u8 = 1 << 3;
const COUNT: u8 = 1 << 6;

/// A block that no writer of ours writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("malformed block: {0}")]
pub(crate) struct Malformed(pub(crate) &'static str);

/// A block's payload, taken apart.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Raw<'a> {
    /// First and last record, and the entries: everything hashed as it stands.
    pub(crate) meta: &'a [u8],
    /// The bytes of the streams.
    pub(crate) data: &'a [u8],
    /// Time of the frame.
    pub(crate) time: u64,
}

impl<'a> Raw<'a> {
    /// Takes a payload apart.
    pub(crate) fn parse(payload: &'a [u8], time: u64) -> Result<Self, Malformed> {
        let (len, rest) = payload.split_first_chunk::<4>().ok_or(Malformed("no length"))?;
        let len = u32::from_le_bytes(*len) as usize;
        let (meta, data) = rest.split_at_checked(len).ok_or(Malformed("meta beyond its end"))?;
        if len < PREFIX - 4 {
            return Err(Malformed("no record numbers"));
        }
        Ok(Self { meta, data, time })
    }

    /// First record that lies in the block, at least in part.
    pub(crate) fn first(&self) -> u64 {
        u64_at(self.meta, 0)
    }

    /// Last record that ends in the block; `first - 1` when none does.
    pub(crate) fn last(&self) -> u64 {
        u64_at(self.meta, 8)
    }

    /// The flags a frame with this block must carry.
    pub(crate) fn flags(&self) -> Result<u8, Malformed> {
        let mut flags = 0;
        for piece in Pieces::new(self) {
            flags |= piece?.1.flags();
        }
        Ok(flags)
    }
}

fn u64_at(meta: &[u8], at: usize) -> u64 {
    meta.get(at..).and_then(|m| m.first_chunk()).map_or(0, |b| u64::from_le_bytes(*b))
}

/// One entry of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Piece<'a> {
    Data { stream: Stream, count: u64, partial: bool, bytes: &'a [u8] },
    Sealed { stream: Stream, seal: SealId, offset: u64, partial: bool, cipher: &'a [u8] },
    Event { kind: u8, partial: bool, payload: &'a [u8] },
    Skip(u64),
}

impl Piece<'_> {
    /// The stream and how many bytes of it the entry holds.
    pub(crate) fn span(&self) -> Option<(Stream, usize)> {
        match self {
            Self::Data { stream, bytes, .. } => Some((*stream, bytes.len())),
            Self::Sealed { stream, cipher, .. } => Some((*stream, cipher.len())),
            Self::Event { .. } | Self::Skip(_) => None,
        }
    }

    /// How many bytes of a record that goes on in the next block the entry holds.
    pub(crate) fn unfinished(&self) -> Option<usize> {
        match self {
            Self::Data { partial: true, bytes, .. } => Some(bytes.len()),
            Self::Sealed { partial: true, cipher, .. } => Some(cipher.len()),
            Self::Event { partial: true, payload, .. } => Some(payload.len()),
            _ => None,
        }
    }

    /// How far the entry moves the number of the next record.
    pub(crate) fn advance(&self) -> u64 {
        match self {
            Self::Data { count, .. } => *count,
            Self::Sealed { partial, .. } | Self::Event { partial, .. } => u64::from(!partial),
            Self::Skip(n) => *n,
        }
    }

    fn flags(&self) -> u8 {
        match self {
            Self::Data { stream, .. } => flag::STREAM << stream.number(),
            Self::Sealed { stream, .. } => flag::STREAM << stream.number() | flag::SEALED,
            Self::Event { kind, .. } => event_flags(*kind),
            Self::Skip(_) => flag::EVENTS,
        }
    }
}

/// The flags of a block with a structured record of this kind.
fn event_flags(kind: u8) -> u8 {
    flag::EVENTS | if kind == frame::event::SECRET { flag::SECRET } else { 0 }
}

/// The entries of a block, with their times. Fails at the first that is malformed, and at the end
/// when lengths or record numbers do not add up.
pub(crate) struct Pieces<'a> {
    meta: &'a [u8],
    data: &'a [u8],
    time: u64,
    next: u64,
    last: u64,
    done: bool,
}

impl<'a> Pieces<'a> {
    pub(crate) fn new(block: &Raw<'a>) -> Self {
        Self {
            meta: block.meta.get(PREFIX - 4..).unwrap_or_default(),
            data: block.data,
            time: block.time,
            next: block.first(),
            last: block.last(),
            done: false,
        }
    }

    fn piece(&mut self) -> Result<(u64, Piece<'a>), Malformed> {
        let (&tag, rest) = self.meta.split_first().ok_or(Malformed("no tag"))?;
        self.meta = rest;
        let dt = self.number()?;
        self.time = self.time.checked_add(dt).ok_or(Malformed("time overflows"))?;
        let partial = tag & PARTIAL != 0;
        let stream = Stream::from_number(tag >> 4 & 3).ok_or(Malformed("unknown stream"))?;
        if tag & 0x80 != 0 || (tag & COUNT != 0 && tag & 7 != DATA) {
            return Err(Malformed("unknown tag"));
        }
        let piece = match tag & 7 {
            DATA => {
                let count = if tag & COUNT != 0 { self.number()? } else { 1 };
                if partial && count != 0 {
                    return Err(Malformed("a record that goes on counts"));
                }
                Piece::Data { stream, count, partial, bytes: self.bytes()? }
            }
            SEALED => {
                let seal = SealId(self.number()?);
                let offset = self.number()?;
                Piece::Sealed { stream, seal, offset, partial, cipher: self.bytes()? }
            }
            EVENT => {
                let (&kind, rest) = self.meta.split_first().ok_or(Malformed("no kind"))?;
                self.meta = rest;
                let len = self.number()?;
                let (payload, rest) = usize::try_from(len)
                    .ok()
                    .and_then(|len| self.meta.split_at_checked(len))
                    .ok_or(Malformed("event beyond the end"))?;
                self.meta = rest;
                Piece::Event { kind, partial, payload }
            }
            SKIP => Piece::Skip(self.number()?),
            _ => return Err(Malformed("unknown tag")),
        };
        self.next =
            self.next.checked_add(piece.advance()).ok_or(Malformed("record numbers overflow"))?;
        Ok((self.time, piece))
    }

    fn number(&mut self) -> Result<u64, Malformed> {
        varint::take(&mut self.meta).ok_or(Malformed("number cut short"))
    }

    fn bytes(&mut self) -> Result<&'a [u8], Malformed> {
        let len = self.number()?;
        let (bytes, rest) = usize::try_from(len)
            .ok()
            .and_then(|len| self.data.split_at_checked(len))
            .ok_or(Malformed("bytes beyond the end"))?;
        self.data = rest;
        Ok(bytes)
    }
}

impl<'a> Iterator for Pieces<'a> {
    type Item = Result<(u64, Piece<'a>), Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        if self.meta.is_empty() {
            self.done = true;
            if !self.data.is_empty() {
                return Some(Err(Malformed("bytes of no entry")));
            }
            return (Some(self.next) != self.last.checked_add(1))
                .then_some(Err(Malformed("record numbers do not add up")));
        }
        let piece = self.piece();
        self.done = piece.is_err();
        Some(piece)
    }
}

/// Gathers records into a block.
#[derive(Debug)]
pub(crate) struct Builder {
    /// Starts with room for the prefix, which is filled in last.
    meta: Vec<u8>,
    data: Vec<u8>,
    /// Payload bytes at which a block is full.
    target: usize,
    /// First record of the block, and the one that comes next.
    first: u64,
    next: u64,
    /// Time of the first entry, of the last one, and of the last record.
    time: u64,
    entry_time: u64,
    pub(crate) last_time: u64,
    flags: u8,
    run: Option<Run>,
}

#[derive(Debug)]
struct Run {
    stream: Stream,
    at: u64,
    count: u64,
    len: usize,
}

impl Builder {
    /// An empty block that is full at `target` bytes and whose first record is `first`.
    pub(crate) fn new(target: usize, first: u64) -> Self {
        Self {
            meta: vec![0; PREFIX],
            data: Vec::new(),
            target: target.clamp(4 << 10, MAX_PAYLOAD / 2),
            first,
            next: first,
            time: 0,
            entry_time: 0,
            last_time: 0,
            flags: 0,
            run: None,
        }
    }

    /// Whether nothing was gathered.
    pub(crate) fn is_empty(&self) -> bool {
        self.flags == 0
    }

    /// Payload bytes so far.
    pub(crate) fn len(&self) -> usize {
        self.meta.len() + self.data.len()
    }

    /// Payload bytes that still fit.
    pub(crate) fn room(&self) -> usize {
        self.target.saturating_sub(self.len() + 32)
    }

    /// Number the next record has.
    pub(crate) fn next(&self) -> u64 {
        self.next
    }

    /// Time of the first entry.
    pub(crate) fn time(&self) -> u64 {
        self.time
    }

    /// What is inside, as the frame says it.
    pub(crate) fn flags(&self) -> u8 {
        self.flags
    }

    /// Passes over record numbers up to `seq`.
    pub(crate) fn skip_to(&mut self, seq: u64, at: u64) {
        if seq > self.next {
            self.open_entry(SKIP, at);
            varint::put(&mut self.meta, seq - self.next);
            self.flags |= flag::EVENTS;
            self.next = seq;
        }
    }

    /// Takes bytes of a data record; `whole` says that the record ends with them.
    pub(crate) fn data(&mut self, stream: Stream, at: u64, bytes: &[u8], whole: bool) {
        if self.is_empty() {
            self.begin(at);
        }
        self.last_time = at;
        self.data.extend_from_slice(bytes);
        self.flags |= flag::STREAM << stream.number();
        self.next += u64::from(whole);
        match &mut self.run {
            // The beginning of a record that goes on elsewhere stands alone, so that a writer
            // which goes on after a crash can tell how much of the record is there.
            Some(run) if whole && run.stream == stream && at.saturating_sub(run.at) <= RUN => {
                run.count += u64::from(whole);
                run.len += bytes.len();
            }
            _ => {
                self.close_run(false);
                self.run = Some(Run { stream, at, count: u64::from(whole), len: bytes.len() });
            }
        }
        if !whole {
            self.close_run(true);
        }
    }

    /// Takes bytes of a sealed record, from `offset` in it.
    pub(crate) fn sealed(
        &mut self,
        stream: Stream,
        at: u64,
        seal: SealId,
        offset: usize,
        cipher: &[u8],
        whole: bool,
    ) {
        self.open_entry(SEALED | stream.number() << 4 | if whole { 0 } else { PARTIAL }, at);
        varint::put(&mut self.meta, seal.0);
        varint::put(&mut self.meta, offset as u64);
        varint::put(&mut self.meta, cipher.len() as u64);
        self.data.extend_from_slice(cipher);
        self.flags |= flag::STREAM << stream.number() | flag::SEALED;
        self.next += u64::from(whole);
    }

    /// Takes a structured record, or a part of one.
    pub(crate) fn event(&mut self, kind: u8, at: u64, payload: &[u8], whole: bool) {
        self.open_entry(EVENT | if whole { 0 } else { PARTIAL }, at);
        self.meta.push(kind);
        varint::put(&mut self.meta, payload.len() as u64);
        self.meta.extend_from_slice(payload);
        self.flags |= event_flags(kind);
        self.next += u64::from(whole);
    }

    /// The finished block: its parts as they are written, one behind the other.
    pub(crate) fn finish(&mut self) -> (&[u8], &[u8]) {
        self.close_run(false);
        let len = (self.meta.len() - 4) as u32;
        self.meta[..4].copy_from_slice(&len.to_le_bytes());
        self.meta[4..12].copy_from_slice(&self.first.to_le_bytes());
        self.meta[12..20].copy_from_slice(&(self.next - 1).to_le_bytes());
        (&self.meta, &self.data)
    }

    /// Empties the block, for the next one.
    pub(crate) fn clear(&mut self) {
        self.restart(self.next);
    }

    /// Throws away what was gathered and starts again at record `first`.
    pub(crate) fn restart(&mut self, first: u64) {
        self.meta.truncate(PREFIX);
        self.data.clear();
        self.run = None;
        self.flags = 0;
        self.first = first;
        self.next = first;
    }

    /// Gives memory back. Only while empty.
    pub(crate) fn shrink(&mut self) {
        if self.is_empty() {
            self.meta.shrink_to(256);
            self.data.shrink_to(0);
        }
    }

    fn begin(&mut self, at: u64) {
        self.time = at;
        self.entry_time = at;
    }

    fn open_entry(&mut self, tag: u8, at: u64) {
        if self.is_empty() {
            self.begin(at);
        }
        self.close_run(false);
        self.last_time = at;
        self.put_tag(tag, at);
    }

    fn put_tag(&mut self, tag: u8, at: u64) {
        self.meta.push(tag);
        varint::put(&mut self.meta, at.saturating_sub(self.entry_time));
        self.entry_time = self.entry_time.max(at);
    }

    fn close_run(&mut self, partial: bool) {
        let Some(run) = self.run.take() else { return };
        let tag = DATA
            | run.stream.number() << 4
            | if partial { PARTIAL } else { 0 }
            | if run.count == 1 { 0 } else { COUNT };
        self.put_tag(tag, run.at);
        if run.count != 1 {
            varint::put(&mut self.meta, run.count);
        }
        varint::put(&mut self.meta, run.len as u64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A block whose first record is 1, with these entries and this data.
    fn pieces(entries: &[u8], data: &[u8], last: u64) -> Result<usize, Malformed> {
        let mut meta = [1u64.to_le_bytes(), last.to_le_bytes()].concat();
        meta.extend_from_slice(entries);
        let block = Raw { meta: &meta, data, time: 0 };
        Pieces::new(&block).collect::<Result<Vec<_>, _>>().map(|pieces| pieces.len())
    }

    #[test]
    fn a_record_that_goes_on_counts_in_the_block_it_ends_in_only() {
        let (partial, counted) = (DATA | PARTIAL, DATA | PARTIAL | COUNT);
        assert_eq!(pieces(&[counted, 0, 0, 2], b"ab", 0), Ok(1));
        for (entries, last) in [(&[partial, 0, 2][..], 1), (&[counted, 0, 1, 2], 1)] {
            let error = pieces(entries, b"ab", last).unwrap_err();
            assert!(error.0.contains("goes on"), "{error}");
        }
        let mut block = Builder::new(1 << 16, 1);
        block.data(Stream::Tty, 5, b"ab", false);
        let (meta, data) = block.finish();
        assert_eq!((&meta[20..], data), (&[counted, 0, 0, 2][..], &b"ab"[..]));
    }

    #[test]
    fn an_entry_of_no_bytes_is_an_entry_of_its_stream() {
        let mut block = Builder::new(1 << 16, 1);
        block.data(Stream::Stderr, 5, b"", true);
        assert_eq!(block.flags(), flag::STREAM << Stream::Stderr.number());
        let (meta, data) = block.finish();
        let raw = Raw { meta: &meta[4..], data, time: 5 };
        assert_eq!(raw.flags(), Ok(flag::STREAM << Stream::Stderr.number()));
    }
}
