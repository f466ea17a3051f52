//! One layer of settings, and where each of them stands.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use figment::value::{Dict, Map, Value};
use figment::{Metadata, Profile, Provider};

use super::keys::Key;

/// Where a setting was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// The value auditty is built with.
    BuiltIn,
    /// A file as a whole.
    File(PathBuf),
    /// A line of a file, from 1.
    Line(PathBuf, usize),
    /// An environment variable.
    Variable(String),
    /// A flag of the command line.
    Flag(&'static str),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BuiltIn => f.write_str("built-in"),
            Self::File(path) => path.display().fmt(f),
            Self::Line(path, line) => write!(f, "{}:{line}", path.display()),
            Self::Variable(name) => f.write_str(name),
            Self::Flag(flag) => f.write_str(flag),
        }
    }
}

/// One checked setting.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    /// What is set.
    pub(crate) key: &'static Key,
    /// To what; accepted by the key.
    pub(crate) value: Value,
    /// Where.
    pub(crate) place: Place,
}

/// Settings of one source.
#[derive(Clone, Debug, Default)]
pub(crate) struct Layer(pub(crate) Vec<Entry>);

impl Provider for Layer {
    fn metadata(&self) -> Metadata {
        Metadata::named("auditty")
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        let mut sections: BTreeMap<&str, Dict> = BTreeMap::new();
        for entry in &self.0 {
            sections
                .entry(entry.key.section)
                .or_default()
                .insert(entry.key.name.to_owned(), entry.value.clone());
        }
        let dict =
            sections.into_iter().map(|(name, dict)| (name.to_owned(), dict.into())).collect();
        Ok(Profile::Default.collect(dict))
    }
}
