//! What is wrong in a configuration, in one line.

use std::fmt;

use super::layer::Place;

/// A configuration that cannot be used. Its text is one line: where, what, and what is allowed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ConfigError {
    place: Place,
    what: String,
    nearest: Option<String>,
    allowed: Option<String>,
}

impl ConfigError {
    /// Exit status of a configuration error (`EX_CONFIG` of `sysexits.h`).
    pub(crate) const STATUS: u8 = 78;

    /// An error at `place`.
    pub(crate) fn new(place: Place, what: impl Into<String>) -> Self {
        Self { place, what: what.into(), nearest: None, allowed: None }
    }

    /// Says what would be accepted.
    #[must_use]
    pub(crate) fn allowing(mut self, allowed: impl Into<String>) -> Self {
        self.allowed = Some(allowed.into());
        self
    }

    /// Offers the word of `known` that is nearest to `word`, if one is near.
    #[must_use]
    pub(crate) fn suggesting<'a>(
        mut self,
        word: &str,
        known: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        self.nearest = nearest(word, known).map(str::to_owned);
        self
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut line = format!("{}: {}", self.place, self.what);
        if let Some(nearest) = &self.nearest {
            line += &format!(" (did you mean `{nearest}`?)");
        }
        if let Some(allowed) = &self.allowed {
            line += &format!("; allowed: {allowed}");
        }
        // One line whatever a file holds, and nothing that a terminal would obey.
        f.write_str(&line.replace(|c: char| c.is_control(), " "))
    }
}

impl std::error::Error for ConfigError {}

/// The word of `known` that `word` is most likely a misspelling of.
pub(crate) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower = word.to_lowercase();
    known
        .into_iter()
        .map(|k| (strsim::jaro_winkler(&lower, &k.to_lowercase()), k))
        .filter(|(likeness, _)| *likeness > 0.8)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, k)| k)
}
