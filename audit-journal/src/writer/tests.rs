//! A writer on a disk that fills up, and what it writes under flood.

use audit_core::{
    Body, CommandSpec, Durability, End, Identity, Loss, Moment, Outcome, Part, Policy, Record,
    Recorder, RecorderError, SessionId, SessionSpec, Stream, Winsize,
};

use super::*;
use crate::disk::tests::Room;
use crate::entries::{Entry, Journal};
use crate::verify::{Status, Trust, verify};

fn spec(root: &Path) -> SessionSpec {
    SessionSpec {
        id: SessionId::new(1_795_000_000_000, [1; 10]),
        parent: None,
        user: Identity::person("mia", 1000),
        host: "here".to_owned(),
        opened_unix_millis: 1_795_000_000_000,
        engine: "poll".to_owned(),
        command: CommandSpec::new("sh", [""; 0]),
        pty: true,
        winsize: Winsize::new(24, 80),
        buffer_size: 65536,
        policy: Policy::default(),
        recorder: Part::new("journal", serde_json::to_value(JournalSettings::new(root)).unwrap()),
        monitor: None,
        controller: None,
    }
}

fn open(root: &Path) -> Writer {
    Writer::open(&spec(root), JournalSettings::new(root)).unwrap()
}

/// Bytes that do not compress, different for each `seq`.
fn noise(seq: u64, len: usize) -> Vec<u8> {
    let mut state = seq.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    })
    .take(len)
    .collect()
}

fn data(seq: u64) -> Record {
    let at = Moment::from_nanos(seq * 10_000_000);
    let bytes = noise(seq, 10_000).into();
    Record { seq, at, body: Body::Data { stream: Stream::Tty, bytes } }
}

fn other(seq: u64, body: Body) -> Record {
    Record { seq, at: Moment::from_nanos(seq * 10_000_000), body }
}

fn entries(dir: &Path) -> Vec<Entry> {
    Journal::open(dir).unwrap().entries().unwrap().map(Result::unwrap).collect()
}

/// Records until the disk is full; returns the last record that is durable and the first that was
/// refused.
fn fill(writer: &mut Writer) -> (u64, u64) {
    let mut durable = 0;
    for seq in 1..1000 {
        if let Err(e) = writer.record(&data(seq)) {
            assert!(matches!(e, RecorderError::NoSpace { .. }), "{e}");
            return (durable, seq);
        }
        match writer.sync(Durability::Process) {
            Ok(through) => durable = through,
            Err(e) => assert!(matches!(e, RecorderError::NoSpace { .. }), "{e}"),
        }
    }
    panic!("the disk never got full");
}

#[test]
fn a_gap_is_recorded_on_a_full_disk_and_recording_goes_on_when_room_returns() {
    let root = tempfile::tempdir().unwrap();
    let room = Room::limit(3 << 20);
    let mut writer = open(root.path());
    let (durable, refused) = fill(&mut writer);
    room.set(0);
    // Asked again it refuses again, and keeps nothing twice.
    assert!(writer.record(&data(refused)).is_err());
    let reason = "no space left".to_owned();
    let gap = Body::Gap { from: durable + 1, through: refused, bytes: 10_000, reason };
    writer.record(&other(refused + 1, gap.clone())).unwrap();
    assert_eq!(writer.sync(Durability::Process), Ok(refused + 1));
    // Still full for what is not vital.
    writer.record(&data(refused + 2)).unwrap();
    assert!(writer.sync(Durability::Process).is_err());
    room.set(1 << 30);
    assert_eq!(writer.sync(Durability::Process), Ok(refused + 2));
    writer.close().unwrap();
    let found = entries(writer.dir());
    let seqs: Vec<_> = found.iter().map(|e| e.first).collect();
    let expected: Vec<_> = (1..=durable).chain([refused + 1, refused + 2]).collect();
    assert_eq!(seqs, expected);
    assert_eq!(found[durable as usize].body, gap);
    assert_eq!(found.last().unwrap().body, data(refused + 2).body);
    let report = verify(writer.dir(), &Trust::FirstUse, None);
    assert_eq!((report.status, report.records), (Status::Intact, refused + 2), "{report}");
}

