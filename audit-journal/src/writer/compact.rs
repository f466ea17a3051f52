//! Compressing, later, the blocks that were stored as they are.
//!
//! A segment is written anew beside itself, synced, and renamed over. The chain does not cover how
//! payloads are stored, so that nothing needs to be signed again. Whoever reads the old file goes
//! on reading it.

use std::fs::{File, OpenOptions};
use std::io::{BufReader, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use super::Writer;
use crate::disk::sync_dir;
use crate::error::{JournalError, Result};
use crate::frame::{Frame, HEADER, Packing, kind};
use crate::layout;
use crate::pack::packed;

/// A step compresses about so many bytes: a millisecond at level 1.
pub(super) const STEP: u64 = 384 << 10;

/// A segment that is being written anew.
#[derive(Debug)]
pub(super) struct Compaction {
    from: BufReader<File>,
    to: File,
    path: PathBuf,
    target: PathBuf,
    buffer: Vec<u8>,
}

impl Compaction {
    fn start(dir: &std::path::Path, number: u32) -> Result<Self> {
        let (target, path) = (layout::segment(dir, number), layout::compact(dir, number));
        let _ = std::fs::remove_file(&path);
        let from = File::open(&target).map_err(|e| JournalError::io("open", &target, e))?;
        let to = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o440)
            .custom_flags(nix::libc::O_NOFOLLOW)
            .open(&path)
            .map_err(|e| JournalError::io("create", &path, e))?;
        Ok(Self { from: BufReader::new(from), to, path, target, buffer: Vec::new() })
    }

    /// Does a piece; returns whether more remains.
    fn step(&mut self, level: i32) -> Result<bool> {
        let io = |e| JournalError::io("compress", &self.target, e);
        let mut done = 0;
        while done < STEP {
            let mut header = [0; HEADER];
            match self.from.read_exact(&mut header) {
                Err(e) if e.kind() == std::io::ErrorKind::UnexpectedEof => return Ok(false),
                read => read.map_err(io)?,
            }
            let mut frame = Frame::decode(&header)
                .map_err(|e| JournalError::corrupt(self.target.display(), e))?;
            self.buffer.resize(frame.stored_len as usize, 0);
            self.from.read_exact(&mut self.buffer).map_err(io)?;
            let pack = frame.kind == kind::BLOCK && frame.packing == Packing::Stored;
            let (to, buffer) = (&mut self.to, &self.buffer);
            let mut write = |packed: Option<&[u8]>| match packed {
                Some(packed) => {
                    (frame.packing, frame.stored_len) = (Packing::Zstd, packed.len() as u32);
                    to.write_all(&frame.encode(&[packed])).and_then(|()| to.write_all(packed))
                }
                None => to.write_all(&header).and_then(|()| to.write_all(buffer)),
            };
            if pack { packed(&[buffer], level, write) } else { write(None) }.map_err(io)?;
            done += frame.len() + if pack { u64::from(frame.raw_len) } else { 0 };
        }
        Ok(true)
    }

    /// Puts the new segment in the old one's place, once it would survive the machine.
    fn replace(&self) -> Result<()> {
        let io = |e| JournalError::io("compress", &self.target, e);
        self.to.sync_all().map_err(io)?;
        std::fs::rename(&self.path, &self.target).map_err(io)?;
        sync_dir(self.target.parent().unwrap_or(&self.target))
    }

    /// Leaves the old segment in its place: larger, and whole.
    fn abandon(&self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

impl Writer {
    /// Leaves the segment that is being written anew as it was.
    pub(super) fn abandon_compaction(&mut self) {
        if let Some(job) = self.compaction.take() {
            job.abandon();
        }
    }

    /// Does a piece of compressing, if any waits; returns whether more may remain.
    pub(super) fn compact_step(&mut self) -> Result<bool> {
        let Some(mut job) = self.compaction.take() else {
            let Some(number) = self.uncompressed.pop_front() else { return Ok(false) };
            self.compaction = Some(Compaction::start(&self.dir, number)?);
            return Ok(true);
        };
        if job.step(self.settings.later_level).inspect_err(|_| job.abandon())? {
            self.compaction = Some(job);
        } else {
            self.background.start(move || {
                if job.replace().is_err() {
                    job.abandon();
                }
                Ok(())
            });
        }
        Ok(true)
    }
}
