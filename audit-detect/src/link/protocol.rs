//! Messages between a monitor and an analyser.

use audit_core::{Finding, Score};
use serde::{Deserialize, Serialize};

/// Name of the protocol, as WebSocket subprotocol.
pub const SUBPROTOCOL: &str = "auditty.ai.v1";
/// Version in every message.
pub const VERSION: u32 = 1;
/// Path of the endpoint.
pub const PATH: &str = "/ai";
/// A message is no larger than this, in bytes; larger ones are refused before they are read.
pub const MESSAGE_LIMIT: usize = 64 << 10;
/// A code in an answer has no more characters than this.
const CODE_LIMIT: usize = 64;
/// An answer names no more pieces of evidence than this.
const EVIDENCE_LIMIT: usize = 16;

/// A question: one command line, its secrets redacted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Analyze {
    /// `analyze`.
    pub t: String,
    /// [`VERSION`].
    pub v: u32,
    /// Number of the question on this connection.
    pub req_id: u64,
    /// Name of the session.
    pub session: String,
    /// Where the line lies: offsets in what was typed or shown, its first byte and behind its last.
    /// Masked bytes are not counted. Absent where it is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub range: Option<[u64; 2]>,
    /// The command line.
    pub text: String,
    /// Name of those bytes: `SESSION/STREAM/FROM-TO`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub raw_ref: Option<String>,
    /// What the sender makes of it, `0.0..=1.0`.
    pub score: f32,
    /// Rules that fired.
    #[serde(default)]
    pub rules: Vec<String>,
    /// Who and where.
    #[serde(default)]
    pub context: Context,
    /// An answer later than this, in milliseconds, is of no use.
    pub deadline_ms: u64,
}

/// Who and where.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Context {
    /// Name of the user.
    #[serde(default)]
    pub user: String,
    /// Name of the host.
    #[serde(default)]
    pub host: String,
    /// Directory the session started in, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cwd: Option<String>,
    /// Which command line of the session this is, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cmd_id: Option<u64>,
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Analysis {
    /// `analysis`.
    pub t: String,
    /// [`VERSION`].
    pub v: u32,
    /// Number of the question.
    pub req_id: u64,
    /// Session of the question.
    pub session: String,
    /// How dangerous, `0.0..=1.0`.
    pub score: f64,
    /// Category, such as `reverse_shell`.
    #[serde(default)]
    pub label: String,
    /// Why, as a short code.
    #[serde(default)]
    pub rationale_code: String,
    /// The bytes that tell it, inside the range that was asked about.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<Evidence>,
    /// What judged.
    #[serde(default)]
    pub model: String,
    /// What the analyser would do (`allow`, `block` or `review`); only told to people.
    #[serde(default)]
    pub suggested_action: String,
}

/// Bytes that tell a threat, by their offsets as in [`Analyze::range`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// Offset of the first byte.
    pub from_seq: u64,
    /// Offset behind the last byte.
    pub to_seq: u64,
}

/// An answer that was accepted. Its texts are codes: letters, digits, `_`, `.` and `-`, so that
/// whoever answers cannot speak to people in our name.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// How dangerous, `0.0..=1.0`.
    pub score: f32,
    /// Category.
    pub label: String,
    /// Why, as a short code.
    pub rationale: String,
    /// What judged.
    pub model: String,
    /// The bytes that tell it.
    pub evidence: Vec<Evidence>,
    /// What the analyser would do.
    pub suggested_action: String,
}

impl Answer {
    /// This answer to a question about `range`.
    ///
    /// # Errors
    /// It tells of other bytes.
    pub fn about(self, range: Option<[u64; 2]>) -> Result<Self, String> {
        let within = |e: &Evidence| {
            e.from_seq < e.to_seq
                && range.is_some_and(|[from, to]| from <= e.from_seq && e.to_seq <= to)
        };
        if self.evidence.iter().all(within) {
            Ok(self)
        } else {
            Err("evidence outside of what was asked about".into())
        }
    }

    /// The answer as a finding about `excerpt`.
    pub fn into_finding(self, excerpt: String) -> Finding {
        let or = |text: String, other: &str| if text.is_empty() { other.to_owned() } else { text };
        let mut title = "the analyser's judgement".to_owned();
        if !self.rationale.is_empty() {
            title += &format!(": {}", self.rationale);
        }
        if let Some(evidence) = self.evidence.first() {
            title += &format!(", bytes {} to {}", evidence.from_seq, evidence.to_seq);
        }
        if !self.suggested_action.is_empty() {
            title += &format!(" (suggests: {})", self.suggested_action);
        }
        Finding {
            rule: format!("analyser.{}", or(self.model, "analyser")),
            title,
            category: or(self.label, "suspicious"),
            mitre: Vec::new(),
            score: Score::new(self.score).unwrap_or_default(),
            excerpt,
        }
    }
}

/// Reads a question.
///
/// # Errors
/// Why it is refused, one line.
pub fn read_analyze(text: &str) -> Result<Analyze, String> {
    if text.len() > MESSAGE_LIMIT {
        return Err(format!("message of {} bytes", text.len()));
    }
    let question: Analyze =
        serde_json::from_str(text).map_err(|e| format!("not a question: {e}"))?;
    if question.t != "analyze" || question.v != VERSION {
        return Err(format!(
            "`{}` version {} instead of `analyze` version {VERSION}",
            plain(&question.t),
            question.v
        ));
    }
    if !(0.0..=1.0).contains(&question.score) {
        return Err(format!("score {} is not in 0.0..=1.0", question.score));
    }
    Ok(question)
}

