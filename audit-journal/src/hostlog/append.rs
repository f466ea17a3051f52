//! Appending to the log of a host.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use audit_core::SessionId;

use super::files::{self, CHECKPOINT, HASHES, LEAVES, Line, Lines, MAX_LEAF, NEXT, Places};
use super::head::TreeHead;
use super::tree::{Frontier, Nodes, completed, root, stored_count};
use super::{Leaf, leaf_hash, publish};
use crate::entries::Journal;
use crate::error::{JournalError, Result};
use crate::heads::Heads;
use crate::keys::HostKey;
use crate::layout;

/// The log, locked for appending.
pub(crate) struct HostLog<'a> {
    root: PathBuf,
    places: Places,
    host: &'a HostKey,
    leaves: File,
    hashes: File,
}

impl<'a> HostLog<'a> {
    /// Opens the log below `root` and waits until nobody else appends to it.
    pub(crate) fn open(root: &Path, host: &'a HostKey) -> Result<Self> {
        publish(root, host)?;
        let places = Places::new(root);
        let leaves = files::open(&places.of(LEAVES))?;
        leaves.lock().map_err(|e| JournalError::io("lock", places.dir(), e))?;
        let hashes = files::open(&places.of(HASHES))?;
        Ok(Self { root: root.to_owned(), places, host, leaves, hashes })
    }

    /// Appends a leaf and signs the new tree.
    ///
    /// # Errors
    /// [`JournalError::HostLog`] when the log does not fit what the host signed last: it then
    /// stays as it is.
    pub(crate) fn append(&mut self, leaf: &Leaf) -> Result<()> {
        let size = self.settle()?;
        let line = leaf.to_string();
        let nodes = completed(&self.nodes(), size, leaf_hash(line.as_bytes()))?;
        let io = |e| JournalError::io("append to", self.places.dir(), e);
        self.hashes.set_len(stored_count(size) * 32).map_err(io)?;
        (&self.hashes).write_all(&nodes.concat()).map_err(io)?;
        let head = TreeHead { size: size + 1, root: root(&self.nodes(), size + 1)? };
        // The leaf must be vouched for before it is there.
        let next = self.places.of(NEXT);
        files::replace(&next, head.signed(self.host).as_bytes())?;
        let before = self.leaves.metadata().map_err(io)?.len();
        let written = (&self.leaves)
            .write_all(format!("{line}\n").as_bytes())
            .and_then(|()| self.leaves.sync_data());
        if let Err(e) = written {
            let _ = self.leaves.set_len(before);
            let _ = std::fs::remove_file(&next);
            return Err(io(e));
        }
        std::fs::rename(&next, self.places.of(CHECKPOINT)).map_err(io)
    }

    /// The leaves of `session`, in their order.
    pub(crate) fn of(&mut self, session: SessionId) -> Result<Vec<Leaf>> {
        self.settle()?;
        let mut found = Vec::new();
        self.each_leaf(|line| {
            let leaf = std::str::from_utf8(line).ok().and_then(Leaf::parse);
            found.extend(leaf.filter(|leaf| leaf.session() == session));
        })?;
        Ok(found)
    }

    /// Brings the files into the state a finished append leaves, and returns the number of leaves.
    pub(crate) fn settle(&mut self) -> Result<u64> {
        let signed = self.signed()?;
        let next = files::read_checkpoint(&self.places.of(NEXT))?
            .and_then(|text| TreeHead::parse(&text, &self.host.verifier()).ok())
            .filter(|next| next.size == signed.map_or(1, |s| s.size + 1));
        if let Some(signed) = &signed
            && self.fits(signed, next.is_some())?
        {
            return Ok(signed.size);
        }
        self.go_through(signed, next)
    }

    /// What the host signed last; `None` where nothing was logged yet.
    fn signed(&self) -> Result<Option<TreeHead>> {
        match files::read_checkpoint(&self.places.of(CHECKPOINT))? {
            Some(text) => TreeHead::parse(&text, &self.host.verifier())
                .map(Some)
                .map_err(|e| self.fault(format!("its checkpoint {e}"))),
            None => Ok(None),
        }
    }

