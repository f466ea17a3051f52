//! What holds for every session, however it goes.

use proptest::prelude::*;

use super::rig::{COOKED, HIDDEN, RAW, Rig, policy, text};
use crate::policy::Secrets as Policy;
use crate::secrets::keys;
use crate::secrets::vault::LIMIT;
use crate::stream::Stream;
use crate::terminal::LineState;

/// What may happen next.
#[derive(Clone, Debug)]
enum Step {
    Types(Vec<u8>),
    Shows(Vec<u8>),
    /// The terminal shows the latest input again.
    Echoes,
    Line(LineState),
    Waits(u64),
}

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let words = prop_oneof![
        4 => "[a-z ]{1,6}".prop_map(String::into_bytes),
        1 => Just("pässwörd".as_bytes().to_vec()),
        1 => Just(b"Password: ".to_vec()),
        1 => Just(b"me@host:~$ ".to_vec()),
        1 => Just(b"\r\n".to_vec()),
        1 => Just(b"\n".to_vec()),
        1 => Just(b"\r".to_vec()),
        1 => Just(b"\x1b[?1049h".to_vec()),
        1 => Just(b"\x1b[?1049l".to_vec()),
        1 => Just(b"***".to_vec()),
        1 => Just(b"\x08 \x08".to_vec()),
        1 => Just(b"\x1b[200~pasted\rlines\x1b[201~".to_vec()),
        1 => proptest::collection::vec(any::<u8>(), 1..5),
    ];
    proptest::collection::vec(words, 1..4).prop_map(|words| words.concat())
}

fn step() -> impl Strategy<Value = Step> {
    let unread = prop_oneof![Just(None), Just(Some(0)), (1..50_u32).prop_map(Some)];
    let lines = prop_oneof![Just(COOKED), Just(RAW), Just(HIDDEN)];
    prop_oneof![
        4 => bytes().prop_map(Step::Types),
        4 => bytes().prop_map(Step::Shows),
        2 => Just(Step::Echoes),
        2 => (lines, unread).prop_map(|(line, unread)| Step::Line(LineState { unread, ..line })),
        3 => prop_oneof![0..5_u64, 0..2000_u64].prop_map(Step::Waits),
    ]
}

/// Whether `part` is `whole` with some bytes left out.
fn leaves_out(part: &[u8], whole: &[u8]) -> bool {
    let mut whole = whole.iter();
    part.iter().all(|byte| whole.any(|other| other == byte))
}

/// Cuts `bytes` into reads of the given sizes, again and again.
fn cut<'a>(bytes: &'a [u8], sizes: &[usize]) -> Vec<&'a [u8]> {
    let mut reads = Vec::new();
    let mut rest = bytes;
    for size in sizes.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (read, more) = rest.split_at((*size).min(rest.len()));
        reads.push(read);
        rest = more;
    }
    reads
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Every byte is recorded clear or counted in a redaction, in order; every seal is revealed or
    /// redacted once; doubts take bounded memory and end.
    #[test]
    fn nothing_is_lost_and_every_doubt_ends(steps in proptest::collection::vec(step(), 1..60)) {
        let mut rig = Rig::with(&Policy { exact_length: true, ..policy() }, true);
        let (mut typed, mut shown) = (Vec::new(), Vec::new());
        let mut latest = Vec::new();
        for step in steps {
            match step {
                Step::Types(bytes) => {
                    typed.extend_from_slice(&bytes);
                    rig.types(&bytes);
                    latest = bytes;
                }
                Step::Shows(bytes) => {
                    shown.extend_from_slice(&bytes);
                    rig.shows(&bytes);
                }
                Step::Echoes => {
                    let echo = text(&latest).replace('\n', "\r\n");
                    if !echo.is_empty() {
                        shown.extend_from_slice(echo.as_bytes());
                        rig.shows(&echo);
                    }
                }
                Step::Line(line) => {
                    rig.line(line);
                }
                Step::Waits(time) => {
                    rig.waits(time);
                }
            }
            prop_assert!(rig.secrets.vault.held() <= LIMIT);
        }
        let recording = rig.ends();
        prop_assert_eq!(recording.sealed, 0);
        prop_assert_eq!(rig.secrets.vault.held(), 0);
        for (stream, whole, part) in [
            (Stream::Input, &typed, &recording.input),
            (Stream::Tty, &shown, &recording.output),
        ] {
            let mine = recording.redactions.iter().filter(|(of, ..)| *of == stream);
            let redacted: u64 = mine.map(|(_, length, _)| length).sum();
            prop_assert_eq!(whole.len() as u64, part.len() as u64 + redacted);
            prop_assert!(leaves_out(part, whole));
        }
    }

    /// While the line discipline hides input, nothing but the ends of lines is recorded of it.
    #[test]
    fn no_split_of_a_hidden_stream_shows_a_byte_of_it(
        typed in proptest::collection::vec(bytes(), 1..10),
        sizes in proptest::collection::vec(1..9_usize, 1..9),
        pause in 0..100_u64,
    ) {
        let mut rig = Rig::new();
        rig.shows("Password: ").line(HIDDEN);
        for read in cut(&typed.concat(), &sizes) {
            rig.types(read).waits(pause);
        }
        let recording = rig.waits(3000).ends();
        prop_assert!(recording.input.iter().all(|b| keys::ends(*b)), "{:?}", recording.input());
    }

    /// A secret typed before its prompt is echoed by the kernel; no split of that echo shows it.
    #[test]
    fn no_split_of_an_echo_shows_a_secret_typed_ahead(
        secret in "[A-Z][A-Z0-9äß]{3,12}",
        reads in proptest::collection::vec(1..5_usize, 1..5),
        echoes in proptest::collection::vec(1..5_usize, 1..5),
        pause in 0..20_u64,
    ) {
        let mut rig = Rig::new();
        rig.shows("building...\r\n").waits(10);
        let line = format!("{secret}\n");
        cut(line.as_bytes(), &reads).into_iter().for_each(|read| {
            rig.types(read);
        });
        rig.unread(u32::try_from(line.len()).expect("short"));
        for echo in cut(format!("{secret}\r\n").as_bytes(), &echoes) {
            rig.shows(echo).waits(pause);
        }
        rig.waits(800).line(HIDDEN).shows("Password: ").waits(50).line(COOKED).shows("\r\nok\r\n");
        let recording = rig.waits(3000).ends();
        prop_assert_eq!(recording.input(), "\n");
        prop_assert_eq!(recording.output(), "building...\r\n\r\nPassword: \r\nok\r\n");
    }

    /// A line editor may be read in any pieces: the line is kept.
    #[test]
    fn no_split_of_a_line_editors_echo_loses_a_key(
        command in "[a-z][a-z /.-]{0,20}[a-z]",
        reads in proptest::collection::vec(1..4_usize, 1..5),
        echoes in proptest::collection::vec(1..9_usize, 1..5),
    ) {
        let mut rig = Rig::new();
        rig.line(RAW).shows("\x1b[32m$\x1b[0m ").waits(10);
        cut(command.as_bytes(), &reads).into_iter().for_each(|read| {
            rig.types(read).waits(1);
        });
        let shown = format!("\x1b[31m{command}\x1b[0m");
        for echo in cut(shown.as_bytes(), &echoes) {
            rig.shows(echo).waits(1);
        }
        prop_assert_eq!(rig.so_far().sealed, 0);
        rig.types("\r").ends_intact();
    }
}
