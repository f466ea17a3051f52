//! Secrets that a session showed, and who gets to see them.
//!
//! A journal holds what was shown, byte for byte. Whoever reads it by a command of auditty gets `*`
//! for every byte of a secret, unless he asks for them and may see them. This keeps nothing from
//! whoever can read the files themselves.

use std::ffi::OsString;
use std::io::{Write as _, stderr};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use anyhow::Context as _;
use audit_journal::{Header, Journal, OsText};
use nix::unistd::Uid;

use crate::config::Reveal;
use crate::context::Context;
use crate::failure::Failure;

/// Exit status of who asks for secrets that he is not to see.
const REFUSED: u8 = 1;

/// What a reader wants of secrets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wish {
    /// None of them.
    Conceal,
    /// To see them, or nothing at all.
    Reveal,
    /// The exact bytes as far as he may see them: evidence is no evidence with stars in it.
    Exact,
}

impl Wish {
    /// What the flag `--reveal-secrets` says.
    pub(super) fn of(reveal: bool) -> Self {
        if reveal { Self::Reveal } else { Self::Conceal }
    }
}

/// The session in `dir`, with `*` for its secrets unless somebody wants and may see them.
///
/// # Errors
/// The journal cannot be opened, or whoever insists on seeing secrets may not.
pub(super) fn open(context: &Context, dir: &Path, wish: Wish) -> anyhow::Result<Journal> {
    let journal = Journal::open(dir)?;
    if wish != Wish::Conceal {
        match refusal(context, dir)? {
            None => return Ok(journal),
            Some(_) if wish == Wish::Exact => {}
            Some(reason) => {
                return Err(Failure::new(REFUSED, format!("--reveal-secrets: {reason}")).into());
            }
        }
    }
    let header = concealed(journal.header());
    Ok(journal.concealing().stating(header))
}

/// Says on standard error that an export is not what was shown, if it is not.
///
/// # Errors
/// The journal cannot be read, or nobody reads what is said.
pub(super) fn tell(context: &Context, journal: &Journal) -> anyhow::Result<()> {
    let secrets = if journal.conceals() { journal.secrets_shown()? } else { 0 };
    if secrets == 0 {
        return Ok(());
    }
    let (noun, verb) = if secrets == 1 { ("secret", "stands") } else { ("secrets", "stand") };
    let refusal = refusal(context, journal.dir())?;
    let remedy = refusal.unwrap_or_else(|| "--reveal-secrets shows them".into());
    writeln!(
        stderr(),
        "auditty: note: {secrets} {noun} that the session showed {verb} as `*`; {remedy}"
    )?;
    Ok(())
}

/// These facts of a session with `*` for the secrets in its command.
pub(super) fn concealed(header: &Header) -> Header {
    let mut header = header.clone();
    let words = std::iter::once(&header.program).chain(header.args.iter().map(|arg| &arg.0));
    let words: Vec<_> = words.map(|word| word.to_string_lossy().into_owned()).collect();
    let line = words.join(" ");
    let concealed = audit_detect::secrets::conceal(&line);
    if concealed == line {
        return header;
    }
    // Everything kept its place, the spaces between the words too.
    let mut start = 0;
    let mut words = words.iter().map(|word| {
        let end = start + word.len();
        let word = OsString::from(&concealed[start..end]);
        start = end + 1;
        word
    });
    header.program = words.next().unwrap_or_default();
    header.args = words.map(OsText).collect();
    header
}

/// Why whoever runs this is not to see the secrets of the session in `dir`; `None` when he may.
fn refusal(context: &Context, dir: &Path) -> anyhow::Result<Option<String>> {
    let loaded = context.load()?;
    let who = loaded.config.secrets.reveal;
    let owner = dir.metadata().with_context(|| format!("read {}", dir.display()))?.uid();
    if may(who, Uid::effective(), Uid::from_raw(owner)) {
        return Ok(None);
    }
    let allowed = match who {
        Reveal::Owner => "root and the owner of the journal",
        Reveal::Root => "root",
    };
    let place = loaded.place("secrets", "reveal");
    Ok(Some(format!("only {allowed} may see secrets (secrets.reveal, {place})")))
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
