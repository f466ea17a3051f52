//! Keys: the host's, which lasts, and the epochs', which do not.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use audit_core::SessionId;
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::chain::Hash;
use crate::disk::sync_dir;
use crate::error::{JournalError, Result};
use crate::facts::{CertifiedBy, Epoch, EpochReason, Key32, hex, unhex};
use crate::hostlog;
use crate::note::Verifier;
use crate::settings::JournalSettings;

/// The key of a host. It certifies the first epoch of every session and signs the host log.
#[derive(Debug)]
pub(crate) struct HostKey {
    key: SigningKey,
}

impl HostKey {
    /// Reads the key that `settings` name, or creates it where nothing was signed with it yet.
    pub(crate) fn open_or_create(settings: &JournalSettings) -> Result<Self> {
        let path = settings.host_key_path();
        match Self::open(&path) {
            Err(JournalError::Io { source, .. })
                if source.kind() == std::io::ErrorKind::NotFound =>
            {
                let public = hostlog::dir(&settings.root).join("host.pub");
                if public.exists() {
                    return Err(JournalError::Key {
                        place: path.display().to_string(),
                        reason: format!(
                            "the host key is gone; {} is made from it",
                            public.display()
                        ),
                    });
                }
                Self::create(&path)
            }
            opened => opened,
        }
    }

    /// Reads the key at `path`, which only its owner may read.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let io = |e| JournalError::io("read host key", path, e);
        let mut file = OpenOptions::new()
            .read(true)
            .custom_flags(nix::libc::O_NOFOLLOW)
            .open(path)
            .map_err(io)?;
        let bad = |reason: &str| JournalError::Key {
            place: path.display().to_string(),
            reason: reason.to_owned(),
        };
        if file.metadata().map_err(io)?.mode() & 0o077 != 0 {
            return Err(bad("the host key may be read by others than its owner"));
        }
        let mut text = Zeroizing::new(String::new());
        std::io::Read::by_ref(&mut file).take(256).read_to_string(&mut text).map_err(io)?;
        let bytes = Zeroizing::new(unhex(text.trim()).unwrap_or_default());
        let seed: Zeroizing<[u8; 32]> = Zeroizing::new(
            bytes.as_slice().try_into().map_err(|_| bad("expected 64 hexadecimal digits"))?,
        );
        Ok(Self { key: SigningKey::from_bytes(&seed) })
    }

    /// Writes a fresh key beside `path` and links it there, so that no half-written key is ever
    /// seen and the first of several processes wins.
    fn create(path: &Path) -> Result<Self> {
        let io = |e| JournalError::io("create host key", path, e);
        let mut random = [0; 8];
        fill(&mut random)?;
        let own = path.with_extension(format!("new-{}", hex(&random)));
        let key = fresh()?;
        let mut file: File =
            OpenOptions::new().write(true).create_new(true).mode(0o600).open(&own).map_err(io)?;
        let mut text = Zeroizing::new(hex(key.as_bytes()));
        text.push('\n');
        let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_all());
        let linked = written.and_then(|()| std::fs::hard_link(&own, path));
        let _ = std::fs::remove_file(&own);
        match linked {
            // Nothing may be signed with a key that the machine may forget.
            Ok(()) => sync_dir(path.parent().unwrap_or(path)).map(|()| Self { key }),
            Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => Self::open(path),
            Err(e) => Err(io(e)),
        }
    }

    pub(crate) fn public(&self) -> VerifyingKey {
        self.key.verifying_key()
    }

    pub(crate) fn signing(&self) -> &SigningKey {
        &self.key
    }

    pub(crate) fn verifier(&self) -> Verifier {
        host_verifier(self.public())
    }
}

/// The verifier of a host, under the name that is also the origin of its log.
pub(crate) fn host_verifier(key: VerifyingKey) -> Verifier {
    Verifier::new(format!("auditty/{}", fingerprint(&key)), key)
}

/// Sixteen hexadecimal digits that tell keys apart.
pub(crate) fn fingerprint(key: &VerifyingKey) -> String {
    hex(&Sha256::digest(key.as_bytes())[..8])
}

/// The key that signs heads now. The secret half is wiped when the epoch ends.
#[derive(Debug)]
pub(crate) struct EpochKey {
    pub(crate) epoch: u32,
    key: SigningKey,
    pub(crate) name: String,
}

