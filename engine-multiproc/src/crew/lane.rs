//! What the three posts have in common: a worker is heard, judged by what it says, and replaced.

use std::collections::VecDeque;
use std::time::Instant;

use audit_core::Mail;

use super::post::Post;
use crate::message::FromWorker;

/// A worker said what no sound worker says in its place. It is replaced as if it had crashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it sent {0}")]
pub(super) struct Violation(pub(super) &'static str);

/// The work behind one post.
pub(super) trait Lane {
    fn post(&mut self) -> &mut Post;

    /// Starts the next worker if its moment has come; whether one was started.
    fn restart(&mut self, now: Instant) -> bool;

    /// A worker has built its part and can be given work.
    fn took_office(&mut self, mail: &mut VecDeque<Mail>);

    /// A worker in office has said this.
    fn heard(&mut self, message: FromWorker, mail: &mut VecDeque<Mail>) -> Result<(), Violation>;

    /// The part cannot be built, for this reason. There is no worker now.
    fn refused(&mut self, reason: &str, mail: &mut VecDeque<Mail>);

    /// The worker is dead, for this reason. There is no worker now.
    fn died(&mut self, reason: &str, mail: &mut VecDeque<Mail>);
}

/// Sends a post's worker what waits and takes what it says, its death included.
pub(super) fn attend(lane: &mut impl Lane, now: Instant, mail: &mut VecDeque<Mail>) {
    let news = lane.post().listen();
    let mut end = news.end;
    for message in news.messages {
        if let FromWorker::Refused { part, reason } = message {
            let reason = format!("{part}: {reason}");
            lane.post().bury(&reason, now);
            lane.refused(&reason, mail);
            return;
        }
        if let Err(violation) = take(lane, message, mail) {
            end = Some(violation.to_string());
            break;
        }
    }
    if let Some(why) = end {
        let text = lane.post().bury(&why, now);
        lane.died(&text, mail);
    }
}

fn take(
    lane: &mut impl Lane,
    message: FromWorker,
    mail: &mut VecDeque<Mail>,
) -> Result<(), Violation> {
    if lane.post().ready().is_some() {
        return lane.heard(message, mail);
    }
    if message != FromWorker::Ready {
        return Err(Violation("something else than its greeting first"));
    }
    if let Some(death) = lane.post().take_office() {
        let name = format!("{}.restarted", lane.post().role.name());
        mail.push_back(Mail::Trouble { name, text: format!("{death}; another one took over") });
    }
    lane.took_office(mail);
    Ok(())
}
