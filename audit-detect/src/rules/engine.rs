//! Runs rules over resolved command lines.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};

use super::expression::Expression;
use super::file::{Rule, Scope};
use super::prepared;
use super::text::Text;
use crate::DetectError;
use crate::shell::Resolved;

/// Rules ready to be run. Expressions are compiled when first needed and kept.
#[derive(Debug, Default)]
pub struct RuleSet {
    rules: Vec<Compiled>,
    search: Option<AhoCorasick>,
    /// For each literal, the rules it stands for.
    owners: Vec<Vec<u16>>,
    /// Rules without literals: always run.
    always: Vec<u16>,
}

#[derive(Debug)]
struct Compiled {
    rule: Rule,
    any: Vec<Pattern>,
    all: Vec<Pattern>,
    none: Vec<Pattern>,
}

#[derive(Debug)]
struct Pattern {
    text: String,
    /// Numbers of the literals one of which is in every match; none when there are none.
    literals: Vec<u16>,
    expression: OnceLock<Option<Expression>>,
}

/// Literals, each with its number.
#[derive(Debug, Default)]
struct Words {
    all: Vec<Vec<u8>>,
    numbers: HashMap<Vec<u8>, u16>,
}

impl Words {
    fn number(&mut self, word: Vec<u8>) -> u16 {
        let next = self.all.len() as u16;
        let number = *self.numbers.entry(word.clone()).or_insert(next);
        if number == next {
            self.all.push(word);
        }
        number
    }
}

impl Pattern {
    fn new(text: String, words: &mut Words) -> Self {
        let literals = prepared::literals_of(&text).into_iter().map(|word| words.number(word));
        Self { literals: literals.collect(), text, expression: OnceLock::new() }
    }

    /// Where it first matches from `from` on.
    fn find(&self, text: &Text<'_>, from: usize) -> Option<(usize, usize)> {
        if !self.literals.is_empty() && !self.literals.iter().any(|l| text.holds(*l)) {
            return None;
        }
        self.expression()?.find(text.whole.as_bytes(), from.max(text.window.0), text.window.1)
    }

    /// Whether it matches in `text`, which is all it sees.
    fn matches(&self, text: &str) -> bool {
        self.expression().is_some_and(|e| e.find(text.as_bytes(), 0, text.len()).is_some())
    }

    fn expression(&self) -> Option<&Expression> {
        self.expression.get_or_init(|| Expression::new(&self.text)).as_ref()
    }
}

