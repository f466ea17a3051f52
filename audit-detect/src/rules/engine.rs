//! Runs rules over resolved command lines.

use std::sync::Arc;

use super::file::{Rule, Scope};
use super::prepared::{Prepared, Ready};
use super::text::Text;
use super::words::{Search, Words};
use crate::DetectError;
use crate::shell::Resolved;

/// Rules ready to be run. Expressions are compiled when first needed and kept.
#[derive(Debug, Default)]
pub struct RuleSet {
    rules: Vec<Ready>,
    search: Search,
    /// Literals, each with a rule it stands for; sorted.
    owners: Vec<(u16, u16)>,
    /// Rules without literals: always run.
    always: Vec<u16>,
}

/// A rule that fired.
#[derive(Clone, Debug)]
pub struct Hit<'a> {
    /// The rule.
    pub rule: &'a Ready,
    /// The text it matched in.
    pub text: String,
    /// Bytes of `text` the first expression matched.
    pub span: (usize, usize),
    /// Whether what matched is only data: the text of a comment, of a here document that goes into
    /// a file, of a command that prints or looks for text.
    pub inert: bool,
}

impl Hit<'_> {
    /// What the hit counts: the rule's score, no more than [`INERT_CEILING`] in data.
    pub fn score(&self) -> f32 {
        let score = self.rule.score.value();
        if self.inert { score.min(INERT_CEILING) } else { score }
    }
}

/// What is only data counts up to here.
pub const INERT_CEILING: f32 = 0.5;
/// A rule looks at no more matches of one expression than this in one text.
const MATCH_LIMIT: usize = 64;

impl RuleSet {
    /// The rules of the program.
    ///
    /// # Errors
    /// None in a program whose tests passed.
    pub(super) fn embedded() -> Result<Self, DetectError> {
        let prepared = Prepared::embedded().map_err(|error| DetectError::Rule {
            file: "prepared.bin".into(),
            line: 0,
            reason: error.to_string(),
        })?;
        Ok(Self::ready(prepared))
    }

    /// Prepares rules.
    ///
    /// # Errors
    /// The literals cannot be searched for together (too many).
    pub fn new(rules: &[Rule]) -> Result<Self, DetectError> {
        Ok(Self::ready(Prepared::new(rules)?))
    }

    fn ready(prepared: Prepared) -> Self {
        let Prepared { words, rules } = prepared;
        let (mut owners, mut always) = (Vec::new(), Vec::new());
        for (rule, index) in rules.iter().zip(0..) {
            match anchors(rule, &words) {
                Some(set) => owners.extend(set.into_iter().map(|literal| (literal, index))),
                None => always.push(index),
            }
        }
        owners.sort_unstable();
        Self { rules, search: Search::new(words), owners, always }
    }

    /// Rules of this set with those of `more` behind them.
    ///
    /// # Errors
    /// As [`RuleSet::new`].
    pub fn extended(mut rules: Vec<Rule>, more: Vec<Rule>) -> Result<Arc<Self>, DetectError> {
        rules.retain(|r| !more.iter().any(|m| m.id == r.id));
        rules.extend(more);
        Ok(Arc::new(Self::new(&rules)?))
    }

    /// How many rules.
    pub fn len(&self) -> usize {
        self.rules.len()
    }

    /// Whether there is no rule.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// The rules.
    pub fn rules(&self) -> impl Iterator<Item = &Ready> {
        self.rules.iter()
    }

    /// Rules without a literal to search for: they run on every command.
    pub fn unfiltered(&self) -> impl Iterator<Item = &Ready> {
        self.always.iter().map(|index| &self.rules[usize::from(*index)])
    }

