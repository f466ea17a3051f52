//! Output while something is in doubt: echoes are found in it, and it decides what was typed.

use std::ops::Range;

use bytes::Bytes;

use super::kernel_echo::Found;
use super::piece::Piece;
use super::prompt::Suspicion;
use super::vault::{Fate, Out};
use super::{PROMPT_CHUNK, Secrets};
use crate::moment::Moment;
use crate::stream::Stream;

impl Secrets {
    /// Looks at output while something is in doubt.
    pub(super) fn watch(&mut self, bytes: &Bytes, now: Moment, out: Out<'_>) {
        let found = if self.lines.echo.is_empty() {
            vec![Found::Other(0..bytes.len())]
        } else {
            self.lines.echo.find(bytes)
        };
        let reads_rows = !self.correlation.is_empty() || self.lines.reads_rows();
        let answers = bytes.len() <= PROMPT_CHUNK && self.lines.wait_for_a_reader();
        let mut decided = Vec::new();
        let mut shown = Vec::new();
        let mut clear = 0..0;
        let mut asked = false;
        for part in found {
            match part {
                Found::Other(range) if !reads_rows => {
                    clear.end = range.end;
                    self.screen.note(&bytes[range]);
                }
                Found::Other(range) => {
                    clear.end = range.end;
                    let (correlation, prompts) = (&mut self.correlation, &self.prompts);
                    let lines = &mut self.lines;
                    self.screen.rows().feed(&bytes[range], |rows| {
                        correlation.look(rows, prompts, true, &mut decided);
                        lines.look(rows, true, &mut shown);
                        asked |= answers && prompts.has_asked(&rows.row());
                    });
                }
                Found::Newline(_, range) => {
                    clear.end = range.end;
                    self.screen.rows().feed(&bytes[range], |_| {});
                    self.lines.searched(now);
                }
                Found::Text(line, range) => {
                    // The rows do not learn what may be a secret.
                    let mask = String::from_utf8_lossy(&bytes[range.clone()]);
                    let mask = mask.chars().map(|c| if c.is_control() { c } else { '*' });
                    self.screen.rows().feed(mask.collect::<String>().as_bytes(), |_| {});
                    self.lines.echoed(line, &bytes[range.clone()]);
                    self.echoed(line, range, &mut clear, bytes, out);
                }
            }
        }
        show(bytes, clear, out);
        if reads_rows {
            let rows = self.screen.rows();
            self.correlation.look(rows, &self.prompts, false, &mut decided);
            self.lines.look(rows, false, &mut shown);
        }
        if asked || (answers && self.prompts.judge(self.screen.rows()) == Suspicion::Strong) {
            // The answer may be read and the echo back before the next sample.
            self.lines.prompted();
        }
        self.apply(decided);
        self.lines.searched(now);
        self.lines.shown(&shown, &mut self.vault, out);
    }

    /// Echoed text of a typed line: as clear, sealed or masked as the line is.
    fn echoed(
        &mut self,
        line: u64,
        range: Range<usize>,
        clear: &mut Range<usize>,
        bytes: &Bytes,
        out: Out<'_>,
    ) {
        let fate = self.lines.fate_of(line);
        if fate == Some(Fate::Clear) {
            clear.end = range.end;
            return;
        }
        show(bytes, clear.clone(), out);
        *clear = range.end..range.end;
        if let Some(Fate::Secret(rule)) = fate {
            self.vault.mask_echo(range.len() as u64, rule, out);
        } else {
            let ticket = self.vault.seal_echo(&bytes[range], out);
            self.lines.add_echo(line, ticket);
        }
    }
}

/// Records this part of a chunk clear.
fn show(bytes: &Bytes, range: Range<usize>, out: Out<'_>) {
    if !range.is_empty() {
        out(Piece::Clear { stream: Stream::Tty, bytes: bytes.slice(range) });
    }
}
