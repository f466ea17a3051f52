//! Where a journal stands whose writer died, and mending its tail.

use std::fs::{File, OpenOptions};
use std::io::{Seek as _, SeekFrom};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use audit_core::Stream;

use crate::block::{Piece, Pieces, Raw};
use crate::chain::Chain;
use crate::error::{JournalError, Result};
use crate::facts::{Ended, EpochReason, Header};
use crate::frame::{Packing, flag, kind};
use crate::head::Phase;
use crate::heads::{Heads, Next};
use crate::layout::{self, HEADS, Lock};
use crate::settings::JournalSettings;
use crate::verify::helpers;
use crate::walk::{Met, Step, Tail, Walk, What};
use crate::writer::Writer;

/// What [`recover`] did.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Recovery {
    /// The journal was closed; there was nothing to mend.
    Closed,
    /// The journal was closed behind its last whole frame.
    Mended {
        /// Number of the last record.
        records: u64,
        /// Bytes that were cut off and are kept beside the journal.
        cut: u64,
    },
    /// Not even the first frame was whole; there is nothing to mend.
    Empty,
}

/// Mends the torn tail of a journal whose writer died, and closes it. A second call changes
/// nothing.
///
/// `settings` name the host key; with `None` the root and the settings are those of the directory
/// the session lies in.
///
/// # Errors
/// [`JournalError::Busy`] when the writer lives, [`JournalError::Corrupt`] when more is wrong than
/// a torn tail: that is never mended.
pub fn recover(dir: &Path, settings: Option<JournalSettings>) -> Result<Recovery> {
    let lock = Lock::take(dir)?;
    for number in layout::segments(dir)? {
        let _ = std::fs::remove_file(layout::compact(dir, number));
    }
    let Some(standing) = stand(dir)? else { return Ok(Recovery::Empty) };
    if standing.closed {
        return Ok(Recovery::Closed);
    }
    let settings = match settings {
        Some(settings) => settings,
        None => JournalSettings::new(
            layout::root_of(dir)
                .ok_or_else(|| JournalError::NotFound { what: dir.display().to_string() })?,
        ),
    };
    let (records, cut) = (standing.records, standing.torn);
    let mut writer =
        Writer::resume(settings, dir.to_owned(), lock, standing, EpochReason::Recovered)?;
    writer.finish_as(Ended::Recovered)?;
    Ok(Recovery::Mended { records, cut })
}

/// Where a journal stands.
pub(crate) struct Standing {
    pub(crate) header: Header,
    pub(crate) chain: Chain,
    /// Segment in which it goes on, and at which length.
    pub(crate) segment: u32,
    pub(crate) len: u64,
    /// Bytes behind that, which are no whole frame.
    pub(crate) torn: u64,
    pub(crate) torn_reason: String,
    pub(crate) heads: HeadsFit,
    pub(crate) records: u64,
    /// A record of which only the beginning is there: its number, and how many bytes.
    pub(crate) partial: Option<(u64, usize)>,
    pub(crate) time: u64,
    pub(crate) epoch: u32,
    /// Streams with sealed bytes.
    pub(crate) sealed: Vec<Stream>,
    pub(crate) phase: Phase,
    pub(crate) closed: bool,
    /// Segments with bytes that can still be compressed, and how many.
    pub(crate) uncompressed: Vec<(u32, u64)>,
}

/// Finds out where the journal in `dir` stands; `None` when not even its first frame is whole.
pub(crate) fn stand(dir: &Path) -> Result<Option<Standing>> {
    let mut walk = Walk::with_helpers(dir, helpers())?;
    let (mut header, mut epoch, mut sealed) = (None, 0, Vec::new());
    let (mut segment, mut len) = (0, 0);
    let mut uncompressed: Vec<(u32, u64)> = Vec::new();
    let mut partial = None;
    let tail = loop {
        let met = match walk.next()? {
            Step::Frame(met) => met,
            Step::End(tail) => break tail,
        };
        (segment, len) = (met.place.segment, met.place.offset + met.frame.len());
        let Met { frame, .. } = met;
        if frame.kind == kind::BLOCK && frame.packing == Packing::Stored && frame.raw_len > 2048 {
            let bytes = u64::from(frame.raw_len);
            match uncompressed.last_mut() {
                Some((of, sum)) if *of == segment => *sum += bytes,
                _ => uncompressed.push((segment, bytes)),
            }
        }
        if let Some(block) = walk.block(&met.frame) {
            partial = unfinished(&block, partial);
            if met.frame.flags & flag::SEALED != 0 {
                find_sealed(&block, &mut sealed);
            }
        }
        match met.what {
            What::Header(h) => header = Some(*h),
            What::Epoch(e) => epoch = e.epoch,
            _ => {}
        }
    };
    let reason = match tail {
        Tail::Clean => String::new(),
        Tail::Torn(fault) => fault.reason.to_owned(),
        Tail::Corrupt { place, reason } => {
            let path = layout::segment(dir, place.segment);
            let place = format!("{} at {}", path.display(), place.offset);
            return Err(JournalError::corrupt(place, reason));
        }
        Tail::Missing { segment: missing } if walk.rotated() && missing == segment + 1 => {
            String::new()
        }
        Tail::Missing { segment } => {
            let path = layout::segment(dir, segment);
            return Err(JournalError::corrupt(path.display(), "the segment is missing"));
        }
    };
    let Some(header) = header else { return Ok(None) };
    if walk.rotated() {
        (segment, len) = (segment + 1, 0);
    }
    let file_len = walk.segments().iter().find(|(n, _)| *n == segment).map_or(0, |(_, l)| *l);
    let phase = Heads::last(dir)?.map_or(Phase::Running, |h| h.phase);
    let (records, time, closed) = (walk.records, walk.time(), walk.closed().is_some());
    let Some(chain) = walk.into_chain() else { return Ok(None) };
    let heads = fit_heads(dir, chain.next)?;
    let mut reasons = Vec::new();
    if !reason.is_empty() {
        reasons.push(reason);
    }
    if heads.beyond > 0 {
        reasons.push(format!("{} signed heads are of frames that are not there", heads.beyond));
    }
    Ok(Some(Standing {
        header,
        chain,
        segment,
        len,
        torn: file_len.saturating_sub(len),
        torn_reason: reasons.join("; "),
        heads,
        records,
        partial,
        time,
        epoch,
        sealed,
        phase,
        closed,
        uncompressed,
    }))
}