/// A rule that fired.
#[derive(Clone, Debug)]
pub struct Hit<'a> {
    /// The rule.
    pub rule: &'a Rule,
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
    /// Prepares rules.
    ///
    /// # Errors
    /// The literals cannot be searched for together (too many).
    pub fn new(rules: Vec<Rule>) -> Result<Self, DetectError> {
        let mut words = Words::default();
        let mut compiled = Vec::with_capacity(rules.len());
        for mut rule in rules {
            let mut patterns = |list: &mut Vec<String>| -> Vec<Pattern> {
                std::mem::take(list).into_iter().map(|p| Pattern::new(p, &mut words)).collect()
            };
            let (any, all, none) =
                (patterns(&mut rule.any), patterns(&mut rule.all), patterns(&mut rule.none));
            // the examples have done their work
            (rule.hit, rule.miss) = (Vec::new(), Vec::new());
            rule.origin = Default::default();
            compiled.push(Compiled { rule, any, all, none });
        }
        let words = words.all;
        let mut owners = vec![Vec::new(); words.len()];
        let mut always = Vec::new();
        for (index, rule) in compiled.iter().enumerate() {
            match anchors(rule, &words) {
                Some(set) => {
                    for literal in set {
                        owners[usize::from(literal)].push(index as u16);
                    }
                }
                None => always.push(index as u16),
            }
        }
        let search = AhoCorasick::builder()
            .kind(Some(AhoCorasickKind::ContiguousNFA))
            .match_kind(MatchKind::Standard)
            .prefilter(false)
            .build(&words)
            .map_err(|e| DetectError::Rule {
                file: String::new(),
                line: 0,
                reason: e.to_string(),
            })?;
        Ok(Self { rules: compiled, search: Some(search), owners, always })
    }

    /// Rules of this set with those of `more` behind them.
    ///
    /// # Errors
    /// As [`RuleSet::new`].
    pub fn extended(mut rules: Vec<Rule>, more: Vec<Rule>) -> Result<Arc<Self>, DetectError> {
        rules.retain(|r| !more.iter().any(|m| m.id == r.id));
        rules.extend(more);
        Ok(Arc::new(Self::new(rules)?))
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
    pub fn rules(&self) -> impl Iterator<Item = &Rule> {
        self.rules.iter().map(|c| &c.rule)
    }

    /// Rules without a literal to search for: they run on every command.
    pub fn unfiltered(&self) -> impl Iterator<Item = &Rule> {
        self.always.iter().map(|index| &self.rules[usize::from(*index)].rule)
    }

    /// Runs the rules over a command line. With `output` only rules that may judge text which is
    /// perhaps no command. Worst first.
    pub fn run(&self, resolved: &Resolved, output: bool) -> Vec<Hit<'_>> {
        let Some(search) = &self.search else { return Vec::new() };
        let mut wanted = vec![0u64; self.rules.len() / 64 + 1];
        for index in &self.always {
            wanted[usize::from(*index) / 64] |= 1 << (index % 64);
        }
        let mut folded = Vec::new();
        let mut read = |text: &mut Text<'_>| {
            let mut present = vec![0u64; self.owners.len() / 64 + 1];
            folded.clear();
            folded.extend(text.seen().bytes().map(|b| b.to_ascii_lowercase()));
            for found in search.find_overlapping_iter(&folded) {
                let literal = found.pattern().as_usize();
                if present[literal / 64] >> (literal % 64) & 1 == 1 {
                    continue;
                }
                present[literal / 64] |= 1 << (literal % 64);
                for index in &self.owners[literal] {
                    wanted[usize::from(*index) / 64] |= 1 << (index % 64);
                }
            }
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
        for (index, compiled) in self.rules.iter().enumerate() {
            if wanted[index / 64] >> (index % 64) & 1 == 0 || (output && !compiled.rule.output) {
                continue;
            }
            hits.extend(best(
                compiled,
                match compiled.rule.scope {
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
}

/// The hit of a rule in some texts that counts most.
fn best<'r>(compiled: &'r Compiled, texts: &[Text<'_>]) -> Option<Hit<'r>> {
    let mut best = None;
    for text in texts {
        if let Some((span, inert)) = hit(compiled, text) {
            best = Some(Hit { rule: &compiled.rule, text: text.whole.to_owned(), span, inert });
            if !inert {
                break;
            }
        }
    }
    best
}

/// Where a rule hits a text, and whether that is only data.
fn hit(compiled: &Compiled, text: &Text<'_>) -> Option<((usize, usize), bool)> {
    if !compiled.all.iter().all(|p| p.find(text, 0).is_some()) {
        return None;
    }
    let telling = if compiled.any.is_empty() { &compiled.all[..1] } else { &compiled.any[..] };
    let mut inert = None;
    for pattern in telling {
        let mut from = 0;
        for _ in 0..MATCH_LIMIT {
            let Some(span) = pattern.find(text, from) else { break };
            // a guard speaks for the commands that matched and for no others
            let around = text.around(span);
            if !compiled.none.iter().any(|p| p.matches(&text.whole[around.0..around.1])) {
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
fn anchors(rule: &Compiled, words: &[Vec<u8>]) -> Option<Vec<u16>> {
    let shortest =
        |set: &Vec<u16>| set.iter().map(|l| words[usize::from(*l)].len()).min().unwrap_or(0);
    let mut candidates: Vec<Vec<u16>> =
        rule.all.iter().map(|p| p.literals.clone()).filter(|l| !l.is_empty()).collect();
    if !rule.any.is_empty() && rule.any.iter().all(|p| !p.literals.is_empty()) {
        candidates.push(rule.any.iter().flat_map(|p| p.literals.clone()).collect());
    }
    candidates.into_iter().max_by_key(|c| (shortest(c), std::cmp::Reverse(c.len())))
}
