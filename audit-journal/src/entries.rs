//! Reading records back.

use std::cell::Cell;
use std::collections::{HashMap, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use audit_core::{Body, Moment, SealId, SealKey, Stream};

use crate::block::{Piece, Pieces, Raw};
use crate::conceal::Secrets;
use crate::error::{JournalError, Result};
use crate::events::each_event;
use crate::facts::{EndSeal, Header, uncbor};
use crate::follow::Follow;
use crate::frame::{Frame, event, flag, kind};
use crate::frames::{Fetch, Frames};
use crate::layout;
use crate::slot::{self, Slot};

/// A record that lies in parts is never put together to more than this many bytes.
pub(crate) const MAX_RECORD: usize = 16 << 20;

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
    /// Whether some of the bytes are of a secret that was shown, and stand as `*`: see
    /// [`Journal::concealing`].
    pub secret: bool,
    /// What happened. Never [`Body::Sealed`]; [`Body::Other`] for kinds this version does not know.
    pub body: Body,
}

/// Told how far a journal was read: bytes done, and bytes in all.
pub type Reading = Arc<dyn Fn(u64, u64) + Send + Sync>;

/// A session's journal, open for reading. Nothing is verified: see [`crate::verify()`].
pub struct Journal {
    dir: PathBuf,
    header: Header,
    reading: Option<Reading>,
    conceals: bool,
}

impl std::fmt::Debug for Journal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Journal").field("dir", &self.dir).finish_non_exhaustive()
    }
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
                Ok(Self { header: uncbor(&raw, "header")?, dir, reading: None, conceals: false })
            }
            _ => Err(JournalError::corrupt(dir.display(), "no header at the beginning")),
        }
    }

    /// Has `reading` told how far whoever reads the entries has come.
    #[must_use]
    pub fn telling(self, reading: Reading) -> Self {
        Self { reading: Some(reading), ..self }
    }

    /// Has readers get `*` for what the session's verdicts say is a secret that was shown. A secret
    /// that no verdict tells of is not concealed.
    #[must_use]
    pub fn concealing(self) -> Self {
        Self { conceals: true, ..self }
    }

    /// Has readers told these facts of the session in place of those in the journal.
    #[must_use]
    pub fn stating(self, header: Header) -> Self {
        Self { header, ..self }
    }

    /// Whether readers get `*` for secrets that were shown.
    pub fn conceals(&self) -> bool {
        self.conceals
    }

    /// How many secrets the session's verdicts say were shown.
    ///
    /// # Errors
    /// The files cannot be read.
    pub fn secrets_shown(&self) -> Result<usize> {
        Ok(Secrets::read(&self.dir)?.len())
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
        let mut entries = self.entries()?;
        entries.live = true;
        entries.frames.follow();
        Ok(Follow::new(entries, self.dir.clone()))
    }

    /// What was recorded so far, in order.
    ///
    /// # Errors
    /// The files cannot be read.
    pub fn entries(&self) -> Result<Entries> {
        let secrets = self.conceals.then(|| Secrets::read(&self.dir)).transpose()?;
        Entries::open(&self.dir, self.reading.clone(), secrets)
    }
}

