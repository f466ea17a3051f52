//! Expressions of rules and of families of secrets, compiled to be small in memory.

use std::cell::RefCell;
use std::sync::OnceLock;

use regex_automata::meta;
use regex_automata::nfa::thompson;
use regex_automata::nfa::thompson::backtrack::{self, BoundedBacktracker};
use regex_automata::nfa::thompson::pikevm::PikeVM;
use regex_automata::util::syntax;

/// A compiled expression is no larger than this.
const REGEX_LIMIT: usize = 256 << 10;
/// Bytes in which a search notes what it has tried.
const VISITED_LIMIT: usize = 512 << 10;

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

    /// Where it first matches between `start` and `end` of `text`.
    pub(crate) fn find(&self, text: &[u8], start: usize, end: usize) -> Option<(usize, usize)> {
        if start > end {
            return None;
        }
        let input = regex_automata::Input::new(text).span(start..end);
        let mut slots = [None, None];
        let found = if end - start <= self.backtracker.max_haystack_len() {
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
