//! Runs rules over resolved command lines.

use std::cell::RefCell;
use std::sync::{Arc, OnceLock};

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};
use regex_automata::meta;
use regex_automata::nfa::thompson;
use regex_automata::nfa::thompson::backtrack::{self, BoundedBacktracker};
use regex_automata::nfa::thompson::pikevm::PikeVM;
use regex_automata::util::syntax;

use super::file::{Rule, Scope};
use super::literals;
use crate::DetectError;
use crate::shell::Resolved;

/// A compiled expression is no larger than this.
const REGEX_LIMIT: usize = 256 << 10;
/// Bytes in which a search notes what it has tried.
const VISITED_LIMIT: usize = 512 << 10;

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

impl Pattern {
    fn new(text: &str, words: &mut Vec<Vec<u8>>) -> Self {
        let mut literals = Vec::new();
        for word in literals::required(text).unwrap_or_default() {
            let at = words.iter().position(|w| *w == word).unwrap_or_else(|| {
                words.push(word);
                words.len() - 1
            });
            literals.push(at as u16);
        }
        Self { text: text.to_owned(), literals, expression: OnceLock::new() }
    }

    fn find(&self, text: &Text<'_>) -> Option<(usize, usize)> {
        if !self.literals.is_empty() && !self.literals.iter().any(|l| text.holds(*l)) {
            return None;
        }
        let expression = self.expression.get_or_init(|| Expression::new(&self.text)).as_ref()?;
        expression.find(text.text.as_bytes())
    }
}

/// A text and which literals are in it.
struct Text<'t> {
    text: &'t str,
    literals: Vec<u64>,
}

impl Text<'_> {
    fn holds(&self, literal: u16) -> bool {
        self.literals[usize::from(literal) / 64] >> (literal % 64) & 1 == 1
    }
}

thread_local! {
    /// Scratch space of searches: one for all expressions, where one for each would be megabytes.
    static SCRATCH: RefCell<Option<backtrack::Cache>> = const { RefCell::new(None) };
}

/// An expression of a rule: an automaton that backtracks within bounds, so that it is small in
/// memory and its time linear in the text.
#[derive(Debug)]
pub(crate) struct Expression {
    backtracker: BoundedBacktracker,
    /// For texts too long for the backtracker.
    simulator: OnceLock<Option<PikeVM>>,
}

impl Expression {
    /// Compiles `pattern`; `None` when it is wrong or too large.
    pub(crate) fn new(pattern: &str) -> Option<Self> {
        let nfa = thompson::Config::new()
            .utf8(false)
            .nfa_size_limit(Some(REGEX_LIMIT))
            .which_captures(thompson::WhichCaptures::Implicit);
        let backtracker = BoundedBacktracker::builder()
            .configure(backtrack::Config::new().visited_capacity(VISITED_LIMIT))
            .thompson(nfa)
            .syntax(dialect())
            .build(pattern)
            .ok()?;
        Some(Self { backtracker, simulator: OnceLock::new() })
    }

    /// Where it first matches.
    pub(crate) fn find(&self, text: &[u8]) -> Option<(usize, usize)> {
        let input = regex_automata::Input::new(text);
        let mut slots = [None, None];
        let found = if text.len() <= self.backtracker.max_haystack_len() {
            SCRATCH.with_borrow_mut(|scratch| {
                let cache = scratch.get_or_insert_with(|| self.backtracker.create_cache());
                cache.reset(&self.backtracker);
                self.backtracker.try_search_slots(cache, &input, &mut slots).ok().flatten()
            })
        } else {
            let nfa = self.backtracker.get_nfa();
            let simulator =
                self.simulator.get_or_init(|| PikeVM::new_from_nfa(nfa.clone()).ok()).as_ref()?;
            simulator.search_slots(&mut simulator.create_cache(), &input, &mut slots)
        };
        found.and(Some((slots[0]?.get(), slots[1]?.get())))
    }

    /// Bytes it takes.
    #[cfg(test)]
    pub(crate) fn memory(&self) -> usize {
        self.backtracker.get_nfa().memory_usage()
    }
}

