//! What `script(1)` of util-linux writes: a typescript, or a typescript, an input log and advanced
//! timing that `scriptreplay(1)` plays.

use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use audit_core::{Body, Stream};

use super::write_error;
use crate::disk::create_dirs;
use crate::entries::{Entries, Journal};
use crate::error::{JournalError, Result};

/// Writes the typescript: a line that says when, the bytes, a line that says how it ended.
pub(super) fn typescript(journal: &Journal, entries: Entries, out: &mut dyn Write) -> Result<()> {
    out.write_all(first_line(journal).as_bytes()).map_err(write_error)?;
    let mut last = String::from("\nScript done\n");
    for entry in entries {
        match entry?.body {
            Body::Data { bytes, .. } => out.write_all(&bytes).map_err(write_error)?,
            Body::End(outcome) => {
                let code = outcome.status();
                last = format!("\nScript done [COMMAND_EXIT_CODE=\"{code}\"]\n");
            }
            _ => {}
        }
    }
    out.write_all(last.as_bytes()).map_err(write_error)
}

/// Writes `timing`, `typescript` and `input` into the directory `dir`, which is created. Play them
/// with `scriptreplay --timing timing --log-out typescript --log-in input`.
///
/// # Errors
/// The journal cannot be read or is damaged, or a file exists already or cannot be written. The
/// files that were made are then removed.
pub fn export_script(journal: &Journal, dir: &Path) -> Result<()> {
    create_dirs(dir)?;
    let mut made = Vec::new();
    let mut make = |name: &str| {
        let path = dir.join(name);
        let file = create(&path)?;
        made.push(path);
        Ok(file)
    };
    let files = make("timing").and_then(|timing| {
        Ok(Files { timing, output: make("typescript")?, input: make("input")?, last: 0 })
    });
    let written = files.and_then(|mut files| {
        files.write(journal)?;
        [files.timing, files.output, files.input]
            .iter_mut()
            .try_for_each(|f| f.flush().map_err(write_error))
    });
    if written.is_err() {
        made.iter().for_each(|path| drop(std::fs::remove_file(path)));
    }
    written
}

struct Files {
    timing: BufWriter<File>,
    output: BufWriter<File>,
    input: BufWriter<File>,
    /// Microseconds of the last line.
    last: u64,
}

impl Files {
    fn write(&mut self, journal: &Journal) -> Result<()> {
        let header = journal.header();
        let first = first_line(journal);
        self.output.write_all(first.as_bytes()).map_err(write_error)?;
        self.input.write_all(first.as_bytes()).map_err(write_error)?;
        let size = header.winsize;
        for (name, value) in [
            ("START_TIME", time(header.opened_unix_millis)),
            ("TERM_LINES", size.rows.to_string()),
            ("TERM_COLUMNS", size.columns.to_string()),
            ("COMMAND", header.command_line().replace(['\n', '\r'], " ")),
            ("TIMING_LOG", "timing".to_owned()),
            ("OUTPUT_LOG", "typescript".to_owned()),
            ("INPUT_LOG", "input".to_owned()),
        ] {
            writeln!(self.timing, "H 0.000000 {name} {value}").map_err(write_error)?;
        }
        for entry in journal.entries()? {
            let entry = entry?;
            let at = entry.at.as_nanos();
            match &entry.body {
                Body::Data { stream, bytes } => {
                    let (file, kind) = match stream {
                        Stream::Input => (&mut self.input, 'I'),
                        _ => (&mut self.output, 'O'),
                    };
                    file.write_all(bytes).map_err(write_error)?;
                    self.line(at, kind, &bytes.len().to_string())?;
                }
                Body::Resize(size) => {
                    let what = format!("SIGWINCH ROWS={} COLS={}", size.rows, size.columns);
                    self.line(at, 'S', &what)?;
                }
                Body::Signal { number, .. } => self.line(at, 'S', &format!("SIG{number}"))?,
                Body::End(outcome) => {
                    let value = format!("EXIT_CODE {}", outcome.status());
                    writeln!(self.timing, "H 0.000000 {value}").map_err(write_error)?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn line(&mut self, at: u64, kind: char, what: &str) -> Result<()> {
        let micros = at / 1000;
        let delta = micros.saturating_sub(self.last);
        self.last = micros;
        let (seconds, fraction) = (delta / 1_000_000, delta % 1_000_000);
        writeln!(self.timing, "{kind} {seconds}.{fraction:06} {what}").map_err(write_error)
    }
}

fn first_line(journal: &Journal) -> String {
    let header = journal.header();
    let command = header.command_line().replace(['\n', '\r'], " ");
    format!(
        "Script started on {} [COMMAND=\"{command}\" COLUMNS=\"{}\" LINES=\"{}\"]\n",
        time(header.opened_unix_millis),
        header.winsize.columns,
        header.winsize.rows,
    )
}

fn time(unix_millis: u64) -> String {
    let millis = i64::try_from(unix_millis).unwrap_or(i64::MAX);
    let time = jiff::Timestamp::from_millisecond(millis).unwrap_or_default();
    time.strftime("%Y-%m-%d %H:%M:%S+00:00").to_string()
}

fn create(path: &Path) -> Result<BufWriter<File>> {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .map(BufWriter::new)
        .map_err(|e| JournalError::io("create", path, e))
}
