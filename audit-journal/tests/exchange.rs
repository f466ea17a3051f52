//! Recordings that leave for other tools and come back.

mod common;

use std::path::Path;

use audit_core::{Body, Identity, Ratchet, SealId, SecretRule, SessionId, Stream, Winsize};
use audit_journal::{
    Entry, Format, ImportFacts, ImportFormat, Journal, JournalSettings, Pattern, Polled, Side,
    Status, Trust, export, export_script, import, search, verify,
};
use common::{Root, Tape, data};
use proptest::prelude::*;

fn entries(dir: &Path) -> Vec<Entry> {
    Journal::open(dir).unwrap().entries().unwrap().map(Result::unwrap).collect()
}

fn exported(dir: &Path, format: Format, side: Option<Side>) -> Vec<u8> {
    let mut out = Vec::new();
    export(&Journal::open(dir).unwrap(), format, side, &mut out).unwrap();
    out
}

fn imported(root: &Path, n: u8, bytes: &[u8], format: ImportFormat) -> std::path::PathBuf {
    let facts = ImportFacts {
        id: SessionId::new(1_800_000_000_000 + u64::from(n), [n; 10]),
        user: Identity::person("mia", 1000),
        host: "there".to_owned(),
        opened_unix_millis: 1_795_000_000_000,
    };
    import(&mut &*bytes, format, JournalSettings::new(root), &facts).unwrap()
}

/// Resolved bytes of a side, in order.
fn bytes(dir: &Path, side: Side) -> Vec<u8> {
    exported(dir, Format::Raw, Some(side))
}

#[test]
fn raw_gives_the_bytes_of_one_side() {
    let root = Root::new();
    let mut tape = root.open(1);
    let all: Vec<u8> = (0..=255).collect();
    tape.tty(&all);
    tape.input(b"typed");
    tape.tty(b"\xe6\x97");
    tape.tty(b"\xa5");
    let dir = tape.close();
    assert_eq!(bytes(&dir, Side::Output), [&all[..], "日".as_bytes()].concat());
    assert_eq!(bytes(&dir, Side::Input), b"typed");
}

#[test]
fn megabytes_of_noise_and_a_long_line_come_back_exactly() {
    use std::hash::{BuildHasher, Hasher, RandomState};
    let root = Root::new();
    let mut tape = root.open(1);
    let mut hasher = RandomState::new().build_hasher();
    let mut noise = Vec::new();
    while noise.len() < 3 << 20 {
        hasher.write_u64(noise.len() as u64);
        noise.extend_from_slice(&hasher.finish().to_le_bytes());
    }
    let line = vec![b'x'; 1 << 20];
    tape.tty(&line);
    for chunk in noise.chunks(100_000) {
        tape.tty(chunk);
    }
    let dir = tape.close();
    assert!(bytes(&dir, Side::Output) == [line, noise].concat());
    assert_eq!(verify(&dir, &Trust::FirstUse, None).status, Status::Intact);
}

#[test]
fn seals_are_opened_by_their_keys_only() {
    let root = Root::new();
    let mut tape = root.open(1);
    let mut ratchet = Ratchet::new([9; 32]);
    let mut seal = |tape: &mut Tape, text: &[u8]| {
        let (id, key) = ratchet.draw();
        let mut cipher = text.to_vec();
        key.apply(&mut cipher);
        tape.put(Body::Sealed { stream: Stream::Input, seal: id, cipher: cipher.into() });
        (id, key)
    };
    tape.input(b"su\r");
    let secret = seal(&mut tape, b"hunter2\r");
    // Larger than a block, so that it lies in parts.
    let harmless = vec![b'y'; 200_000];
    let clear = seal(&mut tape, &harmless);
    let never = seal(&mut tape, b"crashed");
    tape.put(Body::Reveal { keys: vec![clear] });
    tape.put(Body::Redaction {
        stream: Stream::Input,
        seals: vec![secret.0],
        length: 16,
        exact: false,
        rule: SecretRule::LineDiscipline,
    });
    let dir = tape.close();
    drop(never);
    let expected = [b"su\r********", &harmless[..], b"*******"].concat();
    assert!(bytes(&dir, Side::Input) == expected);
    let masked: Vec<_> = entries(&dir).iter().filter(|e| e.masked).map(|e| e.first).collect();
    assert_eq!(masked, [2, 4]);
    for entry in std::fs::read_dir(&dir).unwrap() {
        let text = std::fs::read(entry.unwrap().path()).unwrap();
        assert!(!text.windows(7).any(|w| w == b"hunter2"));
    }
    let report = verify(&dir, &Trust::FirstUse, None);
    assert_eq!(report.status, Status::Intact, "{report}");
}

