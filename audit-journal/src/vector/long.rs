//! The longer vector: two segments, two epochs, compression, a record in parts, a seal, a host log.
//!
//! Compression is outside the chain, and another version of zstd may pack otherwise. So the book's
//! bytes are compared frame by frame, unpacked, and then verified as they stand.

use std::path::Path;

use audit_core::{Body, End, Exit, Identity, Outcome, SealId, SealKey, SessionId, Stream, Winsize};

use super::{Bytes, book, dump};
use crate::block::Builder;
use crate::chain::Chain;
use crate::entries::Journal;
use crate::export::{Format, Side, export};
use crate::facts::{
    EndSeal, Ended, Epoch, EpochReason, Header, Key32, OsText, Rotate, Sealing, SegmentStart,
    StreamSum, cbor,
};
use crate::frame::{Frame, Packing, kind};
use crate::frames::{Fetch, Frames};
use crate::head::{self, Head, Phase};
use crate::hostlog::{Leaf, TreeHead, leaf_hash};
use crate::keys::{Certifier, EpochKey, vector_host};
use crate::verify::{Status, Trust, TrustedKey, verify, verify_root};
use crate::{layout, note};

/// What is wrong with it, although everything is signed by whoever should.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    None,
    /// The rotation leads elsewhere.
    Rotation,
    /// The end carries flags, as only blocks do.
    Flags,
    /// An epoch is left out.
    EpochGap,
    /// The second epoch is certified by a key that is not that of the first.
    Previous,
    /// The second epoch says that another writer went on, and the host has not certified it.
    Restarted,
    /// The second epoch says that it is the first.
    Start,
    /// The last head is signed by the key of the first epoch, which was wiped.
    OldKey,
}

/// Every file below the root that counts.
struct Root {
    session: SessionId,
    segments: [Vec<u8>; 2],
    heads: String,
    leaves: String,
    checkpoint: String,
    public: String,
}

const LINE: &[u8] = b"2026-11-18T06:13:20Z INFO http[42]: request took 7 ms\r\n";

fn build(fault: Fault) -> Root {
    let session = SessionId::new(1_795_000_000_000, [0x22; 10]);
    let host = vector_host();
    let mut bytes = Bytes { chain: Chain::start(session), out: Vec::new() };
    let header = Header {
        format: 1,
        session,
        parent: None,
        user: Identity::person("mia", 1000),
        host: "host".to_owned(),
        opened_unix_millis: 1_795_000_000_000,
        engine: "poll".to_owned(),
        program: "su".into(),
        args: vec![OsText("-".into())],
        cwd: None,
        pty: true,
        winsize: Winsize::new(24, 80),
        capture: "pty".to_owned(),
        input: true,
        strict: false,
        sealing: Sealing::Epochs,
        host_key: Some(Key32(host.public().to_bytes())),
        host_log: true,
        imported: None,
        writer: "vector".to_owned(),
    };
    bytes.frame(kind::HEADER, 0, 0, &cbor(&header));
    let start =
        Leaf::Start { session, link: bytes.chain.link, unix_millis: header.opened_unix_millis };
    let (first, certificate) = EpochKey::known(
        2,
        session,
        0,
        EpochReason::Start,
        Certifier::Host(&host),
        1,
        &bytes.chain.link,
    );
    bytes.frame(kind::EPOCH, 0, 0, &cbor(&certificate));
    let mut heads = sign(session, &bytes.chain, 0, 0, Phase::Running, &first);

    // Text that is worth packing; a seal; a record that goes on in the next block.
    let mut block = Builder::new(1 << 16, 1);
    block.event(3, 1_000_000, &cbor(&Body::Resize(Winsize::new(24, 80))), true);
    block.data(Stream::Tty, 2_000_000, &LINE.repeat(8), true);
    let key = SealKey::from_bytes([9; 32]);
    let mut cipher = *b"id\r";
    key.apply(&mut cipher);
    block.sealed(Stream::Input, 3_000_000, SealId(1), 0, &cipher, true);
    block.data(Stream::Tty, 4_000_000, b"uid=1000(", false);
    put_block(&mut bytes, &mut block, true);
    let next = if fault == Fault::Rotation { 2 } else { 1 };
    bytes.frame(kind::ROTATE, 0, 4_000_000, &cbor(&Rotate { next }));
    let segment = std::mem::take(&mut bytes.out);

    bytes.frame(kind::SEGMENT, 0, 4_000_000, &cbor(&SegmentStart { session, number: 1 }));
    heads += &sign(session, &bytes.chain, 3, 4, Phase::Running, &first);
    let middle = Leaf::Head { session, frame: bytes.chain.next - 1, link: bytes.chain.link };
    let (second, certificate) = second_epoch(fault, session, &bytes.chain, &first);
    bytes.frame(kind::EPOCH, 0, 4_000_000, &cbor(&certificate));
    block.data(Stream::Tty, 61_000_000_000, b"mia)\r\n", true);
    block.event(11, 61_001_000_000, &cbor(&Body::Reveal { keys: vec![(SealId(1), key)] }), true);
    let outcome = Outcome { exit: Some(Exit::Code(0)), end: End::Exited, lost: None };
    block.event(14, 61_002_000_000, &cbor(&Body::End(outcome)), true);
    put_block(&mut bytes, &mut block, false);
    let exported = |stream: Stream| {
        // What was typed, as an export with the revealed key gives it.
        (stream == Stream::Input).then(|| Key32(crate::chain::plain_content(b"id\r")))
    };
    let streams = head::streams(&bytes.chain).into_iter().map(|(stream, len, sha256)| StreamSum {
        stream,
        len,
        sha256: Key32(sha256),
        exported: exported(stream),
    });
    let end = EndSeal { records: 6, how: Ended::Closed, streams: streams.collect() };
    let flags = if fault == Fault::Flags { 1 } else { 0 };
    bytes.frame(kind::END, flags, 61_002_000_000, &cbor(&end));
    let signer = if fault == Fault::OldKey { &first } else { &second };
    heads += &sign(session, &bytes.chain, 6, 61_002, Phase::Ended, signer);
    let last = Leaf::End {
        session,
        frame: bytes.chain.next - 1,
        link: bytes.chain.link,
        unix_millis: 1_795_000_061_002,
    };
    let leaves = [start, middle, last].map(|leaf| leaf.to_string());
    let hashes = leaves.each_ref().map(|leaf| leaf_hash(leaf.as_bytes()));
    let left = crate::hostlog::node_hash(&hashes[0], &hashes[1]);
    let tree = TreeHead { size: 3, root: crate::hostlog::node_hash(&left, &hashes[2]) };
    Root {
        session,
        segments: [segment, bytes.out],
        heads,
        leaves: leaves.map(|leaf| leaf + "\n").concat(),
        checkpoint: tree.signed(&host),
        public: host.verifier().text() + "\n",
    }
}

