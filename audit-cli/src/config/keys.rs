//! The table of everything that can be set.

use super::kind::Kind;

/// One thing that can be set.
#[derive(Debug)]
pub(crate) struct Key {
    /// The section it stands in.
    pub(crate) section: &'static str,
    /// Its name in that section.
    pub(crate) name: &'static str,
    /// What it accepts.
    pub(crate) kind: Kind,
    /// Its built-in value.
    pub(crate) preset: Preset,
    /// What it does, one sentence.
    pub(crate) purpose: &'static str,
}

impl Key {
    /// `section.name`.
    pub(crate) fn path(&self) -> String {
        format!("{}.{}", self.section, self.name)
    }
}

/// A built-in value.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Preset {
    /// A value as TOML writes it.
    Value(&'static str),
    /// A path that differs for root.
    Path {
        /// For everybody else.
        user: &'static str,
        /// For root.
        root: &'static str,
    },
    /// None; the purpose says what holds then.
    Unset,
}

/// The sections in the order of the documentation, each with what it is about.
pub(crate) const SECTIONS: [(&str, &str); 9] = [
    ("audit", "Whether and how sessions are audited."),
    ("pty", "The terminal a session gets."),
    ("detect", "Analysis of what a session shows, on this machine."),
    ("ai", "Thresholds of the analysis, and the AI server that takes part in it."),
    (
        "control",
        "The control server that watches and orders. This version has no link to one yet and says so \
         when it is switched on; `auditty ctl` steers sessions.",
    ),
    ("blocking", "What happens when a threat is found."),
    ("logging", "The audit log: one JSON object a line, no terminal data."),
    ("journal", "Where and how sessions are recorded."),
    ("secrets", "How secrets are kept out of the recording."),
];

/// The names of the engines; other names of one follow it in parentheses.
pub(crate) const ENGINES: &[&str] = &[
    "hybrid",
    "async",
    "(asyncio)",
    "threaded",
    "(threading)",
    "poll",
    "(select)",
    "multiproc",
    "(multiprocessing)",
];

/// The levels of the audit log, the most talkative first.
pub(crate) const LEVELS: &[&str] = &["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"];

