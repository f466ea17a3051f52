//! Records of different sources that are the same attack.
//!
//! A record may be another one in disguise: obfuscated, encoded, or put into a longer line. A model
//! that was trained on one of them has seen the other, whatever source it stands in.

use std::collections::{BTreeSet, HashMap};

use crate::shell::Resolved;

/// A shorter text says nothing about where it is from.
const LEAST: usize = 9;

/// What a record can be known by: its line, and what was decoded from it.
#[derive(Clone, Debug, Default)]
pub(super) struct Trace {
    line: String,
    decoded: Vec<String>,
    /// Whether texts inside it count too; only for attacks, of which there are few.
    deep: bool,
}

impl Trace {
    pub(super) fn new(resolved: &Resolved, deep: bool) -> Self {
        let decoded = if deep { resolved.decoded.clone() } else { Vec::new() };
        Self { line: resolved.line.trim().to_owned(), decoded, deep }
    }

    /// Whether `other` is this one, or stands in it.
    fn holds(&self, other: &Self) -> bool {
        other.line.len() >= LEAST
            && (self.line.contains(&other.line)
                || self.decoded.iter().any(|d| d.contains(&other.line)))
    }
}

/// For each record the sources that have one of the same kind, its own left out.
pub(super) fn sources<'s>(records: &[(&Trace, &'s str)]) -> Vec<BTreeSet<&'s str>> {
    let mut found = vec![BTreeSet::new(); records.len()];
    let mut same: HashMap<&str, Vec<usize>> = HashMap::new();
    for (index, (trace, _)) in records.iter().enumerate() {
        if trace.line.len() >= LEAST {
            same.entry(&trace.line).or_default().push(index);
        }
    }
    for group in same.values().filter(|g| g.len() > 1) {
        for a in group {
            for b in group.iter().filter(|b| records[**b].1 != records[*a].1) {
                found[*a].insert(records[*b].1);
            }
        }
    }
    let deep: Vec<usize> = (0..records.len()).filter(|i| records[*i].0.deep).collect();
    for a in &deep {
        for b in deep.iter().filter(|b| records[**b].1 != records[*a].1) {
            if records[*a].0.holds(records[*b].0) {
                found[*a].insert(records[*b].1);
                found[*b].insert(records[*a].1);
            }
        }
    }
    found
}
