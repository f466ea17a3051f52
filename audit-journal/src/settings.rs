//! What the journal of a session is told: the settings of the recorder part.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Settings of the journal, as `spec.recorder` carries them (JSON).
///
/// ```
/// use audit_journal::JournalSettings;
/// let settings = JournalSettings::new("/var/lib/auditty/sessions");
/// let json = serde_json::to_value(&settings).unwrap();
/// assert_eq!(json["root"], "/var/lib/auditty/sessions");
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct JournalSettings {
    /// Directory that holds all sessions and the host log.
    pub root: PathBuf,
    /// A segment is closed when it has this many bytes.
    #[serde(default = "segment_size")]
    pub segment_size: u64,
    /// A segment is closed when it is this old.
    #[serde(default = "segment_age")]
    pub segment_age: Duration,
    /// File with the host key; it is created when it is not there. `None` means `host.key` in the
    /// root.
    #[serde(default)]
    pub host_key: Option<PathBuf>,
    /// Whether the session's start, segments and end are written to the host log.
    #[serde(default = "yes")]
    pub host_log: bool,
    /// Disk space kept free for what must still be recorded on a full disk, in bytes.
    #[serde(default = "reserve")]
    pub reserve: u64,
    /// Payload bytes that are gathered into a block, `4096..=524288`.
    #[serde(default = "block_size")]
    pub block_size: usize,
    /// Writes every record at once instead of gathering a block until the next sync.
    #[serde(default)]
    pub write_strict: bool,
    /// An epoch's signing key is replaced when it is this old.
    #[serde(default = "epoch_age")]
    pub epoch_age: Duration,
    /// zstd level of blocks that are compressed when they are written.
    #[serde(default = "level")]
    pub level: i32,
    /// zstd level of blocks that are compressed later, while the session is idle or ends.
    #[serde(default = "later_level")]
    pub later_level: i32,
}

fn segment_size() -> u64 {
    64 << 20
}
fn segment_age() -> Duration {
    Duration::from_secs(3600)
}
fn reserve() -> u64 {
    1 << 20
}
fn block_size() -> usize {
    64 << 10
}
fn epoch_age() -> Duration {
    Duration::from_secs(60)
}
fn level() -> i32 {
    1
}
fn later_level() -> i32 {
    1
}
fn yes() -> bool {
    true
}

impl JournalSettings {
    /// The defaults, with this root.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self {
            root: root.into(),
            segment_size: segment_size(),
            segment_age: segment_age(),
            host_key: None,
            host_log: true,
            reserve: reserve(),
            block_size: block_size(),
            write_strict: false,
            epoch_age: epoch_age(),
            level: level(),
            later_level: later_level(),
        }
    }

    /// Where the host key is.
    pub fn host_key_path(&self) -> PathBuf {
        self.host_key.clone().unwrap_or_else(|| self.root.join("host.key"))
    }
}
