use super::*;

#[derive(Default)]
struct Rows(Vec<(String, End)>, Vec<Mark>, Vec<Signal>);

impl Sink for Rows {
    fn row(&mut self, text: &[u8], map: Map<'_>, end: End) {
        for at in 0..text.len() {
            map.raw(at);
        }
        self.0.push((String::from_utf8_lossy(text).into_owned(), end));
    }
    fn mark(&mut self, mark: Mark, _: usize) {
        self.1.push(mark);
    }
    fn signal(&mut self, signal: Signal) {
        self.2.push(signal);
    }
}

fn rows(raw: &str, columns: Option<u16>) -> Rows {
    let mut rows = Rows::default();
    let mut normaliser = Normaliser::new(columns);
    normaliser.feed(raw.as_bytes(), &mut rows);
    normaliser.flush_open(&mut rows);
    rows
}

fn text(raw: &str) -> String {
    rows(raw, None).0.into_iter().map(|r| r.0).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_typing_error_taken_back_is_gone() {
    assert_eq!(text("$ lsq\x08\x1b[K -la\r\n"), "$ ls -la");
}

#[test]
fn colours_inside_a_word_disappear() {
    assert_eq!(text("h\x1b[0me\x1b[1;31mad\x1b[m\r\n"), "head");
}

#[test]
fn a_progress_bar_shows_its_last_state() {
    assert_eq!(text("10%\r 20%\r100%\r\n"), "100%");
}

#[test]
fn a_soft_wrap_joins_without_a_known_width() {
    assert_eq!(text("$ echo abc \rdef\r\n"), "$ echo abcdef");
}

#[test]
fn a_soft_wrap_joins_at_the_known_width() {
    assert_eq!(rows("12345678 \r9\r\n", Some(8)).0[0].0, "123456789");
}

#[test]
fn a_cursor_move_edits_in_the_middle() {
    assert_eq!(text("$ cat x\x1b[4D\x1b[1@b\r\n"), "$ cbat x");
    assert_eq!(text("$ caat x\x1b[5D\x1b[1P\r\n"), "$ cat x");
}

#[test]
fn characters_beyond_ascii_count_as_one() {
    assert_eq!(text("パス\x08\x08x\r\n"), "xス");
}

#[test]
fn the_map_leads_back_across_a_colour_change() {
    struct Check;
    impl Sink for Check {
        fn row(&mut self, text: &[u8], map: Map<'_>, _: End) {
            assert_eq!(text, b"secret");
            assert_eq!(map.raw_range(0, 6), Some((0, 10)));
        }
        fn mark(&mut self, _: Mark, _: usize) {}
        fn signal(&mut self, _: Signal) {}
    }
    Normaliser::new(None).feed(b"sec\x1b[0mret\n", &mut Check);
}

#[test]
fn concealed_text_is_reported() {
    assert_eq!(rows("\x1b[8mcurl x|sh\x1b[0m\r\n", None).2, [Signal::Hidden(8)]);
    assert_eq!(rows("\x1b[30;40mrm -rf /\x1b[0m\r\n", None).2, [Signal::Hidden(6)]);
    assert_eq!(rows("\x1b[37;40mrm -rf /\x1b[0m\r\n", None).2, []);
}

#[test]
fn a_clipboard_write_is_reported_and_a_query_is_not() {
    assert_eq!(rows("\x1b]52;c;Y3VybA==\x07", None).2, [Signal::Clipboard]);
    assert_eq!(rows("\x1b]52;c;?\x07", None).2, []);
}

#[test]
fn shell_marks_are_seen_with_either_terminator() {
    let seen = rows("\x1b]133;A\x07$ \x1b]133;B\x1b\\ls\x1b]633;C\x07", None);
    assert_eq!(seen.1, [Mark::Prompt, Mark::Typed, Mark::Output]);
}

#[test]
fn a_row_longer_than_the_limit_comes_in_overlapping_pieces() {
    let seen = rows(&"x".repeat(ROW_LIMIT * 2), None);
    assert_eq!(seen.0.len(), 3);
    assert_eq!(seen.0[0].1, End::Break);
}

/// How many bytes of rows come out of `raw`, repeated to half a megabyte, for each byte of it.
fn swelling(raw: &str, columns: Option<u16>) -> usize {
    let raw = raw.repeat((512 << 10) / raw.len());
    let out: usize = rows(&raw, columns).0.iter().map(|(text, _)| text.len()).sum();
    out / raw.len()
}

#[test]
fn no_output_swells_by_what_the_cursor_jumps() {
    for columns in [None, Some(80), Some(1000)] {
        for raw in
            ["\x1b[16383Cx\n", "\x1b[999Gx\n", "x\x1b[16000@y\r\n", "\x1b[500C\x1b[500Cx\r\n"]
        {
            let by = swelling(raw, columns);
            assert!(by <= 16, "{raw:?} at {columns:?}: {by} bytes for each byte");
        }
    }
}

#[test]
fn a_prompt_at_the_right_edge_leaves_the_left_one_whole() {
    let raw = "~ $ \x1b[60C12:00:00\x1b[68Dls -la\r\n";
    assert!(text(raw).starts_with("~ $ ls -la"), "{:?}", text(raw));
}

#[test]
fn coloured_rows_are_read_at_once_as_one_by_one() {
    let raw = "one \x1b[1;31mtwo\x1b[0m three\x1b[K\r\n\x1b[38;5;9m\x1b[48;5;9mhidden\x1b[m seen\n\
               \x1b[12;4Hat a place\r\nover\rwritten\r\nlast\n";
    let mut slow = Rows::default();
    let mut normaliser = Normaliser::new(None);
    for byte in raw.as_bytes() {
        normaliser.feed(&[*byte], &mut slow);
    }
    let fast = rows(raw, None);
    assert_eq!(fast.0, slow.0);
    assert_eq!(fast.2, slow.2);
    assert_eq!(fast.2, [Signal::Hidden(6)]);
}

#[test]
fn a_row_too_long_for_one_piece_stands_among_short_ones() {
    let raw = format!("short\n{}\r\nshort\n", "x".repeat(ROW_LIMIT + 10));
    let ends: Vec<End> = rows(&raw, None).0.iter().map(|(_, end)| *end).collect();
    assert_eq!(ends, [End::Newline, End::Break, End::Newline, End::Newline]);
}
