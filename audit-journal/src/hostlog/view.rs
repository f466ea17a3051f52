//! The log of a host as its files show it, checked.

use std::collections::HashMap;
use std::fs::File;
use std::path::Path;

use audit_core::SessionId;

use super::files::{self, CHECKPOINT, LEAVES, Line, Lines, NEXT, Places};
use super::head::{NotOurs, TreeHead};
use super::tree::Frontier;
use super::{Hash, Leaf, leaf_hash};
use crate::error::{JournalError, Result};
use crate::note::Verifier;
use crate::verify::Status;

/// What is wrong with a host log.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct HostLogFault {
    /// [`Status::BadSignature`] when it is another host's, else [`Status::HostLogMismatch`].
    pub status: Status,
    /// One line for people.
    pub reason: String,
}

impl HostLogFault {
    pub(crate) fn mismatch(reason: impl Into<String>) -> Self {
        Self { status: Status::HostLogMismatch, reason: reason.into() }
    }

    pub(crate) fn stranger(reason: impl Into<String>) -> Self {
        Self { status: Status::BadSignature, reason: reason.into() }
    }

    /// What is wrong with a checkpoint.
    pub(super) fn of(what: &str, why: NotOurs) -> Self {
        let reason = format!("{what} {why}");
        match why {
            NotOurs::OtherHost => Self::stranger(reason),
            NotOurs::Unsigned => Self::mismatch(reason),
        }
    }
}

/// The log of a host.
#[derive(Clone, Debug, Default)]
pub(crate) struct HostLogView {
    /// The leaves the host signed, session by session, and no others.
    leaves: HashMap<SessionId, Vec<Leaf>>,
    /// What is wrong with the log, if anything.
    pub(crate) fault: Option<HostLogFault>,
}

impl HostLogView {
    /// Reads and checks the log below `root`, with the leaves of session `of` or of all; `None`
    /// when there is none. Whoever appends is waited for.
    pub(crate) fn read(
        root: &Path,
        host: Option<&Verifier>,
        of: Option<SessionId>,
    ) -> Result<Option<Self>> {
        let places = Places::new(root);
        let path = places.of(LEAVES);
        let io = |e| JournalError::io("read", &path, e);
        let leaves = match File::open(&path) {
            Ok(file) => Some(file),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => None,
            Err(e) => return Err(io(e)),
        };
        if let Some(leaves) = &leaves {
            leaves.lock_shared().map_err(io)?;
        }
        let checkpoint = files::read_checkpoint(&places.of(CHECKPOINT))?;
        let Some(leaves) = leaves else {
            let gone = || HostLogFault::mismatch("the host log's leaves are not there");
            return Ok(checkpoint.map(|_| Self { fault: Some(gone()), ..Self::default() }));
        };
        let Some(host) = host else {
            let reason = "no key is known to check the host log with";
            let fault = Some(HostLogFault::mismatch(reason));
            return Ok(Some(Self { fault, ..Self::default() }));
        };
        let signed = match checkpoint.map(|text| TreeHead::parse(&text, host)).transpose() {
            Ok(signed) => signed,
            Err(why) => {
                let fault = Some(HostLogFault::of("the host log's checkpoint", why));
                return Ok(Some(Self { fault, ..Self::default() }));
            }
        };
        let next = files::read_checkpoint(&places.of(NEXT))?
            .and_then(|text| TreeHead::parse(&text, host).ok());
        Reading::new(signed, next, of).read(&leaves).map(Some).map_err(io)
    }

    /// The leaves of `session`, in their order.
    pub(crate) fn of(&self, session: SessionId) -> &[Leaf] {
        self.leaves.get(&session).map_or(&[], Vec::as_slice)
    }

    /// Sessions that must be there: begun, and not expired since.
    pub(crate) fn expected(&self) -> impl Iterator<Item = SessionId> {
        let begun = |leaves: &[Leaf]| {
            leaves.iter().fold(false, |begun, leaf| match leaf {
                Leaf::Start { .. } => true,
                Leaf::Expired { .. } => false,
                Leaf::Head { .. } | Leaf::End { .. } => begun,
            })
        };
        self.leaves.iter().filter(move |(_, leaves)| begun(leaves)).map(|(session, _)| *session)
    }
}

/// Reading the leaves against what was signed.
struct Reading {
    /// What the host signed: the checkpoint, and the tree head of an append that was cut short.
    size: u64,
    root: Hash,
    next: Option<Hash>,
    of: Option<SessionId>,
    tree: Frontier,
    view: HostLogView,
    /// The leaf behind the checkpoint, and whether the host signed it too.
    beyond: Option<(Leaf, bool)>,
}

impl Reading {
    fn new(signed: Option<TreeHead>, next: Option<TreeHead>, of: Option<SessionId>) -> Self {
        let tree = Frontier::default();
        let (size, root) = signed.map_or((0, tree.root()), |s| (s.size, s.root));
        let next = next.filter(|next| next.size == size + 1).map(|next| next.root);
        Self { size, root, next, of, tree, view: HostLogView::default(), beyond: None }
    }

    fn read(mut self, leaves: &File) -> std::io::Result<HostLogView> {
        let mut lines = Lines::new(leaves);
        let mut torn = false;
        let mut fits = self.size == 0;
        while let Some(line) = lines.next()? {
            match line {
                Line::Whole(leaf) => {
                    self.take(leaf);
                    if self.tree.size() == self.size {
                        fits = self.tree.root() == self.root;
                    }
                }
                Line::Torn => {
                    torn = true;
                    break;
                }
            }
            // What follows is nobody's, however long it is.
            if self.tree.size() > self.size + 1 {
                break;
            }
        }
        if !fits {
            self.view.leaves.clear();
            return Ok(self.with("the host log does not fit its checkpoint"));
        }
        let beyond = self.tree.size() - self.size;
        match (beyond, self.beyond) {
            (0, _) if !torn || self.next.is_some() => {}
            (1, Some((leaf, true))) if !torn => self.keep(leaf),
            _ => return Ok(self.with("the host log goes on behind its checkpoint")),
        }
        Ok(self.view)
    }

    fn take(&mut self, line: &[u8]) {
        self.tree.push(leaf_hash(line), |_| {});
        let number = self.tree.size();
        let leaf = std::str::from_utf8(line).ok().and_then(Leaf::parse);
        match leaf {
            Some(leaf) if number <= self.size => self.keep(leaf),
            Some(leaf) if number == self.size + 1 => {
                self.beyond = Some((leaf, self.next == Some(self.tree.root())));
            }
            None if number <= self.size && self.view.fault.is_none() => {
                let reason = format!("leaf {} of the host log is none of ours", number - 1);
                self.view.fault = Some(HostLogFault::mismatch(reason));
            }
            _ => {}
        }
    }

    fn keep(&mut self, leaf: Leaf) {
        if self.of.is_none_or(|of| of == leaf.session()) {
            self.view.leaves.entry(leaf.session()).or_default().push(leaf);
        }
    }

    fn with(mut self, reason: &str) -> HostLogView {
        self.view.fault = Some(HostLogFault::mismatch(reason));
        self.view
    }
}