impl EpochKey {
    /// A fresh key for epoch `epoch` and its certificate, made with `by`, for the frame `seq`
    /// whose predecessor has the link `previous`.
    pub(crate) fn certified(
        session: SessionId,
        epoch: u32,
        reason: EpochReason,
        by: Certifier<'_>,
        seq: u64,
        previous: &Hash,
    ) -> Result<(Self, Epoch)> {
        Ok(Self::certify(fresh()?, session, epoch, reason, by, seq, previous))
    }

    fn certify(
        key: SigningKey,
        session: SessionId,
        epoch: u32,
        reason: EpochReason,
        by: Certifier<'_>,
        seq: u64,
        previous: &Hash,
    ) -> (Self, Epoch) {
        let public = key.verifying_key();
        let message = certificate(session, epoch, seq, previous, &public);
        let (by, signature) = match by {
            Certifier::Host(host) => (CertifiedBy::Host, host.key.sign(&message)),
            Certifier::Previous(before) => (CertifiedBy::Previous, before.key.sign(&message)),
        };
        let frame = Epoch {
            epoch,
            key: Key32(public.to_bytes()),
            by,
            reason,
            signature: signature.to_bytes().to_vec().into(),
        };
        (Self { epoch, key, name: epoch_name(session, epoch) }, frame)
    }

    /// A first epoch whose keys are known, for the test vector.
    #[cfg(test)]
    pub(crate) fn vector(session: SessionId, seq: u64, previous: &Hash) -> (HostKey, Self, Epoch) {
        let host = vector_host();
        let by = Certifier::Host(&host);
        let (key, frame) = Self::known(2, session, 0, EpochReason::Start, by, seq, previous);
        (host, key, frame)
    }

    /// An epoch whose secret key is 32 times the same byte, for test vectors.
    #[cfg(test)]
    pub(crate) fn known(
        byte: u8,
        session: SessionId,
        epoch: u32,
        reason: EpochReason,
        by: Certifier<'_>,
        seq: u64,
        previous: &Hash,
    ) -> (Self, Epoch) {
        let key = SigningKey::from_bytes(&[byte; 32]);
        Self::certify(key, session, epoch, reason, by, seq, previous)
    }

    pub(crate) fn signing(&self) -> &SigningKey {
        &self.key
    }
}

/// A host whose key is known, for test vectors.
#[cfg(test)]
pub(crate) fn vector_host() -> HostKey {
    HostKey { key: SigningKey::from_bytes(&[1; 32]) }
}

/// Whose key certifies a new epoch.
pub(crate) enum Certifier<'a> {
    Host(&'a HostKey),
    Previous(&'a EpochKey),
}

/// Name under which an epoch signs heads.
pub(crate) fn epoch_name(session: SessionId, epoch: u32) -> String {
    format!("auditty/{session}/{epoch}")
}

/// Whether the certificate in `frame` is one of `by`.
pub(crate) fn certifies(
    by: &VerifyingKey,
    frame: &Epoch,
    session: SessionId,
    seq: u64,
    previous: &Hash,
) -> bool {
    let Ok(key) = VerifyingKey::from_bytes(&frame.key.0) else { return false };
    let Ok(signature) = Signature::from_slice(&frame.signature) else { return false };
    let message = certificate(session, frame.epoch, seq, previous, &key);
    by.verify_strict(&message, &signature).is_ok()
}

fn certificate(
    session: SessionId,
    epoch: u32,
    seq: u64,
    previous: &Hash,
    key: &VerifyingKey,
) -> Vec<u8> {
    [
        b"auditty/epoch-certificate/v1\0".as_slice(),
        session.as_bytes(),
        &epoch.to_le_bytes(),
        &seq.to_le_bytes(),
        previous,
        key.as_bytes(),
    ]
    .concat()
}

fn fresh() -> Result<SigningKey> {
    let mut seed = Zeroizing::new([0; 32]);
    fill(seed.as_mut())?;
    Ok(SigningKey::from_bytes(&seed))
}

/// Fills `bytes` with randomness of the system.
pub(crate) fn fill(bytes: &mut [u8]) -> Result<()> {
    getrandom::fill(bytes).map_err(|e| JournalError::Key {
        place: "system randomness".to_owned(),
        reason: e.to_string(),
    })
}