#[test]
fn asciicast_follows_its_letter() {
    let root = Root::new();
    let mut tape = root.open(1);
    tape.put(Body::Resize(Winsize::new(24, 80)));
    tape.tty("日".as_bytes().split_at(1).0);
    tape.tty("日".as_bytes().split_at(1).1);
    tape.put(Body::Resize(Winsize::new(33, 111)));
    tape.put(Body::Marker { name: "note".to_owned(), text: "\"here\"".to_owned() });
    let dir = tape.close();
    let v2 = String::from_utf8(exported(&dir, Format::AsciicastV2, None)).unwrap();
    assert_eq!(
        v2,
        "{\"command\":\"/bin/sh -c echo hello\",\"height\":24,\"timestamp\":1795000000,\
         \"version\":2,\"width\":80}\n\
         [0.030000, \"o\", \"日\"]\n[0.040000, \"r\", \"111x33\"]\n\
         [0.050000, \"m\", \"note \\\"here\\\"\"]\n"
    );
    let v3 = String::from_utf8(exported(&dir, Format::AsciicastV3, None)).unwrap();
    let lines: Vec<_> = v3.lines().collect();
    assert!(lines[0].contains("\"term\":{\"cols\":80,\"rows\":24}"), "{}", lines[0]);
    assert_eq!(
        lines[1..],
        [
            "[0.030000, \"o\", \"日\"]",
            "[0.010000, \"r\", \"111x33\"]",
            "[0.010000, \"m\", \"note \\\"here\\\"\"]",
            "[0.010000, \"x\", \"0\"]"
        ]
    );
}

#[test]
fn asciicasts_of_every_version_are_imported() {
    let root = Root::new();
    let v1 = br#"{
      "version": 1, "width": 100, "height": null, "duration": 1.5, "command": null,
      "stdout": [[0.5, "hel"], [1.0, "lo\r\n"]]
    }"#;
    let v2 =
        b"{\"version\": 2, \"width\": 100, \"height\": 30, \"timestamp\": null, \"env\": null}\n\
        [0.5, \"o\", \"hel\"]\n[1.5, \"o\", \"lo\\r\\n\"]\n[2.0, \"z\", \"?\"]\n[2.5, \"o";
    let v3 = b"{\"version\": 3, \"term\": {\"cols\": 100, \"rows\": 30}, \"idle_time_limit\": 2}\n\
        # a comment\n[0.5, \"o\", \"hel\"]\n[1.0, \"o\", \"lo\\r\\n\"]\n[0.1, \"x\", \"3\"]\n";
    for (n, bytes) in [(1, &v1[..]), (2, v2), (3, v3)] {
        let dir = imported(root.path(), n, bytes, ImportFormat::Asciicast);
        let journal = Journal::open(&dir).unwrap();
        let from = format!("asciicast-v{n}");
        assert_eq!(journal.header().imported.as_ref(), Some(&from));
        assert_eq!(journal.header().winsize.columns, 100);
        assert_eq!(exported(&dir, Format::Raw, None), b"hello\r\n");
        let times: Vec<_> = entries(&dir)
            .iter()
            .filter(|e| matches!(e.body, Body::Data { .. }))
            .map(|e| e.at.as_nanos() / 1_000_000)
            .collect();
        assert_eq!(times, [500, 1500], "v{n}");
        let report = verify(&dir, &Trust::FirstUse, None);
        assert_eq!(report.status, Status::Intact, "{report}");
        assert!(report.reason.contains("unsigned"), "{report}");
        let listed = audit_journal::summary(&dir).unwrap();
        assert_eq!((listed.records, listed.bytes), (report.records, 7));
        assert!((1500..1700).contains(&listed.duration_millis), "{listed:?}");
    }
    let root = root.path();
    for bad in [&b""[..], b"{}", b"{\"version\": 9}", b"[1, 2]", b"\xff\xfe"] {
        let facts = ImportFacts {
            id: SessionId::new(1, [1; 10]),
            user: Identity::person("mia", 1000),
            host: String::new(),
            opened_unix_millis: 0,
        };
        let settings = JournalSettings::new(root);
        import(&mut &*bad, ImportFormat::Asciicast, settings, &facts).unwrap_err();
    }
}

