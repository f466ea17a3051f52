//! Nothing that comes from a terminal makes the analysis panic, loop or depend on how it was cut.

use audit_core::{Moment, Monitor, Stream, Window};
use audit_detect::link::{read_analysis, read_analyze};
use audit_detect::model::Model;
use audit_detect::normalise::{End, Map, Mark, Normaliser, Signal, Sink};
use audit_detect::secrets::{find_in, redact};
use audit_detect::segment::Typist;
use audit_detect::shell::{Variables, base64, hex, hidden_texts, resolve};
use audit_detect::{Detector, LocalMonitor};
use proptest::prelude::*;

/// Bytes as terminals send them: text, controls, escape sequences and rubbish.
fn terminal() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        4 => "[ -~]{0,12}".prop_map(String::into_bytes),
        2 => "(\r\n|\n|\r|\x08| \r|\t)".prop_map(String::into_bytes),
        3 => "\x1b\\[[0-9;?]{0,6}[@-~]".prop_map(String::into_bytes),
        3 => "\x1b\\[(0|1;31|8|28|38;5;[0-3]|48;5;[0-3]|)m".prop_map(String::into_bytes),
        1 => "\x1b\\[(K|0K|H|[1-9];[1-9]H)".prop_map(String::into_bytes),
        1 => "\x1b\\][0-9]{1,3};[ -~]{0,10}(\x07|\x1b\\\\)".prop_map(String::into_bytes),
        1 => "[あ-ん漢]{0,4}".prop_map(String::into_bytes),
        1 => proptest::collection::vec(any::<u8>(), 0..8),
        1 => Just(b"TOKEN=ghp_aB3dE5gH7jK9mN1pQ2sT4vW6xY8zR0aB3dE5".to_vec()),
    ];
    proptest::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

/// Lines as shells read them.
fn line() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        6 => "[a-z/. -]{0,8}",
        3 => "[\"'`$(){}<>|;&\\\\#!*?~=\n]{1,3}".prop_map(|s| s),
        1 => Just("$(".to_owned()),
        1 => Just("${IFS}".to_owned()),
        1 => Just("echo aWQ= | base64 -d | sh".to_owned()),
        1 => Just("$'\\x41\\101'".to_owned()),
        1 => Just("<<EOF\n".to_owned()),
        1 => Just("sudo timeout 5 sh -c ".to_owned()),
        1 => "\\PC{0,4}",
    ];
    proptest::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

/// What a user types and a terminal answers.
fn typed() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        4 => "[ -~]{0,12}".prop_map(String::into_bytes),
        3 => "[\x00-\x1f\x7f]{1,3}".prop_map(String::into_bytes),
        2 => "\x1b(\\[[0-9;]{0,5}[@-~]|O[A-S]|[bdf.])".prop_map(String::into_bytes),
        1 => "\x1b\\[200~[ -~\r]{0,20}\x1b\\[201~".prop_map(String::into_bytes),
        1 => "[あ-ん漢]{0,4}".prop_map(String::into_bytes),
        1 => proptest::collection::vec(any::<u8>(), 0..8),
    ];
    proptest::collection::vec(piece, 0..10).prop_map(|pieces| pieces.concat())
}

/// Text in colours, some of which hide it.
fn coloured() -> impl Strategy<Value = String> {
    let many = "\x1b\\[[34]8[;:]5;0{0,20}[01](;8|;48;5;1)?m";
    let all = "\x1b\\[[34]8;2;0{0,9}[01];0;0(;8|;48;5;1)?m";
    let few = "\x1b\\[(0|8|28|39|49|3[01]|4[01]|1;3[01]|)m";
    let piece = prop_oneof!["[a-z]{1,12}", few, many, all, "(\x1b\\[K)?\r?\n"];
    proptest::collection::vec(piece, 0..60).prop_map(|pieces| pieces.concat() + "\n")
}

#[derive(Default)]
struct Hidden(Vec<Signal>);

impl Sink for Hidden {
    fn row(&mut self, _: &[u8], _: Map<'_>, _: End) {}
    fn mark(&mut self, _: Mark, _: usize) {}
    fn signal(&mut self, signal: Signal) {
        self.0.push(signal);
    }
}

fn hidden<'a>(chunks: impl Iterator<Item = &'a [u8]>) -> Vec<Signal> {
    let (mut normaliser, mut hidden) = (Normaliser::new(None), Hidden::default());
    chunks.for_each(|chunk| normaliser.feed(chunk, &mut hidden));
    hidden.0
}

