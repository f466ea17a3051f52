//! Parameters, brace lists, wildcards and assignments.

use super::command::Variables;

/// At most this many variables are remembered, none longer than [`VALUE_LIMIT`].
const VARIABLE_LIMIT: usize = 256;
const VALUE_LIMIT: usize = 4096;

/// Paths worth hiding behind wildcards.
const PATHS: [&str; 22] = [
    "/bin/sh",
    "/bin/bash",
    "/bin/dash",
    "/bin/zsh",
    "/bin/cat",
    "/bin/nc",
    "/bin/ncat",
    "/bin/netcat",
    "/usr/bin/nc",
    "/usr/bin/curl",
    "/usr/bin/wget",
    "/usr/bin/python3",
    "/usr/bin/perl",
    "/usr/bin/base64",
    "/bin/chmod",
    "/bin/rm",
    "/bin/dd",
    "/etc/passwd",
    "/etc/shadow",
    "/etc/sudoers",
    "/usr/bin/id",
    "/usr/bin/whoami",
];

/// The parameter at the start of `text` (which begins with `$`): its value, how many bytes its
/// spelling takes, and whether the value is split into words.
pub(super) fn parameter(text: &[u8], variables: &Variables) -> (String, usize, bool) {
    let rest = &text[1..];
    match rest.first() {
        Some(b'{') => {
            let end = super::lex::find(text, 2, b"}");
            let inner = String::from_utf8_lossy(&text[2..end.max(2)]).into_owned();
            let length = (end + 1).min(text.len());
            match braced(&inner, variables) {
                Some(value) => {
                    let splits = inner.starts_with("IFS") || value.contains(' ');
                    let plain = !value.contains("$(");
                    (value, length, splits && plain)
                }
                None => (String::from_utf8_lossy(&text[..length]).into_owned(), length, false),
            }
        }
        Some(byte) if byte.is_ascii_alphabetic() || *byte == b'_' => {
            let length =
                rest.iter().take_while(|b| b.is_ascii_alphanumeric() || **b == b'_').count();
            let name = String::from_utf8_lossy(&rest[..length]).into_owned();
            match lookup(&name, variables) {
                Some(value) => {
                    // what a substitution will print is not known: it stays in one piece
                    let plain = !value.contains("$(");
                    (value, length + 1, plain)
                }
                None => (format!("${name}"), length + 1, false),
            }
        }
        // `$@` and `$1` are empty at a prompt: `who$@ami` is `whoami`
        Some(b'@' | b'*' | b'1'..=b'9') => (String::new(), 2, false),
        Some(b'$' | b'?' | b'!' | b'#' | b'-' | b'0') => {
            (String::from_utf8_lossy(&text[..2]).into_owned(), 2, false)
        }
        _ => ("$".into(), 1, false),
    }
}

fn lookup(name: &str, variables: &Variables) -> Option<String> {
    match name {
        // whatever it is set to, it separates words
        "IFS" => Some(" ".into()),
        "SHELL" => Some(variables.get(name).cloned().unwrap_or_else(|| "/bin/sh".into())),
        _ => variables.get(name).cloned(),
    }
}

/// `${…}` without its brackets.
fn braced(inner: &str, variables: &Variables) -> Option<String> {
    let length = inner.bytes().take_while(|b| b.is_ascii_alphanumeric() || *b == b'_').count();
    let (name, operation) = inner.split_at(length);
    if operation.is_empty() {
        return match name.parse::<u32>() {
            Ok(_) => Some(String::new()),
            Err(_) => lookup(name, variables),
        };
    }
    if name.is_empty() {
        return matches!(operation, "@" | "*").then(String::new);
    }
    if name == "IFS" {
        return Some(" ".into());
    }
    let value = lookup(name, variables).or_else(|| {
        // every value of these begins with a slash
        matches!(name, "PATH" | "HOME" | "PWD" | "SHELL" | "OLDPWD")
            .then(|| "/".to_owned())
            .filter(|_| operation == ":0:1")
    });
    if let Some(default) = operation.strip_prefix(":-").or(operation.strip_prefix('-')) {
        return Some(value.unwrap_or_else(|| default.to_owned()));
    }
    let value = value?;
    if let Some(slice) = operation.strip_prefix(':') {
        let mut parts = slice.split(':').map(|p| p.trim().parse::<usize>());
        let start = parts.next()?.ok()?;
        let count = match parts.next() {
            Some(count) => count.ok()?,
            None => usize::MAX,
        };
        return Some(value.chars().skip(start).take(count).collect());
    }
    if let Some(replace) = operation.strip_prefix("//").or(operation.strip_prefix('/')) {
        let (from, to) = replace.split_once('/').unwrap_or((replace, ""));
        return (!from.is_empty()).then(|| value.replace(from, to));
    }
    if operation == "^^" {
        return Some(value.to_uppercase());
    }
    if operation == ",," {
        return Some(value.to_lowercase());
    }
    Some(value)
}

