//! Commit and reveal: bytes in doubt are written at once, enciphered, and opened later or never.
//!
//! Keys come from a one-way ratchet over a seed the engine draws: the key of seal *n* is
//! `SHA-256("auditty seal key" ‖ state)`, then `state ← SHA-256("auditty seal step" ‖ state)` and
//! the old state is zeroised. Whoever learns the present state cannot open earlier seals. Each
//! key enciphers one run of bytes with ChaCha20 (RFC 8439) under a zero nonce.

use std::fmt;

use chacha20::cipher::{KeyIvInit, StreamCipher};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use zeroize::{Zeroize, ZeroizeOnDrop};

/// Name of a seal, unique in its session, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SealId(pub u64);

/// The key of one seal.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
#[serde(transparent)]
pub struct SealKey([u8; 32]);

impl SealKey {
    /// A key read back from a record.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes of the key.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Enciphers or deciphers `bytes` in place.
    pub fn apply(&self, bytes: &mut [u8]) {
        chacha20::ChaCha20::new(&self.0.into(), &[0; 12].into()).apply_keystream(bytes);
    }
}

impl fmt::Debug for SealKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SealKey(..)")
    }
}

/// The source of seal keys of one session.
#[derive(ZeroizeOnDrop)]
pub struct Ratchet {
    state: [u8; 32],
    next: u64,
}

impl Ratchet {
    /// A ratchet over 32 random bytes.
    pub const fn new(seed: [u8; 32]) -> Self {
        Self { state: seed, next: 1 }
    }

    /// A fresh seal and its key.
    pub fn draw(&mut self) -> (SealId, SealKey) {
        let key = digest(b"auditty seal key", &self.state);
        let next = digest(b"auditty seal step", &self.state);
        self.state.zeroize();
        self.state = next;
        let id = SealId(self.next);
        self.next += 1;
        (id, SealKey(key))
    }
}

impl fmt::Debug for Ratchet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ratchet").field("next", &self.next).finish_non_exhaustive()
    }
}

fn digest(tag: &[u8], state: &[u8; 32]) -> [u8; 32] {
    Sha256::new().chain_update(tag).chain_update(state).finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seal_opens_with_its_own_key_only() {
        let mut ratchet = Ratchet::new([7; 32]);
        let ((first, key), (second, other)) = (ratchet.draw(), ratchet.draw());
        assert_ne!(first, second);
        let mut bytes = *b"hunter2";
        key.apply(&mut bytes);
        assert_ne!(&bytes, b"hunter2");
        let mut wrong = bytes;
        other.apply(&mut wrong);
        assert_ne!(&wrong, b"hunter2");
        key.apply(&mut bytes);
        assert_eq!(&bytes, b"hunter2");
    }
}