#[test]
fn a_session_ends_properly_on_a_full_disk() {
    let root = tempfile::tempdir().unwrap();
    let room = Room::limit(2 << 20);
    let mut writer = open(root.path());
    let (durable, refused) = fill(&mut writer);
    room.set(0);
    let reason = "no space left".to_owned();
    let (from, through, bytes) = (durable + 1, refused, 10_000);
    let lost = Some(Loss { from, through, bytes, reason: reason.clone() });
    writer.record(&other(refused + 1, Body::Gap { from, through, bytes, reason })).unwrap();
    let outcome = Outcome { exit: None, end: End::JournalFailed, lost };
    writer.record(&other(refused + 2, Body::End(outcome))).unwrap();
    assert_eq!(writer.sync(Durability::Machine), Ok(refused + 2));
    writer.close().unwrap();
    let report = verify(writer.dir(), &Trust::FirstUse, None);
    assert_eq!((report.status, report.sealed), (Status::Intact, refused + 2), "{report}");
}

#[test]
fn room_that_returns_loses_nothing() {
    let root = tempfile::tempdir().unwrap();
    let room = Room::limit(2 << 20);
    let mut writer = open(root.path());
    let (_, refused) = fill(&mut writer);
    room.set(1 << 30);
    for seq in refused..refused + 20 {
        writer.record(&data(seq)).unwrap();
    }
    assert_eq!(writer.sync(Durability::Process), Ok(refused + 19));
    writer.close().unwrap();
    let all: Vec<u8> = (1..refused + 20).flat_map(|seq| noise(seq, 10_000)).collect();
    let read: Vec<u8> = entries(writer.dir())
        .into_iter()
        .flat_map(|e| match e.body {
            Body::Data { bytes, .. } => bytes.to_vec(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert!(read == all);
    assert_eq!(verify(writer.dir(), &Trust::FirstUse, None).status, Status::Intact);
}

#[test]
fn a_very_small_disk_still_gets_its_gap_and_its_end() {
    let root = tempfile::tempdir().unwrap();
    let room = Room::limit(160 << 10);
    let mut writer = open(root.path());
    let (durable, refused) = fill(&mut writer);
    room.set(0);
    let reason = "no space left".to_owned();
    let (from, through, bytes) = (durable + 1, refused, 10_000);
    writer.record(&other(refused + 1, Body::Gap { from, through, bytes, reason })).unwrap();
    writer.sync(Durability::Machine).unwrap();
    let outcome = Outcome { exit: None, end: End::Exited, lost: None };
    writer.record(&other(refused + 2, Body::End(outcome))).unwrap();
    writer.close().unwrap();
    assert_eq!(verify(writer.dir(), &Trust::FirstUse, None).status, Status::Intact);
}

#[test]
fn a_flood_is_stored_first_and_compressed_when_idle() {
    let root = tempfile::tempdir().unwrap();
    let mut writer = open(root.path());
    let line = b"2026-11-22T00:00:00Z INFO http[42]: request took 7 ms\r\n".repeat(75);
    let total = 6 << 20;
    for seq in 1..=(total / line.len()) as u64 {
        // 50 MB/s.
        let at = Moment::from_nanos(seq * line.len() as u64 * 20);
        let body = Body::Data { stream: Stream::Tty, bytes: line.clone().into() };
        writer.record(&Record { seq, at, body }).unwrap();
    }
    writer.sync(Durability::Process).unwrap();
    let first = layout::segment(writer.dir(), 0);
    let size = || std::fs::metadata(&first).unwrap().len() as usize;
    assert!(size() > total * 9 / 10, "{}", size());
    let before = verify(writer.dir(), &Trust::FirstUse, None);
    while writer.idle().unwrap() {}
    writer.background.wait().unwrap();
    assert!(size() < total / 20, "{}", size());
    assert!(!layout::compact(writer.dir(), 0).exists());
    let after = verify(writer.dir(), &Trust::FirstUse, None);
    assert_eq!((before.status, after.status), (Status::Truncated, Status::Truncated), "{after}");
    assert_eq!(before.records, after.records);
    writer.close().unwrap();
    let report = verify(writer.dir(), &Trust::FirstUse, None);
    assert_eq!((report.status, report.bytes), (Status::Intact, before.bytes), "{report}");
}

#[test]
fn a_sync_that_failed_behind_the_session_is_told_once() {
    let root = tempfile::tempdir().unwrap();
    let mut writer = open(root.path());
    writer.record(&data(1)).unwrap();
    writer.sync(Durability::Writeback).unwrap();
    let failed = || JournalError::io("sync", Path::new("disk"), std::io::Error::other("worn out"));
    writer.background.start(move || Err(failed()));
    writer.record(&data(2)).unwrap();
    let told = writer.sync(Durability::Machine).unwrap_err().to_string();
    assert!(told.contains("worn out"), "{told}");
    writer.record(&data(3)).unwrap();
    assert_eq!(writer.sync(Durability::Machine), Ok(3));
    writer.background.start(move || Err(failed()));
    let told = std::iter::repeat_with(|| writer.sync(Durability::Process)).find_map(Result::err);
    assert!(told.unwrap().to_string().contains("worn out"));
    writer.close().unwrap();
    assert_eq!(verify(writer.dir(), &Trust::FirstUse, None).status, Status::Intact);
}

/// A closed session of many blocks; returns its directory.
pub(crate) fn flood(root: &Path) -> PathBuf {
    let mut writer = open(root);
    for seq in 1..=60 {
        let mut record = data(seq);
        if let Body::Data { bytes, .. } = &mut record.body {
            // Half noise, so that it packs, but not to nothing.
            *bytes = [&noise(seq, 15_000)[..], &[b'x'; 15_000]].concat().into();
        }
        writer.record(&record).unwrap();
    }
    writer.close().unwrap();
    writer.dir().to_owned()
}

#[test]
fn bytes_that_trickle_in_are_gathered() {
    let root = tempfile::tempdir().unwrap();
    let mut writer = open(root.path());
    let text = b"request id=4711 user=u0815 took=3.141ms status=200\r\n".repeat(400);
    for (n, byte) in text.iter().enumerate() {
        // 0.45 MB/s, a byte at a time, written every 50 ms.
        let at = Moment::from_nanos(n as u64 * 2222);
        let body = Body::Data { stream: Stream::Tty, bytes: vec![*byte].into() };
        writer.record(&Record { seq: n as u64 + 1, at, body }).unwrap();
        if n % 22_500 == 22_499 {
            writer.sync(Durability::Process).unwrap();
        }
    }
    writer.close().unwrap();
    let stored = std::fs::metadata(layout::segment(writer.dir(), 0)).unwrap().len() as usize;
    assert!(stored < text.len() / 5, "{stored} of {}", text.len());
    let last = entries(writer.dir()).pop().unwrap();
    assert_eq!(last.last, text.len() as u64);
}

#[test]
fn an_old_key_is_replaced_and_certified_by_itself() {
    let root = tempfile::tempdir().unwrap();
    let mut writer = open(root.path());
    for seq in 1..=40 {
        // Ten seconds apart: a new epoch every minute.
        let at = Moment::from_nanos(seq * 10_000_000_000);
        let body = Body::Data { stream: Stream::Tty, bytes: vec![b'x'].into() };
        writer.record(&Record { seq, at, body }).unwrap();
        writer.sync(Durability::Process).unwrap();
    }
    assert!(writer.signer.as_ref().unwrap().key.epoch >= 5);
    writer.close().unwrap();
    let report = verify(writer.dir(), &Trust::FirstUse, None);
    assert_eq!(report.status, Status::Intact, "{report}");
}

#[test]
fn strict_recording_needs_no_sync() {
    let root = tempfile::tempdir().unwrap();
    let mut spec = spec(root.path());
    spec.policy.recording.strict = true;
    let mut writer = Writer::open(&spec, JournalSettings::new(root.path())).unwrap();
    for seq in 1..=5 {
        writer.record(&data(seq)).unwrap();
        assert_eq!(entries(writer.dir()).len() as u64, seq);
    }
}

#[test]
fn a_close_that_failed_half_way_is_tried_again() {
    let root = tempfile::tempdir().unwrap();
    let mut writer = open(root.path());
    writer.record(&data(1)).unwrap();
    // The host log cannot be written: its directory is a file.
    let log = root.path().join("hostlog");
    let aside = root.path().join("aside");
    std::fs::rename(&log, &aside).unwrap();
    std::fs::write(&log, "").unwrap();
    writer.close().unwrap_err();
    assert!(writer.record(&data(2)).is_err());
    std::fs::remove_file(&log).unwrap();
    std::fs::rename(&aside, &log).unwrap();
    writer.close().unwrap();
    let report = verify(writer.dir(), &Trust::FirstUse, None);
    assert_eq!((report.status, report.records), (Status::Intact, 1), "{report}");
}

/// What a session core does with a recorder that fails, in little.
struct Core {
    writer: Writer,
    seq: u64,
    /// Records that are durable, with their lengths; gaps have none.
    acknowledged: std::collections::BTreeMap<u64, usize>,
    durable: u64,
    /// First record that is missing, while something is.
    outage: Option<u64>,
    /// Records given since the last sync that were taken.
    given: Vec<(u64, usize)>,
}

impl Core {
    fn record(&mut self, len: usize) {
        self.seq += 1;
        let mut record = data(self.seq);
        if let Body::Data { bytes, .. } = &mut record.body {
            *bytes = noise(self.seq, len).into();
        }
        if self.outage.is_some() {
            return;
        }
        match self.writer.record(&record) {
            Ok(()) => self.given.push((self.seq, len)),
            Err(_) => self.fail(),
        }
    }

    fn sync(&mut self) {
        if self.outage.is_some() {
            return self.retry();
        }
        match self.writer.sync(Durability::Process) {
            Ok(through) => {
                assert_eq!(through, self.seq);
                self.durable = through;
                self.acknowledged.extend(self.given.drain(..));
            }
            Err(_) => self.fail(),
        }
    }

    fn fail(&mut self) {
        self.outage = Some(self.durable + 1);
        self.given.clear();
        // The engine syncs all the same; what that makes durable counts as missing already.
        let _ = self.writer.sync(Durability::Process);
    }

    fn retry(&mut self) {
        let Some(from) = self.outage else { return };
        let through = self.seq;
        self.seq += 1;
        let reason = "full".to_owned();
        let gap = other(self.seq, Body::Gap { from, through, bytes: 1, reason });
        let recorded =
            self.writer.record(&gap).and_then(|()| self.writer.sync(Durability::Process));
        if let Ok(through) = recorded {
            assert_eq!(through, self.seq);
            (self.durable, self.outage) = (through, None);
            self.acknowledged.insert(through, 0);
        }
    }
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig {
        cases: 40,
        ..proptest::prelude::ProptestConfig::default()
    })]

    #[test]
    fn whatever_the_disk_does_nothing_acknowledged_is_lost(
        steps in proptest::collection::vec((0u8..8, 0usize..150_000), 1..60),
    ) {
        let root = tempfile::tempdir().unwrap();
        let room = Room::limit(2 << 20);
        let writer = open(root.path());
        let acknowledged = std::collections::BTreeMap::new();
        let mut core =
            Core { writer, seq: 0, acknowledged, durable: 0, outage: None, given: Vec::new() };
        for (what, size) in steps {
            match what {
                0..4 => core.record(size),
                4 | 5 => core.sync(),
                6 => room.set(size as u64),
                _ => room.set(if size % 2 == 0 { 0 } else { 1 << 30 }),
            }
        }
        room.set(1 << 30);
        core.sync();
        core.sync();
        assert_eq!(core.outage, None);
        core.writer.close().unwrap();
        let report = verify(core.writer.dir(), &Trust::FirstUse, None);
        assert_eq!((report.status, report.records), (Status::Intact, core.seq), "{report}");
        let (mut present, mut missing) = (std::collections::BTreeMap::new(), Vec::new());
        let mut last = 0;
        for entry in entries(core.writer.dir()) {
            assert!(entry.first >= last, "{} behind {last}", entry.first);
            last = entry.last;
            match entry.body {
                Body::Gap { from, through, .. } => {
                    missing.push(from..=through);
                    present.insert(entry.first, Vec::new());
                }
                Body::Data { bytes, .. } => {
                    let held: &mut Vec<u8> = present.entry(entry.first).or_default();
                    held.extend_from_slice(&bytes);
                }
                other => panic!("{other:?}"),
            }
        }
        for seq in 1..=core.seq {
            let held = present.get(&seq);
            if let Some(len) = core.acknowledged.get(&seq) {
                let held = held.unwrap_or_else(|| panic!("{seq} was acknowledged and is lost"));
                assert!(noise(seq, *len) == *held, "{seq} has other bytes");
            } else {
                let told = missing.iter().any(|m| m.contains(&seq));
                assert!(told, "{seq} is missing and no gap says so");
            }
        }
    }
}
