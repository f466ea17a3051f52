//! Decoders: Base64, hex, escapes, reversed and rotated text.

/// A decoded text must be printable to this share (per cent) to be looked at.
const PRINTABLE: usize = 90;

/// Base64 of either alphabet, with or without padding; white space is skipped. `None` when
/// something else is in it or nothing comes out.
pub fn base64(text: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len() / 4 * 3);
    let (mut bits, mut count) = (0u32, 0u32);
    for byte in text {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            b'=' | b' ' | b'\t' | b'\r' | b'\n' => continue,
            _ => return None,
        };
        bits = bits << 6 | u32::from(value);
        count += 6;
        if count >= 8 {
            count -= 8;
            out.push((bits >> count) as u8);
        }
    }
    (!out.is_empty()).then_some(out)
}

/// Base32; white space is skipped.
pub(super) fn base32(text: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let (mut bits, mut count) = (0u64, 0u32);
    for byte in text {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a',
            b'2'..=b'7' => byte - b'2' + 26,
            b'=' | b' ' | b'\r' | b'\n' => continue,
            _ => return None,
        };
        bits = bits << 5 | u64::from(value);
        count += 5;
        if count >= 8 {
            count -= 8;
            out.push((bits >> count) as u8);
        }
    }
    (!out.is_empty()).then_some(out)
}

/// What gzip, zlib or bare deflate packed, up to a megabyte of it; `None` when it is none of these.
pub(super) fn inflate(data: &[u8]) -> Option<Vec<u8>> {
    use miniz_oxide::inflate::{decompress_to_vec_with_limit, decompress_to_vec_zlib_with_limit};
    const LIMIT: usize = 1 << 20;
    let unpacked = match data {
        [0x1f, 0x8b, 8, flags, ..] => {
            decompress_to_vec_with_limit(data.get(gzip_head(data, *flags)..)?, LIMIT)
        }
        [0x78, ..] => decompress_to_vec_zlib_with_limit(data, LIMIT),
        _ => decompress_to_vec_with_limit(data, LIMIT),
    };
    // what was unpacked before a fault is what a shell would have run
    let out = unpacked.unwrap_or_else(|fault| fault.output);
    (!out.is_empty()).then_some(out)
}

/// How long the head of a gzip file is (RFC 1952): ten bytes, then what its flags say.
fn gzip_head(data: &[u8], flags: u8) -> usize {
    let mut at = 10;
    if flags & 4 != 0 {
        let extra = data.get(10..12).map_or(0, |l| usize::from(l[0]) | usize::from(l[1]) << 8);
        at += 2 + extra;
    }
    for text in [8u8, 16] {
        if flags & text != 0 {
            let rest = data.get(at..).unwrap_or_default();
            at += rest.iter().position(|b| *b == 0).map_or(rest.len(), |end| end + 1);
        }
    }
    at + if flags & 2 != 0 { 2 } else { 0 }
}

/// Pairs of hex digits; white space, `0x` and `\x` are skipped.
pub fn hex(text: &[u8]) -> Option<Vec<u8>> {
    let mut digits = Vec::with_capacity(text.len());
    let mut at = 0;
    while at < text.len() {
        match text[at] {
            b'0' if text.get(at + 1) == Some(&b'x') => at += 1,
            b'\\' if text.get(at + 1) == Some(&b'x') => at += 1,
            byte if byte.is_ascii_hexdigit() => digits.push(nibble(byte)),
            b' ' | b'\r' | b'\n' | b',' => {}
            _ => return None,
        }
        at += 1;
    }
    let out: Vec<u8> = digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect();
    (!out.is_empty()).then_some(out)
}

fn nibble(byte: u8) -> u8 {
    match byte {
        b'0'..=b'9' => byte - b'0',
        b'a'..=b'f' => byte - b'a' + 10,
        _ => byte.wrapping_sub(b'A').wrapping_add(10) & 0x0f,
    }
}

