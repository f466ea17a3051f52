//! Walking a journal from its first frame to its last, with the chain checked at every step.
//! What verifier, recovery and a resuming writer share.

use std::path::{Path, PathBuf};

use audit_core::SessionId;

use crate::ahead::Ahead;
use crate::block::Raw;
use crate::chain::{Chain, plain_content};
use crate::error::Result;
use crate::facts::{EndSeal, Ended, Epoch, Header, Recovered, Rotate, SegmentStart, uncbor};
use crate::frame::{Frame, kind};
use crate::frames::{Fault, Fetch, Frames, Place};
use crate::layout;

/// What a walk meets.
#[derive(Debug)]
pub(crate) enum Step {
    /// A frame that fits the chain.
    Frame(Met),
    /// The journal ends here.
    End(Tail),
}

/// A frame that fits the chain, and what it says.
#[derive(Debug)]
pub(crate) struct Met {
    pub(crate) frame: Frame,
    pub(crate) place: Place,
    /// Link of the frame before.
    pub(crate) previous: [u8; 32],
    pub(crate) what: What,
}

/// The kinds of frame a walk tells apart.
#[derive(Debug)]
pub(crate) enum What {
    Header(Box<Header>),
    Epoch(Epoch),
    Block { last: u64 },
    Segment,
    Rotate(Rotate),
    Recovered(Recovered),
    End(EndSeal),
    Unknown,
}

/// How a walk ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Tail {
    /// Behind a whole frame: the end frame, if the journal was closed.
    Clean,
    /// In a frame that is not whole, with nothing behind it.
    Torn(Fault),
    /// At something no crash explains.
    Corrupt { place: Place, reason: String },
    /// Before a segment that is not there.
    Missing { segment: u32 },
}

/// A walk through a journal.
pub(crate) struct Walk {
    dir: PathBuf,
    frames: Ahead,
    raw: Vec<u8>,
    /// Set by the first frame.
    chain: Option<Chain>,
    session: Option<SessionId>,
    /// Number of the last record so far.
    pub(crate) records: u64,
    time: u64,
    /// Segment of the last frame, and what the last frame was.
    segment: Option<u32>,
    rotated: bool,
    closed: Option<Ended>,
    /// Bytes behind the last whole frame's beginning, for progress.
    pub(crate) bytes: u64,
}

impl Walk {
    /// A walk for which so many threads unpack ahead.
    pub(crate) fn with_helpers(dir: &Path, helpers: usize) -> Result<Self> {
        Ok(Self {
            dir: dir.to_owned(),
            frames: Ahead::new(Frames::open(dir)?, helpers),
            raw: Vec::new(),
            chain: None,
            session: None,
            records: 0,
            time: 0,
            segment: None,
            rotated: false,
            closed: None,
            bytes: 0,
        })
    }

    /// The segments, with their lengths.
    pub(crate) fn segments(&self) -> &[(u32, u64)] {
        self.frames.segments()
    }

    /// Where the chain stands; `None` before the first frame.
    pub(crate) fn chain(&self) -> Option<&Chain> {
        self.chain.as_ref()
    }

    /// The chain, for a writer that goes on.
    pub(crate) fn into_chain(self) -> Option<Chain> {
        self.chain
    }

    /// How the journal was closed, if it was.
    pub(crate) fn closed(&self) -> Option<Ended> {
        self.closed
    }

    /// Whether the last frame says that another segment follows.
    pub(crate) fn rotated(&self) -> bool {
        self.rotated
    }

    /// Time of the last frame, nanoseconds since the session opened.
    pub(crate) fn time(&self) -> u64 {
        self.time
    }