#[derive(Default)]
struct Rows(Vec<(Vec<u8>, Vec<u64>)>);

impl Sink for Rows {
    fn row(&mut self, text: &[u8], map: Map<'_>, end: End) {
        if end != End::Open {
            self.0.push((text.to_vec(), (0..text.len()).map(|at| map.raw(at)).collect()));
        }
    }
    fn mark(&mut self, _: Mark, _: usize) {}
    fn signal(&mut self, _: Signal) {}
}

fn rows(chunks: &[&[u8]], columns: Option<u16>) -> Rows {
    let (mut normaliser, mut rows) = (Normaliser::new(columns), Rows::default());
    for chunk in chunks {
        normaliser.feed(chunk, &mut rows);
        normaliser.flush_open(&mut rows);
    }
    rows
}

fn verdicts(chunks: &[&[u8]]) -> (f32, Vec<(u64, u64)>) {
    let mut monitor = LocalMonitor::with_detector(Detector::embedded());
    let (mut score, mut secrets, mut offset) = (0f32, Vec::new(), 0);
    for (id, chunk) in chunks.iter().enumerate() {
        let window = Window {
            id: id as u64,
            at: Moment::from_nanos(0),
            stream: Stream::Tty,
            offset,
            bytes: chunk.to_vec().into(),
        };
        offset += chunk.len() as u64;
        let verdict = monitor.inspect(&window).expect("a verdict");
        score = score.max(verdict.score.value());
        secrets.extend(verdict.secrets.iter().map(|s| (s.start, s.end)));
    }
    for (start, end) in &secrets {
        assert!(start < end && *end <= offset);
    }
    (score, secrets)
}