#[test]
fn a_recording_of_any_version_leaves_as_any_other() {
    let root = Root::new();
    let v1 = b"{\"version\": 1, \"width\": 80, \"height\": 24, \"command\": null,
        \"stdout\": [[0.5, \"a\\r\\n\"], [0.25, \"\\u001b[1mb\\r\\n\"]]}";
    let v2 = b"{\"version\": 2, \"width\": 80, \"height\": 24, \"title\": null}\n\
        [0.5, \"o\", \"a\\r\\n\"]\n[0.75, \"o\", \"\\u001b[1mb\\r\\n\"]\n";
    for (n, cast) in [(1, &v1[..]), (2, v2)] {
        let dir = imported(root.path(), n, cast, ImportFormat::Asciicast);
        let v3 = String::from_utf8(exported(&dir, Format::AsciicastV3, None)).unwrap();
        let (header, events) = v3.split_once('\n').unwrap();
        let header: serde_json::Value = serde_json::from_str(header).unwrap();
        assert_eq!((&header["version"], &header["term"]["cols"]), (&3.into(), &80.into()));
        assert_eq!(
            events,
            "[0.500000, \"o\", \"a\\r\\n\"]\n[0.250000, \"o\", \"\\u001b[1mb\\r\\n\"]\n"
        );
        assert_eq!(exported(&dir, Format::Raw, None), b"a\r\n\x1b[1mb\r\n");
        assert_eq!(exported(&dir, Format::Text, None), b"a\nb\n");
        // And back again.
        let again = imported(root.path(), n + 2, v3.as_bytes(), ImportFormat::Asciicast);
        let all = |_: &Body| true;
        assert_eq!(kept(&dir, all), kept(&again, all));
    }
}

#[test]
fn script_replays_what_was_shown() {
    let root = Root::new();
    let mut tape = root.open(1);
    tape.tty(b"first\r\n");
    tape.input(b"x");
    tape.put(Body::Resize(Winsize::new(10, 20)));
    tape.tty(b"second\r\n");
    let dir = tape.close();
    let out = root.path().join("exported");
    export_script(&Journal::open(&dir).unwrap(), &out).unwrap();
    let timing = std::fs::read_to_string(out.join("timing")).unwrap();
    let lines: Vec<_> = timing.lines().filter(|l| !l.starts_with('H')).collect();
    assert_eq!(
        lines,
        ["O 0.010000 7", "I 0.010000 1", "S 0.010000 SIGWINCH ROWS=10 COLS=20", "O 0.010000 8"]
    );
    let typescript = std::fs::read_to_string(out.join("typescript")).unwrap();
    assert!(typescript.starts_with("Script started on 2026-11-18 "), "{typescript}");
    assert!(typescript.ends_with("\nfirst\r\nsecond\r\n"), "{typescript}");
    let one = String::from_utf8(exported(&dir, Format::Script, None)).unwrap();
    assert!(one.ends_with("second\r\n\nScript done [COMMAND_EXIT_CODE=\"0\"]\n"), "{one}");
}

