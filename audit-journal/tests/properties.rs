//! Whatever is recorded comes back, and whatever lies in the files does no harm.

mod common;

use std::fs;
use std::path::Path;

use audit_core::{
    Body, Durability, Moment, Ratchet, Record, Recorder, SealId, SealKey, SecretRule, Stream,
    Winsize,
};
use audit_journal::{
    Entry, Format, Journal, Status, Trust, Writer, export, recover, resolve, sessions, summary,
    verify, verify_root,
};
use common::{Root, copy, spec};
use proptest::prelude::*;

/// What a session does.
#[derive(Clone, Debug)]
enum Step {
    Data(Stream, Vec<u8>),
    Sealed(Vec<u8>),
    /// Reveals, or gives up, the oldest seal that is still shut.
    Settle(bool),
    Event(Body),
    Sync(Durability),
    Idle,
    /// The writer dies; another goes on, and is given again the last records.
    Die(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let bytes = prop_oneof![
        4 => proptest::collection::vec(any::<u8>(), 0..40),
        1 => (0usize..30_000, any::<u8>()).prop_map(|(n, b)| vec![b; n]),
    ];
    let stream = proptest::sample::select(Stream::ALL.to_vec());
    prop_oneof![
        8 => (stream, bytes.clone()).prop_map(|(s, b)| Step::Data(s, b)),
        2 => bytes.prop_map(Step::Sealed),
        2 => any::<bool>().prop_map(Step::Settle),
        2 => event().prop_map(Step::Event),
        3 => prop_oneof![Just(Durability::Process), Just(Durability::Machine)].prop_map(Step::Sync),
        1 => Just(Step::Idle),
        1 => (0u64..5).prop_map(Step::Die),
    ]
}

fn event() -> impl Strategy<Value = Body> {
    prop_oneof![
        (1u16..500, 1u16..500).prop_map(|(r, c)| Body::Resize(Winsize::new(r, c))),
        Just(Body::Suspended),
        Just(Body::Continued),
        ("[a-z.]{1,10}", ".{0,9000}").prop_map(|(name, text)| Body::Marker { name, text }),
        any::<u64>().prop_map(|bytes| Body::Refused { bytes }),
        (64u8.., proptest::collection::vec(any::<u8>(), 0..300))
            .prop_map(|(kind, p)| Body::Other { kind, payload: p.into() }),
    ]
}

/// A session under way, and what must come back of it.
struct Run<'a> {
    root: &'a Root,
    writer: Option<Writer>,
    records: Vec<Record>,
    ratchet: Ratchet,
    shut: Vec<(SealId, SealKey)>,
    opened: Vec<SealId>,
    at: u64,
}

