//! Signed notes (C2SP `signed-note`): text, an empty line, and lines with signatures.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use sha2::{Digest, Sha256};

/// Algorithm byte of Ed25519 in key identifiers and verifier keys.
const ED25519: u8 = 1;

/// Who may have signed a note: a name and an Ed25519 key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Verifier {
    pub(crate) name: String,
    pub(crate) key: VerifyingKey,
}

impl Verifier {
    pub(crate) fn new(name: impl Into<String>, key: VerifyingKey) -> Self {
        Self { name: name.into(), key }
    }

    /// Reads `name+hash+base64`, a verifier key as other tools write it.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut parts = text.trim().splitn(3, '+');
        let (name, hash, key) = (parts.next()?, parts.next()?, parts.next()?);
        let bytes = BASE64.decode(key).ok()?;
        let (&[ED25519], key) = bytes.split_first_chunk()? else { return None };
        let key = VerifyingKey::from_bytes(key.try_into().ok()?).ok()?;
        let verifier = Self::new(name, key);
        (crate::facts::hex(&verifier.id()) == hash && !name.is_empty()).then_some(verifier)
    }

    /// The verifier key as text, without a line feed.
    pub(crate) fn text(&self) -> String {
        let key: Vec<u8> = [&[ED25519][..], self.key.as_bytes()].concat();
        format!("{}+{}+{}", self.name, crate::facts::hex(&self.id()), BASE64.encode(key))
    }

    fn id(&self) -> [u8; 4] {
        let hash = Sha256::new()
            .chain_update(&self.name)
            .chain_update([b'\n', ED25519])
            .chain_update(self.key.as_bytes())
            .finalize();
        [hash[0], hash[1], hash[2], hash[3]]
    }

    /// Whether `note` carries a valid signature of this verifier.
    pub(crate) fn accepts(&self, note: &Note<'_>) -> bool {
        note.signatures.split('\n').any(|line| {
            let Some((name, signature)) =
                line.strip_prefix("— ").and_then(|rest| rest.split_once(' '))
            else {
                return false;
            };
            let Ok(bytes) = BASE64.decode(signature) else { return false };
            let Some((id, signature)) = bytes.split_first_chunk::<4>() else { return false };
            let Ok(signature) = Signature::from_slice(signature) else { return false };
            name == self.name
                && *id == self.id()
                && self.key.verify_strict(note.text.as_bytes(), &signature).is_ok()
        })
    }
}

/// A note, its signatures as yet unchecked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Note<'a> {
    /// The text, with the line feed at its end.
    pub(crate) text: &'a str,
    /// The lines with signatures, without the last line feed.
    pub(crate) signatures: &'a str,
}

impl<'a> Note<'a> {
    /// Takes a note apart; `None` when it has no text or no signature lines.
    pub(crate) fn parse(note: &'a str) -> Option<Self> {
        let at = note.rfind("\n\n")?;
        let (text, signatures) = (&note[..=at], note[at + 2..].strip_suffix('\n')?);
        let signed = signatures.split('\n').all(|line| line.starts_with("— "));
        signed.then_some(Self { text, signatures })
    }
}

/// `text`, which ends with a line feed, signed.
pub(crate) fn sign(text: &str, name: &str, key: &SigningKey) -> String {
    let signature = key.sign(text.as_bytes());
    let id = Verifier::new(name, key.verifying_key()).id();
    let bytes: Vec<u8> = [&id[..], &signature.to_bytes()].concat();
    format!("{text}\n— {name} {}\n", BASE64.encode(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the Go package `golang.org/x/mod/sumdb/note`, public domain of its facts:
    /// key and signature were made by another implementation.
    const PETER: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
    const NOTE: &str = "If you think cryptography is the answer to your problem,\n\
        then you don't know what your problem is.\n\n\
        — PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";

    #[test]
    fn a_note_of_another_implementation_is_accepted() {
        let verifier = Verifier::parse(PETER).unwrap();
        assert_eq!(verifier.text(), PETER);
        assert!(verifier.accepts(&Note::parse(NOTE).unwrap()));
    }

    #[test]
    fn a_changed_text_name_or_key_is_refused() {
        let key = SigningKey::from_bytes(&[3; 32]);
        let note = sign("hello\nworld\n", "here", &key);
        let verifier = Verifier::new("here", key.verifying_key());
        assert!(verifier.accepts(&Note::parse(&note).unwrap()));
        let changed = note.replace("world", "World");
        assert!(!verifier.accepts(&Note::parse(&changed).unwrap()));
        let named = Verifier::new("there", key.verifying_key());
        assert!(!named.accepts(&Note::parse(&note).unwrap()));
        let other = SigningKey::from_bytes(&[4; 32]).verifying_key();
        assert!(!Verifier::new("here", other).accepts(&Note::parse(&note).unwrap()));
    }

    #[test]
    fn what_is_no_note_is_no_note() {
        for text in ["", "\n\n", "a\n", "a\n\nb\n", "a\n— x y\n", "a\n\n— x y", "a\n\n— x y\n\n"]
        {
            assert_eq!(Note::parse(text), None, "{text:?}");
        }
    }
}
