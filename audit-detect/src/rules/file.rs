//! Rule files.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use audit_core::Score;
use serde::{Deserialize, Serialize};

use crate::DetectError;

/// What a rule's expressions are matched against.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// Each simple command, canonical.
    #[default]
    Command,
    /// Each pipeline, canonical, its commands joined by ` | `.
    Pipeline,
    /// All pipelines, canonical, then what was noticed (`@decoded-exec`).
    Line,
    /// The line as typed, and every text decoded from it.
    Raw,
    /// Each file that text is written to, and behind it in the next lines the text.
    Written,
}

/// One rule.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Stable name, `group.name`.
    pub id: String,
    /// One line for people.
    pub title: String,
    /// Category, such as `reverse_shell`.
    pub category: String,
    /// MITRE ATT&CK technique numbers.
    #[serde(default)]
    pub mitre: Vec<String>,
    /// How dangerous a hit alone is.
    pub score: Score,
    /// What the expressions are matched against.
    #[serde(default)]
    pub scope: Scope,
    /// One of these must match, if there are any.
    #[serde(default)]
    pub any: Vec<String>,
    /// All of these must match.
    #[serde(default)]
    pub all: Vec<String>,
    /// None of these may match.
    #[serde(default)]
    pub none: Vec<String>,
    /// Whether a hit in text that may be output, not a command, counts too.
    #[serde(default)]
    pub output: bool,
    /// Lines that must hit.
    pub hit: Vec<String>,
    /// Lines that must not.
    #[serde(default)]
    pub miss: Vec<String>,
    /// The file it is from, and its line there.
    #[serde(skip)]
    pub(super) origin: (String, usize),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    rule: Vec<Rule>,
}

/// Reads a rule file and puts classes in.
///
/// # Errors
/// With the line: the text is not TOML, a field is missing or unknown, a class is unknown, a rule
/// has no expression, an expression is wrong or too large, or two rules share an id.
pub(super) fn parse(name: &str, text: &str) -> Result<Vec<Rule>, DetectError> {
    let rules = read(name, text)?;
    for rule in &rules {
        for pattern in rule.any.iter().chain(&rule.all).chain(&rule.none) {
            let wrong = |e: String| DetectError::Rule {
                file: name.to_owned(),
                line: rule.origin.1,
                reason: format!("rule {}: `{pattern}`: {e}", rule.id),
            };
            super::literals::parse(pattern).map_err(wrong)?;
            // an expression that is right but too large would never match, and a guard never guard
            if super::expression::Expression::new(pattern).is_none() {
                return Err(wrong("the expression is too large".into()));
            }
        }
    }
    Ok(rules)
}

/// As [`parse`], but the expressions are not looked at.
pub(super) fn read(name: &str, text: &str) -> Result<Vec<Rule>, DetectError> {
    let wrong =
        |line: usize, reason: String| DetectError::Rule { file: name.to_owned(), line, reason };
    let file: File = toml::from_str(text).map_err(|e| {
        let line =
            e.span().map_or(1, |s| 1 + text[..s.start.min(text.len())].matches('\n').count());
        wrong(line, e.message().lines().next().unwrap_or("not a rule file").to_owned())
    })?;
    let mut rules = file.rule;
    for index in 0..rules.len() {
        let line = line_of(text, &rules[index].id);
        if rules[..index].iter().any(|r| r.id == rules[index].id) {
            return Err(wrong(line, format!("rule {} is defined twice", rules[index].id)));
        }
        let rule = &mut rules[index];
        rule.origin = (name.to_owned(), line);
        if rule.any.is_empty() && rule.all.is_empty() {
            return Err(wrong(line, format!("rule {} has neither `any` nor `all`", rule.id)));
        }
        for pattern in rule.any.iter_mut().chain(&mut rule.all).chain(&mut rule.none) {
            *pattern =
                expand(pattern).map_err(|e| wrong(line, format!("rule {}: {e}", rule.id)))?;
            if matches!(rule.scope, Scope::Raw | Scope::Written) {
                // what was typed may hold several lines
                *pattern = format!("(?s){pattern}");
            }
        }
    }
    Ok(rules)
}

/// Line the rule with this id starts in; ids are checked to be there by the reader of TOML.
fn line_of(text: &str, id: &str) -> usize {
    let quoted = [format!("\"{id}\""), format!("'{id}'")];
    let found = text.lines().position(|l| {
        l.trim_start().starts_with("id") && quoted.iter().any(|q| l.contains(q.as_str()))
    });
    found.map_or(1, |at| at + 1)
}

fn classes() -> &'static BTreeMap<String, String> {
    static TABLE: OnceLock<BTreeMap<String, String>> = OnceLock::new();
    TABLE.get_or_init(|| {
        let raw: BTreeMap<String, String> = toml::from_str(super::CLASSES).unwrap_or_default();
        let mut done = raw.clone();
        // a class may use others; the embedded ones nest no deeper than this
        for _ in 0..3 {
            for value in done.values_mut() {
                *value = replace(value, &raw).unwrap_or_else(|_| value.clone());
            }
        }
        done
    })
}

fn expand(pattern: &str) -> Result<String, String> {
    replace(pattern, classes())
}

fn replace(pattern: &str, table: &BTreeMap<String, String>) -> Result<String, String> {
    let mut out = String::with_capacity(pattern.len());
    let mut rest = pattern;
    while let Some(start) = rest.find("<<") {
        let after = &rest[start + 2..];
        let Some(end) = after.find(">>") else { break };
        let name = &after[..end];
        if name.is_empty() || !name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_') {
            out.push_str(&rest[..start + 2]);
            rest = after;
            continue;
        }
        let value = table.get(name).ok_or_else(|| format!("unknown class `{name}`"))?;
        out.push_str(&rest[..start]);
        out.push_str("(?:");
        out.push_str(value);
        out.push(')');
        rest = &after[end + 2..];
    }
    out.push_str(rest);
    Ok(out)
}
