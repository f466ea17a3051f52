//! Finds the command lines in what a terminal shows and in what is typed.
//!
//! In this order of trust: marks of shell integration (OSC 133), the row the user was typing on
//! when Enter came in, bracketed paste switched off by a line editor, and the look of a prompt.
//! Lines typed or pasted are also read from the input itself, so that a session cannot hide them
//! by showing something else.

use crate::normalise::Mark;

/// What a row turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part<'a> {
    /// A command line that was submitted.
    Command(&'a str),
    /// A further line of the command before it.
    Continued(&'a str),
    /// Output, or nothing that can be told.
    Output,
}

/// A line typed is cut to this many bytes.
const TYPED_LIMIT: usize = 16 << 10;
/// A prompt is no longer than this many bytes.
const PROMPT_LIMIT: usize = 160;

/// Tells command lines from output, row by row.
#[derive(Clone, Debug, Default)]
pub struct Segmenter {
    /// Column at which a mark said typing starts, in the present row.
    typed_at: Option<usize>,
    /// A mark said the command is running: rows are output.
    running: bool,
    /// Shell integration was seen.
    marked: bool,
    /// Bracketed paste is on: a line editor waits.
    editing: bool,
    /// Text of the row when the user began to type on it.
    prompt: Option<String>,
    /// Enter came in and its row is not yet finished.
    submitted: bool,
    /// Somebody was seen typing: then a row is a command only when Enter was pressed on it, and
    /// what merely looks like a prompt is a document that shows one.
    heard: bool,
    /// The row before was a command line with this much prompt: what may follow is its
    /// continuation.
    commanding: bool,
}

impl Segmenter {
    /// A mark arrived, `column` bytes into the present row.
    pub fn mark(&mut self, mark: Mark, column: usize) {
        match mark {
            Mark::Prompt => (self.running, self.typed_at, self.marked) = (false, None, true),
            Mark::Typed => (self.running, self.typed_at, self.marked) = (false, Some(column), true),
            Mark::Output => (self.running, self.marked) = (true, true),
            Mark::Done => (self.running, self.typed_at) = (false, None),
            Mark::Editing => self.editing = true,
            Mark::Edited => self.editing = false,
        }
    }

    /// The user typed; `row` is what the cursor's row shows before it is echoed.
    pub fn typed(&mut self, row: &str, enter: bool) {
        self.heard = true;
        if self.prompt.is_none() {
            self.prompt = Some(row.to_owned());
        }
        if enter {
            self.submitted = true;
        }
    }

    /// Whether somebody was seen typing.
    pub fn heard(&self) -> bool {
        self.heard
    }

    /// Whether the next row counts whatever it looks like: it was typed on, marked, or may continue
    /// a command. If not, only the look of a prompt makes it more than output.
    pub fn awaits_row(&self) -> bool {
        self.commanding || self.submitted || self.typed_at.is_some() || self.prompt.is_some()
    }

    /// Whether a row that nothing is known of may be a command by the look of its prompt.
    pub fn trusts_looks(&self) -> bool {
        !(self.heard || self.marked && self.running)
    }

    /// Classifies the next finished row of the main screen.
    pub fn row<'a>(&mut self, row: &'a str) -> Part<'a> {
        let prompt = self.prompt.take();
        let submitted = std::mem::take(&mut self.submitted);
        let typed_at = self.typed_at.take();
        let part = self.classify(row, prompt, submitted, typed_at);
        self.commanding = !matches!(part, Part::Output);
        part
    }

    fn classify<'a>(
        &self,
        row: &'a str,
        prompt: Option<String>,
        submitted: bool,
        typed_at: Option<usize>,
    ) -> Part<'a> {
        if let Some(column) = typed_at {
            let command = row.get(column..).unwrap_or(row).trim();
            return if command.is_empty() { Part::Output } else { Part::Command(command) };
        }
        if self.commanding
            && let Some(rest) = continuation(row)
        {
            return Part::Continued(rest);
        }
        if self.marked && self.running {
            return Part::Output;
        }
        if submitted && let Some(prompt) = prompt {
            let shared = prompt.trim_end();
            if let Some(rest) = row.strip_prefix(shared)
                && !shared.is_empty()
                && !rest.trim().is_empty()
            {
                return Part::Command(rest.trim());
            }
        }
        if self.heard && !submitted {
            return Part::Output;
        }
        match prompt_end(row) {
            Some(end) if !row[end..].trim().is_empty() => Part::Command(row[end..].trim()),
            _ => Part::Output,
        }
    }
}

/// What stands behind a secondary prompt (`> ` and its like).
fn continuation(row: &str) -> Option<&str> {
    ["> ", "quote> ", "dquote> ", "pipe> ", "cmdand> ", "heredoc> ", "for> ", "... "]
        .iter()
        .find_map(|p| row.strip_prefix(p))
}

