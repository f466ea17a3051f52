//! Frames as they lie in the files: reading, checksum, unpacking. The chain is not looked at here.

use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use crate::error::{JournalError, Result};
use crate::frame::{Frame, HEADER, MAGIC, Packing, intact};
use crate::layout;
use crate::pack::Unpacker;

/// Where a frame lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) segment: u32,
    pub(crate) offset: u64,
}

/// What comes next in the files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fetch {
    /// A frame, with its payload unpacked.
    Frame(Frame, Place),
    /// Nothing more; while following, nothing more yet.
    End,
    /// What lies here is no whole frame.
    Fault(Fault),
}

/// A place where no whole frame lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) place: Place,
    pub(crate) reason: &'static str,
    /// Bytes from there to the end of the segment.
    pub(crate) rest: u64,
    /// The file ends before the frame does.
    pub(crate) short: bool,
    /// Whole frames follow: this is no torn tail.
    pub(crate) followed: bool,
}

/// The frames of a session, through all its segments, up to the lengths they had when it was
/// opened. Safe while somebody writes.
pub(crate) struct Frames {
    dir: PathBuf,
    /// Segments with their lengths.
    segments: Vec<(u32, u64)>,
    index: usize,
    open: Option<Open>,
    unpacker: Unpacker,
    stored: Vec<u8>,
    /// Whether to wait for more instead of ending.
    live: bool,
}

struct Open {
    file: BufReader<File>,
    offset: u64,
}

/// At most so many bytes are checked in the search for whole frames behind a fault.
const SEARCH: u64 = 64 << 20;

impl Frames {
    /// The frames of the session in `dir`.
    pub(crate) fn open(dir: &Path) -> Result<Self> {
        let mut segments = Vec::new();
        for number in layout::segments(dir)? {
            let path = layout::segment(dir, number);
            let len = std::fs::metadata(&path).map_err(|e| JournalError::io("read", &path, e))?;
            segments.push((number, len.len()));
        }
        Ok(Self {
            dir: dir.to_owned(),
            segments,
            index: 0,
            open: None,
            unpacker: Unpacker::new(),
            stored: Vec::new(),
            live: false,
        })
    }

    /// From now on goes past the lengths the segments had, as they grow: [`Fetch::End`] then only
    /// says that nothing more is there yet.
    pub(crate) fn follow(&mut self) {
        self.live = true;
    }

    /// While following: the present segment is over, the next is `number`.
    pub(crate) fn rotated(&mut self, number: u32) {
        if self.live && self.segments.last().is_none_or(|(last, _)| *last < number) {
            self.segments.push((number, 0));
        }
    }

    /// The segments, with their lengths.
    pub(crate) fn segments(&self) -> &[(u32, u64)] {
        &self.segments
    }

    /// The next frame; its payload replaces what is in `raw`.
    pub(crate) fn next(&mut self, raw: &mut Vec<u8>) -> Result<Fetch> {
        self.next_if(raw, |_| true)
    }

    /// The next frame, with its payload in `raw` only where `wanted` says so. What is not wanted is
    /// neither read nor checked.
    pub(crate) fn next_if(
        &mut self,
        raw: &mut Vec<u8>,
        wanted: impl Fn(&Frame) -> bool,
    ) -> Result<Fetch> {
        let mut stored = std::mem::take(&mut self.stored);
        let fetched = self.next_stored(&mut stored, &wanted);
        let fetched = match fetched {
            Ok(Fetch::Frame(frame, place)) if wanted(&frame) => {
                if frame.packing == Packing::Stored {
                    std::mem::swap(raw, &mut stored);
                    Ok(Fetch::Frame(frame, place))
                } else if self.unpacker.unpack(&stored, frame.raw_len as usize, raw) {
                    Ok(Fetch::Frame(frame, place))
                } else {
                    self.does_not_unpack(place)
                }
            }
            other => other,
        };
        self.stored = stored;
        fetched
    }

    /// The next frame, with its payload as it is stored.
    pub(crate) fn next_stored(
        &mut self,
        stored: &mut Vec<u8>,
        wanted: impl Fn(&Frame) -> bool,
    ) -> Result<Fetch> {
        let Some((place, limit)) = self.place()? else { return Ok(Fetch::End) };
        let path = layout::segment(&self.dir, place.segment);
        let io = |e| JournalError::io("read", &path, e);
        let Some(open) = &mut self.open else { return Ok(Fetch::End) };
        let rest = limit - place.offset;
        let fault = |reason, short| Fault { place, reason, rest, short, followed: false };
        if rest < HEADER as u64 {
            return self.short(fault("header cut short", true));
        }
        let mut header = [0; HEADER];
        open.file.read_exact(&mut header).map_err(io)?;
        let frame = match Frame::decode(&header) {
            Ok(frame) => frame,
            Err(reason) => return self.fault(fault(reason, false)),
        };
        if rest < frame.len() {
            open.file.seek_relative(-(HEADER as i64)).map_err(io)?;
            return self.short(fault("payload cut short", true));
        }
        open.offset += frame.len();
        if !wanted(&frame) {
            open.file.seek_relative(i64::from(frame.stored_len)).map_err(io)?;
            return Ok(Fetch::Frame(frame, place));
        }
        stored.resize(frame.stored_len as usize, 0);
        open.file.read_exact(stored).map_err(io)?;
        if !intact(&header, stored) {
            return self.fault(fault("checksum differs", false));
        }
        Ok(Fetch::Frame(frame, place))
    }

