//! `auditty replay`: plays what a session showed.

mod keys;
mod player;
mod screen;

use std::io::{BufWriter, IsTerminal as _, Write, stdin, stdout};

use audit_core::Record;
use audit_journal::{Journal, JournalError};

use super::checked::{Wanted, checked};
use super::concealed::Wish;
use super::{OUTPUT, concealed, locate};
use crate::args::ReplayArgs;
use crate::context::Context;
use keys::{Hands, Nobody, Person};
use player::{Film, Pace, Player, Records};

/// Carries out `auditty replay`.
///
/// # Errors
/// The session is not there, fails verification, cannot be read, or nobody watches.
pub(crate) fn replay(context: &Context, args: &ReplayArgs) -> anyhow::Result<u8> {
    let dir = locate(context, &args.session)?;
    checked(context, &dir, Wanted { verb: "plays", unverified: args.unverified, whole: true })?;
    let journal = concealed::open(context, &dir, Wish::of(args.reveal_secrets))?;
    let header = journal.header();
    let onto_terminal = stdout().is_terminal();
    let steering = stdin().is_terminal() && onto_terminal && !args.no_timing;
    let film = Film {
        winsize: header.winsize,
        // A terminal in raw mode does not return by itself at the end of a line.
        bare: !header.pty && steering,
        open: Box::new(|| records(&journal)),
        len: Box::new(|| audit_journal::summary(&dir).map_or(0, |s| s.stored_bytes)),
    };
    let pace = Pace {
        speed: if args.no_timing { f64::INFINITY } else { args.speed },
        max_idle: args.max_idle,
        from: args.from,
        follow: args.follow,
    };
    if args.no_timing {
        let out = BufWriter::new(stdout().lock());
        return play(Player::new(film, pace, Nobody, out)?, onto_terminal);
    }
    let person = Person::new(steering)?;
    play(Player::new(film, pace, person, stdout().lock())?, onto_terminal)
}

/// Plays to the end. However fast that was, a terminal is not left as the session left its own.
fn play<H: Hands, W: Write>(mut player: Player<'_, H, W>, tidy: bool) -> anyhow::Result<u8> {
    let played = player.play();
    if tidy {
        player.tidy_up()?;
    }
    played.map(|()| 0)
}

/// What was shown, record by record.
fn records(journal: &Journal) -> anyhow::Result<Records<'_>> {
    let entries = journal.entries()?.only(&OUTPUT);
    // Damage was told before anything is played.
    let entries = entries.filter(|e| !matches!(e, Err(JournalError::Damaged { .. })));
    Ok(Box::new(entries.map(|entry| {
        let entry = entry?;
        Ok(Record { seq: entry.last, at: entry.at, body: entry.body })
    })))
}