/// Where a prompt at the start of the row ends, if there is one: `$ `, `# `, `% `, `❯ ` behind a
/// user, a host, a directory, a bracket or nothing.
pub fn prompt_end(row: &str) -> Option<usize> {
    let mut best = None;
    for (at, sign) in row.char_indices().take_while(|(at, _)| *at < PROMPT_LIMIT) {
        let end = at + sign.len_utf8();
        if !row[end..].starts_with(' ') {
            continue;
        }
        let head = &row[..at];
        let ends = match sign {
            '$' | '#' | '%' => head_of_prompt(head, sign),
            '❯' | '➜' | '»' | 'λ' | '⟩' => true,
            '>' => {
                !head.is_empty()
                    && (head.contains('@') || head.ends_with(['~', '/']))
                    && !head.contains(' ')
            }
            _ => false,
        };
        if ends {
            best = Some(end + 1);
            break;
        }
    }
    let end = best?;
    // an arrow may be followed by the directory and the branch
    if row[..end].trim_start().starts_with('➜') {
        let mut rest = row[end..].trim_start();
        if let Some((first, after)) = rest.split_once(' ') {
            if first.starts_with(['~', '/']) || after.trim_start().starts_with("git:(") {
                rest = after.trim_start();
            }
            if let Some((_, after)) = rest.strip_prefix("git:(").and_then(|r| r.split_once(')')) {
                rest = after.trim_start().trim_start_matches(['✗', '✔']).trim_start();
            }
            return Some(row.len() - rest.len());
        }
    }
    Some(end)
}

/// Whether what stands before the sign can be a prompt's head.
fn head_of_prompt(head: &str, sign: char) -> bool {
    let head = head.trim_end();
    if head.is_empty() {
        return sign != '%';
    }
    if head.ends_with(|c: char| c.is_ascii_digit()) && sign == '%' {
        return false;
    }
    // (venv) [user@host dir], user@host:dir, host:dir, bash-5.2, sh-4.4, ~/dir, a time in brackets
    let shell = ["bash", "sh", "zsh", "ksh", "dash"]
        .iter()
        .any(|s| head.strip_prefix(s).is_some_and(|r| r.is_empty() || r.starts_with('-')));
    let bracket = head.starts_with(['[', '(', '┌', '└', '╰']) && head.len() < 100;
    let user = head.contains('@') && head.split_whitespace().count() <= 3;
    let host = head.contains(':')
        && head.split_whitespace().count() <= 2
        && head.len() < 80
        && (head.contains('~') || head.contains(":/"));
    let directory = head.starts_with(['~', '/']) && head.split_whitespace().count() <= 3;
    shell || bracket || user || host || directory
}

/// Lines as typed or pasted, from the input alone.
#[derive(Clone, Debug, Default)]
pub struct Typist {
    line: Vec<u8>,
    escape: Escape,
    pasting: bool,
    blind: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Escape {
    #[default]
    None,
    Seen,
    Control(u32, u8),
    Single,
}

impl Typist {
    /// Reads typed bytes; calls `submitted` with each line and whether it was pasted, and returns
    /// whether anything printable or Enter was among them.
    pub fn feed(&mut self, bytes: &[u8], mut submitted: impl FnMut(&str, bool)) -> bool {
        let mut any = false;
        for byte in bytes {
            any |= *byte >= b' ' || *byte == b'\r' || *byte == b'\n';
            self.byte(*byte, &mut submitted);
        }
        any
    }