/// Backslash escapes of `$'…'`, `printf` and `echo -e`.
pub(super) fn escapes(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut at = 0;
    while at < text.len() {
        if text[at] != b'\\' || at + 1 >= text.len() {
            out.push(text[at]);
            at += 1;
            continue;
        }
        at += 1;
        match text[at] {
            b'x' | b'u' | b'U' => {
                let most = match text[at] {
                    b'x' => 2,
                    b'u' => 4,
                    _ => 8,
                };
                let rest = &text[at + 1..];
                let length = rest.iter().take(most).take_while(|b| b.is_ascii_hexdigit()).count();
                let value = rest[..length].iter().fold(0u32, |n, b| n << 4 | u32::from(nibble(*b)));
                match (length, text[at], char::from_u32(value)) {
                    (0, ..) => out.extend_from_slice(b"\\x"),
                    (_, b'x', _) => out.push(value as u8),
                    (_, _, Some(character)) => {
                        out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
                    }
                    _ => {}
                }
                at += 1 + length;
            }
            b'0'..=b'7' => {
                let most = if text[at] == b'0' { 4 } else { 3 };
                let rest = &text[at..];
                let length =
                    rest.iter().take(most).take_while(|b| (b'0'..=b'7').contains(*b)).count();
                let value = rest[..length].iter().fold(0u32, |n, b| n << 3 | u32::from(b - b'0'));
                out.push(value as u8);
                at += length;
            }
            other => {
                out.push(match other {
                    b'n' => b'\n',
                    b't' => b'\t',
                    b'r' => b'\r',
                    b'a' => 7,
                    b'b' => 8,
                    b'e' | b'E' => 27,
                    other => other,
                });
                at += 1;
            }
        }
    }
    out
}

/// Letters turned by thirteen.
pub(super) fn rot13(text: &str) -> String {
    let turn = |c: char, base: u8| char::from((c as u8 - base + 13) % 26 + base);
    text.chars()
        .map(|c| match c {
            'a'..='z' => turn(c, b'a'),
            'A'..='Z' => turn(c, b'A'),
            _ => c,
        })
        .collect()
}

/// The set a `tr` argument names: ranges written out.
pub(super) fn tr_set(text: &str) -> Vec<char> {
    let chars: Vec<char> = match text {
        "[:upper:]" => "A-Z".chars().collect(),
        "[:lower:]" => "a-z".chars().collect(),
        _ => text.chars().collect(),
    };
    let mut set = Vec::new();
    let mut at = 0;
    while at < chars.len() && set.len() < 512 {
        if at + 2 < chars.len() && chars[at + 1] == '-' && chars[at] <= chars[at + 2] {
            set.extend((chars[at]..=chars[at + 2]).take(256));
            at += 3;
        } else {
            set.push(chars[at]);
            at += 1;
        }
    }
    set
}

/// Text that may be read: mostly printable, and as a string.
pub(super) fn readable(bytes: Vec<u8>) -> Option<String> {
    let good = bytes.iter().filter(|b| matches!(b, b'\n' | b'\t' | b'\r' | b' '..=b'~')).count();
    let enough = bytes.len() >= 3 && good * 100 >= bytes.len() * PRINTABLE;
    enough.then(|| String::from_utf8_lossy(&bytes).into_owned())
}

/// No more hidden texts than this are taken from one text.
const HIDDEN_LIMIT: usize = 64;

