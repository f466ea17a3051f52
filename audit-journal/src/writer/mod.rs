//! The writer: the journal's side of [`audit_core::Recorder`].

mod awaited;
mod background;
mod compact;
mod open;
mod seal;
mod sync;
#[cfg(test)]
pub(crate) mod tests;

pub use open::recorder;

use std::collections::VecDeque;
use std::path::{Path, PathBuf};

use audit_core::{Body, Durability, Record, Recorder, RecorderError, Stream};

use crate::block::{Builder, Raw};
use crate::chain::{Chain, plain_content};
use crate::disk::{Dirty, GrowingFile, Need, sync_dir};
use crate::error::{JournalError, Result};
use crate::facts::{Ended, Header, Rotate, SegmentStart, cbor};
use crate::frame::{Frame, Packing, kind};
use crate::head::Phase;
use crate::hostlog::Leaf;
use crate::layout::{self, Lock};
use crate::pack::{self, packed};
use crate::settings::JournalSettings;

use background::Background;
use compact::Compaction;
use seal::Signer;

/// Blocks that fill faster than this, in bytes per second, are stored as they are and compressed
/// later: compressing costs more than everything else the recorder does.
const FLOOD: u64 = 13_000_000;
/// An idle session's open segment is closed, so that it can be compressed, once it holds so many
/// bytes stored as they are.
const ROTATE_IDLE: u64 = 4 << 20;
/// A close compresses no more than about 1 GiB of such bytes, so that a session which did nothing
/// but flood ends within seconds. The rest stays as it is: larger, and whole.
const CLOSE_STEPS: u64 = (1 << 30) / compact::STEP;

/// Writes the journal of one session.
///
/// It holds a lock on the session's directory while it lives. Dropping it without
/// [`Recorder::close`] leaves a journal that another writer can go on with.
#[derive(Debug)]
pub struct Writer {
    dir: PathBuf,
    settings: JournalSettings,
    header: Header,
    chain: ChainBox,
    block: Builder,
    /// A record of which a part is in a block already: its number, and how many bytes.
    partial: Option<(u64, usize)>,
    segment: GrowingFile,
    number: u32,
    segment_since: u64,
    /// Closed segments that may not survive the machine yet.
    closed_segments: Vec<Dirty>,
    /// What the host log shall learn of them then, and not before: it must not know a frame that
    /// the machine may forget.
    leaves: Vec<Leaf>,
    background: Background,
    /// Bytes of the open segment that are stored as they are and can be compressed later.
    later: u64,
    /// Closed segments that hold such bytes.
    uncompressed: VecDeque<u32>,
    compaction: Option<Compaction>,
    signer: Option<Signer>,
    /// Last record taken, and last record written.
    taken: u64,
    written: u64,
    /// Time of the last record, and of the last one in the block before.
    now: u64,
    block_before: u64,
    /// The block holds a record that may use the reserve.
    vital: bool,
    phase: Phase,
    /// Streams with sealed bytes: an export of them may differ from what is recorded.
    sealed: Vec<Stream>,
    /// Names in the directory may not survive the machine yet.
    new_names: bool,
    /// The end frame is written; nothing can follow it.
    ended: bool,
    closed: bool,
    /// Given back last.
    _lock: Lock,
}

/// A chain with a short debug form.
struct ChainBox(Chain);

impl std::fmt::Debug for ChainBox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Chain").field("next", &self.0.next).finish_non_exhaustive()
    }
}

impl Writer {
    /// Directory of the session.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The facts of the session, as its first frame states them.
    pub fn header(&self) -> &Header {
        &self.header
    }

    fn take(&mut self, record: &Record) -> Result<()> {
        if self.ended {
            return Err(JournalError::Closed { path: self.dir.display().to_string() });
        }
        if record.seq <= self.taken {
            return Ok(());
        }
        let at = record.at.as_nanos().max(self.now);
        if let Body::Gap { from, .. } = record.body {
            self.abandon(from);
        }
        if self.block.next() != record.seq {
            self.block.skip_to(record.seq, at);
        }
        match &record.body {
            Body::Data { stream, bytes } => self.take_data(record.seq, at, *stream, bytes)?,
            Body::Sealed { stream, seal, cipher } => {
                if !self.sealed.contains(stream) {
                    self.sealed.push(*stream);
                }
                self.in_parts(record.seq, cipher.len(), |block, range, whole| {
                    let offset = range.start;
                    block.sealed(*stream, at, *seal, offset, &cipher[range], whole);
                })?;
            }
            body => self.take_event(record.seq, at, body)?,
        }
        self.taken = record.seq;
        self.partial = None;
        self.now = at;
        if self.block.room() == 0 || self.settings.write_strict || self.header.strict {
            // An error comes again, and is told, at the next record that needs room or at the
            // sync; this record is kept either way.
            let _ = self.flush();
        }
        Ok(())
    }

