//! A folder of rules of one's own, read again when it changes.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use super::{Rule, RuleSet, file};
use crate::DetectError;
use crate::shell::{Variables, resolve};

/// The folder is looked at no more often than this.
const EVERY: Duration = Duration::from_secs(2);
/// Rule files larger than this are refused.
const FILE_LIMIT: u64 = 4 << 20;

type Stamp = Vec<(PathBuf, Option<SystemTime>, u64)>;

/// The rules of the program with those of a folder (`*.toml`); a rule of the folder replaces one of
/// the same id. A folder with one bad file is refused whole, and the rules before it stay.
#[derive(Debug)]
pub struct RuleFolder {
    path: PathBuf,
    stamp: Stamp,
    looked: Instant,
    rules: Arc<RuleSet>,
}

impl RuleFolder {
    /// Reads the folder.
    ///
    /// # Errors
    /// It cannot be read, or a file in it is wrong.
    pub fn open(path: &Path) -> Result<Self, DetectError> {
        let stamp = stamp(path)?;
        let rules = load(&stamp)?;
        Ok(Self { path: path.to_owned(), stamp, looked: Instant::now(), rules })
    }

    /// The present rules.
    pub fn rules(&self) -> &Arc<RuleSet> {
        &self.rules
    }

    /// Reads the folder again if it changed and the last look was two seconds ago. Returns whether
    /// there are new rules.
    ///
    /// # Errors
    /// The changed folder cannot be read or a file in it is wrong; the old rules stay. Told once
    /// per change.
    pub fn refresh(&mut self, now: Instant) -> Result<bool, DetectError> {
        if now.saturating_duration_since(self.looked) < EVERY {
            return Ok(false);
        }
        self.looked = now;
        let stamp = stamp(&self.path)?;
        if stamp == self.stamp {
            return Ok(false);
        }
        self.stamp = stamp;
        self.rules = load(&self.stamp)?;
        Ok(true)
    }
}

fn stamp(path: &Path) -> Result<Stamp, DetectError> {
    let failed =
        |source| DetectError::Io { operation: format!("reading {}", path.display()), source };
    let mut files = Vec::new();
    for entry in std::fs::read_dir(path).map_err(failed)? {
        let file = entry.map_err(failed)?.path();
        if file.extension().is_some_and(|e| e == "toml") {
            let about = std::fs::metadata(&file).map_err(failed)?;
            files.push((file, about.modified().ok(), about.len()));
        }
    }
    files.sort();
    Ok(files)
}

/// Every rule must hit its examples and miss its counterexamples.
fn check_examples(rules: &[Rule]) -> Result<(), DetectError> {
    let set = RuleSet::new(rules)?;
    for rule in rules {
        let hits = |line: &String| {
            let resolved = resolve(line, &mut Variables::new());
            set.run(&resolved, false).iter().any(|h| h.rule.id == rule.id && !h.inert)
        };
        let wrong = |reason: String| DetectError::Rule {
            file: rule.origin.0.clone(),
            line: rule.origin.1,
            reason,
        };
        if let Some(line) = rule.hit.iter().find(|l| !hits(l)) {
            return Err(wrong(format!("rule {} does not hit its example `{line}`", rule.id)));
        }
        if let Some(line) = rule.miss.iter().find(|l| hits(l)) {
            return Err(wrong(format!("rule {} hits its counterexample `{line}`", rule.id)));
        }
    }
    Ok(())
}

fn load(stamp: &Stamp) -> Result<Arc<RuleSet>, DetectError> {
    let mut more: Vec<Rule> = Vec::new();
    for (path, _, size) in stamp {
        let name = path.display().to_string();
        if *size > FILE_LIMIT {
            let reason = format!("larger than {FILE_LIMIT} bytes");
            return Err(DetectError::Rule { file: name, line: 1, reason });
        }
        let text = std::fs::read_to_string(path)
            .map_err(|source| DetectError::Io { operation: format!("reading {name}"), source })?;
        for rule in file::parse(&name, &text)? {
            if more.iter().any(|r| r.id == rule.id) {
                let reason = format!("rule {} is defined in another file too", rule.id);
                return Err(DetectError::Rule { file: name, line: 1, reason });
            }
            more.push(rule);
        }
    }
    if more.is_empty() {
        return Ok(Arc::clone(super::embedded()));
    }
    check_examples(&more)?;
    RuleSet::extended(super::embedded_rules()?, more)
}
