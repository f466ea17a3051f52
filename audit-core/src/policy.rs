//! What a session may do and how it reacts: configuration turned into types that cannot be wrong.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::monitor::Score;

/// The policy of one session.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Policy {
    /// How the recording is kept.
    pub recording: Recording,
    /// When and how a session is blocked.
    pub blocking: Blocking,
    /// How secrets are kept out of the recording.
    pub secrets: Secrets,
    /// How a session ends.
    pub ending: Ending,
    /// Language of what the user is told.
    pub language: Language,
    /// Whether to write to the terminal only what must be seen.
    pub quiet: bool,
}

/// What happens when the journal cannot be written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnFailure {
    /// End the session: nothing happens that is not recorded.
    Closed,
    /// Go on, with a banner, and say in the journal what is missing.
    #[default]
    Open,
    /// Keep records in memory up to a limit, then end the session.
    Spill,
}

/// How the recording is kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Recording {
    /// How many bytes may be handed to the recorder without being acknowledged. Beyond it nothing
    /// more is read, so that the kernel stops the child.
    pub window: usize,
    /// The recorder is woken when this many bytes wait.
    pub flush_bytes: usize,
    /// The recorder is woken at the latest this long after a record.
    pub flush_interval: Duration,
    /// How often what was written is made to survive the machine.
    pub sync_interval: Duration,
    /// Input is recorded before the child gets it, output before the screen shows it.
    pub strict: bool,
    /// What happens when the journal cannot be written.
    pub on_failure: OnFailure,
    /// How many bytes `spill` keeps in memory.
    pub spill_limit: usize,
    /// Whether input is recorded at all.
    pub input: bool,
}

/// When and how a session is blocked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Blocking {
    /// Whether a verdict may block.
    pub enabled: bool,
    /// A verdict of at least this score blocks.
    pub threshold: Score,
    /// How long a block waits for a decision.
    pub approval_timeout: Duration,
    /// What happens when nobody decided in time.
    pub on_timeout: OnTimeout,
    /// Whether the blocked user may decide.
    pub self_approval: SelfApproval,
    /// How long a monitor may take for a window before the session goes on without it.
    pub analysis_timeout: Duration,
    /// What happens when the monitor does not answer in time, or cannot judge.
    pub on_stall: OnStall,
    /// Output is shown only when judged, or after this time; zero shows it at once.
    pub hold_output: Duration,
}

/// What happens to a block nobody decided in time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnTimeout {
    /// End the session.
    #[default]
    Terminate,
    /// Let it go on.
    Resume,
}

/// What happens when a monitor does not answer in time, or cannot judge.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnStall {
    /// The session goes on. What it types and shows meanwhile is judged late, as far as it is kept.
    #[default]
    Continue,
    /// The session is blocked until somebody decides.
    Block,
}

/// Whether a blocked user may decide his own block.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SelfApproval {
    /// Never.
    Never,
    /// From another terminal, recorded as such.
    #[default]
    Journaled,
}

/// How secrets are kept out of the recording.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Secrets {
    /// Whether typed secrets are masked.
    pub mask_input: bool,
    /// How long input in doubt waits for its echo.
    pub echo_window: Duration,
    /// Regular expressions that find a prompt for a secret on the cursor's row. Checked when the
    /// configuration is read.
    pub prompt_patterns: Vec<String>,
    /// Whether a redaction tells the exact length.
    pub exact_length: bool,
}

/// How a session ends.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ending {
    /// A session lasts no longer than this; `None` for ever.
    pub session_timeout: Option<Duration>,
    /// How long each step of an end waits for the next: hang-up, terminate, kill.
    pub grace: Duration,
    /// How long the terminal is drained after the child has exited while something in the
    /// background keeps the slave open.
    pub drain: Duration,
    /// How long a user is waited for who takes nothing of what is still to be shown after the
    /// child has exited, such as a pager that stands still. Counts anew whenever something is
    /// taken.
    pub screen: Duration,
    /// How long the recorder may take to acknowledge the last record.
    pub seal: Duration,
}

/// Languages of what the user is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Language {
    /// English.
    #[default]
    #[serde(rename = "en")]
    English,
    /// Japanese.
    #[serde(rename = "ja")]
    Japanese,
    /// Simplified Chinese.
    #[serde(rename = "zh-CN")]
    Chinese,
}

impl Language {
    /// The language of a locale name such as `ja_JP.UTF-8` (`locale(7)`); English when unknown.
    pub fn from_locale(locale: &str) -> Self {
        match locale.get(..2) {
            Some("ja") => Self::Japanese,
            Some("zh") => Self::Chinese,
            _ => Self::English,
        }
    }
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            recording: Recording {
                window: 8 << 20,
                flush_bytes: 256 << 10,
                flush_interval: Duration::from_millis(50),
                sync_interval: Duration::from_millis(1000),
                strict: false,
                on_failure: OnFailure::default(),
                spill_limit: 16 << 20,
                input: true,
            },
            blocking: Blocking {
                enabled: true,
                threshold: Score::new(0.7).unwrap_or_default(),
                approval_timeout: Duration::from_secs(1800),
                on_timeout: OnTimeout::default(),
                self_approval: SelfApproval::default(),
                analysis_timeout: Duration::from_secs(5),
                on_stall: OnStall::default(),
                hold_output: Duration::ZERO,
            },
            secrets: Secrets {
                mask_input: true,
                echo_window: Duration::from_millis(250),
                prompt_patterns: DEFAULT_PROMPTS.map(str::to_owned).to_vec(),
                exact_length: false,
            },
            ending: Ending {
                session_timeout: None,
                grace: Duration::from_secs(2),
                drain: Duration::from_millis(500),
                screen: Duration::from_secs(24 * 3600),
                seal: Duration::from_secs(10),
            },
            language: Language::English,
            quiet: false,
        }
    }
}

/// Prompts for a secret, in the languages of our users.
pub const DEFAULT_PROMPTS: [&str; 6] =
    ["(?i)password", "(?i)passphrase", "\\bPIN\\b", "パスワード", "密码", "口令"];