impl Run<'_> {
    fn open(&mut self) {
        let mut settings = self.root.settings();
        settings.block_size = 4096;
        settings.segment_size = 20_000;
        self.writer = Some(Writer::open(&spec(1, self.root.path()), settings).unwrap());
    }

    fn writer(&mut self) -> &mut Writer {
        self.writer.as_mut().unwrap()
    }

    fn put(&mut self, after: u64, body: Body) {
        self.at += after;
        let seq = self.records.len() as u64 + 1;
        let record = Record { seq, at: Moment::from_nanos(self.at), body };
        self.writer().record(&record).unwrap();
        self.records.push(record);
    }

    fn step(&mut self, after: u64, step: Step) {
        match step {
            Step::Data(stream, bytes) => {
                self.put(after, Body::Data { stream, bytes: bytes.into() });
            }
            Step::Sealed(mut bytes) => {
                let (seal, key) = self.ratchet.draw();
                key.apply(&mut bytes);
                self.shut.push((seal, key));
                let cipher = bytes.into();
                self.put(after, Body::Sealed { stream: Stream::Input, seal, cipher });
            }
            Step::Settle(reveal) if !self.shut.is_empty() => {
                let (seal, key) = self.shut.remove(0);
                if reveal {
                    self.opened.push(seal);
                    self.put(after, Body::Reveal { keys: vec![(seal, key)] });
                } else {
                    self.put(
                        after,
                        Body::Redaction {
                            stream: Stream::Input,
                            seals: vec![seal],
                            length: 16,
                            exact: false,
                            rule: SecretRule::Echo,
                        },
                    );
                }
            }
            Step::Settle(_) => {}
            Step::Event(body) => self.put(after, body),
            Step::Sync(durability) => {
                let last = self.records.len() as u64;
                assert_eq!(self.writer().sync(durability), Ok(last));
            }
            Step::Idle => while self.writer().idle().unwrap() {},
            Step::Die(again) => {
                self.writer = None;
                self.open();
                let durable = self.writer().sync(Durability::Process).unwrap();
                let from = durable.saturating_sub(again) as usize;
                for record in &self.records[from..] {
                    self.writer.as_mut().unwrap().record(record).unwrap();
                }
            }
        }
    }

    /// Each data byte with the record it belongs to and whether it is masked, and the rest.
    fn expected(&self) -> Seen {
        let mut seen = Seen::default();
        let keys: std::collections::HashMap<_, _> = self
            .records
            .iter()
            .filter_map(|r| match &r.body {
                Body::Reveal { keys } => Some(keys.clone()),
                _ => None,
            })
            .flatten()
            .collect();
        for record in &self.records {
            match &record.body {
                Body::Data { stream, bytes } => seen.data(*stream, bytes, false),
                Body::Sealed { stream, seal, cipher } => {
                    let mut bytes = cipher.to_vec();
                    match keys.get(seal) {
                        Some(key) => key.apply(&mut bytes),
                        None => bytes.fill(b'*'),
                    }
                    seen.data(*stream, &bytes, !keys.contains_key(seal));
                }
                body => seen.rest.push((record.seq, record.at, body.clone())),
            }
        }
        seen
    }
}

#[derive(Debug, Default, PartialEq)]
struct Seen {
    streams: [Vec<u8>; 4],
    masked: usize,
    rest: Vec<(u64, Moment, Body)>,
}

impl Seen {
    fn data(&mut self, stream: Stream, bytes: &[u8], masked: bool) {
        self.streams[usize::from(stream.number())].extend_from_slice(bytes);
        self.masked += if masked { bytes.len() } else { 0 };
    }
}

fn seen(dir: &Path) -> Seen {
    let mut seen = Seen::default();
    let mut next = 1;
    for entry in Journal::open(dir).unwrap().entries().unwrap() {
        let Entry { first, last, at, masked, body, .. } = entry.unwrap();
        assert!(first == next || first + 1 == next, "{first} behind {next}");
        next = last + 1;
        match body {
            Body::Data { stream, bytes } => seen.data(stream, &bytes, masked),
            body => seen.rest.push((first, at, body)),
        }
    }
    seen
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_recorded_comes_back(
        steps in proptest::collection::vec((0u64..3_000_000, step()), 0..60),
    ) {
        let root = Root::new();
        let mut run = Run {
            root: &root,
            writer: None,
            records: Vec::new(),
            ratchet: Ratchet::new([3; 32]),
            shut: Vec::new(),
            opened: Vec::new(),
            at: 0,
        };
        run.open();
        for (after, step) in steps {
            run.step(after, step);
        }
        run.writer().close().unwrap();
        let dir = run.writer().dir().to_owned();
        prop_assert!(seen(&dir) == run.expected(), "what was read differs");
        let report = verify(&dir, &Trust::FirstUse, None);
        prop_assert_eq!(report.status, Status::Intact, "{}", report);
        prop_assert_eq!(report.records, run.records.len() as u64);
    }
}