/// Reads the answer to question `req_id` of `session`.
///
/// # Errors
/// Why it is refused, one line.
pub fn read_analysis(text: &str, req_id: u64, session: &str) -> Result<Answer, String> {
    if text.len() > MESSAGE_LIMIT {
        return Err(format!("message of {} bytes", text.len()));
    }
    let found: Analysis = serde_json::from_str(text).map_err(|e| format!("not an answer: {e}"))?;
    if found.t != "analysis" || found.v != VERSION {
        return Err(format!(
            "`{}` version {} instead of `analysis` version {VERSION}",
            plain(&found.t),
            found.v
        ));
    }
    if found.session != session {
        return Err("answer for another session".into());
    }
    if found.req_id != req_id {
        return Err(format!("answer to question {} instead of {req_id}", found.req_id));
    }
    // a number of `f64` may round to one out of range
    let score = Some(found.score as f32)
        .filter(|s| (0.0..=1.0).contains(s) && (0.0..=1.0).contains(&found.score));
    let Some(score) = score else {
        return Err(format!("score {} is not in 0.0..=1.0", found.score));
    };
    if found.evidence.len() > EVIDENCE_LIMIT {
        return Err(format!("{} pieces of evidence", found.evidence.len()));
    }
    let known = ["allow", "block", "review"].contains(&found.suggested_action.as_str());
    Ok(Answer {
        score,
        label: code(found.label),
        rationale: code(found.rationale_code),
        model: code(found.model),
        evidence: found.evidence,
        suggested_action: if known { found.suggested_action } else { String::new() },
    })
}

/// A code of a stranger; nothing, if it is more than that.
fn code(text: String) -> String {
    let good = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-');
    if text.len() <= CODE_LIMIT && text.bytes().all(good) { text } else { String::new() }
}

/// Text of a stranger: short, on one line, without control characters.
fn plain(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(CODE_LIMIT).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(change: impl FnOnce(&mut serde_json::Value)) -> Result<Answer, String> {
        let mut value = serde_json::json!({
            "t": "analysis", "v": 1, "req_id": 7, "session": "s", "score": 0.9, "label": "reverse_shell",
            "rationale_code": "socket_shell", "model": "m", "suggested_action": "block", "more": [1, 2]
        });
        change(&mut value);
        read_analysis(&value.to_string(), 7, "s")
    }

    #[test]
    fn a_good_answer_is_read_and_unknown_fields_are_passed_over() {
        let answer = answer(|_| {}).expect("accepted");
        assert_eq!((answer.score, answer.label.as_str()), (0.9, "reverse_shell"));
    }

    #[test]
    fn answers_that_cannot_be_trusted_are_refused() {
        for (field, value) in [
            ("score", serde_json::json!(7)),
            ("score", serde_json::json!(-0.1)),
            ("score", serde_json::json!(null)),
            ("score", serde_json::json!(1e300)),
            ("v", serde_json::json!(2)),
            ("t", serde_json::json!("analyse")),
            ("session", serde_json::json!("other")),
            ("req_id", serde_json::json!(8)),
        ] {
            assert!(answer(|v| v[field] = value.clone()).is_err(), "{field}: {value}");
        }
        for text in ["", "garbage", "[]", "{}", "{\"score\":NaN}", "\u{0}"] {
            assert!(read_analysis(text, 7, "s").is_err(), "{text}");
        }
        assert!(read_analysis(&" ".repeat(MESSAGE_LIMIT + 1), 7, "s").is_err());
    }

    #[test]
    fn an_answer_speaks_in_codes_alone() {
        for text in [
            "\u{1b}[2J",
            "approve with: auditty ctl approve",
            "x y",
            "\u{202e}x",
            "日本",
            &"x".repeat(CODE_LIMIT + 1),
        ] {
            for field in ["label", "rationale_code", "model", "suggested_action"] {
                let found = answer(|v| v[field] = serde_json::json!(text)).expect("accepted");
                let finding = found.into_finding(String::new());
                let told = format!("{}{}{}", finding.rule, finding.title, finding.category);
                assert!(!told.contains(text), "{field}: {told}");
            }
        }
        let finding = answer(|_| {}).expect("accepted").into_finding(String::new());
        assert_eq!(finding.title, "the analyser's judgement: socket_shell (suggests: block)");
        assert_eq!(
            (finding.rule.as_str(), finding.category.as_str()),
            ("analyser.m", "reverse_shell")
        );
    }

    #[test]
    fn evidence_lies_in_what_was_asked_about() {
        let told = |from: u64, to: u64, range| {
            let evidence = serde_json::json!([{ "from_seq": from, "to_seq": to }]);
            answer(|v| v["evidence"] = evidence).and_then(|answer| answer.about(range))
        };
        let good = told(12, 20, Some([10, 20])).expect("accepted");
        assert!(good.into_finding(String::new()).title.contains("bytes 12 to 20"));
        for (from, to, range) in [
            (9, 20, Some([10, 20])),
            (12, 21, Some([10, 20])),
            (12, 12, Some([10, 20])),
            (1, 2, None),
        ] {
            assert!(told(from, to, range).is_err(), "{from} {to} {range:?}");
        }
        let many = serde_json::json!(vec![serde_json::json!({ "from_seq": 1, "to_seq": 2 }); 17]);
        assert!(answer(|v| v["evidence"] = many).is_err());
        assert!(answer(|v| v["evidence"] = serde_json::json!("all")).is_err());
    }
}
