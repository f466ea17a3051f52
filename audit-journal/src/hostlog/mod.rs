//! The log of a host: an append-only Merkle tree (RFC 6962) over the starts, segment ends and ends
//! of all its sessions, so that a session which is missing as a whole is missed.
//!
//! ```text
//! <root>/hostlog/leaves        one line per leaf; its bytes without the line feed are the leaf
//! <root>/hostlog/hashes        32 bytes per node, in the order nodes become complete
//! <root>/hostlog/checkpoint    the signed tree head (C2SP tlog-checkpoint)
//! <root>/hostlog/host.pub      the host's verifier key (C2SP signed-note)
//! ```
//!
//! Several processes append at once: each holds a lock while it does. `hashes` is derived from
//! `leaves` and made anew when a crash left it behind.

mod leaf;
mod tree;

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use crate::disk::create_dirs;
use crate::error::{JournalError, Result};
use crate::keys::HostKey;
use crate::note::{self, Note, Verifier};

pub use leaf::Leaf;
pub(crate) use tree::Hash;
pub use tree::{leaf_hash, node_hash, verify_consistency, verify_inclusion};

use tree::{Nodes, completed, root, stored_count};

/// A line of `leaves` is never longer than this, in bytes.
const MAX_LEAF: u64 = 4096;

/// Directory of the log below a journal root.
pub(crate) fn dir(root: &Path) -> PathBuf {
    root.join("hostlog")
}

/// Writes the host's verifier key into the root, or finds it there.
pub(crate) fn publish(root: &Path, host: &HostKey) -> Result<()> {
    let dir = dir(root);
    create_dirs(&dir)?;
    let public = dir.join("host.pub");
    match std::fs::read_to_string(&public) {
        Ok(text) if Verifier::parse(&text).is_some_and(|v| v == host.verifier()) => Ok(()),
        // Everything in this root would look forged to whoever verifies it.
        Ok(_) => Err(JournalError::Key {
            place: public.display().to_string(),
            reason: "this root belongs to another host key".to_owned(),
        }),
        Err(_) => replace(&public, format!("{}\n", host.verifier().text()).as_bytes()),
    }
}

/// The log, locked for appending.
pub(crate) struct HostLog<'a> {
    dir: PathBuf,
    host: &'a HostKey,
    leaves: File,
    hashes: File,
}

impl<'a> HostLog<'a> {
    /// Opens the log below `root` and waits until nobody else appends to it.
    pub(crate) fn open(root: &Path, host: &'a HostKey) -> Result<Self> {
        publish(root, host)?;
        let dir = dir(root);
        let leaves = open(&dir.join("leaves"))?;
        leaves.lock().map_err(|e| JournalError::io("lock", &dir, e))?;
        let hashes = open(&dir.join("hashes"))?;
        Ok(Self { dir, host, leaves, hashes })
    }

    /// Appends a leaf and signs the new tree.
    pub(crate) fn append(&mut self, leaf: &Leaf) -> Result<()> {
        let mut size = self.settle()?;
        let dir = self.dir.clone();
        let io = |e| JournalError::io("append to", &dir, e);
        let line = leaf.to_string();
        let before = self.leaves.metadata().map_err(io)?.len();
        let written = self.leaves.write_all(format!("{line}\n").as_bytes());
        if let Err(e) = written {
            let _ = self.leaves.set_len(before);
            return Err(io(e));
        }
        self.extend(size, line.as_bytes())?;
        size += 1;
        // A checkpoint must never survive the machine without the leaves it covers.
        self.leaves.sync_data().map_err(io)?;
        let text = checkpoint(&self.host.verifier().name, size, &root(&self.nodes(), size)?);
        let signed = note::sign(&text, &self.host.verifier().name, self.host.signing());
        replace(&self.dir.join("checkpoint"), signed.as_bytes())
    }

