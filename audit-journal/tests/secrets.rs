//! Secrets that were shown: recorded exactly, and concealed from who is not to see them.

mod common;

use audit_core::{Body, Score, Span, Stream, Verdict};
use audit_journal::{
    Format, Journal, Pattern, Polled, Side, Status, Trust, export, search, verify,
};
use common::{Root, Tape};

/// A verdict that tells of these bytes of the terminal.
fn told(spans: &[(u64, u64)]) -> Body {
    let secrets =
        spans.iter().map(|(start, end)| Span { stream: Stream::Tty, start: *start, end: *end });
    Body::Verdict(Verdict { score: Score::ZERO, findings: Vec::new(), secrets: secrets.collect() })
}

fn shows_a_token(tape: &mut Tape) {
    tape.tty(b"token=abc");
    tape.input(b"typed\r");
    tape.tty(b"def next\r\nplain ");
    tape.put(told(&[(6, 12)]));
    tape.tty(b"last\r\n");
}

fn exported(journal: &Journal, format: Format) -> String {
    let mut out = Vec::new();
    export(journal, format, None, &mut out).expect("an export");
    String::from_utf8_lossy(&out).into_owned()
}

#[test]
fn a_secret_is_recorded_and_concealed_in_every_format() {
    let root = Root::new();
    let mut tape = root.open(1);
    shows_a_token(&mut tape);
    let dir = tape.close();
    assert_eq!(verify(&dir, &Trust::default(), None).status, Status::Intact);
    let clear = Journal::open(&dir).expect("a journal");
    assert_eq!(clear.secrets_shown().expect("read"), 1);
    assert_eq!(exported(&clear, Format::Raw), "token=abcdef next\r\nplain last\r\n");
    let concealed = Journal::open(&dir).expect("a journal").concealing();
    assert_eq!(exported(&concealed, Format::Raw), "token=****** next\r\nplain last\r\n");
    for (format, _) in Format::ALL {
        // as they are, and as the end of a chunk in Base64
        let holds = |text: String| ["abc", "YWJj"].iter().any(|part| text.contains(part));
        assert!(holds(exported(&clear, format)), "{format:?}");
        assert!(!holds(exported(&concealed, format)), "{format:?}");
    }
    let json = exported(&concealed, Format::Jsonl);
    assert_eq!(json.matches("\"secret\":true").count(), 2, "{json}");
    let found = |journal: &Journal, text: &str| {
        let pattern = Pattern::literal(text).expect("a pattern");
        search(journal, Side::Output.streams(), &pattern).expect("lines").count()
    };
    assert_eq!((found(&clear, "abcdef"), found(&concealed, "abcdef")), (1, 0));
    assert_eq!(found(&concealed, "token="), 1);
}

#[test]
fn a_secret_in_a_later_block_and_segment_is_concealed() {
    let root = Root::new();
    let mut settings = root.settings();
    settings.segment_size = 64 << 10;
    let mut tape = root.open_with(1, settings);
    let mut shown = 0;
    for number in 0..200u64 {
        let text = format!("{}key{number:04}", "filler ".repeat(300));
        tape.tty(text.as_bytes());
        shown += text.len() as u64;
        if number % 10 == 0 {
            tape.put(told(&[(shown - 7, shown)]));
        }
        tape.sync();
    }
    let dir = tape.close();
    assert_eq!(verify(&dir, &Trust::default(), None).status, Status::Intact);
    let concealed = Journal::open(&dir).expect("a journal").concealing();
    assert_eq!(concealed.secrets_shown().expect("read"), 20);
    let text = exported(&concealed, Format::Raw);
    for number in 0..200 {
        assert_eq!(text.contains(&format!("key{number:04}")), number % 10 != 0, "{number}");
    }
    let only_input = concealed.entries().expect("entries").only(&[Stream::Input]);
    assert!(only_input.flatten().all(|entry| !entry.secret));
}

#[test]
fn who_follows_without_permission_sees_no_secret_that_is_told_of_behind_it() {
    let root = Root::new();
    let mut tape = root.open(1);
    tape.tty(b"token=abcdef next\r\n");
    tape.sync();
    let dir = common::session_dir(root.path(), 1);
    let mut follow =
        Journal::open(&dir).expect("a journal").concealing().follow().expect("follows");
    assert_eq!(
        follow.poll().expect("reads"),
        Polled::Pending,
        "it waits for what may be said of it"
    );
    tape.put(told(&[(6, 12)]));
    tape.sync();
    let mut seen = Vec::new();
    loop {
        match follow.poll().expect("reads") {
            Polled::Entry(entry) => match entry.body {
                Body::Data { bytes, .. } => seen.extend_from_slice(&bytes),
                Body::Verdict(_) => break,
                _ => {}
            },
            Polled::Pending => std::thread::yield_now(),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(String::from_utf8_lossy(&seen), "token=****** next\r\n");
    tape.close();
}

#[test]
fn places_that_make_no_sense_harm_nobody() {
    let root = Root::new();
    let mut tape = root.open(1);
    tape.tty(b"shown");
    tape.put(told(&[(3, 2), (u64::MAX - 1, u64::MAX), (4, u64::MAX), (0, 0)]));
    tape.put(told(&(0..5000).rev().map(|n| (n * 3, n * 3 + 1)).collect::<Vec<_>>()));
    let dir = tape.close();
    let concealed = Journal::open(&dir).expect("a journal").concealing();
    assert_eq!(exported(&concealed, Format::Raw), "*ho**");
}
