//! `auditty replay`: plays what a session showed.

mod keys;
mod player;
mod screen;

use std::io::{BufWriter, IsTerminal as _, Write as _, stderr, stdin, stdout};
use std::path::Path;

use audit_core::Record;
use audit_journal::{Journal, SessionState, Status, Trust};

use super::{OUTPUT, locate};
use crate::args::ReplayArgs;
use crate::context::Context;
use crate::failure::Failure;
use keys::{Nobody, Person};
use player::{Film, Pace, Player, Records};

/// Carries out `auditty replay`.
///
/// # Errors
/// The session is not there, fails verification, cannot be read, or nobody watches.
pub(crate) fn replay(context: &Context, args: &ReplayArgs) -> anyhow::Result<u8> {
    let dir = locate(context, &args.session)?;
    check(&dir, args.unverified)?;
    let journal = Journal::open(&dir)?;
    let header = journal.header();
    let steering = stdin().is_terminal() && stdout().is_terminal() && !args.no_timing;
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
        return Player::new(film, pace, Nobody, BufWriter::new(stdout().lock()))?
            .play()
            .map(|()| 0);
    }
    let person = Person::new(steering)?;
    let mut player = Player::new(film, pace, person, stdout().lock())?;
    let played = player.play();
    if steering {
        player.tidy_up()?;
    }
    played.map(|()| 0)
}

/// What was shown, record by record.
fn records(journal: &Journal) -> anyhow::Result<Records<'_>> {
    let entries = journal.entries()?.only(&OUTPUT);
    Ok(Box::new(entries.map(|entry| {
        let entry = entry?;
        Ok(Record { seq: entry.last, at: entry.at, body: entry.body })
    })))
}

/// Refuses what cannot be trusted. A session that still runs has no end yet; that is no fault.
fn check(dir: &Path, unverified: bool) -> anyhow::Result<()> {
    let report = audit_journal::verify(dir, &Trust::default(), None);
    let running = || {
        let state = audit_journal::summary(dir).map(|s| s.state);
        matches!(state, Ok(SessionState::Active | SessionState::Blocked))
    };
    if report.status == Status::Intact || (report.status == Status::Truncated && running()) {
        return Ok(());
    }
    if unverified {
        writeln!(stderr(), "auditty: warning: {report}")?;
        return Ok(());
    }
    let message = format!("{report}; --unverified plays it nevertheless");
    Err(Failure::new(report.status.code(), message).into())
}