fn put_block(bytes: &mut Bytes, block: &mut Builder, worth: bool) {
    let (time, flags) = (block.time(), block.flags());
    let (meta, data) = block.finish();
    let payload = [meta, data].concat();
    bytes.put(kind::BLOCK, flags, time, &payload, worth);
    block.clear();
}

fn sign(
    session: SessionId,
    chain: &Chain,
    record: u64,
    millis: u64,
    phase: Phase,
    by: &EpochKey,
) -> String {
    let unix_millis = 1_795_000_000_000 + millis;
    let head = Head::of(session, chain, record, unix_millis, phase, by.epoch);
    note::sign(&head.text(), &by.name, by.signing()) + "\n"
}

fn second_epoch(
    fault: Fault,
    session: SessionId,
    chain: &Chain,
    first: &EpochKey,
) -> (EpochKey, Epoch) {
    let (stranger, _) = EpochKey::known(
        7,
        session,
        0,
        EpochReason::Age,
        Certifier::Previous(first),
        chain.next,
        &chain.link,
    );
    let by = match fault {
        Fault::Previous | Fault::Restarted => &stranger,
        _ => first,
    };
    let number = if fault == Fault::EpochGap { 2 } else { 1 };
    let (key, frame) = EpochKey::known(
        3,
        session,
        number,
        EpochReason::Age,
        Certifier::Previous(by),
        chain.next,
        &chain.link,
    );
    let frame = match fault {
        Fault::Restarted => {
            Epoch { by: crate::facts::CertifiedBy::Host, reason: EpochReason::Restarted, ..frame }
        }
        Fault::Start => Epoch { reason: EpochReason::Start, ..frame },
        _ => frame,
    };
    (key, frame)
}