/// Remembers assignments at the head of a command, behind `export` and its like, and the list of
/// a `for`.
pub(super) fn assign(words: &[String], variables: &mut Variables) {
    let keywords = words.iter().take_while(|w| super::wrap::KEYWORDS.contains(&w.as_str())).count();
    let mut words = &words[keywords..];
    if let [first, rest @ ..] = words
        && matches!(first.as_str(), "export" | "declare" | "local" | "readonly" | "typeset" | "set")
    {
        words = rest;
    }
    if let [first, name, within, list @ ..] = words
        && first == "for"
        && within == "in"
    {
        remember(name, list.join(" "), variables);
    }
    for word in words {
        match word.split_once('=') {
            Some((name, value)) if is_name(name) => remember(name, value.to_owned(), variables),
            _ if word.starts_with('-') => {}
            _ => break,
        }
    }
}

fn remember(name: &str, value: String, variables: &mut Variables) {
    if value.len() > VALUE_LIMIT {
        return;
    }
    if variables.len() >= VARIABLE_LIMIT && !variables.contains_key(name) {
        // a new one counts for more than an old one
        variables.pop_first();
    }
    variables.insert(name.to_owned(), value);
}

/// Whether `name` can be a variable.
pub(super) fn is_name(name: &str) -> bool {
    !name.is_empty()
        && !name.as_bytes()[0].is_ascii_digit()
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// `{curl,-s,URL}` as words; `None` when it is no list at the head of a word.
pub(super) fn braces(word: &str) -> Option<Vec<String>> {
    let inner = word.strip_prefix('{')?.strip_suffix('}')?;
    let listed = inner.contains(',') && !inner.contains(['{', '}']);
    listed.then(|| inner.split(',').map(str::to_owned).collect())
}

/// A path of wildcards that matches one well-known path becomes that path.
pub(super) fn wildcard(word: String) -> String {
    let hidden = word.starts_with('/') && word.contains(['?', '[', '*']) && word.len() < 64;
    let letters = word.bytes().filter(u8::is_ascii_alphanumeric).count();
    if !hidden || letters == 0 || word.ends_with("/*") {
        return word;
    }
    let found = PATHS.iter().find(|p| glob(word.as_bytes(), p.as_bytes(), 64));
    found.map_or(word, |p| (*p).to_owned())
}

/// Programs that are worth hiding.
pub(super) fn known_tool(name: &str) -> bool {
    const TOOLS: [&str; 34] = [
        "sh", "bash", "dash", "zsh", "ksh", "ash", "cat", "nc", "ncat", "netcat", "socat", "curl",
        "wget", "python", "python3", "perl", "ruby", "php", "base64", "chmod", "chown", "rm", "dd",
        "id", "whoami", "uname", "echo", "eval", "ssh", "scp", "telnet", "openssl", "useradd",
        "crontab",
    ];
    TOOLS.contains(&super::wrap::base(name))
}

/// Whether an expansion cuts one character out of a variable every shell has: `${HOME:0:1}`.
pub(super) fn slices(spelling: &[u8]) -> bool {
    let Some(inner) = spelling.strip_prefix(b"${").and_then(|s| s.strip_suffix(b"}")) else {
        return false;
    };
    let mut parts = inner.split(|b| *b == b':');
    let everywhere: [&[u8]; 8] =
        [b"PATH", b"HOME", b"PWD", b"SHELL", b"OLDPWD", b"TERM", b"LANG", b"HOSTNAME"];
    let known = parts.next().is_some_and(|name| everywhere.contains(&name));
    let number =
        |p: Option<&[u8]>| p.is_some_and(|p| !p.is_empty() && p.iter().all(u8::is_ascii_digit));
    known && number(parts.next()) && number(parts.next())
}

/// A path in its shortest spelling: without `//`, `/./` and `/x/..`. Anything else stays as it is.
pub(super) fn path(word: String) -> String {
    let odd = word.contains("//") || word.contains("/./") || word.contains("/..");
    if !odd || word.contains("://") || word.contains(char::is_whitespace) {
        return word;
    }
    let Some(start) = word.find('/') else { return word };
    let (head, rest) = word.split_at(start);
    if !matches!(head, "" | "~" | "." | "..") && !head.ends_with(['=', ':', '@']) {
        return word;
    }
    let mut parts: Vec<&str> = Vec::new();
    for part in rest.split('/').skip(1) {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|p| *p != "..") => drop(parts.pop()),
            // there is nothing above the root
            ".." if head.is_empty() => {}
            part => parts.push(part),
        }
    }
    let end = if rest.len() > 1 && rest.ends_with('/') && !parts.is_empty() { "/" } else { "" };
    format!("{head}/{}{end}", parts.join("/"))
}

fn glob(pattern: &[u8], text: &[u8], budget: u32) -> bool {
    if budget == 0 {
        return false;
    }
    match (pattern.first(), text.first()) {
        (None, None) => true,
        (Some(b'*'), _) => {
            glob(&pattern[1..], text, budget - 1)
                || (text.first().is_some_and(|b| *b != b'/')
                    && glob(pattern, &text[1..], budget - 1))
        }
        (Some(b'?'), Some(byte)) if *byte != b'/' => glob(&pattern[1..], &text[1..], budget - 1),
        (Some(b'['), Some(byte)) => match pattern.iter().position(|b| *b == b']') {
            Some(end) => {
                pattern[1..end].contains(byte) && glob(&pattern[end + 1..], &text[1..], budget - 1)
            }
            None => false,
        },
        (Some(a), Some(b)) if a == b => glob(&pattern[1..], &text[1..], budget - 1),
        _ => false,
    }
}
