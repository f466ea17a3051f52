//! Reading one TOML file so that every value keeps its line.

use std::fs;
use std::path::Path;

use figment::value::Value;
use toml::de::{DeTable, DeValue};

use super::error::ConfigError;
use super::keys::{self, Key, SECTIONS};
use super::layer::{Entry, Layer, Place};

/// Reads and checks the file at `path`.
///
/// # Errors
/// It cannot be read, is not TOML, holds an unknown section or key, or a value its key refuses.
pub(crate) fn read(path: &Path) -> Result<Layer, ConfigError> {
    let bytes =
        fs::read(path).map_err(|e| ConfigError::new(Place::File(path.to_owned()), reason(&e)))?;
    let text = std::str::from_utf8(&bytes).map_err(|e| {
        let (good, bad) = bytes.split_at(e.valid_up_to());
        let place = Place::Line(path.to_owned(), line_of(good, good.len()));
        let first = bad.first().copied().unwrap_or_default();
        ConfigError::new(place, format!("byte {first:#04x} is not UTF-8")).allowing("UTF-8 text")
    })?;
    parse(path, text)
}

/// Checks `text`, which stands in `path`.
///
/// # Errors
/// As [`read`].
pub(crate) fn parse(path: &Path, text: &str) -> Result<Layer, ConfigError> {
    let at = |offset: usize| Place::Line(path.to_owned(), line_of(text.as_bytes(), offset));
    let document = DeTable::parse(text).map_err(|e| {
        ConfigError::new(at(e.span().map_or(0, |s| s.start)), e.message().replace('\n', ", "))
    })?;
    let mut layer = Layer::default();
    for (section, body) in document.get_ref() {
        let (name, place) = (section.get_ref().as_ref(), at(section.span().start));
        let known = SECTIONS.map(|(name, _)| name);
        if !known.contains(&name) {
            return Err(ConfigError::new(place, format!("unknown section `{name}`"))
                .suggesting(name, known)
                .allowing(known.join(", ")));
        }
        let DeValue::Table(table) = body.get_ref() else {
            return Err(ConfigError::new(place, format!("`{name}` is a section"))
                .allowing(format!("[{name}] with its keys below")));
        };
        for (key, value) in table {
            let place = at(key.span().start);
            let key = find(name, key.get_ref(), &place)?;
            let value = convert(value.get_ref());
            layer.0.push(checked(key, value, place)?);
        }
    }
    Ok(layer)
}

/// The setting `key = value` at `place`.
///
/// # Errors
/// The key refuses the value.
pub(crate) fn checked(key: &'static Key, value: Value, place: Place) -> Result<Entry, ConfigError> {
    match key.kind.check(&value) {
        Ok(()) => Ok(Entry { key, value, place }),
        Err(reason) => {
            let shown = super::show::toml_text(&value);
            let colon = if reason.is_empty() { "" } else { ": " };
            let what = format!("{} = {shown} is not accepted{colon}{reason}", key.path());
            let error = ConfigError::new(place, what).allowing(key.kind.allowed());
            Err(error.suggesting(value.as_str().unwrap_or_default(), key.kind.words()))
        }
    }
}

/// The key `section.name`.
///
/// # Errors
/// There is no such key; the error offers the nearest.
pub(crate) fn find(section: &str, name: &str, place: &Place) -> Result<&'static Key, ConfigError> {
    keys::find(section, name).ok_or_else(|| {
        let known: Vec<&str> = keys::names_in(section).collect();
        ConfigError::new(place.clone(), format!("unknown key `{name}` in [{section}]"))
            .suggesting(name, known.iter().copied())
            .allowing(known.join(", "))
    })
}

/// A TOML value as figment holds it. Dates become text, which no key accepts for one.
pub(crate) fn convert(value: &DeValue<'_>) -> Value {
    match value {
        DeValue::String(text) => Value::from(text.as_ref()),
        DeValue::Integer(number) => {
            let digits = number.as_str().replace('_', "");
            i64::from_str_radix(&digits, number.radix())
                .map_or_else(|_| Value::from(digits), Value::from)
        }
        DeValue::Float(number) => {
            let digits = number.as_str().replace('_', "");
            digits.parse::<f64>().map_or_else(|_| Value::from(digits), Value::from)
        }
        DeValue::Boolean(truth) => Value::from(*truth),
        DeValue::Datetime(date) => Value::from(date.to_string()),
        DeValue::Array(items) => {
            Value::from(items.iter().map(|i| convert(i.get_ref())).collect::<Vec<_>>())
        }
        DeValue::Table(table) => {
            let map: figment::value::Map<String, Value> = table
                .iter()
                .map(|(k, v)| (k.get_ref().to_string(), convert(v.get_ref())))
                .collect();
            Value::from(map)
        }
    }
}

/// Why a file cannot be read, in the system's words.
fn reason(error: &std::io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or(&text).to_lowercase()
}

fn line_of(text: &[u8], offset: usize) -> usize {
    let before = text.get(..offset).unwrap_or(text);
    before.iter().filter(|b| **b == b'\n').count() + 1
}
