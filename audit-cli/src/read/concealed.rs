//! Secrets that a session showed, and who gets to see them.

use std::io::{Write as _, stderr};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use anyhow::Context as _;
use audit_journal::Journal;
use nix::unistd::Uid;

use crate::config::Reveal;
use crate::context::Context;
use crate::failure::Failure;

/// Exit status of who asks for secrets that he is not to see.
const REFUSED: u8 = 1;

/// The session in `dir`, with `*` for its secrets unless somebody wants and may see them.
///
/// # Errors
/// The journal cannot be opened, or whoever wants to see secrets may not.
pub(super) fn open(context: &Context, dir: &Path, reveal: bool) -> anyhow::Result<Journal> {
    if !reveal {
        return Ok(Journal::open(dir)?.concealing());
    }
    permitted(context, dir)?;
    Ok(Journal::open(dir)?)
}

/// Says on standard error that an export is not what was shown, if it is not.
///
/// # Errors
/// The journal cannot be read, or nobody reads what is said.
pub(super) fn tell(journal: &Journal, reveal: bool) -> anyhow::Result<()> {
    let secrets = if reveal { 0 } else { journal.secrets_shown()? };
    if secrets > 0 {
        let (noun, verb) = if secrets == 1 { ("secret", "stands") } else { ("secrets", "stand") };
        writeln!(
            stderr(),
            "auditty: note: {secrets} {noun} that the session showed {verb} as `*`; --reveal-secrets shows them"
        )?;
    }
    Ok(())
}

fn permitted(context: &Context, dir: &Path) -> anyhow::Result<()> {
    let loaded = context.load()?;
    let who = loaded.config.secrets.reveal;
    let owner = dir.metadata().with_context(|| format!("read {}", dir.display()))?.uid();
    if may(who, Uid::effective(), Uid::from_raw(owner)) {
        return Ok(());
    }
    let allowed = match who {
        Reveal::Owner => "root and the owner of the journal",
        Reveal::Root => "root",
    };
    let place = loaded.place("secrets", "reveal");
    let message =
        format!("--reveal-secrets: only {allowed} may see secrets (secrets.reveal, {place})");
    Err(Failure::new(REFUSED, message).into())
}

fn may(who: Reveal, reader: Uid, owner: Uid) -> bool {
    reader.is_root() || (who == Reveal::Owner && reader == owner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_may_see_secrets_and_the_owner_where_that_is_the_rule() {
        let [root, owner, other] = [0, 1000, 1001].map(Uid::from_raw);
        for (who, reader, wanted) in [
            (Reveal::Owner, root, true),
            (Reveal::Owner, owner, true),
            (Reveal::Owner, other, false),
            (Reveal::Root, root, true),
            (Reveal::Root, owner, false),
        ] {
            assert_eq!(may(who, reader, owner), wanted, "{who:?} {reader}");
        }
    }
}
