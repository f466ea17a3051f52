//! Text tools that can be foreseen, and code in other languages that runs commands.

use super::lex::Simple;
use super::{decode, wrap};

/// What reads a script from its standard input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reader {
    /// A shell or another interpreter.
    Interpreter,
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
        return (reads && !arguments.iter().any(|a| a == "-c")).then_some(Reader::Interpreter);
    }
    match name {
        "python" | "python2" | "python3" | "perl" | "ruby" | "php" | "node" | "lua" => {
            plain.then_some(Reader::Interpreter)
        }
        "source" | "." => (arguments.first()? == "/dev/stdin").then_some(Reader::Interpreter),
        "at" | "batch" => Some(Reader::Interpreter),
        "crontab" => plain.then_some(Reader::Crontab),
        "xargs" => Some(Reader::Interpreter)
            .filter(|_| arguments.iter().any(|a| wrap::SHELLS.contains(&wrap::base(a)))),
        _ => None,
    }
}

/// The commands of a crontab, without their times.
pub(super) fn jobs(table: &str) -> String {
    let mut out = String::new();
    for line in table.lines() {
        let line = line.trim();
        let fields = if line.starts_with('@') { 1 } else { 5 };
        let job = line.splitn(fields + 1, [' ', '\t']).nth(fields).unwrap_or(line);
        out.push_str(job);
        out.push('\n');
    }
    out
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
            let (format, values) = arguments.split_first()?;
            let format = if format == "--" { values.first()? } else { format };
            let mut values = values.iter();
            let mut text = String::new();
            let mut rest = format.as_str();
            while let Some(at) = rest.find('%') {
                text.push_str(&rest[..at]);
                match rest.as_bytes().get(at + 1) {
                    Some(b's' | b'b') => text.push_str(values.next().map_or("", String::as_str)),
                    Some(b'%') => text.push('%'),
                    _ => return None,
                }
                rest = &rest[at + 2..];
            }
            text.push_str(rest);
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
                decode::base64(input)?
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
            let (from, to) = (decode::tr_set(from), decode::tr_set(to));
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

/// Interpreters whose code is searched for commands it runs.
const LANGUAGES: [&str; 17] = [
    "python",
    "python2",
    "python3",
    "perl",
    "ruby",
    "php",
    "node",
    "lua",
    "awk",
    "gawk",
    "mawk",
    "nawk",
    "jrunscript",
    "irb",
    "julia",
    "emacs",
    "osascript",
];

/// Commands that code in another language hands to a shell.
pub(super) fn calls(text: &str) -> Vec<String> {
    let head = wrap::base(text.split(' ').next().unwrap_or(""));
    let head = head.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.');
    let known = LANGUAGES.iter().any(|l| l.trim_end_matches(|c: char| c.is_ascii_digit()) == head);
    if !known {
        return Vec::new();
    }
    let mut found = Vec::new();
    let bytes = text.as_bytes();
    let mut at = 0;
    while let Some(quote) =
        bytes[at..].iter().position(|b| matches!(b, b'\'' | b'"')).map(|q| at + q)
    {
        let end = super::lex::find(bytes, quote + 1, &bytes[quote..=quote]);
        if end >= bytes.len() {
            break;
        }
        if end - quote > 2 && runs_it(&bytes[..quote]) && found.len() < CALL_LIMIT {
            found.push(String::from_utf8_lossy(&bytes[quote + 1..end]).into_owned());
        }
        at = end + 1;
    }
    found
}

/// Commands taken from one piece of code: no more than this many.
const CALL_LIMIT: usize = 8;

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
