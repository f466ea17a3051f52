//! Where a journal stands whose writer died, and mending its tail.

use std::fs::{File, OpenOptions};
use std::io::{Seek as _, SeekFrom};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use audit_core::Stream;

use crate::block::{Piece, Pieces, Raw};
use crate::chain::{Chain, Hash};
use crate::entries::Journal;
use crate::error::{JournalError, Result};
use crate::facts::{Ended, EpochReason, Header, Sealing};
use crate::frame::{Packing, flag, kind};
use crate::head::Phase;
use crate::heads::{Heads, Next};
use crate::hostlog::{self, HostLogView};
use crate::keys::HostKey;
use crate::layout::{self, HEADS, Lock};
use crate::settings::JournalSettings;
use crate::verify::{Believed, Check, Found, Status, Trust, TrustedKey, helpers};
use crate::walk::{Met, Walk};
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
/// Everything up to the tail is verified first, as [`crate::verify()`] does, with the host's own
/// key. What lay behind the last head was signed by nobody yet; it is signed now, and every later
/// report says which records these are ([`crate::Report::late`]).
///
/// `settings` name the host key; with `None` the root and the settings are those of the directory
/// the session lies in.
///
/// # Errors
/// [`JournalError::Busy`] when the writer lives, [`JournalError::Corrupt`] when more is wrong than
/// a torn tail: that is never mended.
pub fn recover(dir: &Path, settings: Option<JournalSettings>) -> Result<Recovery> {
    let settings = match settings {
        Some(settings) => settings,
        None => JournalSettings::new(
            layout::root_of(dir)
                .ok_or_else(|| JournalError::NotFound { what: dir.display().to_string() })?,
        ),
    };
    let lock = Lock::take(dir)?;
    let Some(standing) = stand(dir, &settings, true)? else { return Ok(Recovery::Empty) };
    for number in layout::segments(dir)? {
        let _ = std::fs::remove_file(layout::compact(dir, number));
    }
    if standing.closed {
        return Ok(Recovery::Closed);
    }
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
    /// Link of the first frame.
    pub(crate) first_link: Hash,
    /// Number of the present epoch; `None` when the first is not whole.
    pub(crate) epoch: Option<u32>,
    /// Number of the last record a head covers.
    pub(crate) sealed_record: u64,
    /// Streams with sealed bytes.
    pub(crate) sealed: Vec<Stream>,
    pub(crate) phase: Phase,
    pub(crate) closed: bool,
    /// Segments with bytes that can still be compressed, and how many.
    pub(crate) uncompressed: Vec<(u32, u64)>,
}

/// Verifies the journal in `dir` and finds out where it stands; `None` when not even its first
/// frame is whole. A writer that goes on may do so with a host log that is damaged; for somebody
/// who mends (`mending`) that is a fault like any other.
///
/// # Errors
/// [`JournalError::Corrupt`] when anything is wrong that a crash does not explain.
pub(crate) fn stand(
    dir: &Path,
    settings: &JournalSettings,
    mending: bool,
) -> Result<Option<Standing>> {
    let refused = |(status, reason): Found| {
        JournalError::corrupt(dir.display(), format!("{}: {reason}", status.name()))
    };
    let sealed = Journal::open(dir).is_ok_and(|j| j.header().sealing == Sealing::Epochs);
    let host = sealed.then(|| HostKey::open(&settings.host_key_path())).transpose()?;
    let trust = match &host {
        Some(host) => Trust::Key(TrustedKey(host.public())),
        None => Trust::FirstUse,
    };
    let verifier = host.map(|host| host.verifier()).or_else(|| hostlog::published(&settings.root));
    let log = HostLogView::read(&settings.root, verifier.as_ref(), layout::named(dir))?;
    let mut check = Check::new(dir, Believed::new(&trust, None), log.as_ref(), helpers());
    let mut tail = Last::default();
    let (found, walk) = check.run(dir, None, &mut |walk, met| tail.take(walk, met))?;
    if !matches!(found.0, Status::Intact | Status::Truncated) {
        return Err(refused(found));
    }
    let against = log.as_ref().and_then(|log| match mending {
        true => check.against(log),
        false => check.accused(log),
    });
    if let Some(against) = against {
        return Err(refused(against));
    }
    let Some(header) = check.header().cloned() else { return Ok(None) };
    let (records, time) = (walk.records, walk.time());
    let segments = walk.segments().to_vec();
    let (mut segment, mut len) = tail.behind;
    if walk.rotated() {
        (segment, len) = (segment.saturating_add(1), 0);
    }
    let Some(mut chain) = walk.into_chain() else { return Ok(None) };
    let mut reasons = Vec::new();
    if check.end_unsigned() {
        // Nothing can follow an end. This one was never signed, so it is a torn tail.
        (segment, len) = tail.before;
        chain.step_back(tail.previous);
        reasons.push("the end was not signed".to_owned());
    }
    if !check.torn().is_empty() {
        reasons.push(check.torn().to_owned());
    }
    let heads = fit_heads(dir, chain.next)?;
    if heads.beyond > 0 {
        reasons.push(format!("{} signed heads are of frames that are not there", heads.beyond));
    }
    let file_len = segments.iter().find(|(n, _)| *n == segment).map_or(0, |(_, l)| *l);
    Ok(Some(Standing {
        header,
        chain,
        segment,
        len,
        torn: file_len.saturating_sub(len),
        torn_reason: reasons.join("; "),
        heads,
        records,
        partial: tail.partial,
        time,
        first_link: check.first_link().unwrap_or_default(),
        epoch: check.epoch(),
        sealed_record: check.sealed_record(),
        sealed: tail.sealed,
        phase: check.phase(),
        closed: found.0 == Status::Intact,
        uncompressed: tail.uncompressed,
    }))
}

/// What a writer must know of the frames it goes on behind.
#[derive(Default)]
struct Last {
    /// Where the last frame begins, and what is behind it: segment and offset.
    before: (u32, u64),
    behind: (u32, u64),
    /// Link of the frame before the last.
    previous: Hash,
    partial: Option<(u64, usize)>,
    sealed: Vec<Stream>,
    uncompressed: Vec<(u32, u64)>,
}

impl Last {
    fn take(&mut self, walk: &Walk, met: &Met) {
        let Met { frame, place, previous, .. } = met;
        self.before = (place.segment, place.offset);
        self.behind = (place.segment, place.offset + frame.len());
        self.previous = *previous;
        if frame.kind == kind::BLOCK && frame.packing == Packing::Stored && frame.raw_len > 2048 {
            let bytes = u64::from(frame.raw_len);
            match self.uncompressed.last_mut() {
                Some((of, sum)) if *of == place.segment => *sum += bytes,
                _ => self.uncompressed.push((place.segment, bytes)),
            }
        }
        if let Some(block) = walk.block(frame) {
            self.partial = unfinished(&block, self.partial);
            if frame.flags & flag::SEALED != 0 {
                find_sealed(&block, &mut self.sealed);
            }
        }
    }
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
    if standing.heads.torn {
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
    /// Whether anything is behind it.
    pub(crate) torn: bool,
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
            Next::Head(_) => (fit.beyond, fit.torn) = (fit.beyond + 1, true),
            Next::End => return Ok(fit),
            Next::Torn => return Ok(HeadsFit { torn: true, ..fit }),
            Next::Bad => {
                let path = dir.join(HEADS);
                return Err(JournalError::corrupt(path.display(), "holds what is no head"));
            }
        }
    }
}