    /// Whether `hashes` and the last leaf are those of the signed tree: then all that an append
    /// builds upon is what the host signed. Cuts off what a crash left of a leaf under way.
    fn fits(&mut self, signed: &TreeHead, may_be_torn: bool) -> Result<bool> {
        let io = |e| JournalError::io("read", self.places.dir(), e);
        let Some(last) = signed.size.checked_sub(1) else { return Ok(false) };
        let stored = self.hashes.metadata().map_err(io)?.len() / 32;
        if stored < stored_count(signed.size) || root(&self.nodes(), signed.size)? != signed.root {
            return Ok(false);
        }
        let len = self.leaves.metadata().map_err(io)?.len();
        let from = len.saturating_sub(2 * MAX_LEAF);
        let mut tail = vec![0; usize::try_from(len - from).unwrap_or_default()];
        self.leaves.read_exact_at(&mut tail, from).map_err(io)?;
        let whole = memchr::memrchr(b'\n', &tail).map_or(0, |at| at + 1);
        let torn = whole < tail.len();
        let fits = last_line(&tail[..whole])
            .is_some_and(|line| self.nodes().at(stored_count(last)).ok() == Some(leaf_hash(line)));
        if !fits || (torn && !may_be_torn) {
            return Ok(false);
        }
        if torn {
            self.leaves.set_len(from + whole as u64).map_err(io)?;
        }
        Ok(true)
    }

    /// Goes through all leaves: makes `hashes` anew, finishes or undoes an append that a crash cut
    /// short, or says what does not fit.
    fn go_through(&mut self, signed: Option<TreeHead>, next: Option<TreeHead>) -> Result<u64> {
        let io = |e| JournalError::io("rebuild", self.places.dir(), e);
        self.hashes.set_len(0).map_err(io)?;
        let mut tree = Frontier::default();
        let (mut nodes, mut failed) = (BufWriter::new(&self.hashes), Ok(()));
        let size = signed.map_or(0, |signed| signed.size);
        // Roots of the trees of `size` and of one more leaf.
        let mut roots = [None, None];
        let mut whole = 0;
        if size == 0 {
            roots[0] = Some(tree.root());
        }
        let torn = self.each_leaf(|leaf| {
            tree.push(leaf_hash(leaf), |node| {
                if failed.is_ok() {
                    failed = nodes.write_all(node);
                }
            });
            whole += leaf.len() as u64 + 1;
            let beyond = tree.size().checked_sub(size).and_then(|n| usize::try_from(n).ok());
            if let Some(root) = beyond.and_then(|n| roots.get_mut(n)) {
                *root = Some(tree.root());
            }
        })?;
        failed.and_then(|()| nodes.flush()).map_err(io)?;
        drop(nodes);
        let fits = match signed {
            Some(signed) => roots[0] == Some(signed.root),
            None => tree.size() > 0 || torn || self.may_begin()?,
        };
        // A leaf beyond the checkpoint, or a part of one, is what a crash left of an append if a
        // tree head of ours vouches for it.
        let finished =
            next.is_some_and(|next| tree.size() == size + 1 && roots[1] == Some(next.root));
        if !fits || !(tree.size() == size || finished) || (torn && (next.is_none() || finished)) {
            return Err(self.fault("its leaves are not those the host signed".to_owned()));
        }
        if torn {
            self.leaves.set_len(whole).map_err(io)?;
        }
        if finished {
            let (next, checkpoint) = (self.places.of(NEXT), self.places.of(CHECKPOINT));
            std::fs::rename(next, checkpoint).map_err(io)?;
        }
        Ok(tree.size())
    }

    /// Whether nothing was logged before, so that a log may begin: not where a session was signed
    /// that a log should know.
    fn may_begin(&self) -> Result<bool> {
        let known = layout::sessions(&self.root)?.into_iter().rev().any(|(_, dir)| {
            Heads::last(&dir).is_ok_and(|head| head.is_some_and(|head| head.record > 0))
                && Journal::open(&dir).is_ok_and(|journal| journal.header().host_log)
        });
        Ok(!known)
    }

    /// Hands every whole leaf to `take`; returns whether something that is no leaf follows.
    fn each_leaf(&self, mut take: impl FnMut(&[u8])) -> Result<bool> {
        let path = self.places.of(LEAVES);
        let io = |e| JournalError::io("read", &path, e);
        let mut lines = Lines::new(File::open(&path).map_err(io)?);
        while let Some(line) = lines.next().map_err(io)? {
            match line {
                Line::Whole(leaf) => take(leaf),
                Line::Torn => return Ok(true),
            }
        }
        Ok(false)
    }

    fn fault(&self, reason: String) -> JournalError {
        JournalError::HostLog { place: self.places.dir().display().to_string(), reason }
    }

    fn nodes(&self) -> Nodes<'_> {
        Nodes::new(&self.hashes, self.places.dir())
    }
}

fn last_line(lines: &[u8]) -> Option<&[u8]> {
    let lines = lines.strip_suffix(b"\n")?;
    Some(&lines[memchr::memrchr(b'\n', lines).map_or(0, |at| at + 1)..])
}
