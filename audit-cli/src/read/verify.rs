//! `auditty verify`: whether journals are whole and unchanged.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use audit_journal::{
    HostLogFault, Place, Report, Status, Trust, TrustedKey, json_line, place, root_of,
    verify_checkpoint, verify_root,
};
use serde_json::json;

use super::locate;
use super::progress::Progress;
use crate::args::VerifyArgs;
use crate::config::Loaded;
use crate::context::Context;
use crate::known::KnownKeys;
use crate::log::{AuditLog, LogSettings};

/// Verdicts from this exit status on are no accident of a crash and go to the audit log.
const FIRST_FAULT: u8 = 11;

/// What is found, and how bad it is.
struct Findings<'a, W> {
    args: &'a VerifyArgs,
    loaded: &'a Loaded,
    known: KnownKeys,
    /// The key that was given, if one was.
    given: Option<Trust>,
    /// Roots whose host log was looked at.
    roots: BTreeSet<PathBuf>,
    out: W,
    log: AuditLog,
    worst: Status,
}

/// Carries out `auditty verify`; the status is that of the gravest finding.
///
/// # Errors
/// The configuration, the key or a checkpoint is wrong, or nobody reads the report.
pub(crate) fn verify(context: &Context, args: &VerifyArgs) -> anyhow::Result<u8> {
    let loaded = context.load()?;
    let given = args.key.as_deref().map(Trust::from_file).transpose()?;
    let mut findings = Findings {
        args,
        loaded: &loaded,
        known: KnownKeys::of(&loaded.config),
        given,
        roots: BTreeSet::new(),
        out: io::stdout().lock(),
        log: AuditLog::new(LogSettings::of(&loaded.config)),
        worst: Status::Intact,
    };
    if args.sessions.is_empty() {
        findings.root(&loaded.config.journal.dir)?;
    }
    for what in &args.sessions {
        match place(Path::new(what)) {
            Place::Root(root) => findings.root(&root)?,
            Place::Session(dir) => findings.session(&dir)?,
            _ => match locate(context, what) {
                Ok(dir) => findings.session(&dir)?,
                Err(error) => findings.unreadable(&crate::failure::line(&error))?,
            },
        }
    }
    findings.checkpoints()?;
    Ok(findings.worst.code())
}

impl<W: Write> Findings<'_, W> {
    /// Verifies everything below `root`.
    fn root(&mut self, root: &Path) -> anyhow::Result<()> {
        if !root.is_dir() {
            return Ok(self.unreadable(&format!("{}: no such directory", root.display()))?);
        }
        if !matches!(place(root), Place::Root(_)) {
            return Ok(self.unreadable(&format!("{}: holds no journal", root.display()))?);
        }
        let trust = self.trust(Some(root))?;
        let progress = Progress::new("verify");
        let report = verify_root(root, &trust, Some(&|done, all| progress.at(done, all)));
        drop(progress);
        let report = match report {
            Ok(report) => report,
            Err(error) => return Ok(self.unreadable(&error.to_string())?),
        };
        for session in &report.sessions {
            self.add(session)?;
        }
        if let Some(fault) = &report.host_log {
            self.log_fault(fault)?;
        }
        self.roots.insert(root.to_owned());
        self.remember(root, &trust, report.status())?;
        Ok(())
    }

    /// Verifies the session in `dir`.
    fn session(&mut self, dir: &Path) -> anyhow::Result<()> {
        let root = root_of(dir);
        let trust = self.trust(root.as_deref())?;
        let progress = Progress::new("verify");
        let report = audit_journal::verify(dir, &trust, Some(&|done, all| progress.at(done, all)));
        drop(progress);
        self.add(&report)?;
        if let Some(root) = root {
            self.remember(&root, &trust, report.status)?;
            self.roots.insert(root);
        }
        Ok(())
    }

    fn trust(&self, root: Option<&Path>) -> anyhow::Result<Trust> {
        match &self.given {
            Some(given) => Ok(given.clone()),
            None => self.known.trust(root),
        }
    }

    /// What follows for the key of `root`: from now on it is known, or it is not the known one.
    fn remember(&mut self, root: &Path, trust: &Trust, found: Status) -> io::Result<()> {
        match (trust, TrustedKey::of_root(root)) {
            (Trust::Known(known), held) if held != Some(*known) => {
                let line = self.known.strange(root, *known);
                writeln!(io::stderr(), "auditty: {}", crate::text::sanitised(&line))
            }
            (Trust::FirstUse, Some(key))
                if matches!(found, Status::Intact | Status::Truncated)
                    && self.loaded.standing_journal() == Some(root)
                    && self.known.add(root, key).is_ok() =>
            {
                writeln!(
                    io::stderr(),
                    "auditty: {}: host key {} is the known one from now on ({})",
                    root.display(),
                    key.fingerprint(),
                    self.known.path().display()
                )
            }
            _ => Ok(()),
        }
    }

    /// Compares the host logs with the checkpoints that were kept.
    fn checkpoints(&mut self) -> anyhow::Result<()> {
        for path in &self.args.checkpoint {
            let kept = std::fs::read_to_string(path);
            let kept = kept.with_context(|| format!("read {}", path.display()))?;
            if self.roots.is_empty() {
                self.unreadable(&format!("no host log to compare {} with", path.display()))?;
            }
            for root in self.roots.clone() {
                let trust = self.trust(Some(&root))?;
                match verify_checkpoint(&root, &trust, &kept) {
                    Ok(None) => {}
                    Ok(Some(fault)) => self.log_fault(&fault)?,
                    Err(error) => self.unreadable(&error.to_string())?,
                }
            }
        }
        Ok(())
    }

    fn add(&mut self, report: &Report) -> io::Result<()> {
        let line = match self.args.json {
            true => as_json(report),
            false => crate::text::sanitised(&report.to_string()),
        };
        writeln!(self.out, "{line}")?;
        if report.status.code() >= FIRST_FAULT {
            let session = report.session.map_or_else(|| "-".to_owned(), |id| id.to_string());
            self.tell_log(&session, report.status, &report.reason)?;
        }
        self.worst = self.worst.graver(report.status);
        Ok(())
    }

    fn log_fault(&mut self, fault: &HostLogFault) -> io::Result<()> {
        let HostLogFault { status, reason, .. } = fault;
        let line = match self.args.json {
            true => json_line(&json!({
                "host_log": reason, "status": status.name(), "code": status.code(),
            })),
            false => format!("host-log {reason}"),
        };
        writeln!(self.out, "{line}")?;
        self.worst = self.worst.graver(*status);
        self.tell_log("host-log", *status, reason)
    }

    fn unreadable(&mut self, reason: &str) -> io::Result<()> {
        self.worst = self.worst.graver(Status::Unreadable);
        writeln!(io::stderr(), "auditty: {}", crate::text::sanitised(reason))
    }

    fn tell_log(&mut self, session: &str, status: Status, reason: &str) -> io::Result<()> {
        match self.log.failed_verification(session, status.name(), reason) {
            Ok(()) => Ok(()),
            Err(error) => writeln!(io::stderr(), "auditty: audit log: {error}"),
        }
    }
}

/// A report as one line of JSON.
fn as_json(report: &Report) -> String {
    let late = report.late.iter().map(|late| {
        let by = if late.at_recovery { "recovery" } else { "another-writer" };
        json!({ "first": late.first, "last": late.last, "by": by })
    });
    json_line(&json!({
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
        "signed_late": late.collect::<Vec<_>>(),
        "path": report.dir.as_deref().map(Path::to_string_lossy),
        "reason": report.reason,
    }))
}