/// Everything that can be set, section by section.
pub(crate) const KEYS: &[Key] = &[
    key(
        "audit",
        "enabled",
        Kind::Truth,
        "true",
        "Record and guard; `false` runs the command as if auditty were not there.",
    ),
    key(
        "audit",
        "implementation",
        Kind::Word(ENGINES),
        "\"hybrid\"",
        "The engine that drives the terminal; they differ in cost and isolation, never in behaviour.",
    ),
    key(
        "audit",
        "session_timeout",
        Kind::Span(0, YEAR),
        "3600",
        "A session lasts no longer than this and is then hung up; off and 0 are for ever.",
    ),
    key(
        "audit",
        "log_level",
        Kind::Word(LEVELS),
        "\"INFO\"",
        "The least severe events the audit log takes.",
    ),
    key(
        "audit",
        "language",
        Kind::Word(&["auto", "en", "ja", "zh-CN"]),
        "\"auto\"",
        "Language of what the user is told; `auto` follows the locale.",
    ),
    key(
        "pty",
        "buffer_size",
        Kind::Size(512, 1 << 20),
        "65536",
        "Bytes per read; larger is faster.",
    ),
    key(
        "pty",
        "terminal_size",
        Kind::Grid(1, 10_000),
        "[24, 80]",
        "Rows and columns when there is no terminal to copy them from.",
    ),
    Key {
        section: "pty",
        name: "shell_command",
        kind: Kind::Command,
        preset: Preset::Unset,
        purpose: "What runs when no command is given; unset, it is `$SHELL`, else `/bin/sh`.",
    },
    key(
        "detect",
        "enabled",
        Kind::Truth,
        "true",
        "Judge what a session shows by rules and a small model; `false` switches all analysis off, that of an AI server too.",
    ),
    Key {
        section: "detect",
        name: "rules_dir",
        kind: Kind::Path,
        preset: Preset::Unset,
        purpose: "A directory of rule files used beside the built-in rules.",
    },
    Key {
        section: "detect",
        name: "model",
        kind: Kind::Path,
        preset: Preset::Unset,
        purpose: "A model made by `auditty train`, in place of the built-in one.",
    },
    key(
        "detect",
        "secret_score",
        Kind::Fraction,
        "0.5",
        "Score of a finding when a secret is shown; from `ai.threat_threshold` on it blocks.",
    ),
    key("ai", "enabled", Kind::Truth, "false", "Ask an AI server as well."),
    key(
        "ai",
        "server_url",
        Kind::Url(&["ws://", "wss://"]),
        "\"ws://localhost:57575/ai\"",
        "Where the AI server listens; `wss://` is encrypted and checks its certificate.",
    ),
    Key {
        section: "ai",
        name: "ca_file",
        kind: Kind::Path,
        preset: Preset::Unset,
        purpose: "Certificates (PEM) trusted with `wss://`; unset, it is those this system trusts.",
    },
    key(
        "ai",
        "analysis_timeout",
        Kind::Span(1, HOUR),
        "5.0",
        "How long an analysis may take before the session goes on without it.",
    ),
    key(
        "ai",
        "questions_per_minute",
        Kind::Count(1, 10_000),
        "30",
        "A session asks the AI server no more often than this.",
    ),
    key(
        "ai",
        "threat_threshold",
        Kind::Fraction,
        "0.7",
        "A finding of at least this score blocks.",
    ),
    key(
        "ai",
        "thread_pool_size",
        Kind::Count(1, 64),
        "2",
        "Threads that analyse (engine `hybrid`).",
    ),
    key("control", "enabled", Kind::Truth, "false", "Connect to a control server."),
    key(
        "control",
        "server_url",
        Kind::Url(&["ws://", "wss://"]),
        "\"ws://localhost:57576/control\"",
        "Where the control server listens.",
    ),
    key(
        "control",
        "realtime_updates",
        Kind::Truth,
        "true",
        "Tell the control server everything as it happens, not only blocks and the end.",
    ),
    key(
        "control",
        "thread_pool_size",
        Kind::Count(1, 64),
        "1",
        "Threads that serve the control server.",
    ),
    key(
        "blocking",
        "enable_emergency_block",
        Kind::Truth,
        "true",
        "Block a session when a threat is found.",
    ),
    key(
        "blocking",
        "approval_timeout",
        Kind::Span(1, YEAR),
        "1800",
        "How long a block waits for a decision.",
    ),
    key(
        "blocking",
        "on_timeout",
        Kind::Word(&["terminate", "resume"]),
        "\"terminate\"",
        "What happens to a block that nobody decided.",
    ),
    key(
        "blocking",
        "on_stall",
        Kind::Word(&["continue", "block"]),
        "\"continue\"",
        "What happens when the analysis does not answer in `ai.analysis_timeout` or fails: go on and judge late what can be kept, or block.",
    ),
    key(
        "blocking",
        "self_approval",
        Kind::Word(&["journaled", "never"]),
        "\"journaled\"",
        "Whether a blocked user may approve from another terminal, which the journal then says; with `never` he may only reject, or end his session.",
    ),
    key(
        "blocking",
        "hold_output",
        Kind::Span(0, 60_000),
        "\"off\"",
        "Show output only when judged, or after this time; off shows it at once.",
    ),
    Key {
        section: "logging",
        name: "audit_log_path",
        kind: Kind::Path,
        preset: Preset::Path {
            user: "~/.local/state/auditty/audit.log",
            root: "/var/log/auditty/audit.log",
        },
        purpose: "The audit log.",
    },
    key(
        "logging",
        "max_log_size",
        Kind::Size(4096, 1 << 40),
        "\"100MB\"",
        "A log file is rotated before it grows beyond this.",
    ),
    key("logging", "log_rotation", Kind::Count(0, 1000), "7", "How many rotated files are kept."),
    Key {
        section: "journal",
        name: "dir",
        kind: Kind::Path,
        preset: Preset::Path {
            user: "~/.local/state/auditty/sessions",
            root: "/var/lib/auditty/sessions",
        },
        purpose: "Where sessions are recorded.",
    },
    Key {
        section: "journal",
        name: "host_key",
        kind: Kind::Path,
        preset: Preset::Unset,
        purpose: "The host's secret key, made when it is not there; unset, it is `host.key` in `journal.dir`.",
    },
    Key {
        section: "journal",
        name: "known_keys",
        kind: Kind::Path,
        preset: Preset::Path {
            user: "~/.local/state/auditty/known-keys",
            root: "/var/lib/auditty/known-keys",
        },
        purpose: "Where it is remembered which host key a journal directory is signed with.",
    },
    key(
        "journal",
        "segment_size",
        Kind::Size(64 << 10, 1 << 40),
        "\"64MiB\"",
        "A journal goes on in a new file beyond this.",
    ),
    key(
        "journal",
        "flush_interval",
        Kind::Span(1, 60_000),
        "\"100ms\"",
        "How long something shown may stay unwritten.",
    ),
    key(
        "journal",
        "sync_interval",
        Kind::Span(10, HOUR),
        "1",
        "How often what was written is made to survive the machine.",
    ),
    key(
        "journal",
        "on_failure",
        Kind::Word(&["closed", "open", "spill"]),
        "\"open\"",
        "When the journal cannot be written: end the session, go on with a gap, or keep records in memory for a while.",
    ),
    key(
        "journal",
        "spill_limit",
        Kind::Size(64 << 10, 1 << 34),
        "\"16MiB\"",
        "How much `spill` keeps in memory.",
    ),
    key(
        "journal",
        "strict",
        Kind::Truth,
        "false",
        "Write input before the child gets it, and output before the screen shows it.",
    ),
    key("journal", "record_input", Kind::Truth, "true", "Record what is typed."),
    key("secrets", "mask_input", Kind::Truth, "true", "Keep typed secrets out of the recording."),
    key(
        "secrets",
        "echo_window",
        Kind::Span(10, 10_000),
        "\"250ms\"",
        "How long input in doubt waits for its echo.",
    ),
    key(
        "secrets",
        "prompt_patterns",
        Kind::Patterns,
        "[\"(?i)password\", \"(?i)passphrase\", \"\\\\bPIN\\\\b\", \"パスワード\", \"密码\", \"口令\"]",
        "Prompts after which input is a secret, as regular expressions.",
    ),
    key(
        "secrets",
        "exact_length",
        Kind::Truth,
        "false",
        "Whether the journal tells exactly how long a masked secret was; else it is rounded up to a multiple of 16 bytes, which hides it only where the kernel did not echo: what was in doubt first shows as that many `*`.",
    ),
    key(
        "secrets",
        "reveal",
        Kind::Word(&["owner", "root"]),
        "\"owner\"",
        "Who may see secrets that a session showed, with `--reveal-secrets`: root and the owner of the journal, or root alone.",
    ),
];

/// The key `section.name`.
pub(crate) fn find(section: &str, name: &str) -> Option<&'static Key> {
    KEYS.iter().find(|k| k.section == section && k.name == name)
}

/// The names a section knows; empty for an unknown section.
pub(crate) fn names_in(section: &str) -> impl Iterator<Item = &'static str> {
    KEYS.iter().filter(move |k| k.section == section).map(|k| k.name)
}

const HOUR: u64 = 3_600_000;
const YEAR: u64 = 366 * 24 * HOUR;

const fn key(
    section: &'static str,
    name: &'static str,
    kind: Kind,
    preset: &'static str,
    purpose: &'static str,
) -> Key {
    Key { section, name, kind, preset: Preset::Value(preset), purpose }
}
