//! Wrappers: programs that run another program named in their arguments.

use super::expand::is_name;
use super::lex::Simple;

/// Shells, by name.
pub(super) const SHELLS: [&str; 11] =
    ["sh", "bash", "dash", "zsh", "ksh", "ash", "fish", "csh", "tcsh", "rbash", "mksh"];

/// Keywords before a command.
const KEYWORDS: [&str; 10] =
    ["if", "then", "else", "elif", "while", "until", "do", "!", "{", "coproc"];
/// Keywords that end a list.
const CLOSERS: [&str; 4] = ["fi", "done", "esac", "}"];

/// Wrappers that run the rest of their words: name, options that take a value, and how many words
/// stand before the command.
const WRAPPERS: [(&str, &[&str], usize); 30] = [
    (
        "sudo",
        &["-u", "-g", "-p", "-C", "-h", "-r", "-t", "-T", "-U", "-D", "-R", "--user", "--group"],
        0,
    ),
    ("doas", &["-u", "-C", "-a"], 0),
    ("pkexec", &["--user"], 0),
    ("env", &["-u", "--unset", "-C"], 0),
    ("nohup", &[], 0),
    ("setsid", &[], 0),
    ("builtin", &[], 0),
    ("command", &[], 0),
    ("exec", &["-a"], 0),
    ("time", &["-f", "-o"], 0),
    ("nice", &["-n"], 0),
    ("ionice", &["-c", "-n", "-p"], 0),
    ("chrt", &[], 1),
    ("timeout", &["-s", "-k"], 1),
    ("stdbuf", &["-i", "-o", "-e"], 0),
    ("busybox", &[], 0),
    ("toybox", &[], 0),
    ("unbuffer", &[], 0),
    ("chronic", &[], 0),
    ("torsocks", &[], 0),
    ("torify", &[], 0),
    ("proxychains", &["-f"], 0),
    ("proxychains4", &["-f"], 0),
    ("taskset", &["-p"], 1),
    ("cpulimit", &["-l", "-p", "-e"], 0),
    ("chroot", &["--userspec", "--groups"], 1),
    ("unshare", &["-S", "-G", "--setuid"], 0),
    ("flock", &["-w", "-E"], 1),
    ("softlimit", &["-m", "-d"], 0),
    ("catchsegv", &[], 0),
];

/// Wrappers whose own words matter as much as what they run.
const KEPT: [&str; 4] = ["chroot", "unshare", "flock", "cpulimit"];

/// A command without its wrappers.
#[derive(Debug, Default)]
pub(super) struct Peeled {
    /// The innermost command.
    pub(super) simple: Simple,
    /// Canonical texts of the wrappers around it, outermost first.
    pub(super) outer: Vec<String>,
    /// Scripts it carries in its arguments.
    pub(super) scripts: Vec<String>,
    /// Whether it runs as another user.
    pub(super) elevated: bool,
    /// Keywords before it, such as `while`.
    pub(super) heads: Vec<String>,
    /// Whether the program was named with `./` before it.
    pub(super) local: bool,
}

/// Takes wrappers off a command.
pub(super) fn peel(mut simple: Simple) -> Peeled {
    let heads = strip_keywords(&mut simple);
    let mut peeled = Peeled { heads, ..Peeled::default() };
    for _ in 0..8 {
        peeled.local = simple.words.first().is_some_and(|w| w.starts_with("./"));
        name_program(&mut simple);
        let assigned = simple.words.iter().take_while(|w| assignment(w)).count();
        if assigned > 0 && assigned < simple.words.len() {
            peeled.outer.push(simple.text());
            simple.words.drain(..assigned);
            continue;
        }
        let Some(inner) = wrapped(&simple.words) else { break };
        let name = simple.words[0].as_str();
        peeled.elevated |= matches!(name, "sudo" | "doas" | "pkexec");
        // `sudo` itself says nothing that the command behind it does not, unless it sets variables
        let elevates = matches!(name, "sudo" | "doas");
        if !elevates || simple.words[..inner].iter().any(|w| assignment(w)) {
            peeled.outer.push(simple.text());
        }
        if KEPT.contains(&name) {
            peeled.scripts.push(quoted(&simple.words[inner..]));
            break;
        }
        simple.words.drain(..inner);
    }
    carried(&simple, &mut peeled.scripts);
    peeled.simple = simple;
    peeled
}

/// The innermost command alone.
pub(super) fn bare(simple: &Simple) -> Simple {
    let mut simple = simple.clone();
    strip_keywords(&mut simple);
    for _ in 0..8 {
        name_program(&mut simple);
        let assigned = simple.words.iter().take_while(|w| assignment(w)).count();
        if assigned > 0 && assigned < simple.words.len() {
            simple.words.drain(..assigned);
            continue;
        }
        match wrapped(&simple.words) {
            Some(inner) => simple.words.drain(..inner),
            None => break,
        };
    }
    simple
}

fn strip_keywords(simple: &mut Simple) -> Vec<String> {
    let heads = simple.words.iter().take_while(|w| KEYWORDS.contains(&w.as_str())).count();
    let mut heads: Vec<String> = simple.words.drain(..heads).collect();
    if simple.words.first().is_some_and(|w| CLOSERS.contains(&w.as_str())) {
        heads.push(simple.words.remove(0));
    }
    heads
}

