//! Which host key a journal directory is known by.
//!
//! Whoever can replace a journal directory as a whole can also replace the key in it. So the key is
//! remembered outside: one line each, the verifier key and the directory, the first line counts.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use audit_journal::{Trust, TrustedKey};

use crate::config::Config;

/// The keys that are known.
#[derive(Debug)]
pub(crate) struct KnownKeys {
    path: PathBuf,
}

impl KnownKeys {
    /// Those of this configuration; nothing is read yet.
    pub(crate) fn of(config: &Config) -> Self {
        Self { path: config.journal.known_keys.clone() }
    }

    /// The key that `root` is known by, if it is known.
    ///
    /// # Errors
    /// The keys cannot be read.
    pub(crate) fn find(&self, root: &Path) -> anyhow::Result<Option<TrustedKey>> {
        let text = match fs::read_to_string(&self.path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => {
                return Err(error).with_context(|| format!("read {}", self.path.display()));
            }
        };
        let root = whole(root);
        Ok(text.lines().find_map(|line| {
            let (key, path) = line.split_once(' ')?;
            TrustedKey::parse(key).filter(|_| Path::new(path) == root)
        }))
    }

    /// Remembers that `root` is signed with `key`.
    ///
    /// # Errors
    /// It cannot be written down.
    pub(crate) fn add(&self, root: &Path, key: TrustedKey) -> io::Result<()> {
        let root = whole(root);
        let name = root.to_str().filter(|name| !name.contains('\n'));
        let name = name.ok_or_else(|| io::Error::other("a path that is no line of text"))?;
        if let Some(dir) = self.path.parent() {
            use std::os::unix::fs::DirBuilderExt as _;
            fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
        }
        let mut file: File =
            OpenOptions::new().append(true).create(true).mode(0o600).open(&self.path)?;
        // One write: sessions that begin at once do not mix their lines.
        file.write_all(format!("{key} {name}\n").as_bytes())?;
        file.sync_all()
    }

    /// What to believe of `root`.
    ///
    /// # Errors
    /// The keys cannot be read.
    pub(crate) fn trust(&self, root: Option<&Path>) -> anyhow::Result<Trust> {
        let known = root.map(|root| self.find(root)).transpose()?.flatten();
        Ok(known.map_or(Trust::FirstUse, Trust::Known))
    }

    /// That `root` is not signed with `old` any more, in one line.
    pub(crate) fn strange(&self, root: &Path, old: TrustedKey) -> String {
        format!(
            "{}: the host key is not {}, which it is known by; whoever replaced it on purpose removes \
             its line from {}",
            root.display(),
            old.fingerprint(),
            self.path.display()
        )
    }

    /// Where they are kept.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

/// The one name of a directory that is there.
fn whole(root: &Path) -> PathBuf {
    fs::canonicalize(root).unwrap_or_else(|_| root.to_owned())
}