/// What was recorded, in order, up to the first frame that is not whole. Where that is the torn
/// tail of a crash, entries simply end; where more is missing or changed, the last item is a
/// [`JournalError::Damaged`].
pub struct Entries {
    dir: PathBuf,
    frames: Frames,
    reading: Option<Reading>,
    /// Bytes read, and bytes in all.
    bytes: (u64, u64),
    /// Number the next frame must have.
    next: u64,
    /// Segment that the last frame says follows.
    rotated: Option<u32>,
    keys: HashMap<SealId, SealKey>,
    /// What is concealed, if anything is to be.
    secrets: Option<Secrets>,
    /// How many bytes of each stream were read.
    read: [u64; Stream::ALL.len()],
    raw: Vec<u8>,
    ready: VecDeque<Slot>,
    joined: Option<Joined>,
    wanted: u8,
    damage: Option<String>,
    /// The damage is the torn tail of a crash.
    torn: bool,
    /// The damage was given out as an error.
    told: bool,
    live: bool,
    done: bool,
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
    fn open(dir: &Path, reading: Option<Reading>, secrets: Option<Secrets>) -> Result<Self> {
        let frames = Frames::open(dir)?;
        Ok(Self {
            dir: dir.to_owned(),
            keys: revealed(dir)?,
            secrets,
            read: [0; Stream::ALL.len()],
            reading,
            bytes: (0, frames.segments().iter().map(|(_, len)| len).sum()),
            next: 0,
            rotated: None,
            frames,
            raw: Vec::new(),
            ready: VecDeque::new(),
            joined: None,
            wanted: u8::MAX,
            damage: None,
            torn: false,
            told: false,
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

    /// Whether nothing is wrong but the torn tail that a crash leaves, if even that.
    pub fn is_whole_or_torn(&self) -> bool {
        self.damage.is_none() || self.torn
    }

    /// Whether nothing more can come.
    pub(crate) fn is_done(&self) -> bool {
        self.done
    }

    /// Nothing more will come: what waits for its key waits in vain.
    pub(crate) fn give_up(&mut self) {
        self.done = true;
    }

    fn damaged(&mut self, reason: impl Into<String>, torn: bool) {
        self.damage = Some(reason.into());
        self.torn = torn;
        self.done = true;
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
    pub(crate) fn fill_live(&mut self) -> Result<()> {
        let waits = |s: &Self| match s.ready.front() {
            None => true,
            Some(slot) if slot.sealed.is_some() => s.ready.len() < 4096,
            Some(slot) => slot.is_held() && s.ready.len() < slot::HELD_ENTRIES,
        };
        while waits(self) && !self.done {
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
            Fetch::Frame(frame, place) => {
                // A row with a frame or a segment missing reads as well as a whole one.
                if frame.seq != self.next {
                    self.damaged(
                        format!("frame {} where {} should be", frame.seq, self.next),
                        false,
                    );
                    return Ok(false);
                }
                self.next += 1;
                self.rotated = None;
                if asked(&frame) {
                    self.block(frame.time)?;
                }
                match frame.kind {
                    kind::ROTATE => {
                        let next = place.segment.saturating_add(1);
                        self.frames.rotated(next);
                        self.rotated = Some(next);
                    }
                    kind::END => self.done = true,
                    _ => {}
                }
                self.bytes.0 += frame.len();
                if let Some(reading) = &self.reading {
                    reading(self.bytes.0, self.bytes.1);
                }
            }
            Fetch::Fault(fault) => self.damaged(fault.reason, !fault.followed),
            Fetch::End if self.live => return Ok(false),
            Fetch::End => {
                // It may have come since the segments were listed.
                let gone = self.rotated.filter(|n| !layout::segment(&self.dir, *n).exists());
                if let Some(gone) = gone {
                    self.damaged(format!("segment {gone} is missing"), false);
                }
                self.done = true;
            }
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
                let behind = first.saturating_add(count).saturating_add(u64::from(partial));
                let last = behind.saturating_sub(1).max(first);
                let start = self.count(stream, bytes.len());
                self.data(first, last, at, false, (stream, start), bytes.to_vec());
            }
            Piece::Sealed { stream, seal, offset, partial, cipher } => {
                self.count(stream, cipher.len());
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
        let read = self.read[usize::from(stream.number())];
        let start = read.saturating_sub(bytes.len() as u64);
        self.data(first, first, at, masked, (stream, start), bytes);
        if let Some(slot) = self.ready.back_mut() {
            slot.sealed = sealed;
        }
    }

    /// Takes note of so many bytes of a stream. Returns where they begin in it.
    fn count(&mut self, stream: Stream, len: usize) -> u64 {
        let read = &mut self.read[usize::from(stream.number())];
        let start = *read;
        *read = read.saturating_add(len as u64);
        start
    }

    /// While following: opens what waits for `seals`, or gives it up; conceals what a verdict tells
    /// to be a secret.
    fn settle(&mut self, body: &Body) {
        if let Some(secrets) = &mut self.secrets
            && secrets.learn(body)
        {
            self.ready.iter_mut().for_each(|slot| slot.conceal(secrets));
        }
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
                if let Some(secrets) = &self.secrets {
                    slot.conceal(secrets);
                }
            }
        }
    }

    /// The next entry, unless it waits for its key.
    pub(crate) fn pop(&mut self) -> Option<Entry> {
        let newest = self.ready.back()?.entry.at;
        let slot = self.ready.front()?;
        let waited = newest.since(slot.entry.at).as_nanos() >= u128::from(HOLD);
        if (slot.sealed.is_some() && !waited || slot.is_held()) && !self.done {
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
        let entry = Entry { first, last, at: Moment::from_nanos(at), masked, secret: false, body };
        self.ready.push_back(Slot::new(entry));
    }

    /// Bytes of a stream, which begin at an offset in it.
    fn data(
        &mut self,
        first: u64,
        last: u64,
        at: u64,
        masked: bool,
        (stream, start): (Stream, u64),
        bytes: Vec<u8>,
    ) {
        self.push(first, last, at, masked, Body::Data { stream, bytes: bytes.into() });
        if let (Some(secrets), Some(slot)) = (&self.secrets, self.ready.back_mut()) {
            slot.start = start;
            slot.since = self.live.then(Instant::now);
            slot.conceal(secrets);
        }
    }
}

impl Iterator for Entries {
    type Item = Result<Entry>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Err(e) = self.fill() {
            self.done = true;
            return Some(Err(e));
        }
        if let Some(entry) = self.pop() {
            return Some(Ok(entry));
        }
        let reason = self.damage.clone().filter(|_| !self.torn && !self.told)?;
        self.told = true;
        Some(Err(JournalError::Damaged { place: self.dir.display().to_string(), reason }))
    }
}

fn open_or_mask(key: Option<&SealKey>, bytes: &mut [u8]) {
    match key {
        Some(key) => key.apply(bytes),
        None => bytes.fill(b'*'),
    }
}

/// The keys of all seals that were opened. Only blocks with structured records behind the first
/// seal are read.
fn revealed(dir: &Path) -> Result<HashMap<SealId, SealKey>> {
    let mut keys = HashMap::new();
    let sealed = Cell::new(false);
    let wanted = |frame: &Frame| {
        sealed.set(sealed.get() || frame.flags & flag::SEALED != 0);
        sealed.get() && frame.flags & flag::EVENTS != 0
    };
    each_event(dir, wanted, event::REVEAL, MAX_RECORD, |payload| {
        if let Ok(Body::Reveal { keys: found }) = uncbor(payload, "reveal") {
            keys.extend(found);
        }
    })?;
    Ok(keys)
}
