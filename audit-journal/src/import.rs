//! Taking recordings of other tools into unsigned journals.

use std::io::{BufRead, Read as _};
use std::path::PathBuf;
use std::str::FromStr;

use audit_core::{
    Body, CommandSpec, Durability, End, Exit, Identity, Moment, Outcome, Part, Policy, Record,
    Recorder, RecorderError, SessionId, SessionSpec, Stream, Winsize,
};
use serde_json::Value;

use crate::error::{JournalError, Result};
use crate::facts::Header;
use crate::settings::JournalSettings;
use crate::writer::Writer;

/// Lines and records of an import are never longer than this many bytes.
const MAX_EVENT: u64 = 64 << 20;

/// The formats that can be imported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ImportFormat {
    /// asciicast v1, v2 or v3.
    Asciicast,
    /// ttyrec.
    Ttyrec,
}

impl ImportFormat {
    /// Name on the command line, and in the header of the journal.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Asciicast => "asciicast",
            Self::Ttyrec => "ttyrec",
        }
    }
}

impl FromStr for ImportFormat {
    type Err = JournalError;

    fn from_str(name: &str) -> Result<Self> {
        [Self::Asciicast, Self::Ttyrec]
            .into_iter()
            .find(|f| f.name() == name)
            .ok_or_else(|| bad(format!("unknown format {name}; known are asciicast, ttyrec")))
    }
}

/// What an import cannot know from the file.
#[derive(Clone, Debug)]
pub struct ImportFacts {
    /// Name of the new session.
    pub id: SessionId,
    /// Who imports.
    pub user: Identity,
    /// Name of the host.
    pub host: String,
    /// When the session opened, milliseconds since the Unix epoch, where the file does not say.
    pub opened_unix_millis: u64,
}

/// Imports a recording into an unsigned journal below `settings.root`, flagged as imported, and
/// returns its directory. An import that fails leaves nothing behind.
///
/// # Errors
/// The input is not of that format, or the journal cannot be written.
pub fn import(
    input: &mut dyn BufRead,
    format: ImportFormat,
    settings: JournalSettings,
    facts: &ImportFacts,
) -> Result<PathBuf> {
    match format {
        ImportFormat::Asciicast => asciicast(input, settings, facts),
        ImportFormat::Ttyrec => ttyrec(input, settings, facts),
    }
}

/// A journal under construction. Unless it comes to its end, its directory is removed.
struct Tape {
    writer: Writer,
    seq: u64,
    at: u64,
    whole: bool,
}

impl Drop for Tape {
    fn drop(&mut self) {
        if !self.whole {
            let _ = std::fs::remove_dir_all(self.writer.dir());
        }
    }
}

impl Tape {
    fn begin(
        settings: JournalSettings,
        facts: &ImportFacts,
        format: ImportFormat,
        version: &str,
        cast: Cast,
    ) -> Result<Self> {
        let spec = SessionSpec {
            id: facts.id,
            parent: None,
            user: facts.user.clone(),
            host: facts.host.clone(),
            opened_unix_millis: cast.opened_unix_millis.unwrap_or(facts.opened_unix_millis),
            engine: "import".to_owned(),
            command: CommandSpec::new(cast.command.unwrap_or_default(), [""; 0]),
            pty: true,
            winsize: cast.size,
            buffer_size: 0,
            policy: Policy::default(),
            recorder: Part::new("journal", Value::Null),
            monitor: None,
            controller: None,
        };
        let mut header = Header::of(&spec);
        header.imported = Some(format!("{}{version}", format.name()));
        let writer = Writer::unsigned(header, settings)?;
        let mut tape = Self { writer, seq: 0, at: 0, whole: false };
        tape.put(0, Body::Resize(cast.size))?;
        Ok(tape)
    }

    fn put(&mut self, at: u64, body: Body) -> Result<()> {
        // Clocks of other tools may jump back; ours do not.
        self.at = self.at.max(at);
        self.seq += 1;
        let record = Record { seq: self.seq, at: Moment::from_nanos(self.at), body };
        self.writer.record(&record).map_err(recorder_error)
    }

