//! Which host key is believed.

use std::fmt;
use std::path::Path;

use ed25519_dalek::VerifyingKey;

use super::KeySource;
use crate::error::{JournalError, Result};
use crate::hostlog;
use crate::keys::{HostKey, fingerprint, host_verifier};
use crate::note::Verifier;
use crate::settings::JournalSettings;

/// Which host key is believed.
#[derive(Clone, Debug, Default)]
pub enum Trust {
    /// The key the root itself holds, or, outside a root, the key the session names: proves that
    /// nobody without that key changed anything, and nothing about whose key it is.
    #[default]
    FirstUse,
    /// The key the root has been known by: as [`Trust::FirstUse`], and a root that holds another
    /// key is a stranger.
    Known(TrustedKey),
    /// This key and no other, and nothing that is not signed.
    Key(TrustedKey),
}

/// A host's public key that somebody vouches for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TrustedKey(pub(crate) VerifyingKey);

impl TrustedKey {
    /// The key that the root `root` holds, if it holds one.
    pub fn of_root(root: &Path) -> Option<Self> {
        hostlog::published(root).map(|verifier| Self(verifier.key))
    }

    /// The public half of the host key that `settings` name, which is made where nothing was signed
    /// yet.
    ///
    /// # Errors
    /// The key cannot be read or made, or it is not that of the root.
    pub fn of_host(settings: &JournalSettings) -> Result<Self> {
        let host = HostKey::open_or_create(settings)?;
        hostlog::publish(&settings.root, &host)?;
        Ok(Self(host.public()))
    }

    /// Reads a verifier key (`name+hash+base64`, as in `hostlog/host.pub`) or 64 hexadecimal
    /// digits.
    pub fn parse(text: &str) -> Option<Self> {
        Verifier::parse(text)
            .map(|v| v.key)
            .or_else(|| VerifyingKey::from_bytes(&crate::facts::unhex32(text)?).ok())
            .map(Self)
    }

    /// Sixteen hexadecimal digits that tell keys apart.
    pub fn fingerprint(&self) -> String {
        fingerprint(&self.0)
    }
}

/// As a verifier key.
impl fmt::Display for TrustedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&host_verifier(self.0).text())
    }
}

impl Trust {
    /// Reads the key in `path`: a verifier key (`name+hash+base64`, as in `hostlog/host.pub`) or 64
    /// hexadecimal digits.
    ///
    /// # Errors
    /// The file cannot be read or holds no key.
    pub fn from_file(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).map_err(|e| JournalError::io("read", path, e))?;
        TrustedKey::parse(text.trim()).map(Self::Key).ok_or_else(|| JournalError::Key {
            place: path.display().to_string(),
            reason: "expected a verifier key or 64 hexadecimal digits".to_owned(),
        })
    }
}

/// Which key a session must be signed by.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Believed {
    /// `None`: the one the session names.
    pub(super) key: Option<VerifyingKey>,
    pub(super) source: KeySource,
    /// Whether a session that nobody signed is refused, even one that was imported.
    pub(super) demanded: bool,
}

impl Believed {
    /// What `trust` says of a root that holds `root_key`.
    pub(crate) fn new(trust: &Trust, root_key: Option<VerifyingKey>) -> Self {
        let (key, source) = match (trust, root_key) {
            (Trust::Key(key), _) => (Some(key.0), KeySource::Given),
            (Trust::Known(key), _) => (Some(key.0), KeySource::Known),
            (Trust::FirstUse, Some(key)) => (Some(key), KeySource::Root),
            (Trust::FirstUse, None) => (None, KeySource::Session),
        };
        Self { key, source, demanded: matches!(trust, Trust::Key(_)) }
    }

    pub(crate) fn key(&self) -> Option<VerifyingKey> {
        self.key
    }
}
