//! The crew with workers of no use: shell scripts that speak, or misspeak, the workers' language.

use std::time::Instant;

use audit_core::{Body, CommandSpec, Identity, Moment, Part, Policy, SessionId, Stream, Winsize};
use bytes::Bytes;

use super::*;
use crate::frame::{self, Frame};
use crate::message;
use crate::staging::Reader;

fn spec() -> SessionSpec {
    SessionSpec {
        id: SessionId::new(0, [0; 10]),
        parent: None,
        user: Identity::service("test"),
        host: "host".into(),
        opened_unix_millis: 0,
        engine: "multiproc".into(),
        command: CommandSpec::new("true", [""; 0]),
        pty: true,
        winsize: Winsize::new(24, 80),
        buffer_size: 64 << 10,
        policy: Policy::default(),
        recorder: Part::new("none", serde_json::Value::Null),
        monitor: None,
        controller: None,
    }
}

/// A worker that runs this shell script; its socket is its standard input.
fn script(script: &str) -> Arc<[OsString]> {
    ["sh", "-c", script, "sh"].map(OsString::from).into()
}

/// The command that sends this message.
fn say(message: &FromWorker) -> String {
    let mut frame = Vec::new();
    message::encode(message, &mut frame).unwrap();
    let octal: String = frame.iter().map(|byte| format!("\\{byte:03o}")).collect();
    format!("printf '{octal}' >&0;")
}

fn record(seq: u64, bytes: Bytes) -> Record {
    let body = Body::Data { stream: Stream::Tty, bytes };
    Record { seq, at: Moment::from_nanos(seq), body }
}

/// Turns until this mail comes; returns what came before it.
fn until(crew: &mut Crew, wanted: impl Fn(&Mail) -> bool) -> Vec<Mail> {
    let mut before = Vec::new();
    loop {
        while let Some(mail) = crew.take_mail() {
            if wanted(&mail) {
                return before;
            }
            before.push(mail);
        }
        crew.turn(100);
    }
}

#[test]
fn a_part_that_cannot_be_built_refuses_the_session() {
    let refusal = FromWorker::Refused { part: "journal".into(), reason: "no such place".into() };
    let error = Crew::hire(&script(&say(&refusal)), &spec()).unwrap_err();
    assert_eq!((error.operation.as_str(), error.reason.as_str()), ("journal", "no such place"));
}

#[test]
fn a_worker_that_ends_at_once_refuses_the_session() {
    let error = Crew::hire(&script("exit 3"), &spec()).unwrap_err();
    assert!(error.reason.contains("ended with status 3"), "{error}");
    assert!(Crew::hire(&["/nonexistent".into()].into(), &spec()).is_err());
}

#[test]
fn a_recorder_that_sends_garbage_is_replaced_and_at_last_counts_as_failed() {
    let garbage =
        format!("{} printf '\\377\\377\\377\\377' >&0; read wait", say(&FromWorker::Ready));
    let mut crew = Crew::hire(&script(&garbage), &spec()).unwrap();
    crew.record(record(1, Bytes::from_static(b"x")));
    crew.flush(Durability::Process);
    let before = until(&mut crew, |mail| matches!(mail, Mail::RecorderFailed { .. }));
    let restarted =
        |mail: &Mail| matches!(mail, Mail::Trouble { name, .. } if name == "recorder.restarted");
    assert!(!before.is_empty() && before.iter().all(restarted), "{before:?}");
    // It is tried again all the same, and said when it seems to work.
    until(&mut crew, |mail| *mail == Mail::RecorderRecovered);
}

#[test]
fn a_monitor_that_cannot_be_built_refuses_the_session_before_it_has_a_recorder() {
    let mut spec = spec();
    spec.monitor = Some(Part::new("none", serde_json::Value::Null));
    let refusal = FromWorker::Refused { part: "rules".into(), reason: "no such rule".into() };
    let dir = tempfile::tempdir().unwrap();
    let begun = dir.path().join("begun");
    let refuse = say(&refusal);
    let both =
        format!("case $1 in recorder) touch {};; monitor) {refuse} true;; esac", begun.display());
    let error = Crew::hire(&script(&both), &spec).unwrap_err();
    assert_eq!((error.operation.as_str(), error.reason.as_str()), ("rules", "no such rule"));
    assert!(!begun.exists());
}

#[test]
fn a_close_that_no_recorder_survives_is_answered() {
    let idle = format!("{} read wait", say(&FromWorker::Ready));
    let mut crew = Crew::hire(&script(&idle), &spec()).unwrap();
    crew.record(record(1, Bytes::from_static(b"x")));
    crew.close();
    for _ in 0..5 {
        until_worker(&mut crew);
        crew.recorder.post().worker_mut().unwrap().kill();
    }
    until(&mut crew, |mail| matches!(mail, Mail::RecorderClosed { failure: Some(_) }));
}

/// Turns until the recorder's post has a worker in office.
fn until_worker(crew: &mut Crew) {
    while crew.recorder.post().ready().is_none() {
        crew.turn(100);
    }
}

