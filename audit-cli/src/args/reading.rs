//! Arguments of the commands that read journals.

use std::path::PathBuf;

use clap::{Args, ValueEnum, ValueHint};

/// Arguments of `ls`.
#[derive(Debug, Args)]
pub(crate) struct LsArgs {
    /// One JSON object a line.
    #[arg(long)]
    pub(crate) json: bool,
    /// Sessions of this user.
    #[arg(long, value_name = "U")]
    pub(crate) user: Option<String>,
    /// Sessions opened since this time: `2026-03-01`, `2026-03-01T12:00:00Z`, or a span such as
    /// `2h` or `7d` before now.
    #[arg(long, value_name = "T")]
    pub(crate) since: Option<String>,
    /// Sessions in this state.
    #[arg(long, value_name = "STATE")]
    pub(crate) state: Option<StateFilter>,
}

/// States of a recorded session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum StateFilter {
    /// Still being recorded.
    Active,
    /// Ended and recorded to the end.
    Complete,
    /// Cut off.
    Truncated,
    /// Being recorded, and waiting for a decision.
    Blocked,
}

/// Arguments of `show`.
#[derive(Debug, Args)]
pub(crate) struct ShowArgs {
    /// An id, a unique prefix, a path, or a directory with exactly one session.
    pub(crate) session: String,
    /// One JSON object.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Arguments of `replay`.
///
/// Keys: space pauses, `.` steps, the arrows seek (left and right 5 seconds, up and down a
/// minute), `+` and `-` change the speed, `q` quits.
#[derive(Debug, Args)]
pub(crate) struct ReplayArgs {
    /// An id, a unique prefix, a path, or a directory with exactly one session.
    pub(crate) session: String,
    /// Play this many times as fast.
    #[arg(long, value_name = "X", default_value = "1", value_parser = speed)]
    pub(crate) speed: f64,
    /// Wait no longer than this between two events.
    #[arg(long, value_name = "S", value_parser = span)]
    pub(crate) max_idle: Option<std::time::Duration>,
    /// Start this far into the session, with the screen as it was then.
    #[arg(long, value_name = "T", value_parser = offset)]
    pub(crate) from: Option<std::time::Duration>,
    /// Go on as the session goes on; not together with `--no-timing`.
    #[arg(long, conflicts_with = "no_timing")]
    pub(crate) follow: bool,
    /// Write everything at once; not together with `--follow`.
    #[arg(long)]
    pub(crate) no_timing: bool,
    /// Play a journal that fails verification.
    #[arg(long)]
    pub(crate) unverified: bool,
    /// Show secrets that the session showed, which otherwise stand as `*`; for root and the owner
    /// of the journal, or for root alone.
    #[arg(long)]
    pub(crate) reveal_secrets: bool,
}

/// Arguments of `verify`.
///
/// Exit status: 0 intact; 1 cannot be read; 10 cut off behind a clean prefix; 11 corrupt; 12 bad
/// signature, or another host's key; 13 missing segment; 14 missing or broken key epoch; 15 does not
/// agree with the host log; 16 unsealed though sealing was declared. Of several sessions the worst
/// counts.
#[derive(Debug, Args)]
pub(crate) struct VerifyArgs {
    /// Sessions, paths or journal directories; without one, every session.
    #[arg(value_name = "SESSION|PATH|DIR")]
    pub(crate) sessions: Vec<String>,
    /// One JSON object a line.
    #[arg(long)]
    pub(crate) json: bool,
    /// The public key sessions must be signed by, instead of the one the journal directory is known
    /// by; what nobody signed then fails too.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) key: Option<PathBuf>,
    /// A checkpoint of the host log that was kept elsewhere: the log must be a continuation of it.
    /// May be given several times.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) checkpoint: Vec<PathBuf>,
}

/// Arguments of `export`.
///
/// A session is verified first. One that fails is not exported, and the exit status is that of
/// `verify`; what a crash cut off is told, and everything before it is exported.
#[derive(Debug, Args)]
pub(crate) struct ExportArgs {
    /// An id, a unique prefix, a path, or a directory with exactly one session.
    pub(crate) session: String,
    /// The format.
    #[arg(long, short, value_name = "FORMAT")]
    pub(crate) format: ExportFormat,
    /// Which stream, where the format holds one.
    #[arg(long, value_name = "STREAM")]
    pub(crate) stream: Option<StreamChoice>,
    /// Write to this file instead of standard output. With the format `script`, a directory gets
    /// typescript, input and timing, as scriptreplay(1) plays them.
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) output: Option<PathBuf>,
    /// Export a journal that fails verification, as far as it can be read.
    #[arg(long)]
    pub(crate) unverified: bool,
    /// Show secrets that the session showed, which otherwise stand as `*`; for root and the owner
    /// of the journal, or for root alone. `raw` is exact without this for who may see them.
    #[arg(long)]
    pub(crate) reveal_secrets: bool,
}