    /// Brings `hashes` up to what `leaves` says, and returns the number of leaves.
    fn settle(&mut self) -> Result<u64> {
        let io = |e| JournalError::io("read", &self.dir, e);
        let len = self.leaves.metadata().map_err(io)?.len();
        // A line without its end was being written when its writer died.
        let tail_from = len.saturating_sub(2 * MAX_LEAF);
        let mut tail = vec![0; (len - tail_from) as usize];
        self.leaves.read_exact_at(&mut tail, tail_from).map_err(io)?;
        let whole = memchr::memrchr(b'\n', &tail).map_or(0, |at| at + 1);
        if whole < tail.len() {
            self.leaves.set_len(tail_from + whole as u64).map_err(io)?;
        }
        let stored = self.hashes.metadata().map_err(io)?.len() / 32;
        let size = tree::leaves_of(stored);
        if let (Some(size), Some(last)) = (size, last_line(&tail[..whole]))
            && size > 0
            && self.nodes().at(stored_count(size - 1))? == leaf_hash(last)
        {
            return Ok(size);
        }
        if whole == 0 && stored == 0 {
            return Ok(0);
        }
        self.rebuild()
    }

    fn rebuild(&mut self) -> Result<u64> {
        let dir = self.dir.clone();
        let io = |e| JournalError::io("rebuild", &dir, e);
        self.hashes.set_len(0).map_err(io)?;
        let mut leaves = BufReader::new(File::open(self.dir.join("leaves")).map_err(io)?);
        let (mut size, mut line) = (0, Vec::new());
        while leaves.by_ref().take(MAX_LEAF).read_until(b'\n', &mut line).map_err(io)? > 0 {
            self.extend(size, line.strip_suffix(b"\n").unwrap_or(&line))?;
            line.clear();
            size += 1;
        }
        Ok(size)
    }

    /// Appends the nodes that become complete with leaf number `size`.
    fn extend(&mut self, size: u64, leaf: &[u8]) -> Result<()> {
        let io = |e| JournalError::io("append to", &self.dir, e);
        let nodes = completed(&self.nodes(), size, leaf_hash(leaf))?;
        self.hashes.set_len(stored_count(size) * 32).map_err(io)?;
        self.hashes.write_all(&nodes.concat()).map_err(io)
    }

    fn nodes(&self) -> Nodes<'_> {
        Nodes::new(&self.hashes, &self.dir)
    }
}

/// Proofs out of a host log, for those who keep a checkpoint elsewhere.
///
/// A witness that holds an old checkpoint asks for consistency with the present one; somebody who
/// holds a leaf asks for its inclusion.
#[derive(Debug)]
pub struct HostLogProofs {
    hashes: File,
    dir: PathBuf,
    size: u64,
}

impl HostLogProofs {
    /// Opens the log below `root`, as it stands.
    ///
    /// # Errors
    /// There is no log, or it cannot be read.
    pub fn open(root: &Path) -> Result<Self> {
        let dir = dir(root);
        let path = dir.join("hashes");
        let io = |e| JournalError::io("read", &path, e);
        let leaves = File::open(dir.join("leaves")).map_err(io)?;
        leaves.lock_shared().map_err(io)?;
        let hashes = File::open(&path).map_err(io)?;
        let stored = hashes.metadata().map_err(io)?.len() / 32;
        let size = tree::leaves_of(stored)
            .ok_or_else(|| JournalError::corrupt(path.display(), "no such number of nodes"))?;
        Ok(Self { hashes, dir, size })
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
    /// [`verify_inclusion`].
    ///
    /// # Errors
    /// The log has fewer leaves, or cannot be read.
    pub fn inclusion(&self, index: u64, size: u64) -> Result<Vec<Hash>> {
        self.within(size)?;
        self.within(index + 1)?;
        tree::inclusion(&self.nodes(), index.min(size.saturating_sub(1)), size)
    }

    /// The proof that the tree of the first `old` leaves is the beginning of the one of the first
    /// `new`, for [`verify_consistency`].
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
        Nodes::new(&self.hashes, &self.dir)
    }
}