/// Adds the streams that have sealed bytes in `block`.
fn find_sealed(block: &Raw<'_>, streams: &mut Vec<Stream>) {
    for (_, piece) in Pieces::new(block).map_while(|piece| piece.ok()) {
        if let Piece::Sealed { stream, .. } = piece
            && !streams.contains(&stream)
        {
            streams.push(stream);
        }
    }
}

/// The record that `block` leaves unfinished, if it does, where `before` was left by the one
/// before it.
fn unfinished(block: &Raw<'_>, before: Option<(u64, usize)>) -> Option<(u64, usize)> {
    let (mut partial, mut next) = (before, block.first());
    for (_, piece) in Pieces::new(block).map_while(|piece| piece.ok()) {
        partial = piece.unfinished().map(|len| match partial {
            Some((of, done)) if of == next => (of, done + len),
            _ => (next, len),
        });
        next = next.saturating_add(piece.advance());
    }
    partial
}

/// Cuts off what is behind the last whole frame, and keeps it beside the journal.
pub(crate) fn cut(dir: &Path, standing: &Standing) -> Result<()> {
    if standing.torn > 0 {
        set_aside(&layout::segment(dir, standing.segment), standing.len)?;
    }
    if standing.heads.beyond > 0 {
        set_aside(&dir.join(HEADS), standing.heads.len)?;
    }
    // A segment that was created, but not yet announced, is empty and made again when needed.
    for number in layout::segments(dir)?.into_iter().filter(|n| *n > standing.segment) {
        let path = layout::segment(dir, number);
        std::fs::remove_file(&path).map_err(|e| JournalError::io("remove", &path, e))?;
    }
    Ok(())
}

/// Cuts `from` at `len` and keeps what was behind it in a file of its own.
fn set_aside(from: &Path, len: u64) -> Result<()> {
    let io = |e| JournalError::io("keep the torn tail of", from, e);
    let mut source = OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(nix::libc::O_NOFOLLOW)
        .open(from)
        .map_err(io)?;
    source.seek(SeekFrom::Start(len)).map_err(io)?;
    let mut target: File = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o400)
        .open(layout::torn(from))
        .map_err(io)?;
    std::io::copy(&mut source, &mut target).map_err(io)?;
    target.sync_all().map_err(io)?;
    source.set_len(len).map_err(io)
}

/// How far `heads.note` fits a journal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct HeadsFit {
    /// Bytes up to the last whole head of a frame that is there.
    pub(crate) len: u64,
    /// Heads behind it, of frames that are not there: the machine died before the frames were on
    /// the disk, or somebody cut them off.
    pub(crate) beyond: u64,
}

/// How far the heads of the session in `dir` fit a journal whose next frame is `next`.
fn fit_heads(dir: &Path, next: u64) -> Result<HeadsFit> {
    let mut fit = HeadsFit::default();
    let Some(mut heads) = Heads::open(dir)? else { return Ok(fit) };
    loop {
        match heads.next()? {
            Next::Head(signed) if signed.head.frame < next && fit.beyond == 0 => {
                fit.len = heads.position();
            }
            Next::Head(_) => fit.beyond += 1,
            Next::End | Next::Torn => return Ok(fit),
            Next::Bad => {
                let path = dir.join(HEADS);
                return Err(JournalError::corrupt(path.display(), "holds what is no head"));
            }
        }
    }
}