    /// Runs the rules over a command line. With `output` only rules that may judge text which is
    /// perhaps no command. Worst first.
    pub fn run(&self, resolved: &Resolved, output: bool) -> Vec<Hit<'_>> {
        let mut wanted = vec![0u64; self.rules.len() / 64 + 1];
        for index in &self.always {
            wanted[usize::from(*index) / 64] |= 1 << (index % 64);
        }
        let mut folded = Vec::new();
        let mut read = |text: &mut Text<'_>| {
            let mut present = vec![0u64; self.search.words().len() / 64 + 1];
            folded.clear();
            folded.extend(text.seen().bytes().map(|b| b.to_ascii_lowercase()));
            self.search.each(&folded, |literal| {
                if present[literal / 64] >> (literal % 64) & 1 == 1 {
                    return;
                }
                present[literal / 64] |= 1 << (literal % 64);
                for index in self.owners_of(literal) {
                    wanted[usize::from(index) / 64] |= 1 << (index % 64);
                }
            });
            text.literals = present;
        };
        let whole = format!("{} {}", resolved.line, resolved.facts.join(" "));
        let written: Vec<String> =
            resolved.written.iter().map(|w| format!("{}\n{}", w.path, w.text)).collect();
        let mut lines = Text::line(&whole, resolved);
        let mut commands = Text::commands(resolved);
        let mut pipelines = Text::pipelines(resolved);
        let mut raws = Text::raws(resolved);
        let mut contents: Vec<Text<'_>> = written.iter().flat_map(|t| Text::plain(t)).collect();
        for texts in [&mut lines, &mut commands, &mut pipelines, &mut raws, &mut contents] {
            texts.iter_mut().for_each(&mut read);
        }
        let mut hits = Vec::new();
        for (index, rule) in self.rules.iter().enumerate() {
            if wanted[index / 64] >> (index % 64) & 1 == 0 || (output && !rule.output) {
                continue;
            }
            hits.extend(best(
                rule,
                match rule.scope {
                    Scope::Command => &commands,
                    Scope::Pipeline => &pipelines,
                    Scope::Line => &lines,
                    Scope::Raw => &raws,
                    Scope::Written => &contents,
                },
            ));
        }
        hits.sort_by(|a, b| b.score().total_cmp(&a.score()));
        hits
    }

    /// The rules a literal stands for.
    fn owners_of(&self, literal: usize) -> impl Iterator<Item = u16> {
        let start = self.owners.partition_point(|(of, _)| usize::from(*of) < literal);
        let owners = self.owners[start..].iter();
        owners.take_while(move |(of, _)| usize::from(*of) == literal).map(|(_, index)| *index)
    }
}

/// The hit of a rule in some texts that counts most.
fn best<'r>(rule: &'r Ready, texts: &[Text<'_>]) -> Option<Hit<'r>> {
    let mut best = None;
    for text in texts {
        if let Some((span, inert)) = hit(rule, text) {
            best = Some(Hit { rule, text: text.whole.to_owned(), span, inert });
            if !inert {
                break;
            }
        }
    }
    best
}

/// Where a rule hits a text, and whether that is only data.
fn hit(rule: &Ready, text: &Text<'_>) -> Option<((usize, usize), bool)> {
    if !rule.all.iter().all(|p| p.find(text, 0).is_some()) {
        return None;
    }
    let telling = if rule.any.is_empty() { &rule.all[..1] } else { &rule.any[..] };
    let mut inert = None;
    for pattern in telling {
        let mut from = 0;
        for _ in 0..MATCH_LIMIT {
            let Some(span) = pattern.find(text, from) else { break };
            // a guard speaks for the commands that matched and for no others
            let around = text.around(span);
            if !rule.none.iter().any(|p| p.matches(&text.whole[around.0..around.1])) {
                if !text.inert(span) {
                    return Some((span, false));
                }
                inert = inert.or(Some((span, true)));
            }
            // what was excused must not hide what stands behind it
            from = text.next_part(span.0).max(span.0 + 1);
            while !text.whole.is_char_boundary(from.min(text.whole.len())) {
                from += 1;
            }
        }
    }
    inert
}

/// Literals one of which is in every text the rule can fire on.
fn anchors(rule: &Ready, words: &Words) -> Option<Vec<u16>> {
    let shortest =
        |set: &Vec<u16>| set.iter().map(|l| words.get(usize::from(*l)).len()).min().unwrap_or(0);
    let mut candidates: Vec<Vec<u16>> =
        rule.all.iter().map(|p| p.literals.clone()).filter(|l| !l.is_empty()).collect();
    if !rule.any.is_empty() && rule.any.iter().all(|p| !p.literals.is_empty()) {
        candidates.push(rule.any.iter().flat_map(|p| p.literals.clone()).collect());
    }
    candidates.into_iter().max_by_key(|c| (shortest(c), std::cmp::Reverse(c.len())))
}