    /// The block met last, if the frame met last was one.
    pub(crate) fn block(&self, frame: &Frame) -> Option<Raw<'_>> {
        (frame.kind == kind::BLOCK).then(|| Raw::parse(&self.raw, frame.time).ok()).flatten()
    }

    /// The next step. After [`Step::End`] there is none.
    pub(crate) fn next(&mut self) -> Result<Step> {
        let (frame, place) = match self.frames.next(&mut self.raw)? {
            Fetch::Frame(frame, place) => (frame, place),
            Fetch::Fault(fault) if fault.followed => {
                return Ok(corrupt(fault.place, fault.reason));
            }
            // A crash leaves nothing behind the end.
            Fetch::Fault(fault) if self.closed.is_some() => {
                return Ok(corrupt(fault.place, "bytes behind the end"));
            }
            Fetch::Fault(fault) => {
                return Ok(Step::End(self.missing().unwrap_or(Tail::Torn(fault))));
            }
            Fetch::End => return Ok(Step::End(self.missing().unwrap_or(Tail::Clean))),
        };
        if let Some(missing) = self.gap(place.segment) {
            return Ok(Step::End(missing));
        }
        match self.take(&frame, place) {
            Ok((previous, what)) => {
                self.bytes += frame.len();
                Ok(Step::Frame(Met { frame, place, previous, what }))
            }
            Err(reason) => Ok(corrupt(place, reason)),
        }
    }

    /// A segment that should lie between the last frame and `segment`.
    fn gap(&self, segment: u32) -> Option<Tail> {
        let expected = match self.segment {
            None => 0,
            Some(last) if last == segment => return None,
            Some(last) => last.saturating_add(1),
        };
        (segment > expected).then_some(Tail::Missing { segment: expected })
    }

    /// A segment that was announced but is not there at all.
    fn missing(&self) -> Option<Tail> {
        let expected = self.segment.map_or(0, |last| last.saturating_add(u32::from(self.rotated)));
        // It may have come since the segments were listed.
        let there = self.segments().iter().any(|(n, _)| *n == expected)
            || layout::segment(&self.dir, expected).exists();
        (!there).then_some(Tail::Missing { segment: expected })
    }

    fn take(&mut self, frame: &Frame, place: Place) -> Result<([u8; 32], What), String> {
        if self.closed.is_some() {
            return Err("a frame behind the end".to_owned());
        }
        let first_of_segment = self.segment != Some(place.segment);
        if first_of_segment && self.segment.is_some() && !self.rotated {
            return Err("the segment before does not end with a rotation".to_owned());
        }
        if !first_of_segment && self.rotated {
            return Err("a frame behind a rotation".to_owned());
        }
        let what = parse(frame, &self.raw).map_err(|e| e.to_string())?;
        if frame.kind != kind::BLOCK && frame.flags != 0 {
            return Err("flags on a frame that is no block".to_owned());
        }
        if let What::Rotate(rotate) = what
            && Some(rotate.next) != place.segment.checked_add(1)
        {
            return Err(format!("a rotation to segment {}", rotate.next));
        }
        let chain = match (&mut self.chain, &what) {
            (None, What::Header(header)) => {
                if header.format != 1 {
                    return Err(format!("unknown format {}", header.format));
                }
                self.session = Some(header.session);
                self.chain.insert(Chain::start(header.session))
            }
            (Some(chain), What::Header(_)) if chain.next > 0 => {
                return Err("a second header".to_owned());
            }
            (Some(chain), _) => chain,
            (None, _) => return Err("no header at the beginning".to_owned()),
        };
        if frame.seq != chain.next {
            return Err(format!("frame {} where {} should be", frame.seq, chain.next));
        }
        if frame.time < self.time {
            return Err("time goes back".to_owned());
        }
        let previous = chain.link;
        let content = match &what {
            What::Block { .. } => {
                let block = Raw::parse(&self.raw, frame.time).map_err(|e| e.to_string())?;
                if block.flags().map_err(|e| e.to_string())? != frame.flags {
                    return Err("flags do not fit the block".to_owned());
                }
                chain.block_content(&block).map_err(|e| e.to_string())?
            }
            _ => plain_content(&self.raw),
        };
        if chain.advance(frame, &content) != frame.link {
            return Err("link differs: the frame, or one before it, was changed".to_owned());
        }
        if let What::Block { last } = what {
            let block = Raw::parse(&self.raw, frame.time).map_err(|e| e.to_string())?;
            if block.first() != self.records + 1 {
                return Err("record numbers have a gap".to_owned());
            }
            self.records = last;
        }
        if first_of_segment && place.segment > 0 {
            let start: Option<SegmentStart> = (frame.kind == kind::SEGMENT)
                .then(|| uncbor(&self.raw, "segment start").ok())
                .flatten();
            let expected =
                self.session.map(|session| SegmentStart { session, number: place.segment });
            if start.is_none() || start != expected {
                return Err("the segment does not begin as it should".to_owned());
            }
        }
        if let What::End(end) = &what {
            self.closed = Some(end.how);
        }
        self.rotated = matches!(what, What::Rotate(_));
        self.segment = Some(place.segment);
        self.time = frame.time;
        Ok((previous, what))
    }
}

fn parse(frame: &Frame, raw: &[u8]) -> Result<What> {
    Ok(match frame.kind {
        kind::HEADER => What::Header(Box::new(uncbor(raw, "header")?)),
        kind::EPOCH => What::Epoch(uncbor(raw, "epoch")?),
        kind::BLOCK => What::Block {
            last: Raw::parse(raw, frame.time)
                .map_err(|e| crate::error::JournalError::corrupt("block", e))?
                .last(),
        },
        kind::SEGMENT => What::Segment,
        kind::ROTATE => What::Rotate(uncbor(raw, "rotation")?),
        kind::RECOVERED => What::Recovered(uncbor(raw, "recovery")?),
        kind::END => What::End(uncbor(raw, "end")?),
        _ => What::Unknown,
    })
}

fn corrupt(place: Place, reason: impl ToString) -> Step {
    Step::End(Tail::Corrupt { place, reason: reason.to_string() })
}
