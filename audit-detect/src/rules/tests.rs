use std::time::{Duration, Instant};

use super::*;
use crate::shell::{Variables, resolve};

fn hits(set: &RuleSet, line: &str) -> Vec<String> {
    let resolved = resolve(line, &mut Variables::new());
    let all = set.run(&resolved, false);
    all.iter().filter(|h| !h.inert).map(|h| h.rule.id.to_string()).collect()
}

#[test]
fn every_rule_hits_its_examples_and_misses_its_counterexamples() {
    let rules = embedded_rules().expect("the embedded rules");
    let set = RuleSet::new(&rules).expect("a set");
    let mut wrong = Vec::new();
    for rule in &rules {
        for line in &rule.hit {
            if !hits(&set, line).contains(&rule.id) {
                wrong.push(format!(
                    "{} does not hit {line}: {:?}",
                    rule.id,
                    resolve(line, &mut Variables::new())
                ));
            }
        }
        for line in &rule.miss {
            if hits(&set, line).contains(&rule.id) {
                wrong.push(format!("{} hits {line}", rule.id));
            }
        }
        if rule.hit.is_empty() {
            wrong.push(format!("{} has no example", rule.id));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_expression_compiles_within_its_limit() {
    for rule in embedded_rules().expect("the embedded rules") {
        for pattern in rule.any.iter().chain(&rule.all).chain(&rule.none) {
            assert!(expression::Expression::new(pattern).is_some(), "{}: {pattern}", rule.id);
        }
    }
}

#[test]
fn nearly_every_rule_has_literals_to_search_for() {
    let set = embedded();
    assert!(set.len() >= 100, "{} rules", set.len());
    let always: Vec<&str> = set.unfiltered().map(|r| r.id.as_ref()).collect();
    assert!(always.len() <= 3, "{always:?} run always");
}

#[test]
fn ids_are_unique_across_files() {
    let mut ids: Vec<String> = embedded_rules().expect("rules").into_iter().map(|r| r.id).collect();
    let count = ids.len();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), count);
}

#[test]
fn literals_of_an_expression_are_found() {
    assert_eq!(literals::required(r"(?i)^Curl\s+\S+"), Some(vec![b"curl".to_vec()]));
    assert_eq!(
        literals::required(r"\b(?:curl|wget)\s.*-e"),
        Some(vec![b"curl".to_vec(), b"wget".to_vec()])
    );
    assert_eq!(literals::required(r"\w+"), None);
    assert_eq!(literals::required(r"x?y*"), None);
}

const MINE: &str = "[[rule]]\nid = \"mine.one\"\ntitle = \"t\"\ncategory = \"c\"\nscore = 0.9\nany = ['^frobnicate\\b']\nhit = ['frobnicate']\n";

#[test]
fn a_mistake_in_a_rule_file_is_told_with_its_line() {
    let error =
        file::parse("x.toml", &format!("{MINE}scor = 1\n")).expect_err("refused").to_string();
    assert!(error.starts_with("x.toml:8: "), "{error}");
    let error =
        file::parse("x.toml", &MINE.replace("b']", "b(']")).expect_err("refused").to_string();
    assert!(error.starts_with("x.toml:2: "), "{error}");
    let error = file::parse("x.toml", &MINE.replace("0.9", "7")).expect_err("refused").to_string();
    assert!(error.starts_with("x.toml:5: ") && error.contains("score"), "{error}");
}

#[test]
fn a_rule_that_contradicts_its_examples_is_refused() {
    let dir = tempfile::tempdir().expect("a folder");
    std::fs::write(dir.path().join("a.toml"), MINE.replace("hit = ['frob", "hit = ['other"))
        .expect("written");
    let error = RuleFolder::open(dir.path()).expect_err("refused").to_string();
    assert!(error.contains("a.toml:2: ") && error.contains("example"), "{error}");
}

#[test]
fn a_bad_file_leaves_the_old_rules_in_force() {
    let dir = tempfile::tempdir().expect("a folder");
    std::fs::write(dir.path().join("a.toml"), MINE).expect("written");
    let mut folder = RuleFolder::open(dir.path()).expect("read");
    assert_eq!(hits(folder.rules(), "frobnicate"), ["mine.one"]);
    let now = Instant::now();

    std::fs::write(dir.path().join("b.toml"), "[[rule]]\nid = 3\n").expect("written");
    let error = folder.refresh(now + Duration::from_secs(3)).expect_err("refused").to_string();
    assert!(error.contains("b.toml:2"), "{error}");
    assert_eq!(hits(folder.rules(), "frobnicate"), ["mine.one"]);

    let other = MINE.replace("mine.one", "mine.two").replace("frob", "blob");
    std::fs::write(dir.path().join("b.toml"), other).expect("written");
    assert!(folder.refresh(now + Duration::from_secs(6)).expect("read"));
    assert_eq!(hits(folder.rules(), "blobnicate"), ["mine.two"]);
}

#[test]
fn a_rule_of_the_folder_replaces_one_of_the_program() {
    let dir = tempfile::tempdir().expect("a folder");
    let id = embedded_rules().expect("rules")[0].id.clone();
    std::fs::write(dir.path().join("a.toml"), MINE.replace("mine.one", &id)).expect("written");
    let folder = RuleFolder::open(dir.path()).expect("read");
    assert_eq!(folder.rules().len(), embedded().len());
}

#[test]
fn all_expressions_together_stay_small_in_memory() {
    let mut bytes = 0;
    for rule in embedded_rules().expect("the embedded rules") {
        for pattern in rule.any.iter().chain(&rule.all).chain(&rule.none) {
            bytes += expression::Expression::new(pattern).map_or(0, |e| e.memory());
        }
    }
    assert!(bytes < 6 << 20, "{bytes} bytes");
}
