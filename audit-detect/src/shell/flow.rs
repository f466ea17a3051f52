//! Files that are fetched and then run: the way most intruders bring their programs.

use std::collections::VecDeque;

use super::written::same;
use super::{scripts, wrap};

/// This many fetched files are remembered.
const FILES: usize = 32;

/// Where a file came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Origin {
    /// A publisher of software everybody knows.
    Known,
    /// A name, over an encrypted connection.
    Site,
    /// A name, over a connection that anybody on the way can change.
    Plain,
    /// A bare address, or a protocol for machines without a name.
    Address,
}

impl Origin {
    /// The fact that a file from there was run.
    pub(crate) fn fact(self, hidden: bool) -> Option<&'static str> {
        match self {
            Self::Known => None,
            Self::Site if hidden => Some("@fetched-run-hidden"),
            Self::Site => Some("@fetched-run-site"),
            Self::Plain => Some("@fetched-run-plain"),
            Self::Address => Some("@fetched-run-address"),
        }
    }
}

#[derive(Clone, Debug)]
struct Fetched {
    path: String,
    origin: Origin,
    /// A directory, or an archive that was unpacked: what is in it has names of its own.
    many: bool,
}

/// Follows files from where they are fetched to where they are run.
#[derive(Clone, Debug, Default)]
pub(crate) struct Flow {
    fetched: VecDeque<Fetched>,
    /// Whether the working directory is a scratch place.
    scratch: bool,
}

impl Flow {
    /// Forgets everything.
    pub(crate) fn clear(&mut self) {
        self.fetched.clear();
    }

    /// Follows the next simple command, in its canonical spelling. Where a file that it runs came
    /// from, and whether that file is hidden.
    pub(crate) fn step(&mut self, command: &str) -> Option<(Origin, bool)> {
        let words: Vec<&str> = command.split(' ').collect();
        if let Some(new) = fetched(&words) {
            if self.fetched.len() >= FILES {
                self.fetched.pop_front();
            }
            self.fetched.push_back(new);
            return None;
        }
        let name = wrap::base(words[0]);
        if name == "cd" {
            let to = words.get(1).copied().unwrap_or("~");
            let scratch =
                ["/tmp", "/var/tmp", "/dev/shm", "/run"].iter().any(|p| to.starts_with(p));
            self.scratch = scratch || (self.scratch && !to.starts_with(['/', '~', '$']));
            return None;
        }
        if matches!(name, "tar" | "unzip" | "gunzip" | "7z" | "bsdtar" | "cpio") {
            for file in &mut self.fetched {
                // what strangers send unpacks to what they want run
                let stranger = file.origin == Origin::Address
                    || (file.origin == Origin::Plain && self.scratch);
                file.many |= stranger && words.iter().any(|w| same(w, &file.path));
            }
            return None;
        }
        let run = self.fetched.iter().filter(|f| runs(&words, f)).max_by_key(|f| f.origin)?;
        Some((run.origin, hidden(&run.path)))
    }
}

/// Whether a command runs a fetched file.
fn runs(words: &[&str], file: &Fetched) -> bool {
    let name = wrap::base(words[0]);
    let argument = || words.iter().skip(1).find(|w| !w.starts_with('-')).copied();
    let interprets = wrap::SHELLS.contains(&name)
        || scripts::is_language(name)
        || matches!(name, "source" | "." | "insmod" | "make" | "wine" | "mono");
    let code = words.iter().any(|w| matches!(*w, "-c" | "-e" | "-m"));
    let preloads = || {
        let value = words[0].strip_prefix("LD_PRELOAD=").or(words[0].strip_prefix("LD_AUDIT="));
        value.is_some_and(|v| same(v, &file.path))
    };
    let jar = || name == "java" && words.iter().any(|w| same(w, &file.path));
    if same(words[0], &file.path) || preloads() || jar() {
        return true;
    }
    if interprets && !code && argument().is_some_and(|a| same(a, &file.path)) {
        return true;
    }
    // programs of the system have no directory before their names here
    let builds =
        || matches!(last(words[0]), "configure" | "bootstrap" | "autogen.sh" | "gradlew" | "mvnw");
    if file.origin == Origin::Plain && (builds() || !words[0].contains('/')) {
        return false;
    }
    file.many
        && (words[0].contains('/')
            || (interprets && !code && argument().is_some())
            || name == "make")
}

