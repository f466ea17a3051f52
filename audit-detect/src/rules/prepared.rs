//! Rules in the form they are run in.
//!
//! Those of the program are brought into it before it is built (`rules/prepared.bin`): reading the
//! rule files and finding the literals of their expressions takes longer than everything else a
//! session needs to start.

use std::borrow::Cow;
use std::sync::OnceLock;

use audit_core::Score;
use serde::{Deserialize, Serialize};

use super::expression::Expression;
use super::text::Text;
use super::words::Words;
use super::{Rule, Scope, literals};
use crate::DetectError;

/// What [`Prepared::written`] makes of the rules of the program.
const FILE: &[u8] = include_bytes!("../../rules/prepared.bin");

/// Rules and the literals of their expressions.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(bound(deserialize = "'de: 'static"))]
pub(super) struct Prepared {
    pub(super) words: Words,
    pub(super) rules: Vec<Ready>,
}

/// A rule that can be run.
#[derive(Debug, Serialize, Deserialize)]
pub struct Ready {
    /// Stable name, `group.name`.
    #[serde(borrow)]
    pub id: Cow<'static, str>,
    /// One line for people.
    #[serde(borrow)]
    pub title: Cow<'static, str>,
    /// Category, such as `reverse_shell`.
    #[serde(borrow)]
    pub category: Cow<'static, str>,
    /// MITRE ATT&CK technique numbers.
    pub mitre: Vec<String>,
    /// How dangerous a hit alone is.
    pub score: Score,
    pub(super) scope: Scope,
    pub(super) output: bool,
    pub(super) any: Vec<Pattern>,
    pub(super) all: Vec<Pattern>,
    pub(super) none: Vec<Pattern>,
}

/// An expression, compiled when it is first needed.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Pattern {
    #[serde(borrow)]
    text: Cow<'static, str>,
    /// Places of the literals one of which is in every match; none when there are none.
    pub(super) literals: Vec<u16>,
    #[serde(skip)]
    expression: OnceLock<Option<Expression>>,
}

impl Prepared {
    /// The rules of the program.
    ///
    /// # Errors
    /// None in a program whose tests passed.
    pub(super) fn embedded() -> Result<Self, postcard::Error> {
        postcard::from_bytes(FILE)
    }

    /// Prepares rules that were read from files.
    ///
    /// # Errors
    /// They have more literals than can be numbered.
    pub(super) fn new(rules: &[Rule]) -> Result<Self, DetectError> {
        let sets: Vec<[Vec<Literals<'_>>; 3]> = rules
            .iter()
            .map(|rule| {
                [&rule.any, &rule.all, &rule.none]
                    .map(|list| list.iter().map(|pattern| of(pattern)).collect())
            })
            .collect();
        let all = sets.iter().flatten().flatten().flat_map(|(_, set)| set);
        let words = Words::new(all.map(Vec::as_slice).collect());
        if words.len() > usize::from(u16::MAX) {
            return Err(DetectError::Rule {
                file: String::new(),
                line: 0,
                reason: format!("{} literals are too many to search for", words.len()),
            });
        }
        let pattern = |(text, set): &Literals<'_>| Pattern {
            text: Cow::Owned((*text).to_owned()),
            literals: set.iter().filter_map(|l| words.place(l)).map(|l| l as u16).collect(),
            expression: OnceLock::new(),
        };
        let ready = rules.iter().zip(&sets).map(|(rule, sets)| {
            let [any, all, none] = sets.each_ref().map(|list| list.iter().map(pattern).collect());
            Ready {
                id: rule.id.clone().into(),
                title: rule.title.clone().into(),
                category: rule.category.clone().into(),
                mitre: rule.mitre.clone(),
                score: rule.score,
                scope: rule.scope,
                output: rule.output,
                any,
                all,
                none,
            }
        });
        let rules = ready.collect();
        Ok(Self { words, rules })
    }

    /// The file as it should be.
    ///
    /// # Errors
    /// None.
    pub(super) fn written(&self) -> Result<Vec<u8>, postcard::Error> {
        postcard::to_stdvec(self)
    }
}

/// An expression and its literals.
type Literals<'a> = (&'a str, Vec<Vec<u8>>);

fn of(pattern: &str) -> Literals<'_> {
    (pattern, literals::required(pattern).unwrap_or_default())
}

impl Pattern {
    /// Where it first matches from `from` on.
    pub(super) fn find(&self, text: &Text<'_>, from: usize) -> Option<(usize, usize)> {
        if !self.literals.is_empty() && !self.literals.iter().any(|l| text.holds(*l)) {
            return None;
        }
        self.expression()?.find(text.whole.as_bytes(), from.max(text.window.0), text.window.1)
    }

    /// Whether it matches in `text`, which is all it sees.
    pub(super) fn matches(&self, text: &str) -> bool {
        self.expression().is_some_and(|e| e.find(text.as_bytes(), 0, text.len()).is_some())
    }

    fn expression(&self) -> Option<&Expression> {
        self.expression.get_or_init(|| Expression::new(&self.text)).as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::embedded_rules;

    #[test]
    fn the_file_is_that_of_the_rules() {
        let rules = embedded_rules().expect("the embedded rules");
        let written = Prepared::new(&rules).expect("prepared").written().expect("written");
        assert!(
            written == FILE,
            "rules were changed: run `cargo run -p audit-detect --example prepare`"
        );
    }
}
