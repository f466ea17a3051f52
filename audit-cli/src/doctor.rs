//! `auditty doctor`: whether this machine is fit for auditing, check by check.

use std::fs;
use std::io::{self, IsTerminal as _, Write as _};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::Duration;

use audit_journal::TrustedKey;
use nix::sys::statvfs::statvfs;

use crate::config::{Loaded, text_of_size};
use crate::context::Context;
use crate::control::socket_dir;
use crate::detect;
use crate::known::KnownKeys;
use crate::run;

/// Less free space than this is worth a warning, in bytes.
const LITTLE_SPACE: u64 = 1 << 30;

/// With less free space than this recording cannot go on for long, in bytes.
const NO_SPACE: u64 = 16 << 20;

/// How long a server may take to accept a connection.
const SERVER_PATIENCE: Duration = Duration::from_secs(2);

/// What a check found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Grade {
    Ok,
    Warn,
    Fail,
}

/// One line of the report.
struct Finding {
    grade: Grade,
    check: &'static str,
    text: String,
}

/// Carries out `auditty doctor`: 0 when nothing failed, else 1.
///
/// # Errors
/// Nobody reads the report.
pub(crate) fn doctor(context: &Context) -> anyhow::Result<u8> {
    let mut findings = vec![pty(), kernel(), clock(), terminal(context)];
    match context.load() {
        Ok(loaded) => {
            findings.push(ok("configuration", "every layer is in order"));
            findings.push(engine(&loaded));
            findings.extend(detection(&loaded));
            findings.extend(journal(&loaded.config.journal.dir));
            findings.push(host_key(&loaded));
            let log = &loaded.config.logging.audit_log_path;
            findings.push(writable("audit log", log.parent().unwrap_or(log)));
            let (ai, control) = (&loaded.config.ai, &loaded.config.control);
            findings.extend(ai.enabled.then(|| server("AI server", &ai.server_url)));
            findings.extend(control.enabled.then(|| server("control server", &control.server_url)));
        }
        Err(error) => findings.push(fail("configuration", error.to_string())),
    }
    findings.push(writable("control socket", &socket_dir(&context.around)));
    print(&findings, context.colour())?;
    Ok(u8::from(findings.iter().any(|f| f.grade == Grade::Fail)))
}

fn print(findings: &[Finding], colour: bool) -> io::Result<()> {
    let mut out = io::stdout().lock();
    for finding in findings {
        let (word, code) = match finding.grade {
            Grade::Ok => ("ok", 32),
            Grade::Warn => ("warn", 33),
            Grade::Fail => ("fail", 31),
        };
        match colour {
            true => write!(out, "\x1b[{code}m{word:<5}\x1b[0m")?,
            false => write!(out, "{word:<5}")?,
        }
        writeln!(out, "{}: {}", finding.check, crate::text::sanitised(&finding.text))?;
    }
    Ok(())
}

fn pty() -> Finding {
    match audit_pty::Pty::open() {
        Ok(_) => ok("pty", "a terminal can be opened"),
        Err(error) => {
            fail("pty", format!("{error}; is devpts mounted on /dev/pts, and kernel.pty.max high?"))
        }
    }
}

/// `pidfd_open(2)` and `close_range(2)` came with Linux 5.3 and 5.9.
fn kernel() -> Finding {
    let release = nix::sys::utsname::uname()
        .map(|name| name.release().to_string_lossy().into_owned())
        .unwrap_or_default();
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(str::parse::<u32>);
    let version = (numbers.next(), numbers.next());
    match version {
        (Some(Ok(major)), Some(Ok(minor))) if (major, minor) >= (5, 9) => {
            ok("kernel", format!("{release} has pidfd and close_range"))
        }
        _ => fail("kernel", format!("{release} is older than 5.9: no pidfd or no close_range")),
    }
}

fn clock() -> Finding {
    // A journal made before this program was written has a wrong date in it.
    const BUILT: Duration = Duration::from_secs(1_767_225_600);
    let now = Duration::from_millis(crate::text::now_unix_millis());
    if now < BUILT {
        return fail("clock", "the clock is years behind; set it before recording");
    }
    ok("clock", crate::text::rfc3339(crate::text::now_unix_millis()))
}

fn terminal(context: &Context) -> Finding {
    if !io::stdin().is_terminal() {
        return warn("terminal", "standard input is no terminal: sessions run in pipe mode");
    }
    match context.around.variable("TERM") {
        None => warn("terminal", "TERM is not set; full-screen programs will not work"),
        Some(name) => ok("terminal", name),
    }
}

