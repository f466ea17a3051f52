//! The configuration as types.

use std::path::PathBuf;

use audit_core::{OnFailure, OnStall, OnTimeout, SelfApproval};
use serde::Deserialize;

use super::units::{Size, Span};

/// What this version uses of what can be set. Each field is one key of [`super::keys::KEYS`], which
/// says what it does and has checked it: values are in range, paths absolute.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Config {
    pub(crate) audit: Audit,
    pub(crate) pty: Pty,
    pub(crate) detect: Detect,
    pub(crate) ai: Ai,
    pub(crate) control: Control,
    pub(crate) blocking: Blocking,
    pub(crate) logging: Logging,
    pub(crate) journal: Journal,
    pub(crate) secrets: Secrets,
}

/// `[audit]`
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Audit {
    pub(crate) enabled: bool,
    pub(crate) implementation: String,
    pub(crate) session_timeout: Span,
    pub(crate) log_level: String,
    pub(crate) language: String,
}

/// `[pty]`
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Pty {
    pub(crate) buffer_size: Size,
    /// Rows, columns.
    pub(crate) terminal_size: [u16; 2],
    #[serde(default)]
    pub(crate) shell_command: Option<ShellCommand>,
}

/// A program, or a program and its arguments.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum ShellCommand {
    Program(String),
    Words(Vec<String>),
}

/// `[detect]`
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Detect {
    pub(crate) enabled: bool,
    #[serde(default)]
    pub(crate) rules_dir: Option<PathBuf>,
    #[serde(default)]
    pub(crate) model: Option<PathBuf>,
    pub(crate) secret_score: f32,
}

/// `[ai]`
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Ai {
    pub(crate) enabled: bool,
    pub(crate) server_url: String,
    #[serde(default)]
    pub(crate) ca_file: Option<PathBuf>,
    pub(crate) analysis_timeout: Span,
    pub(crate) questions_per_minute: u32,
    pub(crate) threat_threshold: f32,
    pub(crate) thread_pool_size: usize,
}

/// `[control]`
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Control {
    pub(crate) enabled: bool,
    pub(crate) server_url: String,
}

/// `[blocking]`
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Blocking {
    pub(crate) enable_emergency_block: bool,
    pub(crate) approval_timeout: Span,
    pub(crate) on_timeout: OnTimeout,
    pub(crate) on_stall: OnStall,
    pub(crate) self_approval: SelfApproval,
    pub(crate) hold_output: Span,
}

/// `[logging]`
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Logging {
    pub(crate) audit_log_path: PathBuf,
    pub(crate) max_log_size: Size,
    pub(crate) log_rotation: u32,
}

/// `[journal]`
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Journal {
    pub(crate) dir: PathBuf,
    #[serde(default)]
    pub(crate) host_key: Option<PathBuf>,
    pub(crate) known_keys: PathBuf,
    pub(crate) segment_size: Size,
    pub(crate) flush_interval: Span,
    pub(crate) sync_interval: Span,
    pub(crate) on_failure: OnFailure,
    pub(crate) spill_limit: Size,
    pub(crate) strict: bool,
    pub(crate) record_input: bool,
}

/// `[secrets]`
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Secrets {
    pub(crate) mask_input: bool,
    pub(crate) echo_window: Span,
    pub(crate) prompt_patterns: Vec<String>,
    pub(crate) exact_length: bool,
    pub(crate) reveal: Reveal,
}

/// Who may see secrets that a session showed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Reveal {
    /// Root and the owner of the journal.
    Owner,
    /// Root alone.
    Root,
}
