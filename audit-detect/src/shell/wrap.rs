//! Wrappers: programs that run another program named in their arguments.

use super::command::Simple;
use super::expand::is_name;

/// Shells, by name.
pub(super) const SHELLS: [&str; 11] =
    ["sh", "bash", "dash", "zsh", "ksh", "ash", "fish", "csh", "tcsh", "rbash", "mksh"];

/// Keywords before a command.
pub(super) const KEYWORDS: [&str; 10] =
    ["if", "then", "else", "elif", "while", "until", "do", "!", "{", "coproc"];
/// Keywords that end a list.
const CLOSERS: [&str; 4] = ["fi", "done", "esac", "}"];

/// Wrappers that run the rest of their words: name, options that take a value, and how many words
/// stand before the command.
const WRAPPERS: [(&str, &[&str], usize); 52] = [
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
    ("strace", &["-e", "-o", "-p", "-s", "-u", "-P", "-E"], 0),
    ("ltrace", &["-e", "-o", "-p", "-s", "-u", "-n"], 0),
    ("gosu", &[], 1),
    ("su-exec", &[], 1),
    ("setpriv", &["--reuid", "--regid"], 0),
    ("dbus-run-session", &[], 0),
    ("xvfb-run", &["-s", "-n", "-e", "-f", "-w"], 0),
    ("fakeroot", &[], 0),
    ("prlimit", &[], 0),
    ("eatmydata", &[], 0),
    ("tini", &[], 0),
    ("dumb-init", &[], 0),
    ("firejail", &[], 0),
    ("systemd-inhibit", &[], 0),
    ("rlwrap", &["-a", "-b", "-f", "-s", "-S"], 0),
    ("faketime", &[], 1),
    ("setarch", &[], 1),
    ("linux64", &[], 0),
    ("linux32", &[], 0),
    ("numactl", &["-m", "-N", "-C"], 0),
    ("nsenter", &["-t", "--target", "-S", "-G"], 0),
    ("hyperfine", &["-w", "-r", "-m", "-M", "-p", "-n"], 0),
];

/// Wrappers whose own words matter as much as what they run.
const KEPT: [&str; 5] = ["chroot", "unshare", "flock", "cpulimit", "nsenter"];
/// No more wrappers than this are taken off one command.
const LAYERS: usize = 24;

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
    /// Whether there are more wrappers than anybody needs.
    pub(super) deep: bool,
}

