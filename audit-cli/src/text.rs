//! Text for people: nothing that a terminal would obey, no secrets, times they can read.

use audit_core::{CommandSpec, Score};
use jiff::Timestamp;

/// Program and arguments in one line, for whoever is not shown the journal: secrets in it are
/// replaced by the name of their family.
pub(crate) fn command_line(command: &CommandSpec) -> String {
    let words = std::iter::once(&command.program).chain(&command.args);
    let words: Vec<_> = words.map(|word| word.to_string_lossy()).collect();
    sanitised(&audit_detect::secrets::redact(&words.join(" ")))
}

/// A score with as many digits as it means something.
pub(crate) fn score(score: Score) -> f64 {
    (f64::from(score.value()) * 1000.0).round() / 1000.0
}

/// `text` with every control character shown as `\xNN`, so that what a session held cannot act on
/// the terminal it is printed to.
pub(crate) fn sanitised(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    for c in text.chars() {
        // Bidirectional overrides can make a line read as another.
        let hidden = matches!(c, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}');
        if c.is_control() || hidden {
            clean.extend(c.escape_unicode());
        } else {
            clean.push(c);
        }
    }
    clean
}

/// Milliseconds since the Unix epoch in RFC 3339, UTC.
pub(crate) fn rfc3339(unix_millis: u64) -> String {
    let millis = i64::try_from(unix_millis).unwrap_or(i64::MAX);
    Timestamp::from_millisecond(millis)
        .map_or_else(|_| unix_millis.to_string(), |t| format!("{t:.3}"))
}

/// A span in the largest two units that matter, such as `1h02m`, `3m07s`, `4.2s`.
pub(crate) fn span(span: std::time::Duration) -> String {
    let seconds = span.as_secs();
    match seconds {
        0..60 => format!("{:.1}s", span.as_secs_f64()),
        60..3600 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        _ => format!("{}h{:02}m", seconds / 3600, seconds % 3600 / 60),
    }
}

/// Now, in milliseconds since the Unix epoch.
pub(crate) fn now_unix_millis() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.map_or(0, |d| u64::try_from(d.as_millis()).unwrap_or(u64::MAX))
}

/// The first `width` characters of `text`, sanitised; what was cut shows as `…`.
pub(crate) fn shortened(text: &str, width: usize) -> String {
    let clean = sanitised(text);
    if clean.chars().count() <= width {
        return clean;
    }
    clean.chars().take(width.saturating_sub(1)).chain(['…']).collect()
}
