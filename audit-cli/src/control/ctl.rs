//! `auditty ctl`: the other end of a session's socket.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use serde_json::Value;

use super::place;
use super::protocol::{Answer, LONGEST_LINE, LONGEST_TEXT, Request};
use crate::args::{CtlAction, CtlArgs};
use crate::context::Context;
use crate::failure::Failure;
use crate::text;

/// How long the session may take to answer: longer than a slow disk makes it wait.
const PATIENCE: Duration = Duration::from_secs(30);

/// Exit status when the session refuses the order.
const REFUSED: u8 = 1;

/// Carries out `auditty ctl`.
///
/// # Errors
/// No or more than one session fits, it does not answer, or it refuses.
pub(crate) fn ctl(context: &Context, args: &CtlArgs) -> anyhow::Result<u8> {
    let request = request(&args.action)?;
    let (id, stream) = find(context, args.session.as_deref())?;
    let answer = ask(stream, &request).with_context(|| format!("session {id}"))?;
    if !answer.ok {
        let reason = answer.error.unwrap_or_else(|| "refused".to_owned());
        return Err(Failure::new(REFUSED, format!("session {id}: {reason}")).into());
    }
    let mut out = io::stdout().lock();
    match (&args.action, answer.status) {
        (CtlAction::Status { json: true }, Some(status)) => writeln!(out, "{status}")?,
        (CtlAction::Status { .. }, Some(status)) => out.write_all(describe(&status).as_bytes())?,
        (action, _) => writeln!(out, "{id} {}", done(action))?,
    }
    Ok(0)
}

fn request(action: &CtlAction) -> Result<Request, Failure> {
    let request = match action.clone() {
        CtlAction::Status { .. } => Request::Status,
        CtlAction::Block { reason } => Request::Block { reason },
        CtlAction::Approve { comment } => Request::Approve { block: None, comment },
        CtlAction::Reject { comment } => Request::Reject { block: None, comment },
        CtlAction::Terminate => Request::Terminate,
    };
    if request.text().len() > LONGEST_TEXT {
        return Err(Failure::usage(format!("the text is longer than {LONGEST_TEXT} bytes")));
    }
    Ok(request)
}

const fn done(action: &CtlAction) -> &'static str {
    match action {
        CtlAction::Status { .. } => "asked",
        CtlAction::Block { .. } => "blocked",
        CtlAction::Approve { .. } => "approved",
        CtlAction::Reject { .. } => "rejected",
        CtlAction::Terminate => "terminated",
    }
}

/// Connects to the one running session whose id starts with `wanted`. Without a name only this
/// user's own directory is looked into; root may name sessions of others.
fn find(context: &Context, wanted: Option<&str>) -> anyhow::Result<(String, UnixStream)> {
    let prefix = wanted.unwrap_or_default().to_lowercase();
    let mut dirs = place::search_dirs(&context.around);
    dirs.truncate(if wanted.is_some() { dirs.len() } else { 1 });
    let mut found: Vec<(String, UnixStream)> = Vec::new();
    for dir in dirs {
        for (id, path) in place::sockets_in(&dir).into_iter().filter(|s| s.0.starts_with(&prefix)) {
            if let Some(stream) = live(&path)? {
                found.push((id, stream));
            }
        }
        if !found.is_empty() {
            break;
        }
    }
    let ids: Vec<String> = found.iter().map(|(id, _)| id.clone()).collect();
    match (found.pop(), wanted) {
        (Some(one), _) if found.is_empty() => Ok(one),
        (Some(_), None) => {
            let list = ids.join(", ");
            Err(Failure::usage(format!("several sessions are running, name one: {list}")).into())
        }
        (Some(_), Some(wanted)) => {
            let list = ids.join(", ");
            Err(Failure::usage(format!("`{wanted}` fits several sessions: {list}")).into())
        }
        (None, Some(wanted)) => {
            Err(Failure::new(REFUSED, format!("no running session is named `{wanted}`")).into())
        }
        (None, None) => Err(Failure::new(REFUSED, "no session is running").into()),
    }
}

/// A connection to the socket at `path`; `None` when the session is gone, whose socket is removed.
fn live(path: &PathBuf) -> anyhow::Result<Option<UnixStream>> {
    use io::ErrorKind::{ConnectionRefused, NotFound, PermissionDenied};
    match place::connect(path) {
        Ok(stream) => Ok(Some(stream)),
        Err(error) if error.kind() == ConnectionRefused => {
            // Left behind by a session that was killed.
            let _ = std::fs::remove_file(path);
            Ok(None)
        }
        // Gone meanwhile, or somebody else's.
        Err(error) if matches!(error.kind(), NotFound | PermissionDenied) => Ok(None),
        Err(error) => Err(error).with_context(|| format!("connect to {}", path.display())),
    }
}

fn ask(mut stream: UnixStream, request: &Request) -> anyhow::Result<Answer> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut line = serde_json::to_vec(request)?;
    line.push(b'\n');
    stream.write_all(&line).map_err(unanswered)?;
    let mut answer = Vec::new();
    // A status is longer than a request: it tells the command line.
    let limit = 64 * LONGEST_LINE as u64;
    BufReader::new(stream.take(limit)).read_until(b'\n', &mut answer).map_err(unanswered)?;
    if answer.is_empty() {
        return Err(Failure::new(REFUSED, "it closed the connection without an answer").into());
    }
    serde_json::from_slice(&answer).context("not an answer")
}

/// A session that goes away while it is asked is not a reader that has enough.
fn unanswered(error: io::Error) -> anyhow::Error {
    Failure::new(REFUSED, format!("it does not answer: {error}")).into()
}

fn describe(status: &Value) -> String {
    let text = |name: &str| match status.get(name) {
        None | Some(Value::Null) => None,
        Some(Value::String(text)) => Some(text::sanitised(text)),
        Some(other) => Some(other.to_string()),
    };
    let mut lines = String::new();
    for name in
        ["session", "state", "user", "host", "engine", "opened", "command", "pid", "score", "alarm"]
    {
        if let Some(value) = text(name) {
            lines += &format!("{name:<9}{value}\n");
        }
    }
    if let Some(block) = status.get("block").filter(|b| !b.is_null()) {
        let part = |name: &str| match block.get(name) {
            Some(Value::String(text)) => text::sanitised(text),
            Some(other) => other.to_string(),
            None => String::new(),
        };
        lines += &format!(
            "block    {}: {} (asked by {}, {} s left)\n",
            part("block"),
            part("subject"),
            part("asked_by"),
            part("seconds_left")
        );
    }
    lines
}