    fn take_data(&mut self, seq: u64, at: u64, stream: Stream, bytes: &[u8]) -> Result<()> {
        // The whole hot path: one copy.
        if self.partial.is_none() && bytes.len() <= self.block.room() {
            self.block.data(stream, at, bytes, true);
            return Ok(());
        }
        self.in_parts(seq, bytes.len(), |block, range, whole| {
            block.data(stream, at, &bytes[range], whole);
        })
    }

    fn take_event(&mut self, seq: u64, at: u64, body: &Body) -> Result<()> {
        let vital = matches!(
            body,
            Body::Gap { .. } | Body::Blocked { .. } | Body::Decided { .. } | Body::End(_)
        );
        self.vital |= vital;
        if let Some(signer) = &mut self.signer {
            signer.due |= vital || matches!(body, Body::Verdict(_));
        }
        match body {
            Body::Blocked { .. } => self.phase = Phase::Blocked,
            Body::Decided { .. } => self.phase = Phase::Running,
            _ => {}
        }
        let (number, payload) = event(body);
        self.in_parts(seq, payload.len(), |block, range, whole| {
            block.event(number, at, &payload[range], whole);
        })
    }

    /// Puts a record of `len` bytes into as many blocks as it needs. When a block cannot be
    /// written it remembers how far it came; the same record, given again, goes on from there.
    fn in_parts(
        &mut self,
        seq: u64,
        len: usize,
        mut put: impl FnMut(&mut Builder, std::ops::Range<usize>, bool),
    ) -> Result<()> {
        let mut done = match self.partial {
            Some((of, done)) if of == seq => done,
            _ => 0,
        };
        loop {
            if self.block.room() == 0 {
                self.partial = Some((seq, done));
                self.flush()?;
            }
            let end = len.min(done + self.block.room());
            put(&mut self.block, done..end, end == len);
            if end == len {
                return Ok(());
            }
            done = end;
        }
    }

    /// Throws away what is not written yet, if a gap that begins with record `from` says that it is
    /// missing. Otherwise it stays, and may use the reserve.
    fn abandon(&mut self, from: u64) {
        if from <= self.written + 1 {
            self.block.restart(self.written + 1);
            self.taken = self.written;
            self.partial = None;
        }
        self.vital = true;
    }

    /// Writes the block that was gathered.
    fn flush(&mut self) -> Result<()> {
        if self.block.is_empty() {
            return Ok(());
        }
        let need = if self.vital { Need::Vital } else { Need::Plain };
        self.make_segment(need)?;
        let (time, last_time) = (self.block.time(), self.block.last_time);
        // A block of many records tells its own rate; one of few, the time since the block before.
        let len = self.block.len() as u64;
        let span = match last_time - time {
            0 => last_time.saturating_sub(self.block_before),
            within => within,
        };
        let flood = len >= 2048 && span < len.saturating_mul(1_000_000_000 / FLOOD);
        let flags = self.block.flags();
        let mut chain = self.chain.0.clone();
        let (meta, data) = self.block.finish();
        let content = chain
            .block_content(&Raw { meta: &meta[4..], data, time })
            .map_err(|e| JournalError::corrupt("own block", e))?;
        let level = if flood && need == Need::Plain { None } else { Some(self.settings.level) };
        let put = Put { kind: kind::BLOCK, flags, time, parts: [meta, data], level };
        let stored = put.write(&mut self.segment, &mut chain, &content, need)?;
        if stored && len >= pack::MIN as u64 && flood {
            self.later += len;
        }
        self.chain.0 = chain;
        self.written = self.block.next() - 1;
        self.block_before = last_time;
        self.block.clear();
        self.vital = false;
        if let Some(signer) = &mut self.signer {
            signer.unsealed += len;
        }
        Ok(())
    }

    /// Writes a frame of a kind other than block.
    fn put<T: serde::Serialize>(&mut self, kind: u8, payload: &T, need: Need) -> Result<()> {
        let payload = cbor(payload);
        let content = plain_content(&payload);
        // A block that waits to be written comes behind, and time never goes back.
        let time = if self.block.is_empty() { self.now } else { self.block.time() };
        let put = Put { kind, flags: 0, time, parts: [&payload, &[]], level: None };
        put.write(&mut self.segment, &mut self.chain.0, &content, need)?;
        if let Some(signer) = &mut self.signer {
            signer.unsealed += payload.len() as u64;
        }
        Ok(())
    }

    /// Goes to the next segment when the present one is full or old, and gives a new segment its
    /// first frame.
    fn make_segment(&mut self, need: Need) -> Result<()> {
        let old = self.now.saturating_sub(self.segment_since) > nanos(self.settings.segment_age);
        if self.segment.len() >= self.settings.segment_size || (old && self.segment.len() > 4096) {
            match self.rotate() {
                // Better a long segment than none.
                Err(e) if e.is_no_space() && self.segment.len() > 0 => {}
                rotated => rotated?,
            }
        }
        if self.segment.len() == 0 && self.number > 0 {
            let start = SegmentStart { session: self.header.session, number: self.number };
            self.put(kind::SEGMENT, &start, need)?;
        }
        Ok(())
    }

