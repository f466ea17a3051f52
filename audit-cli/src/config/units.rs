//! Durations and sizes as people write them.

use std::time::Duration;

use serde::Deserialize;

/// A duration: a number of seconds, or text such as `"500ms"`, `"2s"`, `"30m"`, `"12h"`, `"7d"`;
/// `"off"` is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Scalar")]
pub(crate) struct Span(pub(crate) Duration);

/// A size in bytes: a number, or text such as `"64KiB"`, `"100MB"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Scalar")]
pub(crate) struct Size(pub(crate) u64);

/// The word for no duration at all.
pub(crate) const OFF: &str = "off";

/// What a configuration file may hold where a duration or a size is expected.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum Scalar {
    /// A whole number or a fraction.
    Number(f64),
    /// Text with a unit.
    Text(String),
}

impl TryFrom<Scalar> for Span {
    type Error = String;

    fn try_from(value: Scalar) -> Result<Self, String> {
        match value {
            Scalar::Number(seconds) => seconds_of(seconds).map(Self),
            Scalar::Text(text) if text == OFF => Some(Self(Duration::ZERO)),
            Scalar::Text(text) => parse_span(&text).map(Self),
        }
        .ok_or_else(|| "not a duration".to_owned())
    }
}

impl TryFrom<Scalar> for Size {
    type Error = String;

    fn try_from(value: Scalar) -> Result<Self, String> {
        match value {
            Scalar::Number(bytes) => whole_bytes(bytes).map(Self),
            Scalar::Text(text) => parse_size(&text).map(Self),
        }
        .ok_or_else(|| "not a size".to_owned())
    }
}

/// The duration `text` names; a number without a unit is seconds.
pub(crate) fn parse_span(text: &str) -> Option<Duration> {
    let (number, unit) = split(text)?;
    let scale = match unit {
        "ns" => 1e-9,
        "us" | "µs" => 1e-6,
        "ms" => 1e-3,
        "" | "s" => 1.0,
        "m" | "min" => 60.0,
        "h" => 3600.0,
        "d" => 86_400.0,
        _ => return None,
    };
    seconds_of(number * scale)
}

/// The size `text` names, in bytes.
pub(crate) fn parse_size(text: &str) -> Option<u64> {
    let (number, unit) = split(text)?;
    let scale = match unit {
        "" | "B" => 1.0,
        "KiB" | "K" => 1024.0,
        "MiB" | "M" => 1_048_576.0,
        "GiB" | "G" => 1_073_741_824.0,
        "kB" | "KB" => 1e3,
        "MB" => 1e6,
        "GB" => 1e9,
        _ => return None,
    };
    whole_bytes(number * scale)
}

/// `span` as text that [`parse_span`] reads back.
pub(crate) fn text_of_span(span: Duration) -> String {
    let seconds = span.as_secs();
    match span.subsec_nanos() {
        0 if seconds >= 86_400 && seconds.is_multiple_of(86_400) => {
            format!("{}d", seconds / 86_400)
        }
        0 => format!("{seconds}s"),
        nanos if nanos.is_multiple_of(1_000_000) => format!("{}ms", span.as_millis()),
        _ => format!("{}ns", span.as_nanos()),
    }
}

/// `bytes` as people read it, in the largest binary unit that is not above it.
pub(crate) fn text_of_size(bytes: u64) -> String {
    let units = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1u64 << 10)];
    let Some((unit, scale)) = units.into_iter().find(|(_, scale)| bytes >= *scale) else {
        return format!("{bytes} B");
    };
    if bytes.is_multiple_of(scale) {
        return format!("{}{unit}", bytes / scale);
    }
    let number = bytes as f64 / scale as f64;
    format!("{number:.1}{unit}")
}

fn split(text: &str) -> Option<(f64, &str)> {
    let text = text.trim();
    let end = text.find(|c: char| !(c.is_ascii_digit() || c == '.' || c == '_'));
    let (number, unit) = text.split_at(end.unwrap_or(text.len()));
    Some((number.replace('_', "").parse().ok()?, unit.trim()))
}

fn seconds_of(seconds: f64) -> Option<Duration> {
    Duration::try_from_secs_f64(seconds).ok()
}

fn whole_bytes(bytes: f64) -> Option<u64> {
    // 2^53: every whole number below it is exact.
    let whole = (0.0..=9_007_199_254_740_992.0).contains(&bytes) && bytes.fract() == 0.0;
    whole.then_some(bytes as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_with_and_without_units() {
        for (text, millis) in
            [("500ms", 500), ("30m", 1_800_000), ("2", 2000), ("1.5s", 1500), ("7d", 604_800_000)]
        {
            assert_eq!(parse_span(text), Some(Duration::from_millis(millis)), "{text}");
        }
        for text in ["", "ms", "5 parsecs", "-1s", "1e400", "1.2.3s"] {
            assert_eq!(parse_span(text), None, "{text}");
        }
    }

    #[test]
    fn sizes_know_binary_and_decimal_units() {
        assert_eq!(parse_size("64KiB"), Some(65_536));
        assert_eq!(parse_size("100MB"), Some(100_000_000));
        assert_eq!(parse_size("4096"), Some(4096));
        assert_eq!(parse_size("0.5KiB"), Some(512));
        assert_eq!(parse_size("0.3B"), None);
        assert_eq!(parse_size("64KB2"), None);
    }

    #[test]
    fn what_is_printed_is_read_back() {
        for millis in [0, 1, 250, 1000, 3_600_000, 86_400_000] {
            let span = Duration::from_millis(millis);
            assert_eq!(parse_span(&text_of_span(span)), Some(span));
        }
        assert_eq!(text_of_size(1536), "1.5KiB");
        assert_eq!(text_of_size(64 << 20), "64MiB");
    }
}
