//! The commands that read journals.

mod checked;
mod concealed;
mod expire;
mod export;
mod import;
mod ls;
mod progress;
mod recover;
mod replay;
mod search;
mod show;
mod since;
mod verify;
mod whole_file;

pub(crate) use expire::expire;
pub(crate) use export::export;
pub(crate) use import::import;
pub(crate) use ls::ls;
pub(crate) use recover::recover;
pub(crate) use replay::replay;
pub(crate) use search::search;
pub(crate) use show::show;
pub(crate) use verify::verify;

use std::path::{Path, PathBuf};

use audit_core::{SessionId, Stream};
use audit_journal::{JournalError, resolve};

use crate::args::StreamChoice;
use crate::config::Place;
use crate::context::Context;
use crate::failure::Failure;

/// Every stream that flows from the child to the user.
const OUTPUT: [Stream; 3] = [Stream::Tty, Stream::Stdout, Stream::Stderr];

/// Whether `root` holds a session of this name.
pub(crate) fn exists(root: &Path, id: SessionId) -> bool {
    resolve(root, &id.to_string()).is_ok()
}

/// The directory of the session somebody means by `what`.
///
/// # Errors
/// No session, or more than one, is meant.
fn locate(context: &Context, what: &str) -> anyhow::Result<PathBuf> {
    let root = context.journal_dir()?;
    resolve(&root, what).map_err(|error| match error {
        JournalError::NotFound { .. } if !what.contains('/') => {
            Failure::new(1, format!("{error} in {}", root.display())).into()
        }
        error => error.into(),
    })
}

/// The journal directory; `None` where nothing was recorded yet in the place it is in by itself.
///
/// # Errors
/// The configuration is wrong, or it names a directory that is not there: that ends with `status`.
fn existing_root(context: &Context, status: u8) -> anyhow::Result<Option<PathBuf>> {
    let loaded = context.load()?;
    let root = loaded.config.journal.dir.clone();
    if root.is_dir() {
        return Ok(Some(root));
    }
    match loaded.place("journal", "dir") {
        Place::BuiltIn => Ok(None),
        _ => Err(Failure::new(status, format!("{}: no such directory", root.display())).into()),
    }
}

/// The streams a choice stands for; without one, all of them.
fn streams(choice: Option<StreamChoice>) -> Vec<Stream> {
    match choice {
        None => Stream::ALL.to_vec(),
        Some(StreamChoice::Output) => OUTPUT.to_vec(),
        Some(StreamChoice::Input) => vec![Stream::Input],
    }
}
