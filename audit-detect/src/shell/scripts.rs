//! Text tools that can be foreseen, and code in other languages that runs commands.

use super::command::Simple;
use super::{decode, wrap};

/// What reads a script from its standard input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reader {
    /// A shell, here or elsewhere.
    Shell,
    /// An interpreter of another language.
    Language,
    /// `crontab -`: a table of jobs.
    Crontab,
}

/// Whether the command runs what comes on its standard input.
pub(super) fn reads_script(simple: &Simple) -> Option<Reader> {
    let name = wrap::base(simple.words.first()?);
    let arguments = &simple.words[1..];
    let plain = arguments.iter().all(|a| a.starts_with('-') || a == "/dev/stdin");
    if wrap::SHELLS.contains(&name) {
        let reads = plain || arguments.iter().any(|a| a == "-s");
        return (reads && !arguments.iter().any(|a| a == "-c")).then_some(Reader::Shell);
    }
    let ends_in_shell = arguments.last().is_some_and(|a| wrap::SHELLS.contains(&wrap::base(a)));
    match name {
        "source" | "." => (arguments.first()? == "/dev/stdin").then_some(Reader::Shell),
        "at" | "batch" => Some(Reader::Shell),
        "crontab" => plain.then_some(Reader::Crontab),
        "xargs" => {
            arguments.iter().any(|a| wrap::SHELLS.contains(&wrap::base(a))).then_some(Reader::Shell)
        }
        "ssh" => wrap::remote_command(&simple.words).is_none().then_some(Reader::Shell),
        "su" | "sudo" => Some(Reader::Shell),
        "docker" | "podman" | "kubectl" | "oc" | "lxc" | "nerdctl" | "nsenter" | "chroot" => {
            ends_in_shell.then_some(Reader::Shell)
        }
        _ => (plain && is_language(name)).then_some(Reader::Language),
    }
}

/// Users that tables of jobs of the system name before the command.
const USERS: [&str; 6] = ["root", "nobody", "www-data", "daemon", "ubuntu", "admin"];

/// The commands of a table of jobs, without their times and users.
pub(crate) fn jobs(table: &str) -> String {
    let mut out = String::new();
    for line in table.lines() {
        let line = line.trim();
        let fields = if line.starts_with('@') { 1 } else { 5 };
        let job = line.splitn(fields + 1, [' ', '\t']).nth(fields).unwrap_or(line);
        out.push_str(match job.split_once([' ', '\t']) {
            Some((user, job)) if USERS.contains(&user) => job,
            _ => job,
        });
        out.push('\n');
    }
    out
}

/// Whether what a text prints may be foreseen: it begins with a tool that makes or changes text.
pub(super) fn may_print(text: &str) -> bool {
    const TOOLS: [&str; 20] = [
        "echo",
        "printf",
        "cat",
        "base64",
        "gbase64",
        "base32",
        "b64decode",
        "openssl",
        "xxd",
        "unhex",
        "hex",
        "rev",
        "tac",
        "rot13",
        "tr",
        "sed",
        "gunzip",
        "gzip",
        "zcat",
        "iconv",
    ];
    let name = text.trim_start().split([' ', '\t', '<']).next().unwrap_or("");
    let name = wrap::base(name.trim_matches(['"', '\'', '\\']));
    TOOLS.contains(&name) || is_language(name) || name.contains(['"', '\'', '\\', '$'])
}

/// What a command that only makes text prints, and whether it decoded something.
pub(super) fn produce(simple: &Simple) -> Option<(Vec<u8>, bool)> {
    let (name, arguments) = simple.words.split_first()?;
    if simple.redirects.iter().any(|(operator, _)| operator.ends_with('>')) {
        return None;
    }
    match name.as_str() {
        "echo" => {
            let flag = |a: &&String| matches!(a.as_str(), "-n" | "-e" | "-ne" | "-en" | "-E");
            let flags = arguments.iter().take_while(flag).count();
            let escaped = arguments[..flags].iter().any(|a| a.contains('e'));
            let text = arguments[flags..].join(" ");
            let bytes =
                if escaped { decode::escapes(text.as_bytes()) } else { text.clone().into_bytes() };
            let decoded = escaped && bytes.len() * 2 < text.len();
            Some((bytes, decoded))
        }
        "printf" => {
            let (mut format, mut values) = arguments.split_first()?;
            if format == "--" {
                (format, values) = values.split_first()?;
            }
            let mut values = values.iter();
            let mut text = String::new();
            loop {
                let left = values.len();
                let mut rest = format.as_str();
                while let Some(at) = rest.find('%') {
                    text.push_str(&rest[..at]);
                    match rest.as_bytes().get(at + 1) {
                        Some(b's' | b'b') => {
                            text.push_str(values.next().map_or("", String::as_str));
                        }
                        Some(b'%') => text.push('%'),
                        _ => return None,
                    }
                    rest = &rest[at + 2..];
                }
                text.push_str(rest);
                // the format is used again while values are left
                if values.len() == 0 || values.len() == left {
                    break;
                }
            }
            let bytes = decode::escapes(text.as_bytes());
            let decoded = bytes.len() * 2 < text.len();
            Some((bytes, decoded))
        }
        _ => None,
    }
}

