//! Reading records back.

use std::collections::{HashMap, VecDeque};
use std::path::{Path, PathBuf};

use audit_core::{Body, Moment, SealId, SealKey, Stream};
use bytes::Bytes;

use crate::block::{Piece, Pieces, Raw};
use crate::error::{JournalError, Result};
use crate::facts::{EndSeal, Header, uncbor};
use crate::frame::{Frame, flag, kind};
use crate::frames::{Fetch, Frames};
use crate::layout::Lock;

/// A record that lies in parts is never put together to more than this many bytes.
const MAX_RECORD: usize = 16 << 20;

/// Something that was recorded, as readers see it.
///
/// Data records of a stream that arrived within a millisecond are one entry; a record that was cut
/// for the journal's sake comes back in several. Sealed bytes that were revealed are plain data.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Entry {
    /// First record that this entry holds, at least in part.
    pub first: u64,
    /// Last record that it holds, at least in part.
    pub last: u64,
    /// When it happened; for several records, when the first did.
    pub at: Moment,
    /// Whether the bytes stand for a secret that was never revealed: `*`, as many as it had.
    pub masked: bool,
    /// What happened. Never [`Body::Sealed`]; [`Body::Other`] for kinds this version does not know.
    pub body: Body,
}

/// A session's journal, open for reading. Nothing is verified: see [`crate::verify()`].
#[derive(Debug)]
pub struct Journal {
    dir: PathBuf,
    header: Header,
}

impl Journal {
    /// Opens the journal in `dir`.
    ///
    /// # Errors
    /// There is no journal, or its first frame is damaged.
    pub fn open(dir: impl Into<PathBuf>) -> Result<Self> {
        let dir = dir.into();
        let mut raw = Vec::new();
        match Frames::open(&dir)?.next(&mut raw)? {
            Fetch::Frame(Frame { kind: kind::HEADER, .. }, _) => {
                Ok(Self { header: uncbor(&raw, "header")?, dir })
            }
            _ => Err(JournalError::corrupt(dir.display(), "no header at the beginning")),
        }
    }

    /// Directory of the session.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The facts of the session.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// What the end frame says: how the journal was closed, and length and digest of each stream;
    /// `None` while it is not closed.
    ///
    /// # Errors
    /// The files cannot be read.
    pub fn end(&self) -> Result<Option<EndSeal>> {
        Ok(self.end_and_time()?.map(|(end, _)| end))
    }

    /// What the end frame says, and its time in nanoseconds since the session opened.
    pub(crate) fn end_and_time(&self) -> Result<Option<(EndSeal, u64)>> {
        let mut frames = Frames::open(&self.dir)?;
        let mut raw = Vec::new();
        let end = |f: &Frame| f.kind == kind::END;
        while let Fetch::Frame(frame, _) = frames.next_if(&mut raw, end)? {
            if end(&frame) {
                return uncbor(&raw, "end").map(|end| Some((end, frame.time)));
            }
        }
        Ok(None)
    }

    /// What was recorded so far, and then what is being recorded, as it comes.
    ///
    /// # Errors
    /// The files cannot be read.
    pub fn follow(&self) -> Result<Follow> {
        let mut entries = Entries::open(&self.dir)?;
        entries.live = true;
        entries.frames.follow();
        Ok(Follow { entries, dir: self.dir.clone() })
    }

    /// What was recorded so far, in order.
    ///
    /// # Errors
    /// The files cannot be read.
    pub fn entries(&self) -> Result<Entries> {
        Entries::open(&self.dir)
    }
}

/// What was recorded, in order. Ends at the first frame that is not whole.
pub struct Entries {
    frames: Frames,
    keys: HashMap<SealId, SealKey>,
    raw: Vec<u8>,
    ready: VecDeque<Slot>,
    joined: Option<Joined>,
    wanted: u8,
    damage: Option<String>,
    live: bool,
    done: bool,
}

/// An entry, and the seal it waits for while following.
struct Slot {
    entry: Entry,
    sealed: Option<(SealId, Vec<u8>)>,
}

/// While following, sealed bytes wait so many nanoseconds of recorded time for their key.
const HOLD: u64 = 2_000_000_000;

/// A record that goes on in the next block.
struct Joined {
    first: u64,
    at: u64,
    seal: Option<(Stream, SealId)>,
    kind: u8,
    bytes: Vec<u8>,
}

impl std::fmt::Debug for Entries {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Entries").field("done", &self.done).finish_non_exhaustive()
    }
}

impl Entries {
    fn open(dir: &Path) -> Result<Self> {
        Ok(Self {
            keys: revealed(dir)?,
            frames: Frames::open(dir)?,
            raw: Vec::new(),
            ready: VecDeque::new(),
            joined: None,
            wanted: u8::MAX,
            damage: None,
            live: false,
            done: false,
        })
    }

