//! Telling a secret from a word.

/// Shannon entropy of the bytes of `text`, in bits a byte.
pub(super) fn entropy(text: &str) -> f32 {
    let mut counts = [0u32; 256];
    for byte in text.bytes() {
        counts[usize::from(byte)] += 1;
    }
    let length = text.len() as f32;
    counts
        .iter()
        .filter(|c| **c > 0)
        .map(|c| {
            let share = *c as f32 / length;
            -share * share.log2()
        })
        .sum()
}

/// Whether `value` stands where a secret would but is none: a placeholder, a reference, a mask, a
/// call, a path or a plain word.
pub(super) fn placeholder(value: &str) -> bool {
    let lower = value.to_ascii_lowercase();
    let starts = [
        "$", "<", "{{", "%", "*", "\\", "(", "[", "os.", "env.", "process.", "getpass", "/", "./",
        "~/", "@{", "#{", "vault:", "file:", "arn:", "ref+", "!vault", "http",
    ];
    let contains = [
        "xxxx",
        "****",
        "....",
        "example",
        "placeholder",
        "your",
        "changeme",
        "change_me",
        "change-me",
        "redacted",
        "dummy",
        "sample",
        "insert",
        "replace",
        "todo",
        "none",
        "null",
        "undefined",
        "<",
        "${",
        "{{",
        "getenv",
        "environ",
        "input(",
        "prompt",
        "secret_name",
        "not_set",
        "•",
    ];
    starts.iter().any(|s| lower.starts_with(s))
        || contains.iter().any(|s| lower.contains(s))
        || value.chars().all(|c| c == value.chars().next().unwrap_or(' '))
        || [
            "true", "false", "yes", "no", "off", "on", "string", "password", "secret", "token",
            "test", "admin", "root", "required", "disabled", "enabled", "default", "self", "raise",
            "get",
        ]
        .contains(&lower.as_str())
}

/// Whether the name that ends `before` is of something about a secret: its name, age, place or kind.
pub(super) fn names_something_else(before: &str) -> bool {
    const ENDS: [&str; 70] = [
        "name",
        "names",
        "id",
        "ids",
        "ref",
        "file",
        "path",
        "dir",
        "url",
        "uri",
        "endpoint",
        "host",
        "type",
        "kind",
        "class",
        "mode",
        "method",
        "policy",
        "algorithm",
        "alg",
        "hasher",
        "provider",
        "backend",
        "manager",
        "store",
        "source",
        "service",
        "issuer",
        "audience",
        "scope",
        "scopes",
        "length",
        "len",
        "size",
        "count",
        "limit",
        "min",
        "max",
        "days",
        "age",
        "ttl",
        "lifetime",
        "timeout",
        "expiry",
        "expires",
        "expiration",
        "in",
        "at",
        "on",
        "date",
        "time",
        "version",
        "enabled",
        "required",
        "supported",
        "rotation",
        "reset",
        "changed",
        "field",
        "header",
        "prefix",
        "label",
        "hint",
        "arn",
        "fingerprint",
        "checksum",
        "rate",
        "ratio",
        "score",
        "prompt",
    ];
    let name = before.trim_end_matches(|c: char| !c.is_ascii_alphanumeric());
    let parts = |c: char| !c.is_ascii_alphanumeric() && !matches!(c, '_' | '-' | '.');
    let name = name.rsplit(parts).next().unwrap_or(name);
    // the last word of `secret_name`, `secretName`, `secret-name`
    let bytes = name.as_bytes();
    let begins = (0..bytes.len()).rev().find(|at| {
        let here = bytes[*at];
        matches!(here, b'_' | b'-' | b'.')
            || (here.is_ascii_uppercase() && *at > 0 && bytes[at - 1].is_ascii_lowercase())
    });
    let Some(begins) = begins else { return false };
    let last = name[begins..].trim_start_matches(['_', '-', '.']).to_ascii_lowercase();
    ENDS.contains(&last.as_str())
}

/// Whether `value`, found behind a word such as `password`, looks like one.
pub(super) fn password_like(value: &str) -> bool {
    if value.len() < 5 || placeholder(value) {
        return false;
    }
    let digit = value.bytes().any(|b| b.is_ascii_digit());
    let upper = value.bytes().any(|b| b.is_ascii_uppercase());
    let lower = value.bytes().any(|b| b.is_ascii_lowercase());
    let other = value.bytes().any(|b| b.is_ascii_punctuation());
    let kinds = [digit, upper, lower, other].iter().filter(|k| **k).count();
    let call = value.contains('(')
        || value.ends_with(')')
        || value.contains("()")
        || value.contains("::")
        || value.contains("->");
    let dotted = identifier(value);
    kinds >= 2
        && !call
        && !dotted
        && entropy(value) >= 2.3
        && (digit || other || value.len() >= 12 || case_changes(value) >= 4)
        && (digit || upper || !words(value))
}

/// Names joined by dots, as in code: `module.Class`.
fn identifier(value: &str) -> bool {
    let parts = value.split('.').count();
    let name = |part: &str| {
        part.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
    };
    let plain = value.bytes().all(|b| b.is_ascii_alphabetic() || matches!(b, b'.' | b'_'));
    parts > 1 && (plain || parts > 2) && value.split('.').all(name)
}

/// How often the case changes from one letter to the next.
fn case_changes(value: &str) -> usize {
    let bytes = value.as_bytes();
    bytes
        .windows(2)
        .filter(|w| w[0].is_ascii_alphabetic() && w[1].is_ascii_alphabetic())
        .filter(|w| w[0].is_ascii_uppercase() != w[1].is_ascii_uppercase())
        .count()
}

/// Words and version numbers, joined by dashes and the like: `bert-base-uncased-v2`.
fn slug(value: &str) -> bool {
    let part = |part: &str| {
        let digits = part.trim_start_matches('v');
        part.bytes().all(|b| b.is_ascii_lowercase())
            || (!digits.is_empty()
                && digits.len() <= 4
                && digits.bytes().all(|b| b.is_ascii_digit()))
    };
    let mut parts = value.split(['-', '_', '.', '/', ':']);
    value.contains(['-', '_', '.', '/', ':']) && parts.all(part)
}

/// Lower-case words, joined by the signs of names and keys.
fn words(value: &str) -> bool {
    value.bytes().all(|b| b.is_ascii_lowercase() || matches!(b, b'_' | b'-' | b'.' | b':' | b','))
}

/// Whether `value`, found behind a word such as `token` or `key`, looks like one.
pub(super) fn token_like(value: &str) -> bool {
    let path = value.matches('/').count() >= 2;
    value.len() >= 16
        && !placeholder(value)
        && !slug(value)
        && !identifier(value)
        && entropy(value) >= if path { 4.2 } else { 3.2 }
        && value.bytes().any(|b| b.is_ascii_digit())
        && value.bytes().any(|b| b.is_ascii_alphabetic())
}