    fn data(&mut self, at: u64, stream: Stream, bytes: Vec<u8>) -> Result<()> {
        self.put(at, Body::Data { stream, bytes: bytes.into() })
    }

    fn end(mut self, exit: Option<i32>) -> Result<PathBuf> {
        let exit = exit.map(|code| match code {
            129..=192 => Exit::Signal { number: code - 128, core: false },
            code => Exit::Code(code),
        });
        self.put(self.at, Body::End(Outcome { exit, end: End::Exited, lost: None }))?;
        self.writer.sync(Durability::Machine).map_err(recorder_error)?;
        self.writer.close().map_err(recorder_error)?;
        self.whole = true;
        Ok(self.writer.dir().to_owned())
    }
}

fn recorder_error(error: RecorderError) -> JournalError {
    bad(error.to_string())
}

fn bad(reason: impl Into<String>) -> JournalError {
    JournalError::Input { reason: reason.into() }
}

/// What the header of an asciicast says.
struct Cast {
    size: Winsize,
    opened_unix_millis: Option<u64>,
    command: Option<String>,
}

fn asciicast(
    input: &mut dyn BufRead,
    settings: JournalSettings,
    facts: &ImportFacts,
) -> Result<PathBuf> {
    let first = line(input)?.ok_or_else(|| bad("the file is empty"))?;
    let header: Value = match serde_json::from_str(&first) {
        Ok(header) => header,
        // Version 1 is one object over many lines.
        Err(_) => {
            let mut all = first;
            std::io::Read::take(&mut *input, MAX_EVENT)
                .read_to_string(&mut all)
                .map_err(|e| bad(e.to_string()))?;
            serde_json::from_str(&all).map_err(|e| bad(format!("not an asciicast: {e}")))?
        }
    };
    let version = header["version"].as_u64().ok_or_else(|| bad("not an asciicast: no version"))?;
    let (columns, rows) = match version {
        1 | 2 => (&header["width"], &header["height"]),
        3 => (&header["term"]["cols"], &header["term"]["rows"]),
        other => return Err(bad(format!("asciicast version {other} is not known"))),
    };
    // Keys may be there with the value null.
    let cell = |value: &Value, default| {
        value.as_u64().and_then(|v| u16::try_from(v).ok()).filter(|v| *v > 0).unwrap_or(default)
    };
    let cast = Cast {
        size: Winsize::new(cell(rows, 24), cell(columns, 80)),
        opened_unix_millis: header["timestamp"].as_f64().map(opened).transpose()?,
        command: header["command"].as_str().map(str::to_owned),
    };
    let mut tape =
        Tape::begin(settings, facts, ImportFormat::Asciicast, &format!("-v{version}"), cast)?;
    let mut exit = None;
    let mut at = 0;
    if version == 1 {
        for event in header["stdout"].as_array().into_iter().flatten() {
            let (delay, data) = (event[0].as_f64(), event[1].as_str());
            let (Some(delay), Some(data)) = (delay, data) else { return Err(bad("bad event")) };
            at = later(at, delay).ok_or_else(|| bad("an event beyond the end of time"))?;
            tape.data(at, Stream::Tty, data.into())?;
        }
        return tape.end(None);
    }
    let mut number = 1;
    while let Some(text) = line(input)? {
        number += 1;
        if text.trim().is_empty() || (version == 3 && text.starts_with('#')) {
            continue;
        }
        let event: Value = match serde_json::from_str(&text) {
            Ok(event) => event,
            // A recorder that was killed leaves its last line cut.
            Err(_) if line(input)?.is_none() => break,
            Err(e) => return Err(bad(format!("line {number}: {e}"))),
        };
        let (Some(time), Some(code), Some(data)) =
            (event[0].as_f64(), event[1].as_str(), event[2].as_str())
        else {
            return Err(bad(format!("line {number}: not an event")));
        };
        at = later(if version == 2 { 0 } else { at }, time)
            .ok_or_else(|| bad(format!("line {number}: an event beyond the end of time")))?;
        match code {
            "o" => tape.data(at, Stream::Tty, data.into())?,
            "i" => tape.data(at, Stream::Input, data.into())?,
            "r" => {
                if let Some((columns, rows)) = data.split_once('x')
                    && let (Ok(columns), Ok(rows)) = (columns.parse(), rows.parse())
                {
                    tape.put(at, Body::Resize(Winsize::new(rows, columns)))?;
                }
            }
            "x" => exit = data.parse().ok(),
            "m" => {
                let (name, text) = ("imported".to_owned(), data.to_owned());
                tape.put(at, Body::Marker { name, text })?;
            }
            // Events of later versions are no reason to refuse the rest.
            _ => {}
        }
    }
    tape.end(exit)
}