/// Everything that reads, on whatever lies there.
fn read_all(root: &Path, dir: &Path) {
    let _ = verify(dir, &Trust::FirstUse, None);
    let _ = verify_root(root, &Trust::FirstUse, None);
    let _ = summary(dir);
    let _ = sessions(root);
    let _ = resolve(root, "0");
    if let Ok(journal) = Journal::open(dir) {
        for (format, _) in Format::ALL {
            let _ = export(&journal, format, None, &mut std::io::sink());
        }
        let mut follow = journal.follow().unwrap();
        while let Ok(audit_journal::Polled::Entry(_)) = follow.poll() {}
    }
    let _ = recover(dir, None);
}

/// Gives every frame a checksum that fits, as a forger would.
fn mend_checksums(segment: &mut [u8]) {
    let mut at = 0;
    while at + 68 <= segment.len() {
        let stored = u32::from_le_bytes(segment[at + 12..at + 16].try_into().unwrap()) as usize;
        if at + 68 + stored > segment.len() {
            return;
        }
        let frame = &mut segment[at..at + 68 + stored];
        let mut crc = crc32fast::Hasher::new();
        crc.update(&frame[..32]);
        crc.update(&frame[36..]);
        frame[32..36].copy_from_slice(&crc.finalize().to_le_bytes());
        at += 68 + stored;
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn whatever_lies_in_the_files_does_no_harm(
        changes in proptest::collection::vec(
            (any::<prop::sample::Index>(), any::<prop::sample::Index>(), any::<u8>()),
            1..6,
        ),
        mend in any::<bool>(),
        cut in any::<prop::sample::Index>(),
    ) {
        let root = Root::new();
        let mut tape = root.open(1);
        tape.put(Body::Resize(Winsize::new(24, 80)));
        tape.tty(&b"some text that packs well\r\n".repeat(30));
        tape.sync();
        let (seal, key) = Ratchet::new([1; 32]).draw();
        let cipher = vec![7; 3].into();
        tape.put(Body::Sealed { stream: Stream::Input, seal, cipher });
        tape.put(Body::Reveal { keys: vec![(seal, key)] });
        let dir = tape.close();
        let copied = tempfile::tempdir().unwrap();
        copy(root.path(), copied.path());
        let dir = copied.path().join(dir.strip_prefix(root.path()).unwrap());
        let log = copied.path().join("hostlog");
        let files = [
            dir.join("000000.atj"), dir.join("000000.atj"), dir.join("000000.atj"),
            dir.join("heads.note"), log.join("leaves"), log.join("checkpoint"), log.join("hashes"),
        ];
        for (file, at, byte) in changes {
            let path = file.get(&files);
            let mut bytes = fs::read(path).unwrap();
            let at = at.index(bytes.len());
            bytes[at] = byte;
            if mend && path.ends_with("000000.atj") {
                mend_checksums(&mut bytes);
            }
            fs::remove_file(path).unwrap();
            fs::write(path, bytes).unwrap();
        }
        read_all(copied.path(), &dir);
        let path = &files[0];
        let bytes = fs::read(path).unwrap();
        fs::remove_file(path).unwrap();
        fs::write(path, &bytes[..cut.index(bytes.len())]).unwrap();
        read_all(copied.path(), &dir);
    }

    #[test]
    fn noise_is_no_journal(bytes in proptest::collection::vec(any::<u8>(), 0..3000)) {
        let root = Root::new();
        let dir = root.open(1).close();
        let copied = tempfile::tempdir().unwrap();
        copy(root.path(), copied.path());
        let dir = copied.path().join(dir.strip_prefix(root.path()).unwrap());
        let magic = [&b"ATJ1"[..], &bytes].concat();
        for bytes in [&bytes, &magic] {
            fs::remove_file(dir.join("000000.atj")).unwrap();
            fs::write(dir.join("000000.atj"), bytes).unwrap();
            let report = verify(&dir, &Trust::FirstUse, None);
            prop_assert_ne!(report.status, Status::Intact);
            read_all(copied.path(), &dir);
        }
    }
}
