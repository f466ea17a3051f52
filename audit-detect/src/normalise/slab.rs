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

/// Text is looked at in words for so many bytes, then searched.
const SHORT: usize = 32;

/// The first of eight bytes that is below a space.
fn first_control(word: [u8; 8]) -> Option<usize> {
    const EACH: u64 = 0x0101_0101_0101_0101;
    let word = u64::from_le_bytes(word);
    // What a byte borrows from the next ones only makes those that follow a find doubtful.
    let below = word.wrapping_sub(0x20 * EACH) & !word & (0x80 * EACH);
    (below != 0).then(|| below.trailing_zeros() as usize / 8)
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

    /// Takes the text that `bytes` begin with, which came from `raw` on, up to an end of a row or an
    /// escape sequence. Returns its length; `None` when `bytes` end before it does.
    fn take_run(&mut self, bytes: &[u8], raw: u64, cut: &mut bool) -> Option<usize> {
        let before = self.text.len();
        let run = self.copy_run(bytes);
        if run != Some(0) && std::mem::take(cut) {
            self.cuts.push(Cut { text: before, raw });
        }
        run
    }

    fn copy_run(&mut self, bytes: &[u8]) -> Option<usize> {
        // Between colours a run is so short that calling a search costs more than the search.
        let (words, _) = bytes.as_chunks::<8>();
        for (at, word) in words.iter().take(SHORT / 8).enumerate() {
            let Some(end) = first_control(*word) else {
                self.text.extend_from_slice(word);
                continue;
            };
            self.text.extend_from_slice(&word[..end]);
            if word[end] != b'\t' {
                return Some(8 * at + end);
            }
            return self.search_run(bytes, 8 * at + end);
        }
        self.search_run(bytes, bytes.len().min(SHORT) / 8 * 8)
    }

    /// As `copy_run`, of which the first `from` bytes are done.
    fn search_run(&mut self, bytes: &[u8], from: usize) -> Option<usize> {
        let run = memchr::memchr3(b'\n', b'\r', 0x1b, &bytes[from..]);
        let end = run.map_or(bytes.len(), |run| from + run);
        self.text.extend_from_slice(&bytes[from..end]);
        run.map(|_| end)
    }
}

/// A control sequence with more numbers than this is left alone.
const MOST: usize = 16;

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
        while let Some(run) = slab.take_run(&part[read..], raw(read), &mut cut) {
            read += run;
            let newline = match part[read..] {
                [b'\n', ..] => 1,
                [b'\r', b'\n', ..] => 2,
                _ => 0,
            };
            if newline > 0 {
                if std::mem::take(&mut cut) {
                    slab.cuts.push(Cut { text: slab.text.len(), raw: raw(read) });
                }
                slab.text.extend_from_slice(&part[read..read + newline]);
                read += newline;
                // A longer row is handed over in pieces.
                if slab.text.len() - kept > ROW_LIMIT + newline {
                    break;
                }
                (done, kept, colours) = (read, slab.text.len(), self.colours_now());
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
        let parameters = bytes.strip_prefix(b"\x1b[")?;
        // Most have one small number.
        let single = match *parameters {
            [b'm', ..] => Some((0, 3)),
            [one @ b'0'..=b'9', b'm', ..] => Some((one - b'0', 4)),
            [ten @ b'0'..=b'9', one @ b'0'..=b'9', b'm', ..] => {
                Some((10 * (ten - b'0') + one - b'0', 5))
            }
            _ => None,
        };
        if let Some((number, len)) = single {
            self.colours(std::iter::once(u32::from(number)));
            return Some(len);
        }
        let mut numbers = [0_u16; MOST];
        let mut last = 0;
        for (at, byte) in parameters.iter().enumerate() {
            match byte {
                b'0'..=b'9' => {
                    let number = &mut numbers[last];
                    *number = number.saturating_mul(10).saturating_add(u16::from(byte - b'0'));
                }
                b';' | b':' if last + 1 < MOST => last += 1,
                b'm' => {
                    self.colours(numbers[..=last].iter().map(|number| u32::from(*number)));
                    return Some(at + 3);
                }
                // To the end of a row that is written from left to right there is nothing to erase.
                b'K' if last == 0 && numbers[0] == 0 => return Some(at + 3),
                b'H' | b'f' if empty => return Some(at + 3),
                _ => return None,
            }
        }
        None
    }
}

/// How many bytes from the start are text, tabs, ends of rows or the begin of an escape sequence.
#[inline(never)]
fn clean_run(bytes: &[u8]) -> usize {
    // No branches and a function of its own, so that the compiler makes vectors of it.
    let odd = |b: u8| {
        ((b < 0x20) & (b != b'\t') & (b != b'\n') & (b != b'\r') & (b != 0x1b)) | (b == 0x7f)
    };
    let (blocks, _) = bytes.as_chunks::<64>();
    let is_clean = |block: &&[u8; 64]| block.iter().fold(0, |any, b| any | u8::from(odd(*b))) == 0;
    let at = 64 * blocks.iter().take_while(is_clean).count();
    at + bytes[at..].iter().position(|b| odd(*b)).unwrap_or(bytes.len() - at)
}