/// Formats a session can be written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ExportFormat {
    /// The bytes of one stream, exact.
    Raw,
    /// asciicast version 2.
    #[value(name = "asciicast-v2")]
    AsciicastV2,
    /// asciicast version 3.
    #[value(name = "asciicast-v3")]
    AsciicastV3,
    /// ttyrec frames.
    Ttyrec,
    /// The advanced timing format of script(1).
    Script,
    /// One JSON object a record, bytes exact.
    Jsonl,
    /// Text without escape sequences.
    Text,
}

/// A recorded stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum StreamChoice {
    /// What was shown.
    Output,
    /// What was typed.
    Input,
}

/// Arguments of `import`.
#[derive(Debug, Args)]
pub(crate) struct ImportArgs {
    /// The recording.
    #[arg(value_hint = ValueHint::FilePath)]
    pub(crate) file: PathBuf,
    /// Its format.
    #[arg(long, short, value_name = "FORMAT")]
    pub(crate) format: ImportFormat,
}

/// Formats that can be imported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ImportFormat {
    /// asciicast, version 2 or 3.
    Asciicast,
    /// ttyrec frames.
    Ttyrec,
}

/// Arguments of `search`.
///
/// Exit status: 0 found; 1 not found; 2 something could not be searched, whatever was found
/// elsewhere.
#[derive(Debug, Args)]
pub(crate) struct SearchArgs {
    /// What to look for: text, or with `--regex` a regular expression.
    pub(crate) pattern: String,
    /// Only in this session.
    #[arg(long, value_name = "S")]
    pub(crate) session: Option<String>,
    /// Only in this stream.
    #[arg(long, value_name = "STREAM")]
    pub(crate) stream: Option<StreamChoice>,
    /// The pattern is a regular expression.
    #[arg(long)]
    pub(crate) regex: bool,
    /// Show secrets that the session showed, which otherwise stand as `*`; for root and the owner
    /// of the journal, or for root alone.
    #[arg(long)]
    pub(crate) reveal_secrets: bool,
    /// One JSON object a line.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Arguments of `recover`.
#[derive(Debug, Args)]
pub(crate) struct RecoverArgs {
    /// An id, a unique prefix, a path, or a directory with exactly one session.
    pub(crate) session: String,
}

/// Arguments of `expire`.
///
/// The host log keeps the session's name and says, signed, that it expired, so that `verify` does
/// not miss it. A session that is being recorded stays, and so does one that fails verification:
/// it is evidence. Exit status 1 says that one of these was asked for.
#[derive(Debug, Args)]
pub(crate) struct ExpireArgs {
    /// Sessions: ids, unique prefixes or paths.
    #[arg(value_name = "SESSION", required_unless_present = "before", conflicts_with = "before")]
    pub(crate) sessions: Vec<String>,
    /// Every session that ended before this time: `2026-03-01`, `2026-03-01T12:00:00Z`, or a span
    /// such as `365d` before now.
    #[arg(long, value_name = "T")]
    pub(crate) before: Option<String>,
    /// Only print which sessions these are.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Remove sessions that fail verification too.
    #[arg(long)]
    pub(crate) unverified: bool,
}

fn speed(text: &str) -> Result<f64, String> {
    match text.trim_end_matches('x').parse() {
        Ok(speed) if (0.01..=1000.0).contains(&speed) => Ok(speed),
        _ => Err("expected a number from 0.01 to 1000".to_owned()),
    }
}

fn span(text: &str) -> Result<std::time::Duration, String> {
    crate::config::parse_span(text)
        .ok_or_else(|| "expected seconds, or text such as 500ms or 2m".to_owned())
}

/// A span, or `minutes:seconds`, or `hours:minutes:seconds`.
fn offset(text: &str) -> Result<std::time::Duration, String> {
    if !text.contains(':') {
        return span(text);
    }
    let seconds = text.split(':').try_fold(0.0, |sum, part| {
        part.parse::<f64>().ok().filter(|n| *n >= 0.0).map(|n| sum * 60.0 + n)
    });
    seconds
        .and_then(|s| std::time::Duration::try_from_secs_f64(s).ok())
        .ok_or_else(|| "expected seconds, or 1:30, or 1:02:03".to_owned())
}
