//! A journal from its first record to its last, and back.

mod common;

use audit_core::{
    Approval, BlockId, Body, Durability, Identity, Moment, Part, Ratchet, Record, Recorder, Stream,
    Toolkit, Winsize,
};
use audit_journal::{
    Ended, Format, Journal, JournalError, Key32, SessionState, Side, Status, Trust, Writer, export,
    recover, resolve, sessions, summary, verify,
};
use common::{Root, data, end, spec};
use sha2::{Digest, Sha256};

fn read(dir: &std::path::Path) -> Vec<audit_journal::Entry> {
    Journal::open(dir).unwrap().entries().unwrap().map(Result::unwrap).collect()
}

#[test]
fn what_was_recorded_comes_back() {
    let root = Root::new();
    let mut tape = root.open(1);
    tape.put(Body::Resize(Winsize::new(24, 80)));
    tape.tty(b"$ ");
    tape.input(b"ls\r");
    assert_eq!(tape.sync(), 3);
    tape.tty(b"a  b\r\n");
    let dir = tape.close();
    let entries = read(&dir);
    let bodies: Vec<_> = entries.iter().map(|e| e.body.clone()).collect();
    assert_eq!(
        bodies,
        [
            Body::Resize(Winsize::new(24, 80)),
            data(Stream::Tty, b"$ "),
            data(Stream::Input, b"ls\r"),
            data(Stream::Tty, b"a  b\r\n"),
            end()
        ]
    );
    assert_eq!(entries[3].at, Moment::from_nanos(40_000_000));
    assert_eq!((entries[3].first, entries[3].last), (4, 4));
    let report = verify(&dir, &Trust::FirstUse, None);
    assert_eq!((report.status, report.records, report.sealed), (Status::Intact, 5, 5), "{report}");
}

#[test]
fn a_running_session_is_whole_and_says_so() {
    let root = Root::new();
    let mut tape = root.open(1);
    tape.tty(b"hello");
    tape.sync();
    let report = verify(&tape.dir, &Trust::FirstUse, None);
    assert_eq!((report.status, report.records), (Status::Truncated, 1), "{report}");
    assert!(report.reason.starts_with("running"), "{report}");
}

#[test]
fn a_writer_that_died_is_gone_on_with() {
    let root = Root::new();
    let mut tape = root.open(1);
    for _ in 0..100 {
        tape.tty(b"some text\r\n");
    }
    assert_eq!(tape.sync(), 100);
    tape.tty(b"never synced");
    let (seq, at) = (tape.seq, tape.at);
    drop(tape);
    let mut writer = Writer::open(&spec(1, root.path()), root.settings()).unwrap();
    assert_eq!(writer.sync(Durability::Process), Ok(100));
    let dir = writer.dir().to_owned();
    // The engine gives again what was not acknowledged, and more.
    for n in [99, 100, seq] {
        let body = data(Stream::Tty, b"again");
        writer.record(&Record { seq: n, at: Moment::from_nanos(at), body }).unwrap();
    }
    writer.close().unwrap();
    let entries = read(&dir);
    assert_eq!(entries.len(), 101);
    assert_eq!(entries[100].body, data(Stream::Tty, b"again"));
    let report = verify(&dir, &Trust::FirstUse, None);
    assert_eq!((report.status, report.records), (Status::Intact, 101), "{report}");
}

#[test]
fn two_writers_do_not_share_a_session() {
    let root = Root::new();
    let tape = root.open(1);
    let error = Writer::open(&spec(1, root.path()), root.settings()).unwrap_err();
    assert!(matches!(error, audit_journal::JournalError::Busy { .. }), "{error}");
    drop(tape);
    Writer::open(&spec(1, root.path()), root.settings()).unwrap();
}

#[test]
fn sessions_are_found_by_what_people_type() {
    let root = Root::new();
    let (one, two) = (root.open(1), root.open(2).close());
    let id = |dir: &std::path::Path| dir.file_name().unwrap().to_str().unwrap().to_owned();
    let find = |what: &str| resolve(root.path(), what);
    assert_eq!(find(&id(&one.dir)).unwrap(), one.dir);
    assert_eq!(find(&id(&two)[..14]).unwrap(), two);
    assert_eq!(find(two.to_str().unwrap()).unwrap(), two);
    assert_eq!(find(two.join("000000.atj").to_str().unwrap()).unwrap(), two);
    assert!(matches!(find("0"), Err(JournalError::Ambiguous { count: 2, .. })));
    assert!(matches!(find("f"), Err(JournalError::NotFound { .. })));
    let whole = root.path().to_str().unwrap().to_owned();
    assert!(matches!(find(&whole), Err(JournalError::Ambiguous { .. })));
    let single = Root::new();
    let dir = single.open(3).close();
    assert_eq!(find(single.path().to_str().unwrap()).unwrap(), dir);
}