#[test]
fn jsonl_holds_every_record() {
    let root = Root::new();
    let mut tape = root.open(1);
    tape.tty(b"\xff\x00");
    tape.put(Body::Other { kind: 70, payload: vec![1, 2].into() });
    tape.put(Body::Suspended);
    let dir = tape.close();
    let text = String::from_utf8(exported(&dir, Format::Jsonl, None)).unwrap();
    let lines: Vec<serde_json::Value> =
        text.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert_eq!(lines.len(), 5);
    assert_eq!(lines[0]["header"]["engine"], "poll");
    assert_eq!(lines[1]["data_b64"], "/wA=");
    assert_eq!(lines[2]["record"]["other"]["kind"], 70);
    assert_eq!(lines[3]["record"], "suspended");
    assert_eq!(lines[4]["record"]["end"]["exit"]["code"], 0);
}

#[test]
fn search_finds_what_was_seen_across_chunks() {
    let root = Root::new();
    let mut tape = root.open(1);
    tape.tty(b"$ \x1b[32mca");
    tape.tty(b"t\x1b[0m /etc/pass");
    tape.tty(b"wd\r\nroot:x:0:0\r\n");
    tape.input(b"xx\x7f\x7fcat /etc/passwd\r");
    let dir = tape.close();
    let journal = Journal::open(&dir).unwrap();
    let find = |pattern: Pattern, side: Side| -> Vec<(u64, String)> {
        search(&journal, side.streams(), &pattern)
            .unwrap()
            .map(|l| l.map(|l| (l.record, l.text)).unwrap())
            .collect()
    };
    let literal = Pattern::literal("cat /etc/passwd").unwrap();
    assert_eq!(find(literal.clone(), Side::Output), [(3, "$ cat /etc/passwd".to_owned())]);
    assert_eq!(find(literal, Side::Input), [(4, "cat /etc/passwd".to_owned())]);
    let expression = Pattern::regex("^root:.*:0:0$").unwrap();
    assert_eq!(find(expression, Side::Output), [(3, "root:x:0:0".to_owned())]);
    assert!(Pattern::regex("(").is_err());
    assert_eq!(exported(&dir, Format::Text, None), b"$ cat /etc/passwd\nroot:x:0:0\n");
}

#[test]
fn a_session_is_followed_to_its_end() {
    let root = Root::new();
    let mut settings = root.settings();
    settings.segment_size = 20_000;
    let mut tape = root.open_with(1, settings);
    tape.tty(b"before");
    tape.sync();
    let journal = Journal::open(&tape.dir).unwrap();
    let mut follow = journal.follow().unwrap();
    let mut seen = Vec::new();
    let mut drain = |seen: &mut Vec<u8>| loop {
        match follow.poll().unwrap() {
            Polled::Entry(Entry { body: Body::Data { bytes, .. }, .. }) => {
                seen.extend_from_slice(&bytes);
            }
            Polled::Entry(_) => {}
            other => return other,
        }
    };
    assert_eq!(drain(&mut seen), Polled::Pending);
    assert_eq!(seen, b"before");
    let mut expected = seen.clone();
    // Through several segments, some of which are compressed while they are read.
    for n in 0..40 {
        let line = format!("line {n} {}\r\n", "ab".repeat(3000));
        tape.seq += 1;
        tape.at += 1000;
        let record = audit_core::Record {
            seq: tape.seq,
            at: audit_core::Moment::from_nanos(tape.at),
            body: data(Stream::Tty, line.as_bytes()),
        };
        audit_core::Recorder::record(&mut tape.writer, &record).unwrap();
        expected.extend_from_slice(line.as_bytes());
        if n % 3 == 0 {
            tape.sync();
            assert_eq!(drain(&mut seen), Polled::Pending);
        }
        if n % 7 == 0 {
            while audit_core::Recorder::idle(&mut tape.writer).unwrap() {}
        }
    }
    tape.close();
    assert_eq!(drain(&mut seen), Polled::Ended);
    assert!(seen == expected);
}