    /// The payload of the frame at `place` does not unpack, though its checksum is right.
    pub(crate) fn does_not_unpack(&mut self, place: Place) -> Result<Fetch> {
        // What comes next is whatever lies in the file behind it.
        self.index = self.segments.iter().position(|(n, _)| *n == place.segment).unwrap_or(0);
        let end = self.segments.get(self.index).map_or(0, |(_, len)| *len);
        let rest = end.saturating_sub(place.offset);
        let reason = "payload does not unpack";
        self.fault(Fault { place, reason, rest, short: false, followed: false })
    }

    /// Where the next frame begins, and where its segment ends; opens the segment.
    fn place(&mut self) -> Result<Option<(Place, u64)>> {
        loop {
            let Some(&(number, limit)) = self.segments.get(self.index) else { return Ok(None) };
            if self.open.is_none() && limit > 0 {
                self.open_segment(number)?;
                continue;
            }
            let offset = self.open.as_ref().map_or(0, |o| o.offset);
            if offset < limit {
                return Ok(Some((Place { segment: number, offset }, limit)));
            }
            if self.live {
                let grown = self.grown(number)?;
                if grown > limit {
                    self.segments[self.index].1 = grown;
                    continue;
                }
                if self.index + 1 == self.segments.len() {
                    return Ok(None);
                }
            }
            self.open = None;
            self.index += 1;
        }
    }

    fn open_segment(&mut self, number: u32) -> Result<()> {
        let path = layout::segment(&self.dir, number);
        let io = |e| JournalError::io("read", &path, e);
        let file = File::open(&path).map_err(io)?;
        // A closed segment may have been replaced by its compressed self since it was listed.
        self.segments[self.index].1 = file.metadata().map_err(io)?.len();
        let file = BufReader::with_capacity(64 << 10, file);
        self.open = Some(Open { file, offset: 0 });
        Ok(())
    }

    /// The file ends before the frame does: a fault, or, while following, not yet.
    fn short(&mut self, fault: Fault) -> Result<Fetch> {
        if self.live { self.not_yet(fault.place) } else { self.fault(fault) }
    }

    /// While following: the frame at `place` is being written. Looks whether the rest has come.
    fn not_yet(&mut self, place: Place) -> Result<Fetch> {
        let grown = self.grown(place.segment)?;
        let limit = &mut self.segments[self.index].1;
        *limit = grown.max(*limit);
        Ok(Fetch::End)
    }

    /// Present length of the open segment: of the file that is open, which may have been replaced
    /// by a compressed one under its name.
    fn grown(&self, number: u32) -> Result<u64> {
        let path = layout::segment(&self.dir, number);
        let metadata = match &self.open {
            Some(open) => open.file.get_ref().metadata(),
            None => std::fs::metadata(&path),
        };
        match metadata {
            Ok(metadata) => Ok(metadata.len()),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(0),
            Err(e) => Err(JournalError::io("read", &path, e)),
        }
    }

    fn fault(&mut self, fault: Fault) -> Result<Fetch> {
        let followed = self.segments[self.index + 1..].iter().any(|(_, len)| *len > 0)
            || self.whole_frame_behind(&fault)?;
        // Nothing can be read behind a fault.
        self.index = self.segments.len();
        self.open = None;
        Ok(Fetch::Fault(Fault { followed, ..fault }))
    }

    /// Whether a whole frame lies somewhere behind the fault, in its segment.
    fn whole_frame_behind(&mut self, fault: &Fault) -> Result<bool> {
        let path = layout::segment(&self.dir, fault.place.segment);
        let io = |e| JournalError::io("read", &path, e);
        let mut file = File::open(&path).map_err(io)?;
        let end = fault.place.offset + fault.rest;
        let (mut at, mut checked) = (fault.place.offset + 1, 0);
        let mut window = vec![0; 64 << 10];
        let mut stored = Vec::new();
        while at + HEADER as u64 <= end {
            let len = window.len().min((end - at) as usize);
            file.seek(SeekFrom::Start(at)).map_err(io)?;
            file.read_exact(&mut window[..len]).map_err(io)?;
            for found in memchr::memmem::find_iter(&window[..len], &MAGIC) {
                let start = at + found as u64;
                let Some(rest) = (end - start).checked_sub(HEADER as u64) else { continue };
                // Whoever plants so many false beginnings did not crash.
                checked += HEADER as u64;
                if checked > SEARCH {
                    return Ok(true);
                }
                let mut header = [0; HEADER];
                file.seek(SeekFrom::Start(start)).map_err(io)?;
                file.read_exact(&mut header).map_err(io)?;
                let Ok(frame) = Frame::decode(&header) else { continue };
                if u64::from(frame.stored_len) > rest {
                    continue;
                }
                stored.resize(frame.stored_len as usize, 0);
                file.read_exact(&mut stored).map_err(io)?;
                checked += u64::from(frame.stored_len);
                if intact(&header, &stored) {
                    return Ok(true);
                }
            }
            // A beginning may lie across two windows.
            at += (len.saturating_sub(MAGIC.len() - 1)).max(1) as u64;
        }
        Ok(false)
    }
}
