//! The tables of the format's description name every field that is written.

use audit_core::{
    Answer, Approval, BlockId, Body, Decision, End, Exit, Finding, Identity, Loss, Moment, Outcome,
    Score, SealId, SealKey, SecretRule, Span, Stream, Verdict, Winsize,
};
use ciborium::Value;

use super::book;
use crate::facts::{
    EndSeal, Ended, Epoch, EpochReason, Header, Key32, OsText, Recovered, Rotate, Sealing,
    SegmentStart, StreamSum, cbor,
};
use crate::writer::event;

/// One of each kind, with everything in it that may be.
fn events() -> Vec<Body> {
    let finding = Finding {
        rule: "r".into(),
        title: "t".into(),
        category: "c".into(),
        mitre: vec!["T1".into()],
        score: Score::ZERO,
        excerpt: "e".into(),
    };
    let verdict = Verdict {
        score: Score::ZERO,
        findings: vec![finding],
        secrets: vec![Span { stream: Stream::Tty, start: 0, end: 1 }],
    };
    let approval = Approval {
        subject: "s".into(),
        digest: [0; 32],
        asked_by: Identity::service("rules"),
        needed: 1,
        deadline: Moment::START,
    };
    let decision = |answer| Decision {
        by: Identity::person("mia", 1000),
        answer,
        comment: String::new(),
        own: false,
    };
    let lost = Loss { from: 1, through: 2, bytes: 3, reason: "r".into() };
    let end = |exit, end| Body::End(Outcome { exit, end, lost: Some(lost.clone()) });
    let redaction = |rule| Body::Redaction {
        stream: Stream::Input,
        seals: vec![SealId(1)],
        length: 16,
        exact: false,
        rule,
    };
    let decided = |answer| Body::Decided { block: BlockId(1), decision: decision(answer) };
    vec![
        Body::Resize(Winsize::new(24, 80)),
        Body::Signal { number: 15, sender: 1, forwarded: true },
        Body::Suspended,
        Body::Continued,
        Body::Verdict(Verdict { secrets: Vec::new(), ..verdict.clone() }),
        Body::Verdict(verdict),
        Body::Blocked { block: BlockId(1), approval },
        decided(Answer::Approve),
        decided(Answer::Reject),
        decided(Answer::ExpireTerminate),
        decided(Answer::ExpireResume),
        Body::Marker { name: "n".into(), text: "t".into() },
        Body::Gap { from: 1, through: 2, bytes: 3, reason: "r".into() },
        redaction(SecretRule::LineDiscipline),
        redaction(SecretRule::Echo),
        redaction(SecretRule::Prompt),
        redaction(SecretRule::TypeAhead),
        Body::Reveal { keys: vec![(SealId(1), SealKey::from_bytes([0; 32]))] },
        Body::Refused { bytes: 1 },
        end(Some(Exit::Code(0)), End::Exited),
        end(Some(Exit::Signal { number: 9, core: false }), End::HangUp),
        end(None, End::Rejected),
        end(None, End::Expired),
        end(None, End::Terminated),
        end(None, End::TimedOut),
        end(None, End::JournalFailed),
        end(None, End::SpawnFailed { errno: 2, message: "m".into() }),
    ]
}

/// Keys of maps, and texts that stand for one of several things.
fn names(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Map(pairs) => {
            for (key, value) in pairs {
                found.extend(key.as_text().map(str::to_owned));
                names(value, found);
            }
        }
        Value::Array(values) => values.iter().for_each(|value| names(value, found)),
        Value::Text(text) if text.len() > 3 => found.push(text.clone()),
        _ => {}
    }
}

fn names_of(cbor: &[u8]) -> Vec<String> {
    let mut found = Vec::new();
    names(&ciborium::from_reader(cbor).unwrap(), &mut found);
    found
}

/// What the sentence about identities and streams explains for all rows.
const EXPLAINED: [&str; 11] = [
    "kind", "name", "uid", "person", "agent", "service", "tty", "input", "stdout", "stderr",
    "rules",
];

#[test]
fn the_book_names_every_field() {
    let text = book();
    for body in events() {
        let (kind, payload) = event(&body);
        let written = names_of(&payload);
        let begin = format!("| {kind} | `{}` |", written[0]);
        let row = text.lines().find(|line| line.starts_with(&begin));
        let row = row.unwrap_or_else(|| panic!("no row {begin}"));
        for name in written[1..].iter().filter(|name| !EXPLAINED.contains(&name.as_str())) {
            assert!(row.contains(&format!("`{name}`")), "no `{name}` in {row}");
        }
        // A reader gets back what was written.
        assert_eq!(ciborium::from_reader::<Body, _>(&payload[..]).unwrap(), body);
    }
    for name in EXPLAINED.iter().filter(|name| **name != "rules") {
        assert!(text.contains(&format!("`{name}`")), "{name}");
    }
}

#[test]
fn the_book_names_every_key_of_structured_frames() {
    let text = book();
    let (_, table) = text.split_once("## Structured frames").unwrap();
    let (table, _) = table.split_once("## Epochs").unwrap();
    let session = audit_core::SessionId::new(1, [1; 10]);
    let header = Header {
        format: 1,
        session,
        parent: Some(session),
        user: Identity::person("mia", 1000),
        host: "h".to_owned(),
        opened_unix_millis: 1,
        engine: "e".to_owned(),
        program: "p".into(),
        args: vec![OsText("a".into())],
        cwd: Some(OsText("/".into())),
        pty: true,
        winsize: Winsize::new(24, 80),
        capture: "pty".to_owned(),
        input: true,
        strict: false,
        sealing: Sealing::Epochs,
        host_key: Some(Key32([0; 32])),
        host_log: true,
        imported: Some("i".to_owned()),
        writer: "w".to_owned(),
    };
    let epoch = Epoch {
        epoch: 0,
        key: Key32([0; 32]),
        by: crate::facts::CertifiedBy::Previous,
        reason: EpochReason::Recovered,
        signature: vec![0; 64].into(),
    };
    let sum = StreamSum {
        stream: Stream::Tty,
        len: 1,
        sha256: Key32([0; 32]),
        exported: Some(Key32([0; 32])),
    };
    let frames = [
        cbor(&header),
        cbor(&SegmentStart { session, number: 1 }),
        cbor(&Rotate { next: 1 }),
        cbor(&epoch),
        cbor(&Recovered { cut: 1, old_len: 2, reason: "r".to_owned() }),
        cbor(&EndSeal { records: 1, how: Ended::Closed, streams: vec![sum] }),
    ];
    for frame in frames {
        for name in names_of(&frame).iter().filter(|name| !EXPLAINED.contains(&name.as_str())) {
            assert!(table.contains(&format!("`{name}`")), "no `{name}`");
        }
    }
}