    /// Leaves out bytes of streams other than `streams`; blocks with nothing else are not even
    /// read.
    #[must_use]
    pub fn only(mut self, streams: &[Stream]) -> Self {
        self.wanted = flag::EVENTS;
        for stream in streams {
            self.wanted |= flag::STREAM << stream.number();
        }
        self
    }

    /// Why the entries ended before the journal did, if they did.
    pub fn damage(&self) -> Option<&str> {
        self.damage.as_deref()
    }

    /// Reads blocks until an entry is ready or nothing is left.
    fn fill(&mut self) -> Result<()> {
        while self.ready.is_empty() && !self.done {
            if !self.advance()? {
                break;
            }
        }
        Ok(())
    }

    /// While following: reads on as well when all that is ready waits for its key.
    fn fill_live(&mut self) -> Result<()> {
        let waits = |s: &Self| s.ready.front().is_none_or(|slot| slot.sealed.is_some());
        while waits(self) && !self.done && self.ready.len() < 4096 {
            if !self.advance()? {
                break;
            }
        }
        Ok(())
    }

    /// Reads a frame; returns whether there was one.
    fn advance(&mut self) -> Result<bool> {
        let wanted = self.wanted;
        let asked = |f: &Frame| f.kind == kind::BLOCK && f.flags & wanted != 0;
        match self.frames.next_if(&mut self.raw, asked)? {
            Fetch::Frame(frame, _) if asked(&frame) => self.block(frame.time)?,
            Fetch::Frame(frame, place) => match frame.kind {
                kind::ROTATE => self.frames.rotated(place.segment + 1),
                kind::END => self.done = true,
                _ => {}
            },
            Fetch::Fault(fault) => {
                self.damage = Some(fault.reason.to_owned());
                self.done = true;
            }
            Fetch::End if self.live => return Ok(false),
            Fetch::End => self.done = true,
        }
        Ok(!self.done)
    }

    fn block(&mut self, time: u64) -> Result<()> {
        let bad = |e| JournalError::corrupt("block", e);
        // The buffer is borrowed by what lies in it while entries are made.
        let raw = std::mem::take(&mut self.raw);
        let block = Raw::parse(&raw, time).map_err(bad)?;
        let mut next = block.first();
        for piece in Pieces::new(&block) {
            let (at, piece) = piece.map_err(bad)?;
            self.piece(next, at, &piece);
            next = next.saturating_add(piece.advance());
        }
        self.raw = raw;
        Ok(())
    }

    fn piece(&mut self, first: u64, at: u64, piece: &Piece<'_>) {
        let wanted =
            piece.span().is_none_or(|(s, _)| self.wanted & flag::STREAM << s.number() != 0);
        if !wanted {
            return;
        }
        match *piece {
            Piece::Data { stream, count, partial, bytes } => {
                let last = (first + count + u64::from(partial)).saturating_sub(1).max(first);
                let bytes = Bytes::copy_from_slice(bytes);
                self.push(first, last, at, false, Body::Data { stream, bytes });
            }
            Piece::Sealed { stream, seal, offset, partial, cipher } => {
                if self.join(first, at, Some((stream, seal)), 0, offset == 0, cipher, partial) {
                    self.unseal();
                }
            }
            Piece::Event { kind, partial, payload } => {
                let begins = self.joined.as_ref().is_none_or(|j| j.first != first);
                if self.join(first, at, None, kind, begins, payload, partial) {
                    self.structured();
                }
            }
            Piece::Skip(_) => self.joined = None,
        }
    }

    /// Adds a part to a record; returns whether it is whole now.
    #[expect(clippy::too_many_arguments, reason = "the fields of an entry")]
    fn join(
        &mut self,
        first: u64,
        at: u64,
        seal: Option<(Stream, SealId)>,
        kind: u8,
        begins: bool,
        bytes: &[u8],
        partial: bool,
    ) -> bool {
        if begins {
            self.joined = Some(Joined { first, at, seal, kind, bytes: bytes.to_vec() });
        } else {
            match &mut self.joined {
                Some(j) if j.first == first && j.seal == seal && j.kind == kind => {
                    if j.bytes.len() + bytes.len() > MAX_RECORD {
                        self.joined = None;
                        return false;
                    }
                    j.bytes.extend_from_slice(bytes);
                }
                _ => return false,
            }
        }
        !partial
    }

    fn unseal(&mut self) {
        let Some(Joined { first, at, seal: Some((stream, seal)), mut bytes, .. }) =
            self.joined.take()
        else {
            return;
        };
        let key = self.keys.get(&seal);
        let masked = key.is_none();
        let sealed = (masked && self.live).then(|| (seal, bytes.clone()));
        open_or_mask(key, &mut bytes);
        self.push(first, first, at, masked, Body::Data { stream, bytes: bytes.into() });
        if let Some(slot) = self.ready.back_mut() {
            slot.sealed = sealed;
        }
    }