fn ttyrec(
    input: &mut dyn BufRead,
    settings: JournalSettings,
    facts: &ImportFacts,
) -> Result<PathBuf> {
    let mut begun: Option<(Tape, u64)> = None;
    loop {
        let mut header = [0; 12];
        match fill(input, &mut header)? {
            0 => break,
            // A recorder that was killed leaves its last record cut.
            1..12 => break,
            _ => {}
        }
        let word = |at: usize| {
            u32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]])
        };
        let (seconds, micros, len) = (word(0), word(4), word(8));
        if micros >= 1_000_000 || u64::from(len) > MAX_EVENT {
            return Err(bad("not a ttyrec: no such time or length"));
        }
        let mut bytes = Vec::new();
        std::io::Read::take(&mut *input, u64::from(len))
            .read_to_end(&mut bytes)
            .map_err(|e| bad(e.to_string()))?;
        let now = u64::from(seconds) * 1_000_000 + u64::from(micros);
        let (tape, opened) = match &mut begun {
            Some((tape, opened)) => (tape, *opened),
            None => {
                let cast = Cast {
                    size: Winsize::new(24, 80),
                    opened_unix_millis: Some(now / 1000),
                    command: None,
                };
                let tape = Tape::begin(settings.clone(), facts, ImportFormat::Ttyrec, "", cast)?;
                // The journal counts from whole milliseconds.
                let (tape, opened) = begun.insert((tape, now / 1000 * 1000));
                (tape, *opened)
            }
        };
        let cut = bytes.len() < len as usize;
        tape.data(now.saturating_sub(opened) * 1000, Stream::Tty, bytes)?;
        if cut {
            break;
        }
    }
    begun.ok_or_else(|| bad("not a ttyrec: no record"))?.0.end(None)
}

fn fill(input: &mut dyn BufRead, buffer: &mut [u8]) -> Result<usize> {
    let mut done = 0;
    while done < buffer.len() {
        match input.read(&mut buffer[done..]) {
            Ok(0) => break,
            Ok(n) => done += n,
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
            Err(e) => return Err(bad(e.to_string())),
        }
    }
    Ok(done)
}

fn line(input: &mut dyn BufRead) -> Result<Option<String>> {
    let mut text = String::new();
    let read = std::io::Read::take(input, MAX_EVENT)
        .read_line(&mut text)
        .map_err(|e| bad(format!("not an asciicast: {e}")))?;
    Ok((read > 0).then_some(text))
}

/// The time `seconds` behind `at`, in nanoseconds, to the microsecond that asciicast files hold.
/// Clocks of other tools may go back; that is no time at all here. `None` beyond what 64 bits hold.
fn later(at: u64, seconds: f64) -> Option<u64> {
    let micros = (seconds * 1e6).round().max(0.0);
    // Floats of this size are whole numbers below 2^64.
    let nanos = (micros < 1e16).then_some(micros as u64)?.checked_mul(1000)?;
    at.checked_add(nanos)
}

/// When a recording began, milliseconds since the Unix epoch.
fn opened(seconds: f64) -> Result<u64> {
    // The last second of the year 9999, beyond which nobody can write a date.
    match seconds {
        0.0..=253_402_300_799.0 => Ok((seconds * 1000.0) as u64),
        _ => Err(bad("not an asciicast: no such timestamp")),
    }
}
