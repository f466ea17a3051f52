//! `auditty verify`: whether journals are whole and unchanged.

use std::io::{self, Write};
use std::path::Path;

use audit_journal::{Report, Trust};
use serde_json::json;

use super::locate;
use super::progress::Progress;
use crate::args::VerifyArgs;
use crate::context::Context;
use crate::log::{AuditLog, LogSettings};

/// Exit status when something cannot be read.
const UNREADABLE: u8 = 1;

/// Verdicts from this status on are no accident of a crash and go to the audit log.
const FIRST_FAULT: u8 = 11;

/// What is found, and how bad it is.
struct Findings<'a, W> {
    args: &'a VerifyArgs,
    out: W,
    log: AuditLog,
    worst: u8,
}

/// Carries out `auditty verify`; the status is that of the gravest finding.
///
/// # Errors
/// The configuration or the key is wrong, or nobody reads the report.
pub(crate) fn verify(context: &Context, args: &VerifyArgs) -> anyhow::Result<u8> {
    let config = context.load()?.config;
    let trust = match &args.key {
        Some(path) => Trust::from_file(path)?,
        None => Trust::default(),
    };
    let mut findings = Findings {
        args,
        out: io::stdout().lock(),
        log: AuditLog::new(LogSettings::of(&config)),
        worst: 0,
    };
    if args.sessions.is_empty() {
        findings.root(&config.journal.dir, &trust)?;
    }
    for what in &args.sessions {
        let path = Path::new(what);
        if is_root(path) {
            findings.root(path, &trust)?;
            continue;
        }
        match locate(context, what) {
            Ok(dir) => {
                let progress = Progress::new("verify");
                let report =
                    audit_journal::verify(&dir, &trust, Some(&|done, all| progress.at(done, all)));
                drop(progress);
                findings.add(&report)?;
            }
            Err(error) => findings.unreadable(&crate::failure::line(&error))?,
        }
    }
    Ok(findings.worst)
}

impl<W: Write> Findings<'_, W> {
    /// Verifies everything below `root`.
    fn root(&mut self, root: &Path, trust: &Trust) -> anyhow::Result<()> {
        if !root.exists() {
            return Ok(self.unreadable(&format!("{}: no such directory", root.display()))?);
        }
        let progress = Progress::new("verify");
        let report =
            audit_journal::verify_root(root, trust, Some(&|done, all| progress.at(done, all)));
        drop(progress);
        let report = match report {
            Ok(report) => report,
            Err(error) => return Ok(self.unreadable(&error.to_string())?),
        };
        for session in &report.sessions {
            self.add(session)?;
        }
        if let Some(reason) = &report.host_log {
            let line = match self.args.json {
                true => json!({ "host_log": reason }).to_string(),
                false => format!("host-log {reason}"),
            };
            writeln!(self.out, "{line}")?;
            self.tell_log("host-log", "host-log-mismatch", reason)?;
        }
        self.worsen(report.code());
        Ok(())
    }

    fn add(&mut self, report: &Report) -> io::Result<()> {
        let line = match self.args.json {
            true => as_json(report),
            false => crate::text::sanitised(&report.to_string()),
        };
        writeln!(self.out, "{line}")?;
        let code = report.status.code();
        if code >= FIRST_FAULT {
            let session = report.session.map_or_else(|| "-".to_owned(), |id| id.to_string());
            self.tell_log(&session, report.status.name(), &report.reason)?;
        }
        self.worsen(code);
        Ok(())
    }

    fn unreadable(&mut self, reason: &str) -> io::Result<()> {
        self.worsen(UNREADABLE);
        writeln!(io::stderr(), "auditty: {}", crate::text::sanitised(reason))
    }

    fn tell_log(&mut self, session: &str, status: &str, reason: &str) -> io::Result<()> {
        match self.log.failed_verification(session, status, reason) {
            Ok(()) => Ok(()),
            Err(error) => writeln!(io::stderr(), "auditty: audit log: {error}"),
        }
    }

    /// A crash or a running session is less than what cannot be read, and that less than a fault.
    fn worsen(&mut self, code: u8) {
        let rank = |code: u8| match code {
            0 => 0,
            10 => 1,
            UNREADABLE => 2,
            fault => fault,
        };
        if rank(code) > rank(self.worst) {
            self.worst = code;
        }
    }
}

/// Whether `path` is a directory of sessions, and not a session.
fn is_root(path: &Path) -> bool {
    let Ok(entries) = std::fs::read_dir(path) else { return false };
    let of_session = |name: &std::ffi::OsStr| {
        name == "heads.note" || Path::new(name).extension().is_some_and(|e| e == "atj")
    };
    !entries.flatten().any(|entry| of_session(&entry.file_name()))
}

/// A report as one line of JSON.
fn as_json(report: &Report) -> String {
    json!({
        "session": report.session,
        "status": report.status.name(),
        "code": report.status.code(),
        "seq": report.records,
        "sealed": report.sealed,
        "frame": report.frame,
        "unsealed_frames": report.unsealed_frames,
        "bytes": report.bytes,
        "key": format!("{:?}", report.key).to_lowercase(),
        "fingerprint": report.fingerprint,
        "reason": report.reason,
    })
    .to_string()
}
