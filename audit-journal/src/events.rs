//! Structured records of one kind, without reading what else there is.

use std::path::Path;

use crate::block::{Piece, Pieces, Raw};
use crate::error::Result;
use crate::frame::{Frame, kind};
use crate::frames::{Fetch, Frames};

/// Gives `each` the payload of every structured record of this kind that lies in blocks which are
/// `wanted`, and is no longer than `limit` bytes. Ends at the first frame that is not whole.
///
/// # Errors
/// The files cannot be read.
pub(crate) fn each_event(
    dir: &Path,
    wanted: impl Fn(&Frame) -> bool,
    event: u8,
    limit: usize,
    mut each: impl FnMut(&[u8]),
) -> Result<()> {
    let mut frames = Frames::open(dir)?;
    let (mut raw, mut joined) = (Vec::new(), Vec::new());
    let asked = |frame: &Frame| frame.kind == kind::BLOCK && wanted(frame);
    loop {
        let Fetch::Frame(frame, _) = frames.next_if(&mut raw, asked)? else { return Ok(()) };
        if !asked(&frame) {
            continue;
        }
        let Ok(block) = Raw::parse(&raw, frame.time) else { return Ok(()) };
        for piece in Pieces::new(&block) {
            let Ok((_, Piece::Event { kind, partial, payload })) = piece else { continue };
            if kind != event {
                continue;
            }
            if joined.len() + payload.len() <= limit {
                joined.extend_from_slice(payload);
            }
            if !partial {
                each(&joined);
                joined.clear();
            }
        }
    }
}
