//! The log of a host: an append-only Merkle tree (RFC 6962) over the starts, segment ends and ends
//! of all its sessions, so that a session which is missing as a whole is missed.
//!
//! ```text
//! <root>/hostlog/leaves            one line per leaf; its bytes without the line feed are the leaf
//! <root>/hostlog/checkpoint        the signed tree head (C2SP tlog-checkpoint)
//! <root>/hostlog/checkpoint.next   the tree head that vouches for the leaf being appended
//! <root>/hostlog/hashes            32 bytes per node, in the order nodes become complete
//! <root>/hostlog/host.pub          the host's verifier key (C2SP signed-note)
//! ```
//!
//! Nothing is believed and nothing is signed but what the host signed before: a leaf counts once a
//! checkpoint covers it, and a writer goes on only with a log that fits its checkpoint. A log that
//! somebody rewrote stays as it is, under its old checkpoint, where everybody can see the
//! difference.
//!
//! Several processes append at once: each holds a lock while it does. The new tree head is on the
//! disk before its leaf is, so that whatever moment a crash chooses, a leaf without a checkpoint is
//! one that the host signed. `hashes` is derived from `leaves` and made anew when it does not fit.

mod append;
mod files;
mod head;
mod leaf;
mod proofs;
mod tree;
mod view;

use std::path::{Path, PathBuf};

use crate::disk::create_dirs;
use crate::error::{JournalError, Result};
use crate::keys::HostKey;
use crate::note::Verifier;
use crate::settings::JournalSettings;

pub(crate) use append::HostLog;
#[cfg(test)]
pub(crate) use head::TreeHead;
pub use leaf::Leaf;
pub use proofs::{HostLogProofs, verify_checkpoint};
pub(crate) use tree::Hash;
pub use tree::{leaf_hash, node_hash, verify_consistency, verify_inclusion};
pub use view::HostLogFault;
pub(crate) use view::HostLogView;

/// Directory of the log below a journal root.
pub(crate) fn dir(root: &Path) -> PathBuf {
    root.join("hostlog")
}

/// The key the root itself holds, if it holds one exactly as we write it.
pub(crate) fn published(root: &Path) -> Option<Verifier> {
    let text = std::fs::read_to_string(dir(root).join("host.pub")).ok()?;
    Verifier::parse(&text).filter(|verifier| text == format!("{}\n", verifier.text()))
}

/// Writes the host's verifier key into the root, or finds it there.
pub(crate) fn publish(root: &Path, host: &HostKey) -> Result<()> {
    let dir = dir(root);
    create_dirs(&dir)?;
    let public = dir.join("host.pub");
    match published(root) {
        Some(found) if found == host.verifier() => Ok(()),
        None if !public.exists() => {
            files::replace(&public, format!("{}\n", host.verifier().text()).as_bytes())
        }
        // Everything in this root would look forged to whoever verifies it.
        _ => Err(JournalError::Key {
            place: public.display().to_string(),
            reason: "this root belongs to another host key".to_owned(),
        }),
    }
}

/// Whether the host log can be gone on with, as far as its end shows: what a writer looks at before
/// it tells the log anything. [`crate::verify_root`] looks at all of it.
///
/// # Errors
/// [`JournalError::HostLog`] says what does not fit. Sessions are recorded all the same, and the
/// log stays as it is.
pub fn check_host_log(settings: &JournalSettings) -> Result<()> {
    let host = HostKey::open_or_create(settings)?;
    HostLog::open(&settings.root, &host)?.settle().map(drop)
}
