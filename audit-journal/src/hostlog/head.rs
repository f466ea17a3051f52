//! The signed tree head of a host log: a C2SP `tlog-checkpoint`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use super::Hash;
use crate::keys::HostKey;
use crate::note::{self, Note, Verifier};

/// How many leaves a log has, and the root of their tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TreeHead {
    pub(crate) size: u64,
    pub(crate) root: Hash,
}

/// Why a checkpoint is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NotOurs {
    /// It names another log: that of another key.
    #[error("is of another host")]
    OtherHost,
    /// It is no note, or not one the host has signed, or no checkpoint.
    #[error("is not signed by the host's key")]
    Unsigned,
}

impl TreeHead {
    /// The checkpoint of the log of `host`, signed.
    pub(crate) fn signed(&self, host: &HostKey) -> String {
        let name = host.verifier().name;
        note::sign(&self.text(&name), &name, host.signing())
    }

    /// Reads a checkpoint; only what [`TreeHead::signed`] writes is accepted, apart from signatures
    /// of others behind the host's.
    ///
    /// # Errors
    /// It is not one of `host`.
    pub(crate) fn parse(note: &str, host: &Verifier) -> Result<Self, NotOurs> {
        let note = Note::parse(note).ok_or(NotOurs::Unsigned)?;
        let mut lines = note.text.lines();
        let origin = lines.next().unwrap_or_default();
        if origin != host.name && origin.starts_with("auditty/") && !host.accepts(&note) {
            return Err(NotOurs::OtherHost);
        }
        let head = lines.next().zip(lines.next()).and_then(|(size, root)| {
            let root = BASE64.decode(root).ok()?.try_into().ok()?;
            Some(Self { size: size.parse().ok()?, root })
        });
        head.filter(|head| head.text(&host.name) == note.text && host.accepts(&note))
            .ok_or(NotOurs::Unsigned)
    }

    fn text(&self, origin: &str) -> String {
        format!("{origin}\n{}\n{}\n", self.size, BASE64.encode(self.root))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hostlog::leaf_hash;
    use crate::hostlog::tree::Frontier;
    use crate::keys::vector_host;

    /// Made by the crates `signed_note` 0.2.0 and `tlog_tiles` 0.2.0 from the same key and leaves.
    const OTHERS: &str = include_str!("checkpoint.note");

    fn head(leaves: &[&str]) -> TreeHead {
        let mut tree = Frontier::default();
        leaves.iter().for_each(|leaf| tree.push(leaf_hash(leaf.as_bytes()), |_| {}));
        TreeHead { size: tree.size(), root: tree.root() }
    }

    #[test]
    fn another_implementation_writes_the_same_checkpoint() {
        let host = vector_host();
        let head = head(&["one", "two", "three", "four", "five"]);
        assert_eq!(head.signed(&host), OTHERS);
        assert_eq!(TreeHead::parse(OTHERS, &host.verifier()), Ok(head));
    }

    #[test]
    fn a_changed_or_foreign_checkpoint_is_refused() {
        let host = vector_host();
        let signed = head(&["one"]).signed(&host);
        let verifier = host.verifier();
        for (from, to) in [("\n1\n", "\n2\n"), ("\n1\n", "\n01\n"), ("\n1\n", "\n1\nmore\n")] {
            let changed = signed.replacen(from, to, 1);
            assert_eq!(TreeHead::parse(&changed, &verifier), Err(NotOurs::Unsigned), "{changed}");
        }
        let renamed = signed.replace("auditty/", "auditty/0");
        assert_eq!(TreeHead::parse(&renamed, &verifier), Err(NotOurs::OtherHost));
        assert_eq!(TreeHead::parse("", &verifier), Err(NotOurs::Unsigned));
    }
}