    /// Closes the present segment and opens the next.
    fn rotate(&mut self) -> Result<()> {
        let next = self.number + 1;
        let path = layout::segment(&self.dir, next);
        let file = GrowingFile::create(&path, self.settings.reserve)?;
        // A rotation that survives the machine leads to a segment that does.
        let announced = sync_dir(&self.dir);
        let announced =
            announced.and_then(|()| self.put(kind::ROTATE, &Rotate { next }, Need::Vital));
        if let Err(e) = announced {
            let _ = std::fs::remove_file(&path);
            return Err(e);
        }
        let old = std::mem::replace(&mut self.segment, file);
        if self.later > 0 {
            self.uncompressed.push_back(self.number);
        }
        (self.number, self.later, self.segment_since) = (next, 0, self.now);
        self.new_names = true;
        self.closed_segments.push(old.close()?);
        self.make_segment(Need::Vital)?;
        self.note_rotation();
        Ok(())
    }

    /// Closes the journal.
    pub(crate) fn finish_as(&mut self, how: Ended) -> Result<()> {
        if self.closed {
            return Ok(());
        }
        if !self.ended {
            self.flush()?;
        }
        self.seal_end(how)?;
        self.closed = true;
        if self.later > 0 {
            self.uncompressed.push_back(self.number);
        }
        // Everything is recorded and signed: what fails from here on costs only disk space.
        for _ in 0..CLOSE_STEPS {
            if !self.compact_step().unwrap_or(true) {
                break;
            }
        }
        self.abandon_compaction();
        let _ = self.background.wait();
        Ok(())
    }
}

impl Recorder for Writer {
    fn record(&mut self, record: &Record) -> Result<(), RecorderError> {
        Ok(self.take(record)?)
    }

    fn sync(&mut self, durability: Durability) -> Result<u64, RecorderError> {
        if !self.ended {
            self.flush()?;
            self.check_behind()?;
            match durability {
                Durability::Process => {}
                Durability::Writeback => self.sync_behind()?,
                Durability::Machine => self.sync_machine()?,
            }
            self.seal_if_due(durability);
        }
        Ok(self.written)
    }

    fn idle(&mut self) -> Result<bool, RecorderError> {
        if self.ended {
            return Ok(false);
        }
        if self.compact_step()? {
            return Ok(true);
        }
        if self.later >= ROTATE_IDLE {
            self.rotate()?;
            return Ok(true);
        }
        self.block.shrink();
        Ok(false)
    }

    fn close(&mut self) -> Result<(), RecorderError> {
        Ok(self.finish_as(Ended::Closed)?)
    }
}

/// A frame to be written.
struct Put<'a> {
    kind: u8,
    flags: u8,
    time: u64,
    parts: [&'a [u8]; 2],
    /// zstd level; `None` to store the payload as it is.
    level: Option<i32>,
}

impl Put<'_> {
    /// Takes the frame into the chain and writes it. Returns whether it was stored as it is. When
    /// writing fails the chain stands where it stood.
    fn write(
        &self,
        file: &mut GrowingFile,
        chain: &mut Chain,
        content: &[u8; 32],
        need: Need,
    ) -> Result<bool> {
        let raw_len = self.parts.iter().map(|p| p.len()).sum::<usize>() as u32;
        let mut frame = Frame {
            kind: self.kind,
            flags: self.flags,
            packing: Packing::Stored,
            raw_len,
            stored_len: raw_len,
            seq: chain.next,
            time: self.time,
            link: [0; 32],
        };
        let before = (chain.link, chain.next);
        frame.link = chain.advance(&frame, content);
        let mut append = |packed: Option<&[u8]>| match packed {
            Some(packed) => {
                (frame.packing, frame.stored_len) = (Packing::Zstd, packed.len() as u32);
                file.append(&[&frame.encode(&[packed]), packed], need).map(|()| false)
            }
            None => {
                let [a, b] = self.parts;
                file.append(&[&frame.encode(&[a, b]), a, b], need).map(|()| true)
            }
        };
        let written = match self.level {
            Some(level) => packed(&self.parts, level, append),
            None => append(None),
        };
        if written.is_err() {
            (chain.link, chain.next) = before;
        }
        written
    }
}

/// Number and payload of a structured record.
pub(crate) fn event(body: &Body) -> (u8, Vec<u8>) {
    use crate::frame::event as kind;
    let kind = match body {
        Body::Other { kind, payload } => return (*kind, payload.to_vec()),
        Body::Resize(_) => 3,
        Body::Signal { .. } => 4,
        Body::Suspended | Body::Continued => 5,
        Body::Verdict(verdict) if !verdict.secrets.is_empty() => kind::SECRET,
        Body::Verdict(_) => kind::VERDICT,
        Body::Blocked { .. } | Body::Decided { .. } => 7,
        Body::Marker { .. } => 8,
        Body::Gap { .. } => 9,
        Body::Redaction { .. } => 10,
        Body::Reveal { .. } => kind::REVEAL,
        Body::Refused { .. } => 12,
        Body::End(_) => 14,
        // A kind that is newer than this table is still kept, under its own name.
        _ => 63,
    };
    (kind, cbor(body))
}

fn nanos(span: std::time::Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}
