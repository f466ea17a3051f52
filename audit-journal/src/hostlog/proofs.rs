//! Proofs from the log of a host, and its consistency with a checkpoint kept elsewhere.

use std::fs::File;
use std::path::Path;

use super::files::{HASHES, LEAVES, Line, Lines, Places};
use super::head::TreeHead;
use super::tree::{self, Frontier, Nodes, root};
use super::{Hash, HostLogFault, leaf_hash, published};
use crate::error::{JournalError, Result};
use crate::keys::host_verifier;
use crate::verify::Trust;

/// Checks that the log below `root` is a continuation of the one whose checkpoint somebody kept:
/// the tree of its first leaves has the root that `checkpoint` states, and the host has signed it.
/// Returns what is wrong, if anything; whether the log fits its present checkpoint is what
/// [`crate::verify_root`] finds.
///
/// # Errors
/// The log cannot be read.
pub fn verify_checkpoint(
    root: &Path,
    trust: &Trust,
    checkpoint: &str,
) -> Result<Option<HostLogFault>> {
    let host = match trust {
        Trust::Key(key) | Trust::Known(key) => Some(host_verifier(key.0)),
        Trust::FirstUse => published(root),
    };
    let Some(host) = host else {
        return Ok(Some(HostLogFault::mismatch("no key is known to check the checkpoint with")));
    };
    let old = match TreeHead::parse(checkpoint, &host) {
        Ok(old) => old,
        Err(why) => return Ok(Some(HostLogFault::of("the checkpoint that was kept", why))),
    };
    let path = Places::new(root).of(LEAVES);
    let io = |e| JournalError::io("read", &path, e);
    let leaves = match File::open(&path) {
        Ok(file) => file,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            return Ok(Some(HostLogFault::mismatch("the host log is not there")));
        }
        Err(e) => return Err(io(e)),
    };
    leaves.lock_shared().map_err(io)?;
    let (mut tree, mut lines) = (Frontier::default(), Lines::new(&leaves));
    while tree.size() < old.size
        && let Some(Line::Whole(leaf)) = lines.next().map_err(io)?
    {
        tree.push(leaf_hash(leaf), |_| {});
    }
    Ok(if tree.size() < old.size {
        let reason = format!(
            "the host log has {} leaves, and had {} when the checkpoint was kept",
            tree.size(),
            old.size
        );
        Some(HostLogFault::mismatch(reason))
    } else if tree.root() != old.root {
        Some(HostLogFault::mismatch("the host log was written anew since the checkpoint was kept"))
    } else {
        None
    })
}

/// Proofs that the log of a host only grows, for whoever keeps an old checkpoint but not the log.
///
/// A witness that holds an old checkpoint asks for consistency with the present one; somebody who
/// holds a leaf asks for its inclusion. Check them with [`super::verify_consistency`] and
/// [`super::verify_inclusion`]: what they are made from is a file like any other.
#[derive(Debug)]
pub struct HostLogProofs {
    hashes: File,
    places: Places,
    size: u64,
}

impl HostLogProofs {
    /// Opens the log below `root`, as it stands.
    ///
    /// # Errors
    /// There is no log, or it cannot be read.
    pub fn open(root: &Path) -> Result<Self> {
        let places = Places::new(root);
        let path = places.of(HASHES);
        let io = |e| JournalError::io("read", &path, e);
        let leaves = File::open(places.of(LEAVES)).map_err(io)?;
        leaves.lock_shared().map_err(io)?;
        let hashes = File::open(&path).map_err(io)?;
        let stored = hashes.metadata().map_err(io)?.len() / 32;
        let size = tree::leaves_of(stored)
            .ok_or_else(|| JournalError::corrupt(path.display(), "no such number of nodes"))?;
        Ok(Self { hashes, places, size })
    }

    /// How many leaves the log had when it was opened.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Root of the tree of the first `size` leaves.
    ///
    /// # Errors
    /// The log has fewer leaves, or cannot be read.
    pub fn root(&self, size: u64) -> Result<Hash> {
        self.within(size)?;
        root(&self.nodes(), size)
    }

    /// The proof that leaf `index` is in the tree of the first `size` leaves, for
    /// [`super::verify_inclusion`].
    ///
    /// # Errors
    /// `index` is not below `size`, the log has fewer leaves, or cannot be read.
    pub fn inclusion(&self, index: u64, size: u64) -> Result<Vec<Hash>> {
        self.within(size)?;
        if index >= size {
            let reason = format!("no leaf {index} in a tree of {size}");
            return Err(JournalError::Input { reason });
        }
        tree::inclusion(&self.nodes(), index, size)
    }

    /// The proof that the tree of the first `old` leaves is the beginning of the one of the first
    /// `new`, for [`super::verify_consistency`].
    ///
    /// # Errors
    /// The log has fewer leaves, or cannot be read.
    pub fn consistency(&self, old: u64, new: u64) -> Result<Vec<Hash>> {
        self.within(new)?;
        if old == 0 || old > new {
            return Err(JournalError::Input {
                reason: format!("no tree of {old} in {new} leaves"),
            });
        }
        tree::consistency(&self.nodes(), old, new)
    }

    fn within(&self, size: u64) -> Result<()> {
        if size == 0 || size > self.size {
            let reason = format!("the host log has {} leaves, not {size}", self.size);
            return Err(JournalError::Input { reason });
        }
        Ok(())
    }

    fn nodes(&self) -> Nodes<'_> {
        Nodes::new(&self.hashes, self.places.dir())
    }
}