/// Texts hidden in `text` in an encoding it also talks about decoding: Base64 runs beside
/// `base64` or `atob`, hex beside `xxd` or `unhex`, reversed strings beside `rev` or `[::-1]`,
/// runs of `\x41` or `\101` anywhere, numbers beside `chr`.
pub fn hidden_texts(text: &str) -> Vec<String> {
    let lower = text.to_ascii_lowercase();
    let says = |words: &[&str]| words.iter().any(|w| lower.contains(w));
    let mut found = Vec::new();
    let mut keep = |bytes: Option<Vec<u8>>| {
        let packed = bytes.as_deref().filter(|b| matches!(b, [0x1f, 0x8b, ..] | [0x78, ..]));
        let unpacked = packed.and_then(inflate).and_then(readable);
        if found.len() < HIDDEN_LIMIT
            && let Some(text) = unpacked.or_else(|| bytes.and_then(readable))
        {
            found.push(text);
        }
    };
    if says(&["base64", "b64", "atob", "decode"]) {
        let in_run =
            |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'=' | b'-' | b'_');
        for run in runs(text.as_bytes(), in_run, 12) {
            keep(base64(run));
        }
    }
    if says(&[
        "xxd", "unhex", "fromhex", "pack(", "pack ", "hexdump", "bin2hex", "'hex'", "\"hex\"",
    ]) {
        for run in runs(text.as_bytes(), |b| b.is_ascii_hexdigit(), 12) {
            keep(hex(run));
        }
    }
    for run in escaped_runs(text.as_bytes()) {
        keep(Some(escapes(run)));
    }
    let word = |word: &str| {
        lower.match_indices(word).any(|(at, _)| {
            let letter = |b: Option<&u8>| b.is_some_and(u8::is_ascii_alphanumeric);
            let bytes = lower.as_bytes();
            !letter(at.checked_sub(1).and_then(|b| bytes.get(b)))
                && !letter(bytes.get(at + word.len()))
        })
    };
    if word("rev") || says(&["[::-1]", "reverse(", "reversed("]) {
        for quoted in quoted_strings(text) {
            keep(Some(quoted.bytes().rev().collect()));
        }
    }
    if says(&["rot13", "rot_13", "n-za-m"]) {
        for quoted in quoted_strings(text) {
            keep(Some(rot13(quoted).into_bytes()));
        }
    }
    if says(&["chr", "charcode", "bytes(", "bytearray(", "pack("]) {
        keep(Some(numbers(&lower)));
    }
    found
}

fn runs(text: &[u8], belongs: impl Fn(u8) -> bool, least: usize) -> impl Iterator<Item = &[u8]> {
    text.split(move |b| !belongs(*b)).filter(move |run| run.len() >= least)
}

/// Stretches with six or more `\x..`, `\u....` or octal escapes.
fn escaped_runs(text: &[u8]) -> Vec<&[u8]> {
    let mut found = Vec::new();
    let (mut start, mut count, mut at) = (0, 0, 0);
    while at < text.len() {
        let length = match &text[at..] {
            [b'\\', b'x', a, b, ..] if a.is_ascii_hexdigit() && b.is_ascii_hexdigit() => 4,
            [b'\\', b'u', a, b, c, d, ..] if [a, b, c, d].iter().all(|d| d.is_ascii_hexdigit()) => {
                6
            }
            [b'\\', a, b, c, ..] if [a, b, c].iter().all(|d| (b'0'..=b'7').contains(*d)) => {
                if *a == b'0' && text.get(at + 4).is_some_and(|d| (b'0'..=b'7').contains(d)) {
                    5
                } else {
                    4
                }
            }
            _ => 0,
        };
        if length == 0 {
            if count >= 6 {
                found.push(&text[start..at]);
            }
            count = 0;
            at += 1;
            start = at;
        } else {
            if count == 0 {
                start = at;
            }
            count += 1;
            at += length;
        }
    }
    if count >= 6 {
        found.push(&text[start..at.min(text.len())]);
    }
    found
}

/// What stands between quotes, six characters or more.
fn quoted_strings(text: &str) -> impl Iterator<Item = &str> {
    text.split(['\'', '"', '`']).filter(|part| part.len() >= 6 && part.len() < 8192)
}

/// Six or more numbers of printable characters, one behind the other.
fn numbers(text: &str) -> Vec<u8> {
    let found: Vec<u8> = text
        .split(|c: char| !c.is_ascii_digit())
        .filter_map(|part| part.parse::<u8>().ok())
        .filter(|n| (b' '..=b'~').contains(n) || *n == b'\n')
        .collect();
    if found.len() >= 6 { found } else { Vec::new() }
}