/// Text around the words that secrets and commands are found by, in several scripts.
fn named() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => "(password|Passwort|secret_name|apiToken|token|passphrase|-----BEGIN |AKIA|ghp_|mysql -p|curl -u a:)",
        3 => "[ =:;\"'_.@/-]{1,3}",
        3 => "[“”é漢\u{feff}\u{fffd}\u{1f600}\u{301}]{1,2}",
        3 => "[A-Za-z0-9]{1,12}",
        1 => "(\r\n|\x1b\\[31m|bash -i >& /dev/tcp/127.0.0.1/9 0>&1)",
    ];
    proptest::collection::vec(piece, 0..16).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn rows_do_not_depend_on_how_the_stream_was_cut(bytes in terminal(), at in 0usize..400, columns in proptest::option::of(8u16..200)) {
        let at = at.min(bytes.len());
        let (whole, cut) = (rows(&[&bytes], columns), rows(&[&bytes[..at], &bytes[at..]], columns));
        prop_assert_eq!(whole.0, cut.0);
    }

    #[test]
    fn rows_read_at_once_are_those_read_byte_by_byte(bytes in terminal(), columns in proptest::option::of(8u16..200)) {
        let single: Vec<&[u8]> = bytes.chunks(1).collect();
        prop_assert_eq!(rows(&[&bytes], columns).0, rows(&single, columns).0);
    }

    #[test]
    fn text_read_at_once_is_as_hidden_as_byte_by_byte(text in coloured(), size in 2usize..500) {
        let single = hidden(text.as_bytes().chunks(1));
        prop_assert_eq!(&hidden(std::iter::once(text.as_bytes())), &single);
        prop_assert_eq!(&hidden(text.as_bytes().chunks(size)), &single);
    }

    #[test]
    fn every_byte_of_a_row_comes_from_the_stream(bytes in terminal()) {
        for (text, offsets) in rows(&[&bytes], None).0 {
            for (byte, offset) in text.iter().zip(offsets) {
                prop_assert!(*byte == b' ' || bytes[offset as usize] == *byte);
            }
        }
    }

    #[test]
    fn the_monitor_survives_any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..600), size in 1usize..100) {
        let chunks: Vec<&[u8]> = bytes.chunks(size).collect();
        verdicts(&chunks);
    }

    #[test]
    fn finished_rows_are_judged_the_same_however_they_are_cut(bytes in terminal(), size in 1usize..60) {
        let bytes = [&bytes[..], b"\x1b\\\r\n"].concat();
        let chunks: Vec<&[u8]> = bytes.chunks(size).collect();
        prop_assert_eq!(verdicts(&[&bytes]).0 >= 0.7, verdicts(&chunks).0 >= 0.7);
    }

    #[test]
    fn resolving_ends_within_bounds(text in line()) {
        let resolved = resolve(&text, &mut Variables::new());
        prop_assert!(resolved.line.len() <= 2 * (64 << 10));
        prop_assert!(resolved.commands.len() <= 256 && resolved.decoded.len() <= 64);
    }

    #[test]
    fn a_score_is_always_between_nothing_and_one(text in line()) {
        let found = Detector::embedded().line(&text, &mut Variables::new(), false);
        prop_assert!((0.0..=1.0).contains(&found.score) && (0.0..=1.0).contains(&found.chance));
        for finding in found.findings {
            prop_assert!(finding.excerpt.chars().count() <= 200);
        }
    }

    #[test]
    fn decoders_take_anything(bytes in proptest::collection::vec(any::<u8>(), 0..200), text in "\\PC{0,80}") {
        base64(&bytes);
        hex(&bytes);
        hidden_texts(&format!("base64 xxd rev chr {text}"));
        find_in(&bytes);
        redact(&text);
        let _ = Model::read(&bytes);
    }

    #[test]
    fn messages_of_strangers_are_read_or_refused(text in "\\PC{0,200}", score in any::<f64>()) {
        let _ = read_analyze(&text);
        let _ = read_analysis(&text, 1, "s");
        let message = format!("{{\"t\":\"analysis\",\"v\":1,\"req_id\":1,\"session\":\"s\",\"score\":{score:e}}}");
        if let Ok(answer) = read_analysis(&message, 1, "s") {
            prop_assert!((0.0..=1.0).contains(&answer.score));
        }
    }

    /// Whatever is typed while whatever is shown is judged, and read as any other cut of it is.
    #[test]
    fn keys_and_rows_in_any_order_are_judged(
        windows in proptest::collection::vec(
            prop_oneof![terminal().prop_map(|b| (Stream::Tty, b)), typed().prop_map(|b| (Stream::Input, b))],
            0..20,
        ),
    ) {
        let mut monitor = LocalMonitor::with_detector(Detector::embedded());
        let mut offsets = [0u64; 2];
        for (id, (stream, bytes)) in (1..).zip(windows) {
            let offset = &mut offsets[stream as usize];
            let window =
                Window { id, at: Moment::from_nanos(id), stream, offset: *offset, bytes: bytes.into() };
            *offset += window.bytes.len() as u64;
            let verdict = monitor.inspect(&window).expect("a verdict");
            prop_assert!((0.0..=1.0).contains(&verdict.score.value()));
            for secret in verdict.secrets {
                prop_assert!(secret.start < secret.end && secret.end <= offsets[0]);
            }
        }
    }

    /// Lines are the same however the bytes come, with their places.
    #[test]
    fn typed_lines_do_not_depend_on_how_they_were_cut(
        bytes in typed(),
        cuts in proptest::collection::vec(1usize..9, 0..20),
    ) {
        let lines = |cuts: &[usize]| {
            let (mut typist, mut lines, mut rest, mut offset) =
                (Typist::default(), Vec::new(), &bytes[..], 0);
            for cut in cuts.iter().chain(&[usize::MAX]) {
                let (chunk, later) = rest.split_at((*cut).min(rest.len()));
                typist.feed(chunk, offset, |line| lines.push(line));
                offset += chunk.len() as u64;
                rest = later;
            }
            lines
        };
        prop_assert_eq!(lines(&[]), lines(&cuts));
    }

    #[test]
    fn words_of_secrets_in_any_script_are_looked_at(text in named(), cut in 0usize..80) {
        redact(&text);
        Detector::embedded().line(&text, &mut Variables::new(), false);
        let (at, bytes) = (cut.min(text.len()), text.as_bytes());
        let mut monitor = LocalMonitor::with_detector(Detector::embedded());
        for (id, (offset, part)) in (1..).zip([(0, &bytes[..at]), (at as u64, &bytes[at..])]) {
            let bytes = part.to_vec().into();
            let window = Window { id, at: Moment::START, stream: Stream::Tty, offset, bytes };
            monitor.inspect(&window).expect("a verdict");
        }
    }
}