    /// While following: opens what waits for `seals`, or gives it up.
    fn settle(&mut self, body: &Body) {
        match body {
            Body::Reveal { keys } => self.keys.extend(keys.iter().cloned()),
            Body::Redaction { .. } => {}
            _ => return,
        }
        for slot in &mut self.ready {
            let Some((seal, cipher)) = &mut slot.sealed else { continue };
            let settled = match body {
                Body::Redaction { seals, .. } => seals.contains(seal),
                _ => self.keys.contains_key(seal),
            };
            if let (true, Body::Data { bytes, .. }) = (settled, &mut slot.entry.body) {
                let key = self.keys.get(seal);
                slot.entry.masked = key.is_none();
                open_or_mask(key, cipher);
                *bytes = std::mem::take(cipher).into();
                slot.sealed = None;
            }
        }
    }

    /// The next entry, unless it waits for its key.
    fn pop(&mut self) -> Option<Entry> {
        let newest = self.ready.back()?.entry.at;
        let slot = self.ready.front()?;
        let waited = newest.since(slot.entry.at).as_nanos() >= u128::from(HOLD);
        if slot.sealed.is_some() && !waited && !self.done {
            return None;
        }
        self.ready.pop_front().map(|slot| slot.entry)
    }

    fn structured(&mut self) {
        let Some(Joined { first, at, kind, bytes, .. }) = self.joined.take() else { return };
        let body = match kind {
            64.. => None,
            _ => uncbor::<Body>(&bytes, "record").ok(),
        };
        let body = body.unwrap_or_else(|| Body::Other { kind, payload: bytes.into() });
        if self.live {
            self.settle(&body);
        }
        self.push(first, first, at, false, body);
    }

    fn push(&mut self, first: u64, last: u64, at: u64, masked: bool, body: Body) {
        let entry = Entry { first, last, at: Moment::from_nanos(at), masked, body };
        self.ready.push_back(Slot { entry, sealed: None });
    }
}

impl Iterator for Entries {
    type Item = Result<Entry>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Err(e) = self.fill() {
            self.done = true;
            return Some(Err(e));
        }
        self.pop().map(Ok)
    }
}

/// A session that is followed while it is recorded.
#[derive(Debug)]
pub struct Follow {
    entries: Entries,
    dir: PathBuf,
}

/// What [`Follow::poll`] found.
#[derive(Clone, Debug, PartialEq)]
pub enum Polled {
    /// The next entry.
    Entry(Entry),
    /// Nothing new yet. Ask again, some tens of milliseconds later.
    Pending,
    /// The session is over: it was closed, or nobody writes it any more.
    Ended,
}

impl Follow {
    /// Leaves out bytes of streams other than `streams`.
    #[must_use]
    pub fn only(mut self, streams: &[Stream]) -> Self {
        self.entries = self.entries.only(streams);
        self
    }

    /// The next entry, if it is there.
    ///
    /// # Errors
    /// The files cannot be read, or are damaged.
    pub fn poll(&mut self) -> Result<Polled> {
        // Asked first: whatever a writer wrote before it died is found below.
        let written = Lock::is_taken(&self.dir);
        self.entries.fill_live()?;
        if let Some(entry) = self.entries.pop() {
            return Ok(Polled::Entry(entry));
        }
        if let Some(damage) = self.entries.damage() {
            return Err(JournalError::corrupt(self.dir.display(), damage));
        }
        if self.entries.done {
            return Ok(Polled::Ended);
        }
        if !written {
            // What still waits for its key waits in vain.
            self.entries.done = true;
            return Ok(self.entries.pop().map_or(Polled::Ended, Polled::Entry));
        }
        Ok(Polled::Pending)
    }
}

fn open_or_mask(key: Option<&SealKey>, bytes: &mut [u8]) {
    match key {
        Some(key) => key.apply(bytes),
        None => bytes.fill(b'*'),
    }
}

/// The keys of all seals that were opened. Only blocks with structured records are read.
fn revealed(dir: &Path) -> Result<HashMap<SealId, SealKey>> {
    let mut keys = HashMap::new();
    let mut frames = Frames::open(dir)?;
    let mut raw = Vec::new();
    let events = |f: &Frame| f.kind == kind::BLOCK && f.flags & flag::EVENTS != 0;
    let mut sealed = false;
    let mut joined = Vec::new();
    loop {
        let Fetch::Frame(frame, _) = frames.next_if(&mut raw, events)? else { return Ok(keys) };
        sealed |= frame.kind == kind::BLOCK && frame.flags & flag::SEALED != 0;
        if !events(&frame) || !sealed {
            continue;
        }
        let Ok(block) = Raw::parse(&raw, frame.time) else { return Ok(keys) };
        for piece in Pieces::new(&block) {
            let Ok((_, Piece::Event { kind: 11, partial, payload })) = piece else { continue };
            if joined.len() < MAX_RECORD {
                joined.extend_from_slice(payload);
            }
            if !partial {
                if let Ok(Body::Reveal { keys: found }) = uncbor(&joined, "reveal") {
                    keys.extend(found);
                }
                joined.clear();
            }
        }
    }
}
