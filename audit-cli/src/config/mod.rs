//! Configuration: five layers of settings turned into types that cannot be wrong.
//!
//! Built-in values lie below `/etc/auditty/auditty.toml`, then the user's file, then `--config`,
//! then `AUDITTY_SECTION__KEY`, then flags. [`KEYS`](keys::KEYS) is the one table of what may be
//! set: it checks every value where it stands, so that an error names file and line, and it is what
//! the reference page is made from. figment merges what passed.

mod error;
mod file;
mod keys;
mod kind;
mod layer;
mod load;
mod policy;
mod show;
mod typed;
mod units;

pub(crate) use error::ConfigError;
pub(crate) use layer::{Entry, Layer, Place};
pub(crate) use load::{Loaded, Surroundings, from_here};
pub(crate) use show::{default_file, reference, table};
pub(crate) use typed::{Config, Reveal};
pub(crate) use units::{parse_size, parse_span, text_of_size};

use std::path::Path;

use figment::value::Value;

/// Reads and checks one file by itself.
///
/// # Errors
/// The first thing wrong in it.
pub(crate) fn check_file(path: &Path) -> Result<(), ConfigError> {
    file::read(path).map(drop)
}

/// A setting made by a flag.
///
/// # Errors
/// There is no such key, or it refuses the value.
pub(crate) fn flag(
    section: &str,
    name: &str,
    value: Value,
    place: Place,
) -> Result<Entry, ConfigError> {
    let key = file::find(section, name, &place)?;
    file::checked(key, value, place)
}

/// Whether a log that takes `least` and worse takes an event of `level`.
pub(crate) fn is_logged(level: &str, least: &str) -> bool {
    let rank = |name: &str| keys::LEVELS.iter().position(|l| *l == name);
    rank(level) >= rank(least)
}

/// The names of engines, each followed by its other names.
#[cfg(test)]
pub(crate) fn engine_names() -> impl Iterator<Item = &'static str> {
    kind::names(keys::ENGINES)
}