impl Root {
    /// Writes the files and returns the session's directory.
    fn write(&self, root: &Path) -> std::path::PathBuf {
        let (dir, log) = (layout::session_dir(root, self.session), root.join("hostlog"));
        std::fs::create_dir_all(&dir).unwrap();
        std::fs::create_dir_all(&log).unwrap();
        for (number, segment) in (0..).zip(&self.segments) {
            std::fs::write(layout::segment(&dir, number), segment).unwrap();
        }
        std::fs::write(dir.join("heads.note"), &self.heads).unwrap();
        std::fs::write(log.join("leaves"), &self.leaves).unwrap();
        std::fs::write(log.join("checkpoint"), &self.checkpoint).unwrap();
        std::fs::write(log.join("host.pub"), &self.public).unwrap();
        dir
    }

    /// What the book shows, in its order.
    fn shown(&self) -> [String; 6] {
        let [first, second] = &self.segments;
        [
            dump(first),
            dump(second),
            self.heads.trim_end().to_owned(),
            self.leaves.trim_end().to_owned(),
            self.checkpoint.trim_end().to_owned(),
            self.public.trim_end().to_owned(),
        ]
    }
}

/// The frames of both segments with their payloads, how they are packed left out.
fn unpacked(dir: &Path) -> Vec<(Frame, Vec<u8>)> {
    let (mut frames, mut found, mut raw) = (Frames::open(dir).unwrap(), Vec::new(), Vec::new());
    while let Fetch::Frame(frame, _) = frames.next(&mut raw).unwrap() {
        let stored = Frame { packing: Packing::Stored, stored_len: frame.raw_len, ..frame };
        found.push((stored, raw.clone()));
    }
    found
}

fn packings(dir: &Path) -> Vec<Packing> {
    let (mut frames, mut found) = (Frames::open(dir).unwrap(), Vec::new());
    while let Fetch::Frame(frame, _) = frames.next(&mut Vec::new()).unwrap() {
        found.push(frame.packing);
    }
    found
}

#[test]
fn the_book_shows_the_longer_vector() {
    let made = build(Fault::None);
    let text = book();
    let (_, chapter) = text.split_once("## A longer example").unwrap_or_default();
    let blocks: Vec<&str> =
        chapter.split("```").skip(1).step_by(2).map(|b| b.trim_start_matches("text\n")).collect();
    let expected = made.shown().join("\n```\n\n```text\n");
    let [first, second, heads, leaves, checkpoint, public] = blocks[..] else {
        panic!("the book should show\n```text\n{expected}\n```")
    };
    let unhex = |dump: &str| {
        crate::facts::unhex(&dump.split_whitespace().collect::<String>()).unwrap_or_default()
    };
    let shown = Root {
        session: made.session,
        segments: [unhex(first), unhex(second)],
        heads: heads.to_owned() + "\n",
        leaves: leaves.to_owned(),
        checkpoint: checkpoint.to_owned(),
        public: public.to_owned(),
    };
    let (ours, theirs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (ours, dir) = (made.write(ours.path()), shown.write(theirs.path()));
    assert!(
        unpacked(&ours) == unpacked(&dir) && made.shown()[2..] == shown.shown()[2..],
        "the book should show\n```text\n{expected}\n```"
    );
    assert!(packings(&dir).contains(&Packing::Zstd));
    // As it stands it is a root of one intact session.
    let key = TrustedKey::parse(public.trim()).unwrap();
    let report = verify_root(theirs.path(), &Trust::Key(key), None).unwrap();
    assert_eq!((report.code(), report.sessions.len()), (0, 1), "{report:?}");
    let journal = Journal::open(&dir).unwrap();
    let exported = |side| {
        let mut out = Vec::new();
        export(&journal, Format::Raw, Some(side), &mut out).unwrap();
        out
    };
    assert_eq!(exported(Side::Input), b"id\r");
    assert_eq!(exported(Side::Output), [&LINE.repeat(8)[..], b"uid=1000(mia)\r\n"].concat());
}

#[test]
fn what_is_signed_but_out_of_order_is_found() {
    for (fault, status) in [
        (Fault::None, Status::Intact),
        (Fault::Rotation, Status::Corrupt),
        (Fault::Flags, Status::Corrupt),
        (Fault::EpochGap, Status::BrokenEpoch),
        (Fault::Previous, Status::BrokenEpoch),
        (Fault::Restarted, Status::BrokenEpoch),
        (Fault::Start, Status::BrokenEpoch),
        (Fault::OldKey, Status::BrokenEpoch),
    ] {
        let root = tempfile::tempdir().unwrap();
        let dir = build(fault).write(root.path());
        let report = verify(&dir, &Trust::FirstUse, None);
        assert_eq!(report.status, status, "{fault:?}: {report}");
    }
}