/// The file a command fetches.
fn fetched(words: &[&str]) -> Option<Fetched> {
    let one = |path: &str, origin| {
        let path = path.trim_end_matches('/');
        (path.len() > 1 && path != "-").then(|| Fetched {
            path: path.to_owned(),
            origin,
            many: false,
        })
    };
    match wrap::base(words[0]) {
        "curl" | "wget" | "wget2" | "fetch" | "aria2c" | "lwp-download" | "axel" | "http"
        | "xh" => {
            let url = words.iter().skip(1).find(|w| url_like(w))?;
            one(target(words).unwrap_or_else(|| last(url)), origin(url))
        }
        "tftp" => {
            let flag = words.iter().position(|w| matches!(*w, "-l" | "-r"));
            let named = flag.and_then(|at| words.get(at + 1));
            one(named.or_else(|| words.iter().skip(1).rfind(|w| file_like(w)))?, Origin::Address)
        }
        "ftpget" | "ftp" => one(words.iter().skip(1).rfind(|w| file_like(w))?, Origin::Address),
        "nc" | "ncat" | "netcat" | "socat" => {
            let at = words.iter().position(|w| matches!(*w, ">" | ">>"))?;
            one(words.get(at + 1)?, Origin::Address)
        }
        "scp" | "sftp" | "rsync" => {
            let from =
                words.iter().skip(1).position(|w| w.contains(':') && !w.starts_with('-'))? + 1;
            let to = words.get(from + 1)?;
            let name = if to.ends_with(['/', '.']) { last(words[from]) } else { *to };
            // whoever can log in there is no stranger
            one(name, Origin::Known)
        }
        "git" if words.get(1) == Some(&"clone") => {
            let url = words.iter().skip(2).find(|w| w.contains("://") || w.contains('@'))?;
            let at = words.iter().position(|w| w == url)?;
            let directory = words.get(at + 1).filter(|w| !w.starts_with('-'));
            let name = directory.copied().unwrap_or_else(|| last(url).trim_end_matches(".git"));
            let origin =
                if origin(url) == Origin::Address { Origin::Address } else { Origin::Known };
            one(name, origin).map(|f| Fetched { many: origin == Origin::Address, ..f })
        }
        _ => None,
    }
}

fn url_like(word: &str) -> bool {
    !word.starts_with('-')
        && (word.contains("://")
            || (word.starts_with(|c: char| c.is_ascii_alphanumeric())
                && word.find('/').is_some_and(|slash| word[..slash].contains('.'))))
}

fn file_like(word: &str) -> bool {
    !word.starts_with('-') && !address(word) && word.len() > 1
}

/// The file named for the output.
fn target<'w>(words: &[&'w str]) -> Option<&'w str> {
    let program = wrap::base(words[0]);
    for (index, word) in words.iter().enumerate() {
        let takes = match *word {
            "-o" | "--output" | "--output-document" | ">" | ">>" => true,
            "-O" => program != "curl",
            _ => {
                word.starts_with('-')
                    && !word.starts_with("--")
                    && word.len() > 2
                    && (word.ends_with('o') || (word.ends_with('O') && program != "curl"))
            }
        };
        // `-O - > file` names the file behind it
        if takes && let Some(file) = words.get(index + 1).filter(|w| **w != "-") {
            return Some(file);
        }
        if let Some(value) =
            word.strip_prefix("--output=").or(word.strip_prefix("--output-document="))
        {
            return Some(value);
        }
    }
    None
}

fn last(path: &str) -> &str {
    let path = path.split(['?', '#']).next().unwrap_or(path);
    path.trim_end_matches('/').rsplit(['/', ':']).next().unwrap_or(path)
}

fn hidden(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    name.starts_with('.')
        || path.contains("/.")
        || path.starts_with("/dev/shm")
        || path.starts_with("/var/tmp")
}

/// Where a URL leads.
fn origin(url: &str) -> Origin {
    const KNOWN: [&str; 22] = [
        "github.com",
        "githubusercontent.com",
        "gitlab.com",
        "k8s.io",
        "googleapis.com",
        "google.com",
        "docker.com",
        "hashicorp.com",
        "helm.sh",
        "golang.org",
        "go.dev",
        "nodejs.org",
        "codecov.io",
        "rustup.rs",
        "rust-lang.org",
        "python.org",
        "pypa.io",
        "microsoft.com",
        "amazonaws.com",
        "debian.org",
        "ubuntu.com",
        "apache.org",
    ];
    let (scheme, rest) = url.split_once("://").unwrap_or(("http", url));
    let authority = rest.split(['/', '?']).next().unwrap_or(rest);
    let host = authority.rsplit('@').next().unwrap_or(authority);
    let name = host.split(':').next().unwrap_or(host);
    if address(name) || host.starts_with('[') || matches!(scheme, "ftp" | "tftp") {
        return Origin::Address;
    }
    let encrypted = matches!(scheme, "https" | "ssh" | "git+ssh");
    // whatever anybody put there has the same address
    let anybody = name.starts_with("raw.") || name.starts_with("gist.");
    let known = !anybody
        && KNOWN
            .iter()
            .any(|k| name.strip_suffix(k).is_some_and(|h| h.is_empty() || h.ends_with('.')));
    match (encrypted, known) {
        (true, true) => Origin::Known,
        (true, false) => Origin::Site,
        (false, _) => Origin::Plain,
    }
}

/// Whether a host is four numbers.
fn address(host: &str) -> bool {
    let mut parts = host.split('.');
    let numbers = parts.clone().count() == 4;
    numbers && parts.all(|p| !p.is_empty() && p.bytes().all(|b| b.is_ascii_digit()))
}
