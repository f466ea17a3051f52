//! The test vector of the format's description: a journal whose every byte is known.

mod fields;
mod long;

use std::path::PathBuf;

use audit_core::{Body, End, Exit, Identity, Outcome, SessionId, Stream, Winsize};

use crate::block::{Builder, Raw};
use crate::chain::{Chain, plain_content};
use crate::facts::{EndSeal, Ended, Epoch, Header, Key32, OsText, Sealing, StreamSum, cbor, hex};
use crate::frame::{Frame, Packing, flag, kind};
use crate::head::{self, Head, Phase};
use crate::keys::EpochKey;
use crate::note;
use crate::pack::packed;
use crate::verify::{Report, Status, Trust, verify};

/// Puts frames behind each other, stored as they are.
struct Bytes {
    chain: Chain,
    out: Vec<u8>,
}

impl Bytes {
    fn frame(&mut self, kind: u8, flags: u8, time: u64, payload: &[u8]) {
        self.put(kind, flags, time, payload, false);
    }

    /// Puts a frame, compressed if it is `worth` it.
    fn put(&mut self, kind: u8, flags: u8, time: u64, payload: &[u8], worth: bool) {
        let content = if kind == kind::BLOCK {
            self.chain.block_content(&Raw::parse(payload, time).unwrap()).unwrap()
        } else {
            plain_content(payload)
        };
        let len = payload.len() as u32;
        let mut frame = Frame {
            kind,
            flags,
            packing: Packing::Stored,
            raw_len: len,
            stored_len: len,
            seq: self.chain.next,
            time,
            link: [0; 32],
        };
        frame.link = self.chain.advance(&frame, &content);
        let mut append = |packed: Option<&[u8]>| {
            if let Some(packed) = packed {
                (frame.packing, frame.stored_len) = (Packing::Zstd, packed.len() as u32);
            }
            let stored = packed.unwrap_or(payload);
            self.out.extend_from_slice(&frame.encode(&[stored]));
            self.out.extend_from_slice(stored);
        };
        if worth { packed(&[payload], 1, append) } else { append(None) }
    }
}

/// The book's page about the format.
fn book() -> String {
    let page = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/src/journal-format.md");
    std::fs::read_to_string(page).unwrap()
}

/// Bytes as the book shows them.
fn dump(bytes: &[u8]) -> String {
    bytes.chunks(32).map(hex).collect::<Vec<_>>().join("\n")
}

/// What a forger changes, who can compute every link and checksum but has no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Forgery {
    None,
    /// Something else was shown.
    Data,
    /// A record happened at another time.
    Time,
    /// The block says that it holds no input.
    Flags,
    /// The first epoch is certified by a key that is not the host's.
    Certifier,
    /// The first epoch has another number.
    EpochNumber,
    /// The end states another number of records.
    Records,
    /// The end states another digest.
    Digest,
    /// A frame follows the end.
    BehindTheEnd,
    /// Time goes back.
    Backwards,
}

/// A segment with the forgery in it, and the heads of the genuine one.
fn forged(forgery: Forgery) -> (SessionId, Vec<u8>, String) {
    let (session, segment, head, epoch) = build(forgery);
    let head = if forgery == Forgery::None { head } else { build(Forgery::None).2 };
    (session, segment, note::sign(&head.text(), &epoch.name, epoch.signing()) + "\n")
}

/// The segment and the heads of the vector.
fn vector() -> (SessionId, Vec<u8>, String) {
    forged(Forgery::None)
}