fn engine(loaded: &Loaded) -> Finding {
    let name = &loaded.config.audit.implementation;
    match run::registry().find(name) {
        Some(entry) => ok("engine", format!("{}: {}", entry.name, entry.purpose)),
        None => fail("engine", format!("`{name}` is not in this build")),
    }
}

fn detection(loaded: &Loaded) -> Option<Finding> {
    match detect::check(&loaded.config) {
        Ok(rules) => rules.map(|count| ok("detection", format!("{count} rules"))),
        Err(error) => Some(fail("detection", error.to_string())),
    }
}

fn journal(dir: &Path) -> Vec<Finding> {
    let mut findings = vec![writable("journal", dir)];
    let Some(existing) = dir.ancestors().find(|d| d.is_dir()) else { return findings };
    if let Ok(space) = statvfs(existing) {
        #[allow(clippy::useless_conversion, reason = "the widths differ between platforms")]
        let free = u64::from(space.blocks_available()) * u64::from(space.fragment_size());
        let text = format!("{} free below {}", text_of_size(free), existing.display());
        findings.push(match free {
            0..NO_SPACE => fail("journal space", format!("{text}; free some, or move journal.dir")),
            NO_SPACE..LITTLE_SPACE => warn("journal space", text),
            _ => ok("journal space", text),
        });
    }
    findings
}

fn host_key(loaded: &Loaded) -> Finding {
    let dir = &loaded.config.journal.dir;
    let path = loaded.config.journal_settings(dir).host_key_path();
    match fs::symlink_metadata(&path) {
        Ok(meta) if meta.mode() & 0o077 != 0 => fail(
            "host key",
            format!("{} can be read by others; chmod 600 it and consider it known", path.display()),
        ),
        Ok(_) => match (TrustedKey::of_root(dir), KnownKeys::of(&loaded.config).find(dir)) {
            (Some(key), Ok(Some(known))) if key != known => {
                fail("host key", KnownKeys::of(&loaded.config).strange(dir, known))
            }
            (Some(key), _) => {
                ok("host key", format!("{}, fingerprint {}", path.display(), key.fingerprint()))
            }
            (None, _) => ok("host key", path.display().to_string()),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            warn("host key", format!("{} is made by the first session", path.display()))
        }
        Err(error) => fail("host key", format!("{}: {error}", path.display())),
    }
}

/// Whether somebody listens where `url` says. What is spoken there is not looked at.
fn server(check: &'static str, url: &str) -> Finding {
    let authority = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = authority.split(['/', '?']).next().unwrap_or_default();
    let port = if url.starts_with("wss:") { 443 } else { 80 };
    let has_port = authority.rsplit_once(':').is_some_and(|(_, p)| p.parse::<u16>().is_ok());
    let address = if has_port { authority.to_owned() } else { format!("{authority}:{port}") };
    let reached = address.to_socket_addrs().and_then(|addresses| {
        let mut last = io::Error::other("the name has no address");
        for address in addresses {
            match TcpStream::connect_timeout(&address, SERVER_PATIENCE) {
                Ok(_) => return Ok(()),
                Err(error) => last = error,
            }
        }
        Err(last)
    });
    match reached {
        Ok(()) => ok(check, format!("{address} can be reached")),
        Err(error) => warn(check, format!("{address}: {error}")),
    }
}

/// Whether files can be made in `dir`, or `dir` can be made.
fn writable(check: &'static str, dir: &Path) -> Finding {
    use nix::unistd::{AccessFlags, eaccess};
    let Some(existing) = dir.ancestors().find(|d| d.exists()) else {
        return fail(check, format!("{}: no such directory", dir.display()));
    };
    if !existing.is_dir() {
        return fail(check, format!("{} is not a directory", existing.display()));
    }
    match eaccess(existing, AccessFlags::W_OK | AccessFlags::X_OK) {
        Ok(()) if existing == dir => ok(check, format!("{} is writable", dir.display())),
        Ok(()) => ok(check, format!("{} can be made", dir.display())),
        Err(errno) => fail(check, format!("{}: {}", existing.display(), errno.desc())),
    }
}

fn ok(check: &'static str, text: impl Into<String>) -> Finding {
    Finding { grade: Grade::Ok, check, text: text.into() }
}

fn warn(check: &'static str, text: impl Into<String>) -> Finding {
    Finding { grade: Grade::Warn, check, text: text.into() }
}

fn fail(check: &'static str, text: impl Into<String>) -> Finding {
    Finding { grade: Grade::Fail, check, text: text.into() }
}
