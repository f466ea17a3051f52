//! Rules: techniques written as regular expressions over the canonical text of commands.
//!
//! A rule has an identity, a category, MITRE ATT&CK numbers, a score and three lists of regular
//! expressions: it fires when `all` and one of `any` match and none of `none` does. Its `scope`
//! says on what: each simple command (the default), each pipeline, the whole line, or the line as
//! typed. `<<name>>` in an expression stands for a class of `classes.toml`, such as a path class.
//! Every rule carries examples, and they are tests.
//!
//! Stage one is a search for the literals the expressions cannot match without, one pass over the
//! folded text; only rules with a hit there run their expressions, compiled on first use.

mod engine;
mod expression;
mod file;
mod folder;
mod literals;
mod prepared;
mod text;
mod words;

pub use engine::{Hit, INERT_CEILING, RuleSet};
pub(crate) use expression::{compile, compile_scan};
pub use file::{Rule, Scope};
pub use folder::RuleFolder;
pub use prepared::Ready;

use crate::DetectError;
use std::sync::{Arc, OnceLock};

/// The rule files inside the program: name and text.
const EMBEDDED: [(&str, &str); 9] = [
    ("shells.toml", include_str!("../../rules/shells.toml")),
    ("download.toml", include_str!("../../rules/download.toml")),
    ("credentials.toml", include_str!("../../rules/credentials.toml")),
    ("persistence.toml", include_str!("../../rules/persistence.toml")),
    ("privilege.toml", include_str!("../../rules/privilege.toml")),
    ("evasion.toml", include_str!("../../rules/evasion.toml")),
    ("impact.toml", include_str!("../../rules/impact.toml")),
    ("exfiltration.toml", include_str!("../../rules/exfiltration.toml")),
    ("tools.toml", include_str!("../../rules/tools.toml")),
];
const CLASSES: &str = include_str!("../../rules/classes.toml");

/// Reads the rule files inside the program.
///
/// # Errors
/// None in a program whose tests passed.
pub fn embedded_rules() -> Result<Vec<Rule>, DetectError> {
    let mut rules = Vec::new();
    for (name, text) in EMBEDDED {
        // the expressions were checked when the program was tested
        rules.extend(file::read(name, text)?);
    }
    Ok(rules)
}

/// What `rules/prepared.bin` must hold.
///
/// # Errors
/// As [`embedded_rules`].
pub fn prepared() -> Result<Vec<u8>, Box<dyn std::error::Error>> {
    Ok(prepared::Prepared::new(&embedded_rules()?)?.written()?)
}

/// The rules inside the program, read once per process and shared.
pub fn embedded() -> &'static Arc<RuleSet> {
    static SHARED: OnceLock<Arc<RuleSet>> = OnceLock::new();
    SHARED.get_or_init(|| Arc::new(RuleSet::embedded().unwrap_or_default()))
}

#[cfg(test)]
mod tests;