#[test]
fn receipts_that_are_not_due_are_violations() {
    let idle = format!("{} read wait", say(&FromWorker::Ready));
    let mut crew = Crew::hire(&script(&idle), &spec()).unwrap();
    crew.record(record(1, Bytes::from_static(b"x")));
    let mut mail = VecDeque::new();
    let mut flushed = |crew: &mut Crew, number, through| {
        let answer = FromWorker::Flushed { number, recorded: Some(through), failure: None };
        crew.recorder.heard(answer, &mut mail)
    };
    assert!(flushed(&mut crew, 1, 1).is_err(), "nothing was to be flushed");
    crew.flush(Durability::Process);
    assert!(flushed(&mut crew, 2, 1).is_err(), "this flush comes later");
    assert!(flushed(&mut crew, 1, 2).is_err(), "there is no such record");
    crew.flush(Durability::Process);
    assert_eq!(flushed(&mut crew, 2, 1), Ok(()));
    assert_eq!(mail, [Mail::Recorded { through: 1 }]);
    assert!(crew.recorder.heard(FromWorker::Told { notice: 1 }, &mut mail).is_err());
}

#[test]
fn the_wait_between_workers_doubles() {
    let hello = Hello { spec: spec(), staged: None };
    let program = script("exit 0");
    let mut post = Post::new(Role::Monitor, program, None, &hello).unwrap();
    let mut now = Instant::now();
    for millis in [50, 100, 200, 400, 800, 1600, 3200, 5000, 5000] {
        post.bury("it is a test", now);
        let at = post.restart_at().unwrap();
        assert_eq!(at - now, Duration::from_millis(millis));
        now = at;
        assert!(post.restart(None, &hello, now));
    }
    // One that lived long enough begins anew.
    now += Duration::from_secs(5);
    post.bury("it is a test", now);
    assert_eq!(post.restart_at().unwrap() - now, Duration::from_millis(50));
}

#[test]
fn more_than_staging_holds_waits_and_goes_on_in_order() {
    let mut spec = spec();
    (spec.policy.recording.window, spec.buffer_size) = (0, 1 << 10);
    let mut backlog = Backlog::new(&spec).unwrap();
    let mut reader = Reader::open(backlog.memory(), backlog.settled().from).unwrap();
    for seq in 1..=100 {
        backlog.record(record(seq, Bytes::from(vec![seq as u8; 100 << 10])));
    }
    backlog.point(None);
    let (mut next, mut closed) = (1, false);
    while !closed {
        let frame = reader.next().unwrap().expect("there is always something to answer");
        match frame::decode(frame).unwrap() {
            Frame::Record(read) => {
                assert_eq!(read, record(next, Bytes::from(vec![next as u8; 100 << 10])));
                next += 1;
            }
            Frame::Flush { number, .. } => {
                assert_eq!(backlog.settle(number, false).unwrap().seq, next - 1);
                backlog.catch_up();
            }
            Frame::Close { number } => {
                backlog.settle(number, true).unwrap();
                closed = true;
            }
            Frame::Resume => panic!("nothing has failed"),
        }
    }
    assert_eq!(next, 101);
}

#[test]
fn a_record_larger_than_staging_is_a_gap_that_says_so() {
    let mut backlog = Backlog::new(&spec()).unwrap();
    let mut reader = Reader::open(backlog.memory(), backlog.settled().from).unwrap();
    backlog.record(record(1, Bytes::from(vec![0; 64 << 20])));
    let Ok(Frame::Record(Record {
        seq: 1,
        body: Body::Gap { from: 1, through: 1, bytes, .. },
        ..
    })) = frame::decode(reader.next().unwrap().unwrap())
    else {
        panic!("no gap");
    };
    assert_eq!(bytes, 64 << 20);
}

#[test]
fn what_was_staged_when_a_flush_had_failed_is_passed_over_by_every_worker() {
    let mut backlog = Backlog::new(&spec()).unwrap();
    let first = backlog.settled();
    backlog.record(record(1, Bytes::from_static(b"a")));
    backlog.point(Some(Durability::Process));
    backlog.record(record(2, Bytes::from_static(b"b")));
    backlog.settle(1, false).unwrap();
    backlog.pass_over();
    assert!(backlog.settled().missing, "a new worker is told");
    backlog.record(record(3, Bytes::from_static(b"c")));
    backlog.point(Some(Durability::Process));
    let mut reader = Reader::open(backlog.memory(), first.from).unwrap();
    let mut frames = Vec::new();
    while let Some(frame) = reader.next().unwrap() {
        frames.push(frame::decode(frame).unwrap());
    }
    let resumed = frames.iter().position(|frame| *frame == Frame::Resume).unwrap();
    assert!(matches!(&frames[resumed - 1], Frame::Record(record) if record.seq == 2));
    assert!(matches!(&frames[resumed + 1], Frame::Record(record) if record.seq == 3));
    backlog.settle(2, false).unwrap();
    assert!(!backlog.settled().missing);
}
