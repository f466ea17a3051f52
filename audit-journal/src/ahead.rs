//! Unpacking on other threads, ahead of the one that hashes.
//!
//! The hash of a stream runs from its first byte to its last and cannot be divided; unpacking,
//! which takes about twice as long, can.

use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use crate::error::Result;
use crate::frame::{Frame, Packing};
use crate::frames::{Fetch, Frames, Place};
use crate::pack::Unpacker;

/// So many frames are on their way for each helper.
const DEPTH: usize = 6;
/// Sessions with fewer bytes on the disk are not worth a thread.
const SMALL: u64 = 4 << 20;

/// Frames in their order, unpacked by helpers where there are any.
pub(crate) struct Ahead {
    frames: Frames,
    helpers: Vec<Helper>,
    /// Frames on their way, oldest first.
    coming: VecDeque<Coming>,
    next_helper: usize,
    ended: bool,
    /// Buffers to be used again.
    spare: Vec<Vec<u8>>,
}

struct Helper {
    jobs: SyncSender<Job>,
    done: Receiver<Done>,
}

struct Job {
    packed: Vec<u8>,
    raw: Vec<u8>,
    raw_len: usize,
}

struct Done {
    packed: Vec<u8>,
    raw: Vec<u8>,
    whole: bool,
}

enum Coming {
    /// A helper unpacks it.
    Packed(Frame, Place, usize),
    Raw(Frame, Place, Vec<u8>),
    Last(Fetch),
}

impl Ahead {
    /// The frames, with so many helpers at most.
    pub(crate) fn new(frames: Frames, helpers: usize) -> Self {
        let size: u64 = frames.segments().iter().map(|(_, len)| len).sum();
        let helpers = if size < SMALL { 0 } else { helpers };
        Self {
            frames,
            helpers: (0..helpers).map_while(|_| Helper::start()).collect(),
            coming: VecDeque::new(),
            next_helper: 0,
            ended: false,
            spare: Vec::new(),
        }
    }

    /// The segments, with their lengths.
    pub(crate) fn segments(&self) -> &[(u32, u64)] {
        self.frames.segments()
    }

    /// The next frame; its payload replaces what is in `raw`.
    pub(crate) fn next(&mut self, raw: &mut Vec<u8>) -> Result<Fetch> {
        if self.helpers.is_empty() {
            return self.frames.next(raw);
        }
        while !self.ended && self.coming.len() < DEPTH * self.helpers.len() {
            self.send()?;
        }
        match self.coming.pop_front() {
            None => Ok(Fetch::End),
            Some(Coming::Last(fetch)) => Ok(fetch),
            Some(Coming::Raw(frame, place, mut bytes)) => {
                std::mem::swap(raw, &mut bytes);
                self.spare.push(bytes);
                Ok(Fetch::Frame(frame, place))
            }
            Some(Coming::Packed(frame, place, helper)) => {
                let done = self.helpers[helper].done.recv();
                let Some(mut done) = done.ok().filter(|done| done.whole) else {
                    // Nothing behind it matters any more.
                    self.coming.clear();
                    self.ended = true;
                    return self.frames.does_not_unpack(place);
                };
                std::mem::swap(raw, &mut done.raw);
                self.spare.extend([done.raw, done.packed]);
                Ok(Fetch::Frame(frame, place))
            }
        }
    }

    /// Reads a frame and hands it to a helper.
    fn send(&mut self) -> Result<()> {
        let mut stored = self.spare.pop().unwrap_or_default();
        let coming = match self.frames.next_stored(&mut stored, |_| true)? {
            Fetch::Frame(frame, place) if frame.packing == Packing::Zstd => {
                let helper = self.next_helper;
                self.next_helper = (helper + 1) % self.helpers.len();
                let raw = self.spare.pop().unwrap_or_default();
                let job = Job { packed: stored, raw, raw_len: frame.raw_len as usize };
                // A helper that is gone shows when its answer is waited for.
                let _ = self.helpers[helper].jobs.send(job);
                Coming::Packed(frame, place, helper)
            }
            Fetch::Frame(frame, place) => Coming::Raw(frame, place, stored),
            last => {
                self.ended = true;
                Coming::Last(last)
            }
        };
        self.coming.push_back(coming);
        Ok(())
    }
}

impl Helper {
    /// Starts a helper; `None` when the system has no thread left. It ends when it is dropped.
    fn start() -> Option<Self> {
        let (jobs, todo) = sync_channel::<Job>(DEPTH);
        let (answer, done) = sync_channel(DEPTH);
        let work = move || {
            let mut unpacker = Unpacker::new();
            for Job { packed, mut raw, raw_len } in todo {
                let whole = unpacker.unpack(&packed, raw_len, &mut raw);
                if answer.send(Done { packed, raw, whole }).is_err() {
                    return;
                }
            }
        };
        thread::Builder::new().name("unpack".to_owned()).spawn(work).ok()?;
        Some(Self { jobs, done })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::writer::tests::flood;

    #[test]
    fn helpers_change_nothing() {
        let root = tempfile::tempdir().unwrap();
        let dir = flood(root.path());
        let mut alone = Frames::open(&dir).unwrap();
        let frames = Frames::open(&dir).unwrap();
        let mut ahead = Ahead::new(frames, 0);
        ahead.helpers = (0..3).map_while(|_| Helper::start()).collect();
        let (mut one, mut two) = (Vec::new(), Vec::new());
        loop {
            let expected = alone.next(&mut one).unwrap();
            assert_eq!(ahead.next(&mut two).unwrap(), expected);
            if expected == Fetch::End {
                return;
            }
            assert!(one == two);
        }
    }

    #[test]
    fn a_payload_that_does_not_unpack_is_a_fault_either_way() {
        use std::os::unix::fs::PermissionsExt;
        let root = tempfile::tempdir().unwrap();
        let dir = flood(root.path());
        let path = crate::layout::segment(&dir, 0);
        let mut frames = Frames::open(&dir).unwrap();
        let mut raw = Vec::new();
        // The third packed frame, forged with a checksum that is right.
        let mut packed = 0;
        let (frame, place) = loop {
            let Fetch::Frame(frame, place) = frames.next(&mut raw).unwrap() else { panic!() };
            packed += u32::from(frame.packing == Packing::Zstd);
            if packed == 3 {
                break (frame, place);
            }
        };
        let mut bytes = std::fs::read(&path).unwrap();
        let at = place.offset as usize + crate::frame::HEADER;
        let end = at + frame.stored_len as usize;
        bytes[at..at + 4].fill(0);
        let header = frame.encode(&[&bytes[at..end]]);
        bytes[place.offset as usize..at].copy_from_slice(&header);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        std::fs::write(&path, bytes).unwrap();
        let mut ahead = Ahead::new(Frames::open(&dir).unwrap(), 0);
        ahead.helpers = (0..2).map_while(|_| Helper::start()).collect();
        let mut alone = Frames::open(&dir).unwrap();
        let mut other = Vec::new();
        let fault = loop {
            let expected = alone.next(&mut raw).unwrap();
            assert_eq!(ahead.next(&mut other).unwrap(), expected);
            if let Fetch::Fault(fault) = expected {
                break fault;
            }
        };
        assert_eq!((fault.place, fault.followed), (place, true));
    }
}
