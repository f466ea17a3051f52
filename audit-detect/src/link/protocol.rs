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
/// Texts in an answer are cut to this many characters.
const TEXT_LIMIT: usize = 200;

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
    /// The command line.
    pub text: String,
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
    /// What judged.
    #[serde(default)]
    pub model: String,
    /// What the analyser would do; only told to people.
    #[serde(default)]
    pub suggested_action: String,
}

/// An answer that was accepted.
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
}

impl Answer {
    /// The answer as a finding about `excerpt`.
    pub fn into_finding(self, excerpt: String) -> Finding {
        let model = if self.model.is_empty() { "analyser".to_owned() } else { self.model };
        Finding {
            rule: format!("analyser.{model}"),
            title: if self.rationale.is_empty() {
                "the analyser's judgement".into()
            } else {
                self.rationale
            },
            category: if self.label.is_empty() { "suspicious".into() } else { self.label },
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
    Ok(Answer {
        score,
        label: plain(&found.label),
        rationale: plain(&found.rationale_code),
        model: plain(&found.model),
    })
}

/// Text of a stranger: short, on one line, without control characters.
fn plain(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(TEXT_LIMIT).collect()
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
    fn texts_of_an_answer_are_tamed() {
        let answer =
            answer(|v| v["label"] = serde_json::json!(format!("\u{1b}[2J{}", "x".repeat(500))))
                .expect("accepted");
        assert!(answer.label.len() <= TEXT_LIMIT && !answer.label.contains('\u{1b}'));
    }
}