/// The log of a host as its files show it.
#[derive(Clone, Debug)]
pub(crate) struct HostLogView {
    pub(crate) leaves: Vec<Leaf>,
    /// Whether signature and root of the checkpoint fit, or what does not.
    pub(crate) sound: Result<(), String>,
}

impl HostLogView {
    /// Reads and checks the log below `root`; `None` when there is none. The newest leaves may lie
    /// behind the checkpoint while somebody appends: the lock is waited for.
    pub(crate) fn read(root: &Path, host: Option<&Verifier>) -> Result<Option<Self>> {
        let dir = dir(root);
        let path = dir.join("leaves");
        let mut file = match File::open(&path) {
            Ok(file) => file,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(JournalError::io("read", &path, e)),
        };
        let io = |e| JournalError::io("read", &path, e);
        file.lock_shared().map_err(io)?;
        let checkpoint = std::fs::read_to_string(dir.join("checkpoint")).unwrap_or_default();
        file.seek(SeekFrom::Start(0)).map_err(io)?;
        let mut tree = tree::Frontier::default();
        let (mut leaves, mut strange) = (Vec::new(), None);
        let mut reader = BufReader::new(&file);
        let mut line = Vec::new();
        let mut roots = Vec::new();
        while reader.by_ref().take(MAX_LEAF).read_until(b'\n', &mut line).map_err(io)? > 0 {
            if let Some(whole) = line.strip_suffix(b"\n") {
                tree.push(leaf_hash(whole));
                match std::str::from_utf8(whole).ok().and_then(Leaf::parse) {
                    Some(leaf) => leaves.push(leaf),
                    None => strange = Some(format!("leaf {} is none of ours", tree.size() - 1)),
                }
                // A writer may have died between leaf and checkpoint: one leaf may be unsigned.
                roots.push((tree.size(), tree.root()));
                if roots.len() > 2 {
                    roots.remove(0);
                }
            }
            line.clear();
        }
        let sound = match strange {
            Some(reason) => Err(reason),
            None => sound(&checkpoint, &roots, host),
        };
        Ok(Some(Self { leaves, sound }))
    }
}

fn sound(checkpoint: &str, roots: &[(u64, Hash)], host: Option<&Verifier>) -> Result<(), String> {
    let note = Note::parse(checkpoint).ok_or("the host log has no checkpoint")?;
    let host = host.ok_or("no key is known to check the host log with")?;
    if !host.accepts(&note) {
        return Err("the host log's checkpoint is not signed by the host's key".to_owned());
    }
    let fits =
        roots.iter().any(|(size, root)| note.text == self::checkpoint(&host.name, *size, root));
    if fits { Ok(()) } else { Err("the host log does not fit its checkpoint".to_owned()) }
}

/// The body of a checkpoint.
fn checkpoint(origin: &str, size: u64, root: &Hash) -> String {
    format!("{origin}\n{size}\n{}\n", BASE64.encode(root))
}

fn last_line(lines: &[u8]) -> Option<&[u8]> {
    let lines = lines.strip_suffix(b"\n")?;
    Some(&lines[memchr::memrchr(b'\n', lines).map_or(0, |at| at + 1)..])
}

fn open(path: &Path) -> Result<File> {
    OpenOptions::new()
        .read(true)
        .append(true)
        .create(true)
        .mode(0o600)
        .custom_flags(nix::libc::O_NOFOLLOW)
        .open(path)
        .map_err(|e| JournalError::io("open", path, e))
}

/// Replaces a small file as a whole.
fn replace(path: &Path, bytes: &[u8]) -> Result<()> {
    let mut random = [0; 8];
    crate::keys::fill(&mut random)?;
    let own = path.with_extension(format!("new-{}", crate::facts::hex(&random)));
    let io = |e| JournalError::io("write", path, e);
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o644)
        .open(&own)
        .and_then(|mut file| file.write_all(bytes))
        .and_then(|()| std::fs::rename(&own, path));
    if written.is_err() {
        let _ = std::fs::remove_file(&own);
    }
    written.map_err(io)
}