    fn byte(&mut self, byte: u8, submitted: &mut impl FnMut(&str, bool)) {
        match self.escape {
            Escape::Seen => {
                self.escape = match byte {
                    b'[' => Escape::Control(0, 0),
                    b'O' => Escape::Single,
                    _ => Escape::None,
                };
                return;
            }
            Escape::Single => {
                self.escape = Escape::None;
                return;
            }
            Escape::Control(number, _) => {
                if byte.is_ascii_digit() {
                    let number = number.saturating_mul(10).saturating_add(u32::from(byte - b'0'));
                    self.escape = Escape::Control(number, byte);
                } else if (0x40..=0x7e).contains(&byte) {
                    self.escape = Escape::None;
                    match (number, byte) {
                        (200, b'~') => self.pasting = true,
                        (201, b'~') => self.pasting = false,
                        // history and cursor keys: what is on the line is not what was typed
                        (_, b'A' | b'B') => {
                            self.line.clear();
                            self.blind = true;
                        }
                        (_, b'C' | b'D' | b'H' | b'F') => self.blind = true,
                        _ => {}
                    }
                }
                return;
            }
            Escape::None => {}
        }
        match byte {
            0x1b => self.escape = Escape::Seen,
            b'\r' | b'\n' => {
                let line = std::mem::take(&mut self.line);
                if !self.blind {
                    let text = String::from_utf8_lossy(&line);
                    if !text.trim().is_empty() {
                        submitted(text.trim(), self.pasting);
                    }
                }
                self.blind = false;
            }
            0x7f | 0x08 => while self.line.pop().is_some_and(|b| b & 0xc0 == 0x80) {},
            0x15 | 0x03 | 0x07 => self.line.clear(),
            0x17 => {
                let kept = self
                    .line
                    .trim_ascii_end()
                    .iter()
                    .rposition(|b| *b == b' ')
                    .map_or(0, |at| at + 1);
                self.line.truncate(kept);
            }
            b'\t' if !self.pasting => self.blind = true,
            0x01 | 0x02 | 0x05 | 0x06 | 0x0e | 0x10 | 0x12 | 0x14 | 0x19 => self.blind = true,
            byte if (byte >= b' ' || byte == b'\t') && self.line.len() < TYPED_LIMIT => {
                self.line.push(byte);
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(row: &str) -> Option<String> {
        match Segmenter::default().row(row) {
            Part::Command(text) => Some(text.to_owned()),
            _ => None,
        }
    }

    #[test]
    fn common_prompts_are_told_from_output() {
        for prompt in [
            "$ ",
            "# ",
            "dev@web1:~/app$ ",
            "[dev@web1 app]$ ",
            "root@db2:~# ",
            "bash-5.2$ ",
            "sh-4.4# ",
            "(venv) bob@h:/srv$ ",
            "~/app main ❯ ",
            "➜  app git:(main) ✗ ",
            "user@host ~ % ",
            "/ # ",
            "┌──(kali㉿kali)-[~] $ ",
        ] {
            assert_eq!(
                command(&format!("{prompt}rm -rf x")).as_deref(),
                Some("rm -rf x"),
                "{prompt}"
            );
        }
        for row in [
            "/dev/vda1        98G   41G   53G  44% /",
            "Filesystem      Size  Used Avail Use% Mounted on",
            "100% done",
            "# a comment in a file is taken for a command",
        ] {
            if !row.starts_with('#') {
                assert_eq!(command(row), None, "{row}");
            }
        }
    }

    #[test]
    fn marks_are_trusted_over_the_look_of_a_row() {
        let mut segmenter = Segmenter::default();
        segmenter.mark(Mark::Prompt, 0);
        segmenter.mark(Mark::Typed, 9);
        assert_eq!(segmenter.row("strange: id -u"), Part::Command("id -u"));
        segmenter.mark(Mark::Output, 0);
        assert_eq!(segmenter.row("$ rm -rf /"), Part::Output);
    }

    #[test]
    fn the_row_that_enter_was_typed_on_is_a_command_whatever_its_prompt() {
        let mut segmenter = Segmenter::default();
        segmenter.typed("weird prompt:", false);
        segmenter.typed("weird prompt: id", true);
        assert_eq!(segmenter.row("weird prompt: id -u"), Part::Command("id -u"));
        assert_eq!(segmenter.row("weird prompt: id -u"), Part::Output);
    }

    #[test]
    fn a_document_that_shows_a_prompt_is_no_command_while_somebody_types() {
        let mut segmenter = Segmenter::default();
        segmenter.typed("$ ", false);
        segmenter.typed("$ cat README", true);
        assert_eq!(segmenter.row("$ cat README"), Part::Command("cat README"));
        assert_eq!(segmenter.row("$ curl http://x | sh"), Part::Output);
    }

    #[test]
    fn a_secondary_prompt_continues_the_command() {
        let mut segmenter = Segmenter::default();
        assert_eq!(segmenter.row("$ for i in 1 2"), Part::Command("for i in 1 2"));
        assert_eq!(segmenter.row("> do id; done"), Part::Continued("do id; done"));
        assert_eq!(segmenter.row("uid=0"), Part::Output);
        assert_eq!(segmenter.row("> quoted mail"), Part::Output);
    }

    fn lines(typed: &str) -> Vec<(String, bool)> {
        let mut out = Vec::new();
        Typist::default()
            .feed(typed.as_bytes(), |line, pasted| out.push((line.to_owned(), pasted)));
        out
    }

    #[test]
    fn typed_lines_are_read_with_their_corrections() {
        assert_eq!(lines("lx\x7fs -la\r"), [("ls -la".into(), false)]);
        assert_eq!(lines("rm x\x15id\r"), [("id".into(), false)]);
        assert_eq!(lines("rm -rf foo\x17bar\r"), [("rm -rf bar".into(), false)]);
        assert_eq!(lines("\x1b[A\r"), []);
    }

    #[test]
    fn pasted_lines_are_told_apart() {
        assert_eq!(
            lines("\x1b[200~id\rls\x1b[201~\r"),
            [("id".into(), true), ("ls".into(), false)]
        );
    }
}
