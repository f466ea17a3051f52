//! What the user types: which rule takes care of it.

use bytes::Bytes;

use super::Secrets;
use super::correlate::PASTED_END;
use super::keys::{self, Key};
use super::line::Origin;
use super::prompt::{self, Suspicion};
use super::vault::Out;
use crate::moment::Moment;
use crate::record::SecretRule;

/// No secret is longer than this many bytes; more in one read at an ordinary prompt is a paste.
const LONGEST_SECRET: usize = 1024;

/// So many lines in one read are decided each on its own.
const LINES_APART: usize = 8;

/// The lines of a longer paste are decided so many bytes at a time.
const PASTED_TOGETHER: usize = 4096;

impl Secrets {
    /// Rule one. Only up to the end of the prompt's answer is certain: the flags may have changed
    /// before the rest is read.
    pub(super) fn hidden(&mut self, bytes: &Bytes, now: Moment, out: Out<'_>) {
        let end = bytes.iter().position(|b| keys::ends(*b)).unwrap_or(bytes.len());
        self.vault.mask(end as u64, SecretRule::LineDiscipline, out);
        if end < bytes.len() {
            self.vault.clear(&bytes.slice(end..=end), out);
            self.ahead(&bytes.slice(end + 1..), now, out);
        }
    }

    /// Input behind the end of a line that came in the same read: whoever reads it, the line
    /// discipline may be another by then.
    fn ahead(&mut self, bytes: &Bytes, now: Moment, out: Out<'_>) {
        let origin = Origin { follows: true, ..Origin::default() };
        let mut from = 0;
        while from < bytes.len() {
            let rest = &bytes[from..];
            let length = rest.iter().position(|b| keys::ends(*b)).unwrap_or(rest.len());
            if length > 0 {
                let ticket = self.vault.seal(&rest[..length], out);
                let text = &rest[..length];
                self.lines.text(ticket, text, origin, now, &mut self.vault, out);
            }
            if let Some(end) = rest.get(length) {
                self.end(*end, false, now, out);
                self.vault.clear(&bytes.slice(from + length..=from + length), out);
            }
            from += length + 1;
        }
    }

    /// Rules three and four.
    pub(super) fn cooked(&mut self, bytes: &Bytes, now: Moment, out: Out<'_>) {
        let mut follows = false;
        let mut bytes = bytes.clone();
        while let Some(last) = pasted_lines(&bytes) {
            self.cooked_text(&bytes.split_to(last), follows, true, now, out);
            self.end(bytes[0], true, now, out);
            self.vault.clear(&bytes.split_to(1), out);
            follows = true;
        }
        for (key, range) in self.keys.scan(&bytes) {
            let piece = bytes.slice(range);
            match key {
                Key::End | Key::PastedEnd => {
                    for at in 0..piece.len() {
                        self.end(piece[at], true, now, out);
                        self.vault.clear(&piece.slice(at..=at), out);
                    }
                    follows = true;
                }
                Key::Text => self.cooked_text(&piece, follows, false, now, out),
                Key::Edit | Key::Control if self.lines.is_open() => {
                    self.cooked_text(&piece, follows, false, now, out);
                }
                Key::Edit | Key::Control => self.vault.clear(&piece, out),
            }
        }
    }

    fn cooked_text(
        &mut self,
        piece: &Bytes,
        follows: bool,
        pasted: bool,
        now: Moment,
        out: Out<'_>,
    ) {
        let mut origin = Origin { echo: true, follows, pasted, ..Origin::default() };
        if self.lines.is_empty() {
            let rows = self.screen.rows();
            origin.at_prompt = !follows && !rows.before_cursor().trim().is_empty();
            origin.secret = !follows && self.prompts.judge(rows) == Suspicion::Strong;
        }
        let ticket = self.vault.seal(piece, out);
        self.lines.text(ticket, piece, origin, now, &mut self.vault, out);
    }

    /// The end of a line was typed in a kernel that edits lines.
    fn end(&mut self, byte: u8, echo: bool, now: Moment, out: Out<'_>) {
        match byte {
            b'\r' | b'\n' | 0x04 => self.lines.end(byte, echo, now, &mut self.vault, out),
            _ => {
                self.lines.flushed(&mut self.vault, out);
                self.lines.echo.forget();
            }
        }
    }

    /// Rule two.
    pub(super) fn raw(&mut self, bytes: &Bytes, now: Moment, out: Out<'_>) {
        let keys = self.keys.scan(bytes);
        self.lift_veil();
        // In the alternate screen keys are commands, unless it shows a form that asks.
        if self.alternate.is_on()
            && self.veil.is_none()
            && self.correlation.is_empty()
            && !self.prompts.may_ask(self.screen.rows())
        {
            self.vault.clear(bytes, out);
            return;
        }
        let mut paste = bytes.len() > LONGEST_SECRET && self.veil.is_none();
        paste = paste && self.prompts.judge(self.screen.rows()) == Suspicion::None;
        if paste {
            self.vault.clear(bytes, out);
            return;
        }
        let mut keys = keys.into_iter().peekable();
        while let Some((key, range)) = keys.next() {
            let end = range.end;
            let piece = bytes.slice(range);
            match key {
                Key::End => {
                    self.veil = None;
                    self.correlation.submit();
                    self.vault.clear(&piece, out);
                    let more = keys.peek().is_some_and(|(key, _)| *key == Key::Text);
                    if more && !self.alternate.is_on() {
                        return self.ahead(&bytes.slice(end..), now, out);
                    }
                }
                Key::Control => self.vault.clear(&piece, out),
                _ if self.veil.is_some() => {
                    self.vault.mask(piece.len() as u64, SecretRule::Echo, out);
                }
                Key::Edit => self.vault.clear(&piece, out),
                Key::Text | Key::PastedEnd => self.raw_text(key, &piece, now, out),
            }
        }
    }

    fn raw_text(&mut self, key: Key, piece: &Bytes, now: Moment, out: Out<'_>) {
        if self.correlation.is_submitted() {
            return self.ahead(piece, now, out);
        }
        let ticket = self.vault.seal(piece, out);
        if self.correlation.is_empty() {
            self.correlation.begin(self.alternate.is_on(), self.screen.rows(), &self.prompts);
        }
        let text = String::from_utf8_lossy(piece);
        let end = key == Key::PastedEnd;
        let text = text.chars().map(|c| if end { PASTED_END } else { c });
        self.correlation.push(ticket, text, now);
    }

    /// A secret does not go on when a shell's prompt stands on another row, or when a full-screen
    /// program left the field.
    fn lift_veil(&mut self) {
        if let Some(prompt) = &self.veil {
            let row = self.screen.rows().before_cursor();
            let left = !row.starts_with(prompt.trim_end());
            if left && (prompt::is_shell(&row) || self.alternate.is_on()) {
                self.veil = None;
            }
        }
    }
}

/// Where the last line of a paste ends whose lines share their fate and their seal, if this is one.
fn pasted_lines(bytes: &[u8]) -> Option<usize> {
    let part = &bytes[..bytes.len().min(PASTED_TOGETHER)];
    let newlines = memchr::memchr2_iter(b'\r', b'\n', part).count();
    let ends = part.iter().filter(|b| keys::ends(**b)).count();
    if newlines <= LINES_APART || newlines < ends {
        return None;
    }
    memchr::memrchr2(b'\r', b'\n', part)
}