/// What a command that only changes text makes of `input`, and whether that is decoding.
pub(super) fn filter(simple: &Simple, input: &[u8]) -> Option<(Vec<u8>, bool)> {
    let (name, arguments) = simple.words.split_first()?;
    let has = |flags: &[&str]| arguments.iter().any(|a| flags.contains(&a.as_str()));
    let decodes = has(&["-d", "--decode", "-D", "-di", "-id", "--d", "-dw0"]);
    let out = match name.as_str() {
        "cat" | "tee" | "iconv" | "strings" | "sort"
            if arguments.is_empty() || arguments == ["-"] =>
        {
            return Some((input.to_vec(), false));
        }
        "base64" | "gbase64" if decodes => decode::base64(input)?,
        "b64decode" => decode::base64(input)?,
        "base32" if decodes => decode::base32(input)?,
        "openssl" if has(&["-d"]) && has(&["base64", "-base64", "-a"]) => decode::base64(input)?,
        "xxd" if has(&["-r", "-rp", "-pr", "-ps"]) && !arguments.iter().all(|a| a == "-p") => {
            decode::hex(input)?
        }
        "unhex" | "hex" if decodes || name == "unhex" => decode::hex(input)?,
        "gunzip" | "zcat" | "gzcat" | "unpigz" => decode::inflate(input)?,
        "gzip" | "pigz" if has_unpacking(arguments) => decode::inflate(input)?,
        "zlib-flate" if has(&["-uncompress"]) => decode::inflate(input)?,
        "rev" => {
            let text = String::from_utf8_lossy(input);
            let lines: Vec<String> = text.lines().map(|l| l.chars().rev().collect()).collect();
            lines.join("\n").into_bytes()
        }
        "tac" => {
            let text = String::from_utf8_lossy(input);
            let lines: Vec<&str> = text.lines().rev().collect();
            lines.join("\n").into_bytes()
        }
        "rot13" => decode::rot13(&String::from_utf8_lossy(input)).into_bytes(),
        "tr" => translate(arguments, input)?,
        "sed" => substitute(arguments.iter().find(|a| !a.starts_with('-'))?, input)?,
        "python" | "python3" | "python2" | "perl" | "ruby" | "php" if arguments.len() >= 2 => {
            let code = arguments[1].as_str();
            let base = ["b64decode", "decode_base64", "base64_decode", "decode64", "unpack('u"];
            let hexed = ["unhexlify", "fromhex", "'H*'", "\"H*\"", "hex2bin", "(H*)"];
            if base.iter().any(|w| code.contains(w)) {
                let plain = decode::base64(input)?;
                let packed = code.contains("decompress") || code.contains("inflate");
                if packed { decode::inflate(&plain)? } else { plain }
            } else if hexed.iter().any(|w| code.contains(w)) {
                decode::hex(input)?
            } else if code.contains("[::-1]") || code.contains("reverse") {
                input.iter().rev().copied().collect()
            } else {
                return None;
            }
        }
        _ => return None,
    };
    Some((out, true))
}

fn translate(arguments: &[String], input: &[u8]) -> Option<Vec<u8>> {
    let text = String::from_utf8_lossy(input);
    match arguments {
        [flag, set] if flag == "-d" => {
            let set = decode::tr_set(&String::from_utf8_lossy(&decode::escapes(set.as_bytes())));
            Some(text.chars().filter(|c| !set.contains(c)).collect::<String>().into_bytes())
        }
        [from, to] if !from.starts_with('-') || from.len() == 1 => {
            let set =
                |s: &str| decode::tr_set(&String::from_utf8_lossy(&decode::escapes(s.as_bytes())));
            let (from, to) = (set(from), set(to));
            let last = *to.last()?;
            let turn = |c: char| match from.iter().position(|f| *f == c) {
                Some(at) => to.get(at).copied().unwrap_or(last),
                None => c,
            };
            Some(text.chars().map(turn).collect::<String>().into_bytes())
        }
        _ => None,
    }
}