fn dialect() -> syntax::Config {
    syntax::Config::new().unicode(false).utf8(false).multi_line(true)
}

/// An expression whose groups matter: a family of secrets.
pub(crate) fn compile(pattern: &str) -> Option<meta::Regex> {
    build(pattern, small())
}

/// An expression that is tried on much text and seldom matches: a lazy DFA passes over what does
/// not match some ten times as fast, for at most 128 KiB a thread.
pub(crate) fn compile_scan(pattern: &str) -> Option<meta::Regex> {
    build(pattern, small().hybrid(true).hybrid_cache_capacity(128 << 10))
}

fn small() -> meta::Config {
    meta::Config::new()
        .utf8_empty(false)
        .hybrid(false)
        .dfa(false)
        .onepass(false)
        .nfa_size_limit(Some(REGEX_LIMIT))
}

fn build(pattern: &str, config: meta::Config) -> Option<meta::Regex> {
    meta::Regex::builder().configure(config).syntax(dialect()).build(pattern).ok()
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
}

impl RuleSet {
    /// Prepares rules.
    ///
    /// # Errors
    /// The literals cannot be searched for together (too many).
    pub fn new(rules: Vec<Rule>) -> Result<Self, DetectError> {
        let mut words: Vec<Vec<u8>> = Vec::new();
        let mut compiled = Vec::with_capacity(rules.len());
        for mut rule in rules {
            let mut patterns = |list: &mut Vec<String>| -> Vec<Pattern> {
                std::mem::take(list).iter().map(|p| Pattern::new(p, &mut words)).collect()
            };
            let (any, all, none) =
                (patterns(&mut rule.any), patterns(&mut rule.all), patterns(&mut rule.none));
            // the examples have done their work
            (rule.hit, rule.miss) = (Vec::new(), Vec::new());
            rule.origin = Default::default();
            compiled.push(Compiled { rule, any, all, none });
        }
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
        let whole = format!("{} {}", resolved.line, resolved.facts.join(" "));
        let mut folded = Vec::new();
        let mut read = |text: &'_ str| -> Vec<u64> {
            let mut present = vec![0u64; self.owners.len() / 64 + 1];
            folded.clear();
            folded.extend(text.bytes().map(|b| b.to_ascii_lowercase()));
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
            present
        };
        let mut mark = |text| Text { text, literals: read(text) };
        let lines = [mark(&whole)];
        let commands: Vec<Text<'_>> = resolved.commands.iter().map(|t| mark(t)).collect();
        let pipelines: Vec<Text<'_>> = resolved.pipelines.iter().map(|t| mark(t)).collect();
        let raws: Vec<Text<'_>> =
            std::iter::once(&resolved.raw).chain(&resolved.decoded).map(|t| mark(t)).collect();
        let mut hits = Vec::new();
        for (index, compiled) in self.rules.iter().enumerate() {
            if wanted[index / 64] >> (index % 64) & 1 == 0 || (output && !compiled.rule.output) {
                continue;
            }
            hits.extend(first(
                compiled,
                match compiled.rule.scope {
                    Scope::Command => &commands,
                    Scope::Pipeline => &pipelines,
                    Scope::Line => &lines,
                    Scope::Raw => &raws,
                },
            ));
        }
        hits.sort_by(|a, b| b.rule.score.value().total_cmp(&a.rule.score.value()));
        hits
    }
}

fn first<'r>(compiled: &'r Compiled, texts: &[Text<'_>]) -> Option<Hit<'r>> {
    for text in texts {
        let mut span = None;
        if !compiled.any.is_empty() {
            span = compiled.any.iter().find_map(|p| p.find(text));
            if span.is_none() {
                continue;
            }
        }
        let mut all = true;
        for pattern in &compiled.all {
            match pattern.find(text) {
                Some(found) => span = span.or(Some(found)),
                None => {
                    all = false;
                    break;
                }
            }
        }
        if all
            && let Some(span) = span
            && !compiled.none.iter().any(|p| p.find(text).is_some())
        {
            return Some(Hit { rule: &compiled.rule, text: text.text.to_owned(), span });
        }
    }
    None
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