#[test]
fn a_list_tells_where_sessions_stand() {
    let root = Root::new();
    let state = |dir: &std::path::Path| summary(dir).unwrap().state;
    let complete = root.open(1).close();
    assert_eq!(state(&complete), SessionState::Complete);
    let mut tape = root.open(2);
    assert_eq!(state(&tape.dir), SessionState::Active);
    tape.put(Body::Blocked {
        block: BlockId(1),
        approval: Approval {
            subject: "rm -rf /".to_owned(),
            digest: [7; 32],
            asked_by: Identity::service("rules"),
            needed: 1,
            deadline: Moment::from_nanos(1),
        },
    });
    tape.sync();
    assert_eq!(state(&tape.dir), SessionState::Blocked);
    let dir = tape.dir.clone();
    drop(tape);
    assert_eq!(state(&dir), SessionState::Truncated);
    recover(&dir, None).unwrap();
    assert_eq!(state(&dir), SessionState::Truncated);
    let all = sessions(root.path()).unwrap();
    let dirs: Vec<_> = all.iter().map(|(dir, _)| dir.clone()).collect();
    assert_eq!(dirs, [dir, complete.clone()]);
    let found = all[1].1.as_ref().unwrap();
    assert_eq!((found.records, found.header.user.name.as_str()), (1, "mia"));
    let end = Journal::open(&complete).unwrap().end().unwrap().unwrap();
    assert_eq!((end.records, end.how), (1, Ended::Closed));
    assert!(sessions(&root.path().join("nowhere")).unwrap().is_empty());
}

#[test]
fn the_end_states_what_an_export_gives() {
    let root = Root::new();
    let mut tape = root.open(1);
    tape.tty(b"password: ");
    let (seal, key) = Ratchet::new([1; 32]).draw();
    let mut cipher = *b"hunter2";
    key.apply(&mut cipher);
    tape.put(Body::Sealed { stream: Stream::Input, seal, cipher: cipher.to_vec().into() });
    let dir = tape.close();
    let journal = Journal::open(&dir).unwrap();
    let end = journal.end().unwrap().unwrap();
    let sum = |bytes: &[u8]| Key32(Sha256::digest(bytes).into());
    let [tty, input] = &end.streams[..] else { panic!("{end:?}") };
    assert_eq!((tty.sha256, tty.exported), (sum(b"password: "), None));
    assert_eq!((input.sha256, input.exported), (sum(&cipher), Some(sum(b"*******"))));
    let mut raw = Vec::new();
    export(&journal, Format::Raw, Some(Side::Input), &mut raw).unwrap();
    assert_eq!(raw, b"*******");
}

#[test]
fn files_are_for_their_owner_only_and_closed_for_good() {
    use std::os::unix::fs::PermissionsExt;
    let root = Root::new();
    let mut tape = root.open(1);
    tape.tty(b"x");
    tape.sync();
    let mode =
        |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o7777;
    let dir = tape.dir.clone();
    assert_eq!(mode(&dir.join("000000.atj")), 0o600);
    assert_eq!(mode(&dir), 0o700);
    assert_eq!(mode(&root.path().join("host.key")), 0o600);
    tape.close();
    assert_eq!(mode(&dir.join("000000.atj")), 0o440);
    assert_eq!(mode(&dir.join("heads.note")), 0o440);
    let error = Writer::open(&spec(1, root.path()), root.settings()).unwrap_err();
    assert!(matches!(error, JournalError::Closed { .. }), "{error}");
    // A key that others may read is no key.
    let key = root.path().join("host.key");
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).unwrap();
    let error = Writer::open(&spec(2, root.path()), root.settings()).unwrap_err();
    assert!(matches!(error, JournalError::Key { .. }), "{error}");
}

#[test]
fn the_toolkit_builds_it_from_its_settings() {
    let root = Root::new();
    let toolkit = Toolkit::new().with_recorder("journal", audit_journal::recorder);
    let mut spec = spec(1, root.path());
    let mut recorder = toolkit.recorder(&spec).unwrap();
    let body = data(Stream::Tty, b"x");
    recorder.record(&Record { seq: 1, at: Moment::START, body }).unwrap();
    assert_eq!(recorder.sync(Durability::Machine), Ok(1));
    recorder.close().unwrap();
    spec.recorder = Part::new("journal", serde_json::json!({ "root": root.path(), "colour": 1 }));
    let error = toolkit.recorder(&spec).err().unwrap();
    assert!(error.reason.contains("colour"), "{error}");
}

#[test]
fn a_session_is_verified_and_read_while_it_is_recorded() {
    use std::sync::atomic::{AtomicBool, Ordering};
    let root = Root::new();
    let mut settings = root.settings();
    settings.segment_size = 300_000;
    let mut tape = root.open_with(1, settings);
    let dir = tape.dir.clone();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let watch = scope.spawn(|| {
            let (mut records, mut looks) = (0, 0);
            while !done.load(Ordering::Relaxed) || looks == 0 {
                let report = verify(&dir, &Trust::FirstUse, None);
                assert_eq!(report.status, Status::Truncated, "{report}");
                assert!(report.records >= records, "{report} after {records}");
                records = report.records;
                let mut entries = Journal::open(&dir).unwrap().entries().unwrap();
                let last = entries.by_ref().last().map(|e| e.unwrap().last);
                assert!(last >= Some(records) || records == 0, "{last:?} after {records}");
                looks += 1;
            }
        });
        // A flood that is compressed behind the readers' backs.
        let line = b"2026-11-22T00:00:00Z INFO http[42]: request took 7 ms\r\n".repeat(300);
        for seq in 1..=600u64 {
            let at = Moment::from_nanos(seq * 300_000);
            let body = data(Stream::Tty, &line);
            tape.writer.record(&Record { seq, at, body }).unwrap();
            if seq % 5 == 0 {
                let durability =
                    [Durability::Process, Durability::Machine][usize::from(seq % 50 == 0)];
                tape.writer.sync(durability).unwrap();
            }
            if seq % 20 == 0 {
                while tape.writer.idle().unwrap() {}
            }
        }
        done.store(true, Ordering::Relaxed);
        watch.join().unwrap();
    });
    tape.writer.close().unwrap();
    let report = verify(&dir, &Trust::FirstUse, None);
    assert_eq!((report.status, report.records), (Status::Intact, 600), "{report}");
}
