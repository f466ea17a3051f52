//! What a key accepts, and how it says so.

use std::time::Duration;

use figment::value::Value;
use regex::Regex;

use super::units::{OFF, Scalar, Size, Span, text_of_size, text_of_span};

/// What values a key accepts.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    /// `true` or `false`.
    Truth,
    /// A whole number in a range, both ends included.
    Count(u64, u64),
    /// A number in `0.0..=1.0`.
    Fraction,
    /// A duration of at least and at most so many milliseconds; `off` is none, where none is
    /// allowed.
    Span(u64, u64),
    /// A size of at least and at most so many bytes.
    Size(u64, u64),
    /// One of these words; those in parentheses are other names of the word before.
    Word(&'static [&'static str]),
    /// A URL of one of these schemes.
    Url(&'static [&'static str]),
    /// An absolute path; `~` is the home directory.
    Path,
    /// A program, or a list of a program and its arguments.
    Command,
    /// Regular expressions.
    Patterns,
    /// Rows and columns, in this range.
    Grid(u64, u64),
}

impl Kind {
    /// Whether `value` is accepted.
    ///
    /// # Errors
    /// What is wrong beyond not being one of the allowed values; empty when there is nothing to add.
    pub(crate) fn check(self, value: &Value) -> Result<(), String> {
        let good = match self {
            Self::Truth => value.to_bool().is_some(),
            Self::Count(low, high) => whole(value).is_some_and(|n| (low..=high).contains(&n)),
            Self::Fraction => number(value).is_some_and(|n| (0.0..=1.0).contains(&n)),
            Self::Span(low, high) => scalar(value)
                .and_then(|s| Span::try_from(s).ok())
                .is_some_and(|s| (millis(low)..=millis(high)).contains(&s.0)),
            Self::Size(low, high) => scalar(value)
                .and_then(|s| Size::try_from(s).ok())
                .is_some_and(|s| (low..=high).contains(&s.0)),
            Self::Word(words) => value.as_str().is_some_and(|w| names(words).any(|n| n == w)),
            Self::Url(schemes) => value.as_str().is_some_and(|u| is_url(u, schemes)),
            Self::Path => value.as_str().is_some_and(|p| {
                (p.starts_with('/') || p == "~" || p.starts_with("~/")) && !p.contains('\0')
            }),
            Self::Command => {
                value.as_str().is_some_and(|p| !p.is_empty())
                    || texts(value).is_some_and(|l| l.first().is_some_and(|p| !p.is_empty()))
            }
            Self::Patterns => return check_patterns(value),
            Self::Grid(low, high) => value.as_array().is_some_and(|pair| {
                pair.len() == 2
                    && pair.iter().all(|n| whole(n).is_some_and(|n| (low..=high).contains(&n)))
            }),
        };
        if good { Ok(()) } else { Err(String::new()) }
    }

    /// What is allowed, in a few words.
    pub(crate) fn allowed(self) -> String {
        match self {
            Self::Truth => "true, false".to_owned(),
            Self::Count(low, high) => format!("a whole number from {low} to {high}"),
            Self::Fraction => "a number from 0.0 to 1.0".to_owned(),
            Self::Span(low, high) => format!(
                "{}seconds as a number, or text such as \"500ms\" or \"30m\", from {} to {}",
                if low == 0 { format!("\"{OFF}\", ") } else { String::new() },
                text_of_span(millis(low)),
                text_of_span(millis(high))
            ),
            Self::Size(low, high) => format!(
                "bytes as a number, or text such as \"64KiB\" or \"100MB\", from {} to {}",
                text_of_size(low),
                text_of_size(high)
            ),
            Self::Word(words) => words.join(", ").replace(", (", " ("),
            Self::Url(schemes) => format!("a URL that starts with {}", schemes.join(" or ")),
            Self::Path => "an absolute path, or one that starts with ~/".to_owned(),
            Self::Command => "a program, or a list of a program and its arguments".to_owned(),
            Self::Patterns => "a list of regular expressions".to_owned(),
            Self::Grid(low, high) => format!("[rows, columns], each from {low} to {high}"),
        }
    }

    /// Whether an environment variable holds the text itself, rather than TOML.
    pub(crate) const fn is_text(self) -> bool {
        matches!(self, Self::Word(_) | Self::Url(_) | Self::Path)
    }

    /// The words it accepts, if it accepts words.
    pub(crate) fn words(self) -> impl Iterator<Item = &'static str> {
        let words = if let Self::Word(words) = self { words } else { &[] };
        names(words)
    }
}

/// The words of [`Kind::Word`] without their parentheses.
pub(crate) fn names<'a>(words: &'a [&'a str]) -> impl Iterator<Item = &'a str> {
    words.iter().map(|w| w.trim_matches(['(', ')']))
}

fn check_patterns(value: &Value) -> Result<(), String> {
    let patterns = texts(value).ok_or_else(String::new)?;
    for pattern in patterns {
        // The built-in ones are known to be good; compiling costs more than all the rest.
        if audit_core::DEFAULT_PROMPTS.contains(&pattern) {
            continue;
        }
        if let Err(error) = Regex::new(pattern) {
            return Err(format!("\"{pattern}\": {}", audit_journal::Pattern::fault(&error)));
        }
    }
    Ok(())
}

fn is_url(text: &str, schemes: &[&str]) -> bool {
    let rest = schemes.iter().find_map(|s| text.strip_prefix(s));
    rest.is_some_and(|r| !r.is_empty() && !r.starts_with('/') && !r.contains(char::is_whitespace))
}

fn texts(value: &Value) -> Option<Vec<&str>> {
    value.as_array()?.iter().map(Value::as_str).collect()
}

fn scalar(value: &Value) -> Option<Scalar> {
    match value {
        Value::String(_, text) => Some(Scalar::Text(text.clone())),
        _ => number(value).map(Scalar::Number),
    }
}

fn number(value: &Value) -> Option<f64> {
    let Value::Num(_, number) = value else { return None };
    number.to_f64().or_else(|| number.to_i128().map(|n| n as f64))
}

fn whole(value: &Value) -> Option<u64> {
    let Value::Num(_, number) = value else { return None };
    number.to_u128().or_else(|| number.to_i128()?.try_into().ok())?.try_into().ok()
}

const fn millis(count: u64) -> Duration {
    Duration::from_millis(count)
}