fn build(forgery: Forgery) -> (SessionId, Vec<u8>, Head, EpochKey) {
    let session = SessionId::new(1_795_000_000_000, *b"\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a");
    let mut bytes = Bytes { chain: Chain::start(session), out: Vec::new() };
    let host = EpochKey::vector(session, 0, &[0; 32]).0;
    let header = Header {
        format: 1,
        session,
        parent: None,
        user: Identity::person("mia", 1000),
        host: "host".to_owned(),
        opened_unix_millis: 1_795_000_000_000,
        engine: "poll".to_owned(),
        program: "sh".into(),
        args: vec![OsText("-i".into())],
        cwd: None,
        pty: true,
        winsize: Winsize::new(24, 80),
        capture: "pty".to_owned(),
        input: true,
        strict: false,
        sealing: Sealing::Epochs,
        host_key: Some(Key32(host.public().to_bytes())),
        host_log: false,
        imported: None,
        writer: "vector".to_owned(),
    };
    bytes.frame(kind::HEADER, 0, 0, &cbor(&header));
    let (_, epoch, certificate) = EpochKey::vector(session, 1, &bytes.chain.link);
    let certificate = match forgery {
        Forgery::Certifier => {
            let mut signature = certificate.signature.to_vec();
            signature[7] ^= 1;
            Epoch { signature: signature.into(), ..certificate }
        }
        Forgery::EpochNumber => Epoch { epoch: 1, ..certificate },
        _ => certificate,
    };
    bytes.frame(kind::EPOCH, 0, 0, &cbor(&certificate));
    let mut block = Builder::new(1 << 16, 1);
    block.event(3, 1_000_000, &cbor(&Body::Resize(Winsize::new(24, 80))), true);
    // Two reads within a millisecond are one entry.
    block.data(
        Stream::Tty,
        2_000_000,
        if forgery == Forgery::Data { b"Hel" } else { b"hel" },
        true,
    );
    block.data(Stream::Tty, 2_000_900, b"lo\r\n", true);
    let typed_at = if forgery == Forgery::Time { 8_000_000 } else { 9_000_000 };
    block.data(Stream::Input, typed_at, b"\x04", true);
    let outcome = Outcome { exit: Some(Exit::Code(0)), end: End::Exited, lost: None };
    block.event(14, 10_000_000, &cbor(&Body::End(outcome)), true);
    let (time, mut flags) = (block.time(), block.flags());
    if forgery == Forgery::Flags {
        flags &= !(flag::STREAM << Stream::Input.number());
    }
    let (meta, data) = block.finish();
    bytes.frame(kind::BLOCK, flags, time, &[meta, data].concat());
    let streams = head::streams(&bytes.chain)
        .into_iter()
        .map(|(stream, len, d)| StreamSum { stream, len, sha256: Key32(d), exported: None })
        .collect();
    let records = if forgery == Forgery::Records { 4 } else { 5 };
    let mut end = EndSeal { records, how: Ended::Closed, streams };
    if forgery == Forgery::Digest {
        end.streams[0].sha256.0[0] ^= 1;
    }
    let ended = if forgery == Forgery::Backwards { 500_000 } else { 10_000_000 };
    bytes.frame(kind::END, 0, ended, &cbor(&end));
    if forgery == Forgery::BehindTheEnd {
        bytes.frame(99, 0, 10_000_000, b"more");
    }
    let head = Head::of(session, &bytes.chain, 5, 1_795_000_000_010, Phase::Ended, 0);
    (session, bytes.out, head, epoch)
}

/// Verifies a segment and heads as a session outside any root.
fn check(session: SessionId, segment: &[u8], heads: &str) -> Report {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join(session.to_string());
    std::fs::create_dir(&dir).unwrap();
    std::fs::write(dir.join("000000.atj"), segment).unwrap();
    if !heads.is_empty() {
        std::fs::write(dir.join("heads.note"), heads).unwrap();
    }
    verify(&dir, &Trust::FirstUse, None)
}

#[test]
fn the_vector_is_an_intact_journal() {
    let (session, segment, heads) = vector();
    let report = check(session, &segment, &heads);
    assert_eq!((report.status, report.sealed, report.bytes), (Status::Intact, 5, 8), "{report}");
}

#[test]
fn a_forger_who_computes_every_link_is_found() {
    for (forgery, status) in [
        (Forgery::Data, Status::Corrupt),
        (Forgery::Time, Status::Corrupt),
        (Forgery::Flags, Status::Corrupt),
        (Forgery::Certifier, Status::BrokenEpoch),
        (Forgery::EpochNumber, Status::BrokenEpoch),
        (Forgery::Records, Status::Corrupt),
        (Forgery::Digest, Status::Corrupt),
        (Forgery::BehindTheEnd, Status::Corrupt),
        (Forgery::Backwards, Status::Corrupt),
    ] {
        let (session, segment, heads) = forged(forgery);
        let report = check(session, &segment, &heads);
        assert_eq!(report.status, status, "{forgery:?}: {report}");
        // Without heads nothing is signed, and that is told.
        let report = check(session, &segment, "");
        assert_ne!(report.status, Status::Intact, "{forgery:?}: {report}");
    }
}

#[test]
fn a_head_of_another_key_or_epoch_is_found() {
    let (session, segment, head, epoch) = build(Forgery::None);
    let stranger = ed25519_dalek::SigningKey::from_bytes(&[3; 32]);
    let heads = note::sign(&head.text(), &epoch.name, &stranger) + "\n";
    assert_eq!(check(session, &segment, &heads).status, Status::BadSignature);
    let later = Head { epoch: 1, ..head.clone() };
    let heads = note::sign(&later.text(), &epoch.name, epoch.signing()) + "\n";
    assert_eq!(check(session, &segment, &heads).status, Status::BrokenEpoch);
    let named = note::sign(&head.text(), "auditty/other/0", epoch.signing()) + "\n";
    assert_eq!(check(session, &segment, &named).status, Status::BadSignature);
    let fewer = Head { record: 4, ..head };
    let heads = note::sign(&fewer.text(), &epoch.name, epoch.signing()) + "\n";
    assert_eq!(check(session, &segment, &heads).status, Status::Corrupt);
}

#[test]
fn the_book_shows_the_vector() {
    let (text, (_, segment, heads)) = (book(), vector());
    let shown = format!("```text\n{}\n```", dump(&segment));
    assert!(text.contains(&shown), "the segment is\n{shown}");
    let shown = format!("```text\n{}\n```", heads.trim_end());
    assert!(text.contains(&shown), "the heads are\n{shown}");
}
