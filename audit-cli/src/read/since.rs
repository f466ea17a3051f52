//! Points in time as people name them on the command line.

use jiff::tz::TimeZone;
use jiff::{Timestamp, civil};

use crate::config::parse_span;
use crate::failure::Failure;

/// The point in time `text` names, as `flag` was given it.
///
/// # Errors
/// It names none.
pub(super) fn point_in_time(flag: &str, text: &str) -> Result<u64, Failure> {
    parse(text, crate::text::now_unix_millis(), &TimeZone::system()).ok_or_else(|| {
        Failure::usage(format!(
            "{flag}: `{text}` is no time: expected 2026-03-01, 2026-03-01T12:00:00Z, or 2h"
        ))
    })
}

/// The point in time `text` names, in milliseconds since the Unix epoch: RFC 3339, a civil date or
/// date and time in `zone`, or a span before `now` such as `2h`.
fn parse(text: &str, now_unix_millis: u64, zone: &TimeZone) -> Option<u64> {
    if let Some(span) = parse_span(text) {
        let before = u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
        return Some(now_unix_millis.saturating_sub(before));
    }
    let at = text.parse::<Timestamp>().ok().or_else(|| {
        let civil = text.parse::<civil::DateTime>().ok();
        let civil = civil.or_else(|| Some(text.parse::<civil::Date>().ok()?.at(0, 0, 0, 0)))?;
        Some(civil.to_zoned(zone.clone()).ok()?.timestamp())
    })?;
    u64::try_from(at.as_millisecond()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_in_every_form() {
        let utc = TimeZone::UTC;
        let now = 1_700_000_000_000;
        for (text, wanted) in [
            ("2h", Some(now - 7_200_000)),
            ("7d", Some(now - 604_800_000)),
            ("2023-11-14", Some(1_699_920_000_000)),
            ("2023-11-14T22:13:20Z", Some(now)),
            ("2023-11-14T22:13:20+01:00", Some(now - 3_600_000)),
            ("2023-11-14 22:13", Some(now - 20_000)),
            ("yesterday", None),
            ("2023-13-01", None),
        ] {
            assert_eq!(parse(text, now, &utc), wanted, "{text}");
        }
    }
}