/// Takes wrappers off a command.
pub(super) fn peel(mut simple: Simple) -> Peeled {
    let heads = strip_keywords(&mut simple);
    let mut peeled = Peeled { heads, deep: true, ..Peeled::default() };
    for _ in 0..LAYERS {
        peeled.local = simple.words.first().is_some_and(|w| w.starts_with("./"));
        name_program(&mut simple);
        let assigned = simple.words.iter().take_while(|w| assignment(w)).count();
        if assigned > 0 && assigned < simple.words.len() {
            peeled.outer.push(simple.text());
            simple.words.drain(..assigned);
            continue;
        }
        let Some(inner) = wrapped(&simple.words) else {
            peeled.deep = false;
            break;
        };
        let name = simple.words[0].as_str();
        peeled.elevated |= matches!(name, "sudo" | "doas" | "pkexec");
        // `sudo` itself says nothing that the command behind it does not, unless it sets variables
        let elevates = matches!(name, "sudo" | "doas");
        if !elevates || simple.words[..inner].iter().any(|w| assignment(w)) {
            peeled.outer.push(simple.text());
        }
        if KEPT.contains(&name) {
            peeled.scripts.push(quoted(&simple.words[inner..]));
            peeled.deep = false;
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
    for _ in 0..LAYERS {
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

/// Scripts in the arguments: of shells, `eval`, `su -c`, `ssh HOST`, `find -exec`, `xargs`, of
/// programs that run something elsewhere, of options that name a command, and code of other
/// interpreters.
fn carried(simple: &Simple, scripts: &mut Vec<String>) {
    let words = &simple.words;
    let Some(name) = words.first().map(String::as_str) else { return };
    if let Some(shell) = words.iter().position(|w| SHELLS.contains(&base(w))) {
        let dashed = |w: &String| w.starts_with('-') && !w.starts_with("--") && w.contains('c');
        let flag = words[shell + 1..].iter().position(dashed);
        scripts.extend(flag.and_then(|flag| words.get(shell + 1 + flag + 1)).cloned());
    }
    for word in words {
        scripts.extend(optional(word).map(str::to_owned));
    }
    let rest = |at: Option<usize>| at.filter(|at| *at < words.len()).map(|at| quoted(&words[at..]));
    let behind_dashes = words.iter().position(|w| w == "--").map(|at| at + 1);
    match base(name) {
        "eval" => scripts.push(words[1..].join(" ")),
        "trap" => scripts.extend(words.get(1).cloned()),
        "alias" => {
            let values = words[1..].iter().filter_map(|w| w.split_once('='));
            scripts.extend(values.map(|(_, value)| value.to_owned()));
        }
        "su" | "runuser" | "script" | "sg" | "expect" => {
            let flag = words.iter().position(|w| matches!(w.as_str(), "-c" | "--command" | "-qc"));
            scripts.extend(flag.and_then(|at| words.get(at + 1)).cloned());
            scripts.extend(rest(behind_dashes));
        }
        "watch" => {
            scripts.extend(after_options(words, &["-n", "-I"]).map(|at| words[at..].join(" ")))
        }
        "parallel" | "xargs" | "entr" => {
            let valued = ["-n", "-I", "-P", "-d", "-L", "-a", "-s", "-E", "-j", "-i"];
            scripts.extend(rest(after_options(words, &valued)));
        }
        "ssh" => scripts.extend(remote_command(words).map(|at| words[at..].join(" "))),
        "find" => {
            let run = |w: &String| matches!(w.as_str(), "-exec" | "-execdir" | "-ok" | "-okdir");
            let mut left = words.as_slice();
            while let Some(start) = left.iter().position(run) {
                left = &left[start + 1..];
                let end = left.iter().position(|w| w == ";" || w == "+").unwrap_or(left.len());
                scripts.push(quoted(&left[..end]));
            }
        }
        "docker" | "podman" | "nerdctl" => {
            scripts.extend(rest(behind_dashes.or_else(|| contained(words))));
        }
        "tmux" | "screen" => {
            scripts.extend(words.iter().skip(1).filter(|w| w.contains(' ')).cloned());
            let dashed = name == "screen" && words.get(1).is_some_and(|w| w.starts_with('-'));
            let valued = ["-S", "-t", "-c", "-e", "-h", "-dmS", "-p", "-X"];
            scripts.extend(rest(after_options(words, &valued)).filter(|_| dashed));
        }
        "systemd-run" => {
            let valued = ["-p", "-u", "-t", "-E", "-M", "-H", "--unit", "--property", "--slice"];
            scripts.extend(rest(after_options(words, &valued)));
        }
        "ip" => {
            let at = words.windows(2).position(|w| w[0] == "netns" && w[1] == "exec");
            scripts.extend(rest(at.map(|at| at + 3)));
        }
        "ansible" => {
            let runs = words.iter().any(|w| matches!(w.as_str(), "shell" | "command" | "raw"));
            let flag = words.iter().position(|w| w == "-a").filter(|_| runs);
            scripts.extend(flag.and_then(|at| words.get(at + 1)).cloned());
        }
        "kubectl" | "oc" | "crictl" | "lxc" | "incus" | "setpriv" | "flatpak-spawn" | "toolbox"
        | "distrobox" | "wsl" | "start-stop-daemon" => {
            let deprecated = || {
                let at = words.iter().position(|w| w == "exec")?;
                after_options(&words[at..], &["-n", "-c", "--namespace", "--container"])
                    .map(|pod| at + pod + 1)
            };
            scripts.extend(rest(behind_dashes.or_else(deprecated)));
        }
        _ => scripts.extend(super::scripts::calls(simple)),
    }
}

/// Where the first word that is neither an option nor an option's value stands.
fn after_options(words: &[String], valued: &[&str]) -> Option<usize> {
    let mut at = 1;
    while let Some(word) = words.get(at).filter(|w| w.starts_with('-')) {
        at += if valued.contains(&word.as_str()) { 2 } else { 1 };
    }
    (at < words.len()).then_some(at)
}

/// Where the command that `ssh` runs elsewhere starts.
pub(super) fn remote_command(words: &[String]) -> Option<usize> {
    let mut at = 1;
    let mut host = false;
    while let Some(word) = words.get(at) {
        if word.starts_with('-') && word.len() > 1 {
            let valued = word.len() == 2 && b"pioLlRDFJbceEmOSWwBIQ".contains(&word.as_bytes()[1]);
            at += if valued { 2 } else { 1 };
        } else if host {
            return Some(at);
        } else {
            host = true;
            at += 1;
        }
    }
    None
}

/// Where the command that runs in a container starts: behind its name, or behind the image.
fn contained(words: &[String]) -> Option<usize> {
    const PLAIN: [&str; 18] = [
        "-d",
        "-i",
        "-t",
        "-it",
        "-ti",
        "-dit",
        "-itd",
        "-id",
        "-P",
        "-q",
        "--rm",
        "--privileged",
        "--init",
        "--read-only",
        "--tty",
        "--interactive",
        "--detach",
        "--no-healthcheck",
    ];
    let mut at = words.iter().position(|w| w == "run" || w == "exec")? + 1;
    while let Some(word) = words.get(at).filter(|w| w.starts_with('-')) {
        let alone = word.contains('=') || PLAIN.contains(&word.as_str());
        at += if alone { 1 } else { 2 };
    }
    Some(at + 1)
}

/// The command in an option that names one, such as `--checkpoint-action=exec=CMD`,
/// `ProxyCommand=CMD` or `:!CMD`.
fn optional(word: &str) -> Option<&str> {
    const HEADS: [&str; 24] = [
        "--checkpoint-action=exec=",
        "--to-command=",
        "--use-compress-program=",
        "--rsh=",
        "--rsync-path=",
        "--upload-pack=",
        "--receive-pack=",
        "--info-script=",
        "--new-volume-script=",
        "ProxyCommand=",
        "ProxyCommand ",
        "LocalCommand=",
        "KnownHostsCommand=",
        "core.sshCommand=",
        "core.fsmonitor=",
        "core.pager=",
        "PROMPT_COMMAND=",
        "-oProxyCommand=",
        ":!",
        ":silent !",
        ":r !",
        ".shell ",
        ".system ",
        "\\! ",
    ];
    if let Some(found) = HEADS.iter().find_map(|h| word.strip_prefix(h)) {
        return Some(found.trim_start_matches(';'));
    }
    word.strip_prefix('!')
        .filter(|w| w.len() >= 3 && w.starts_with(|c: char| c.is_alphabetic() || c == '/'))
}

/// The last part of a path.
pub(super) fn base(word: &str) -> &str {
    word.rsplit('/').next().unwrap_or(word)
}

/// Words as a script that yields the same words.
pub(super) fn quoted(words: &[String]) -> String {
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
