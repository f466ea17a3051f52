//! Many finished rows at once: the way of quiet output, where looking at rows one by one would cost
//! more than everything else.

use super::map::{Cut, Map};
use super::{End, Normaliser, ROW_LIMIT, Sink};

/// Finished rows, one behind the other.
#[derive(Clone, Copy, Debug)]
pub struct Rows<'a> {
    text: &'a [u8],
    cuts: &'a [Cut],
}

/// One of [`Rows`].
#[derive(Clone, Copy, Debug)]
pub struct RowAt<'a> {
    /// The row, without its end.
    pub text: &'a [u8],
    /// Leads from offsets in `text` to offsets in the raw stream.
    pub map: Map<'a>,
    /// Where the next row begins in [`Rows::text`].
    pub next: usize,
}

impl<'a> Rows<'a> {
    /// All rows, each with its line feed and perhaps a carriage return in front of that.
    pub fn text(&self) -> &'a [u8] {
        self.text
    }

    /// The row that `at` lies in; `None` behind the last.
    pub fn row_around(&self, at: usize) -> Option<RowAt<'a>> {
        let rest = self.text.get(at..)?;
        let end = at + memchr::memchr(b'\n', rest)?;
        let start = memchr::memrchr(b'\n', &self.text[..at]).map_or(0, |before| before + 1);
        let text = &self.text[start..end];
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        Some(RowAt { text, map: Map::Cuts { cuts: self.cuts, start }, next: end + 1 })
    }

    /// Hands every row to `sink`, one by one.
    pub fn each(&self, sink: &mut (impl Sink + ?Sized)) {
        let mut at = 0;
        while let Some(row) = self.row_around(at) {
            sink.row(row.text, row.map, End::Newline);
            at = row.next;
        }
    }
}

/// What [`Normaliser::whole_rows`] gathers.
#[derive(Clone, Debug, Default)]
pub(super) struct Slab {
    text: Vec<u8>,
    cuts: Vec<Cut>,
    /// Up to where the bytes of the present chunk hold no control character that
    /// [`Normaliser::whole_rows`] leaves alone.
    clean: usize,
}

/// A chunk shorter than this, in bytes, is typing and not a flood: room is given back.
const TYPING: usize = 4096;

impl Slab {
    /// A new chunk of `len` bytes begins.
    pub(super) fn begin(&mut self, len: usize) {
        self.clean = 0;
        if len < TYPING && self.text.capacity() > TYPING {
            (self.text, self.cuts) = (Vec::new(), Vec::new());
        }
    }

    /// Takes a stretch of text that came from `raw` on. Only the first after something that was
    /// left out needs a cut.
    fn take(&mut self, text: &[u8], raw: u64, cut: &mut bool) {
        if !text.is_empty() {
            if std::mem::take(cut) {
                self.cuts.push(Cut { text: self.text.len(), raw });
            }
            self.text.extend_from_slice(text);
        }
    }
}

/// Colours in force at the end of a row.
type Colours = (bool, u16, u16);

impl Normaliser {
    /// Reads whole rows from `bytes[at..]` for as long as they hold nothing but text and colours,
    /// and hands them to `sink` together. Returns where it stopped: at the start of a row. The
    /// present row must be empty and nothing be concealed.
    ///
    /// No byte is looked at by two calls unless the row it is in is left to be read byte by byte.
    pub(super) fn whole_rows(&mut self, bytes: &[u8], at: usize, sink: &mut impl Sink) -> usize {
        let mut slab = std::mem::take(&mut self.slab);
        if slab.clean <= at {
            slab.clean = at + clean_run(&bytes[at..]);
        }
        slab.text.clear();
        slab.cuts.clear();
        let base = self.offset;
        let raw = |place: usize| base + (place - at) as u64;
        let part = &bytes[..slab.clean];
        let mut read = at;
        let mut cut = true;
        // Everything before is dealt with: rows that are kept, and what changes nothing but colours
        // in front of the next one.
        let (mut done, mut kept, mut colours) = (at, 0, self.colours_now());
        while read < part.len() {
            let event = memchr::memchr2(b'\r', 0x1b, &part[read..]).map(|n| read + n);
            let is_end = event.is_some_and(|event| part[event..].starts_with(b"\r\n"));
            let end = event.map_or(part.len(), |event| if is_end { event + 2 } else { event });
            let (piece, before) = (&part[read..end], slab.text.len());
            slab.take(piece, raw(read), &mut cut);
            if let Some(last) = memchr::memrchr(b'\n', piece) {
                let rows = &slab.text[kept..=before + last];
                let short = short_rows(rows);
                let all = short == rows.len();
                kept += short;
                if short > 0 {
                    (done, colours) = (read + kept - before, self.colours_now());
                }
                if !all {
                    break;
                }
            }
            read = end;
            if event.is_none_or(|event| event < end) {
                continue;
            }
            // A carriage return in the middle of a row, or an escape sequence.
            let empty = slab.text.len() == kept;
            let Some(len) = self.colour_or_place(&part[read..], empty) else { break };
            read += len;
            cut = true;
            if empty {
                (done, colours) = (read, self.colours_now());
            }
            if self.conceals() {
                break;
            }
        }
        slab.text.truncate(kept);
        self.set_colours(colours);
        if kept > 0 {
            sink.rows(Rows { text: &slab.text, cuts: &slab.cuts });
        }
        self.offset = raw(done);
        self.row.earn(done - at);
        self.slab = slab;
        done
    }

    fn colours_now(&self) -> Colours {
        (self.conceal, self.foreground, self.background)
    }

    fn set_colours(&mut self, colours: Colours) {
        (self.conceal, self.foreground, self.background) = colours;
    }

    /// Length of the control sequence `bytes` begin with, if it changes nothing but colours; or, in
    /// an empty row, nothing but where that is.
    fn colour_or_place(&mut self, bytes: &[u8], empty: bool) -> Option<usize> {
        if !bytes.starts_with(b"\x1b[") {
            return None;
        }
        let len = bytes[2..].iter().take(64).position(|b| !matches!(b, b'0'..=b';'))?;
        let parameters = &bytes[2..2 + len];
        match bytes[2 + len] {
            b'm' => self.colours(parameters),
            // To the end of a row that is written from left to right there is nothing to erase.
            b'K' if matches!(parameters, [] | [b'0']) => {}
            b'H' | b'f' if empty => {}
            _ => return None,
        }
        Some(len + 3)
    }
}

/// How many bytes the rows have before the first that is so long that it is to be handed over in
/// pieces.
fn short_rows(rows: &[u8]) -> usize {
    if rows.len() <= ROW_LIMIT {
        return rows.len();
    }
    let mut start = 0;
    for end in memchr::memchr_iter(b'\n', rows) {
        if end - start > ROW_LIMIT {
            break;
        }
        start = end + 1;
    }
    start
}

/// How many bytes from the start are text, tabs, ends of rows or the begin of an escape sequence.
fn clean_run(bytes: &[u8]) -> usize {
    let odd = |b: u8| (b < 0x20 && !matches!(b, b'\t' | b'\n' | b'\r' | 0x1b)) | (b == 0x7f);
    let mut at = 0;
    for chunk in bytes.chunks_exact(64) {
        // one branch per 64 bytes, so that the compiler vectorises the test
        if chunk.iter().fold(false, |any, b| any | odd(*b)) {
            break;
        }
        at += 64;
    }
    at + bytes[at..].iter().position(|b| odd(*b)).unwrap_or(bytes.len() - at)
}