#[test]
fn a_followed_seal_waits_for_its_key() {
    let root = Root::new();
    let mut tape = root.open(1);
    let (id, key) = Ratchet::new([1; 32]).draw();
    let mut cipher = *b"ls";
    key.apply(&mut cipher);
    let body = Body::Sealed { stream: Stream::Input, seal: id, cipher: cipher.to_vec().into() };
    let mut follow = Journal::open(&tape.dir).unwrap().follow().unwrap();
    tape.put(body);
    tape.tty(b"ls");
    tape.sync();
    assert_eq!(follow.poll().unwrap(), Polled::Pending);
    tape.put(Body::Reveal { keys: vec![(SealId(id.0), key)] });
    tape.sync();
    let Polled::Entry(entry) = follow.poll().unwrap() else { panic!("still waits") };
    assert_eq!((entry.body, entry.masked), (data(Stream::Input, b"ls"), false));
}

/// A body that asciicast or ttyrec can hold.
fn text_event() -> impl Strategy<Value = (u64, Body)> {
    let body = prop_oneof![
        "[a-z日🙂\\r\\n\u{1b}]{1,12}".prop_map(|t| data(Stream::Tty, t.as_bytes())),
        "[a-z é]{1,4}".prop_map(|t| data(Stream::Input, t.as_bytes())),
        (1u16..200, 1u16..200).prop_map(|(r, c)| Body::Resize(Winsize::new(r, c))),
        "[a-z]{1,8}".prop_map(|t| Body::Marker { name: "imported".to_owned(), text: t }),
    ];
    // Beyond a millisecond apart, so that nothing is gathered.
    (2_000u64..5_000_000, body)
}

fn record(tape: &mut Tape, events: &[(u64, Body)]) {
    for (micros, body) in events {
        tape.seq += 1;
        tape.at += micros * 1000;
        let at = audit_core::Moment::from_nanos(tape.at);
        let record = audit_core::Record { seq: tape.seq, at, body: body.clone() };
        audit_core::Recorder::record(&mut tape.writer, &record).unwrap();
    }
}

/// What such a format keeps of a session: times to the microsecond, and bodies.
fn kept(dir: &Path, keep: impl Fn(&Body) -> bool) -> Vec<(u64, Body)> {
    let mut last = Winsize::new(24, 80);
    entries(dir)
        .into_iter()
        .filter(|e| keep(&e.body))
        // A resize to the same size is no event.
        .filter(|e| match e.body {
            Body::Resize(size) => std::mem::replace(&mut last, size) != size,
            _ => true,
        })
        .map(|e| match e.body {
            Body::Marker { text, .. } => {
                let text = text.trim_start_matches("imported ").to_owned();
                (e.at.as_nanos() / 1000, Body::Marker { name: String::new(), text })
            }
            body => (e.at.as_nanos() / 1000, body),
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn asciicast_comes_back(events in proptest::collection::vec(text_event(), 0..20)) {
        let root = Root::new();
        let mut tape = root.open(1);
        record(&mut tape, &events);
        let dir = tape.close();
        let end = |b: &Body| !matches!(b, Body::End(_));
        for (n, format) in [(1, Format::AsciicastV2), (2, Format::AsciicastV3)] {
            let cast = exported(&dir, format, None);
            let back = imported(root.path(), n, &cast, ImportFormat::Asciicast);
            prop_assert_eq!(kept(&dir, end), kept(&back, end));
        }
    }

    #[test]
    fn ttyrec_comes_back(events in proptest::collection::vec(text_event(), 1..20)) {
        let root = Root::new();
        let mut tape = root.open(1);
        tape.put(data(Stream::Tty, b"\xffbegin"));
        record(&mut tape, &events);
        let dir = tape.close();
        let output = |b: &Body| matches!(b, Body::Data { stream: Stream::Tty, .. });
        let rec = exported(&dir, Format::Ttyrec, None);
        let back = imported(root.path(), 1, &rec, ImportFormat::Ttyrec);
        let (before, after) = (kept(&dir, output), kept(&back, output));
        // Times count from the first record there, from the session's beginning here.
        let from = before[0].0 - after[0].0;
        let shifted: Vec<_> = after.into_iter().map(|(at, b)| (at + from, b)).collect();
        prop_assert_eq!(before, shifted);
    }
}