/// Drops the system directory before the program's name.
fn name_program(simple: &mut Simple) {
    if let Some(first) = simple.words.first_mut() {
        let name = program(first);
        if name.len() < first.len() {
            *first = name.to_owned();
        }
    }
}

/// The name of a program: without a system directory or `./` before it.
pub(super) fn program(word: &str) -> &str {
    let dirs = [
        "/usr/local/sbin/",
        "/usr/local/bin/",
        "/usr/sbin/",
        "/usr/bin/",
        "/sbin/",
        "/bin/",
        "./",
        "/busybox/",
        "/opt/homebrew/bin/",
    ];
    let stripped = dirs.iter().find_map(|d| word.strip_prefix(d));
    stripped.filter(|n| !n.is_empty() && !n.contains('/')).unwrap_or(word)
}

fn assignment(word: &str) -> bool {
    word.split_once('=').is_some_and(|(name, _)| is_name(name.trim_end_matches('+')))
}

/// Where the wrapped command starts, if this is a wrapper and there is one.
fn wrapped(words: &[String]) -> Option<usize> {
    let (name, valued, positional) =
        WRAPPERS.iter().find(|(name, ..)| words.first().is_some_and(|w| w == name))?;
    let mut at = 1;
    let mut skipped = 0;
    while let Some(word) = words.get(at) {
        if word == "--" {
            at += 1;
            break;
        }
        if word.starts_with('-') && word.len() > 1 {
            if *name == "command" && matches!(word.as_str(), "-v" | "-V") {
                return None;
            }
            at += if valued.contains(&word.as_str()) { 2 } else { 1 };
        } else if assignment(word) && matches!(*name, "env" | "sudo" | "doas") {
            at += 1;
        } else if skipped < *positional {
            skipped += 1;
            at += 1;
        } else {
            break;
        }
    }
    (at < words.len()).then_some(at)
}

/// Scripts in the arguments: of shells, `eval`, `su -c`, `ssh HOST`, `find -exec`, `xargs`, what
/// stands behind `--`, and code of other interpreters.
fn carried(simple: &Simple, scripts: &mut Vec<String>) {
    let words = &simple.words;
    let Some(name) = words.first().map(String::as_str) else { return };
    for (index, word) in words.iter().enumerate() {
        if SHELLS.contains(&base(word)) {
            let script = words[index + 1..]
                .iter()
                .position(|w| w.starts_with('-') && !w.starts_with("--") && w.contains('c'))
                .and_then(|flag| words.get(index + 1 + flag + 1));
            scripts.extend(script.cloned());
            if script.is_some() {
                break;
            }
        }
    }
    match base(name) {
        "eval" => scripts.push(words[1..].join(" ")),
        "trap" => scripts.extend(words.get(1).cloned()),
        "su" | "runuser" | "script" => {
            let flag = words.iter().position(|w| matches!(w.as_str(), "-c" | "--command" | "-qc"));
            scripts.extend(flag.and_then(|at| words.get(at + 1)).cloned());
        }
        "watch" | "parallel" | "xargs" => {
            let valued = ["-n", "-I", "-P", "-d", "-L", "-a", "-s", "-E", "-j", "-i"];
            let mut at = 1;
            while let Some(word) = words.get(at).filter(|w| w.starts_with('-')) {
                at += if valued.contains(&word.as_str()) { 2 } else { 1 };
            }
            if at < words.len() {
                scripts.push(if name == "watch" {
                    words[at..].join(" ")
                } else {
                    quoted(&words[at..])
                });
            }
        }
        "ssh" => {
            let mut at = 1;
            while let Some(word) = words.get(at).filter(|w| w.starts_with('-')) {
                let valued =
                    word.len() == 2 && b"pioLlRDFJbceEmOSWwBIQ".contains(&word.as_bytes()[1]);
                at += if valued { 2 } else { 1 };
            }
            if at + 1 < words.len() {
                scripts.push(words[at + 1..].join(" "));
            }
        }
        "find" => {
            let run = |w: &String| matches!(w.as_str(), "-exec" | "-execdir" | "-ok" | "-okdir");
            if let Some(start) = words.iter().position(run) {
                let rest = &words[start + 1..];
                let end = rest.iter().position(|w| w == ";" || w == "+").unwrap_or(rest.len());
                scripts.push(quoted(&rest[..end]));
            }
        }
        "docker" | "podman" | "kubectl" | "nsenter" | "systemd-run" | "crictl" | "lxc" | "ip" => {
            if let Some(at) = words.iter().position(|w| w == "--") {
                scripts.push(quoted(&words[at + 1..]));
            }
        }
        _ => scripts.extend(super::scripts::calls(&simple.text())),
    }
}

/// The last part of a path.
pub(super) fn base(word: &str) -> &str {
    word.rsplit('/').next().unwrap_or(word)
}

/// Words as a script that yields the same words.
fn quoted(words: &[String]) -> String {
    let plain = |w: &String| {
        !w.is_empty()
            && w.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_./:=+,@%~{}".contains(&b))
    };
    words
        .iter()
        .map(|w| if plain(w) { w.clone() } else { format!("'{}'", w.replace('\'', "'\\''")) })
        .collect::<Vec<_>>()
        .join(" ")
}