/// `s/from/to/` with plain text on both sides.
fn substitute(script: &str, input: &[u8]) -> Option<Vec<u8>> {
    let mut chars = script.chars();
    if chars.next() != Some('s') {
        return None;
    }
    let separator = chars.next()?;
    let rest = chars.as_str();
    let mut parts = rest.splitn(3, separator);
    let (from, to, flags) = (parts.next()?, parts.next()?, parts.next()?);
    let special = |c: char| matches!(c, '[' | ']' | '*' | '^' | '$' | '\\' | '&' | '.' | '(' | '+');
    if from.is_empty() || from.contains(special) || to.contains(special) {
        return None;
    }
    let text = String::from_utf8_lossy(input);
    let text =
        if flags.contains('g') { text.replace(from, to) } else { text.replacen(from, to, 1) };
    Some(text.into_bytes())
}

/// Whether a command that packs was told to unpack.
fn has_unpacking(arguments: &[String]) -> bool {
    arguments.iter().any(|a| {
        a == "--decompress" || (a.starts_with('-') && !a.starts_with("--") && a.contains('d'))
    })
}

/// Interpreters whose code is searched for commands it runs, without a version behind the name.
const LANGUAGES: [&str; 24] = [
    "python",
    "pypy",
    "perl",
    "ruby",
    "php",
    "node",
    "nodejs",
    "deno",
    "bun",
    "lua",
    "luajit",
    "awk",
    "gawk",
    "mawk",
    "nawk",
    "jrunscript",
    "irb",
    "julia",
    "emacs",
    "osascript",
    "tclsh",
    "expect",
    "Rscript",
    "pwsh",
];

/// Whether a program, named without its directory, runs code in another language.
pub(super) fn is_language(name: &str) -> bool {
    LANGUAGES.contains(&name.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.'))
}

/// Commands that a command line in another language hands to a shell.
pub(super) fn calls(simple: &Simple) -> Vec<String> {
    let known = simple.words.first().is_some_and(|w| is_language(wrap::base(w)));
    if !known {
        return Vec::new();
    }
    let mut code = simple.words.join(" ");
    if let Some(text) = simple.here() {
        code.push('\n');
        code.push_str(text);
    }
    calls_in(&code)
}

/// Commands that code in another language hands to a shell.
pub(super) fn calls_in(code: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let bytes = code.as_bytes();
    let mut at = 0;
    while let Some(quote) =
        bytes[at..].iter().position(|b| matches!(b, b'\'' | b'"' | b'`')).map(|q| at + q)
    {
        let end = super::lex::find(bytes, quote + 1, &bytes[quote..=quote]);
        if end >= bytes.len() {
            break;
        }
        at = end + 1;
        let text = || String::from_utf8_lossy(&bytes[quote + 1..end]).into_owned();
        let runs = bytes[quote] == b'`' || runs_it(&bytes[..quote]);
        if end - quote <= 2 || found.len() >= CALL_LIMIT || !runs {
            continue;
        }
        if bytes[..quote].trim_ascii_end().ends_with(b"[") {
            // a list of words
            let close = super::lex::find(bytes, end, b"]");
            let list = String::from_utf8_lossy(&bytes[quote..close]).into_owned();
            let words = list.split(['"', '\'']).skip(1).step_by(2).map(str::to_owned);
            found.push(wrap::quoted(&words.collect::<Vec<_>>()));
            at = close.min(bytes.len());
        } else {
            found.push(text());
        }
    }
    found
}

/// Commands taken from one piece of code: no more than this many.
const CALL_LIMIT: usize = 64;

/// Whether what stands before a string is a call that runs it.
fn runs_it(before: &[u8]) -> bool {
    const VERBS: [&str; 22] = [
        "system",
        "popen",
        "popen2",
        "popen3",
        "passthru",
        "shell_exec",
        "exec",
        "execl",
        "execlp",
        "execv",
        "execvp",
        "call",
        "run",
        "check_output",
        "check_call",
        "spawn",
        "spawnSync",
        "execSync",
        "execute",
        "getoutput",
        "eval",
        "qx",
    ];
    let opening = |b: &u8| matches!(b, b' ' | b'(' | b'[' | b'{');
    let head = before.iter().rposition(|b| !opening(b)).map_or(0, |last| last + 1);
    if head == before.len() {
        return false;
    }
    let start = before[..head].iter().rposition(|b| !b.is_ascii_alphanumeric() && *b != b'_');
    let word = &before[start.map_or(0, |s| s + 1)..head];
    VERBS.iter().any(|v| word.eq_ignore_ascii_case(v.as_bytes()))
}
