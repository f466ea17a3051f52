//! Whether the terminal shows its alternate screen, where keys are commands (vim, less, tmux).

use memchr::memmem;

/// The switches are DEC private modes 47, 1047 and 1049 (`CSI ? … h` and `CSI ? … l`).
const PREFIX: &[u8] = b"\x1b[?";

/// The longest mode switch worth waiting for across two chunks, in bytes.
const LONGEST: usize = 24;

/// Follows the switches in the child's output.
#[derive(Debug)]
pub(super) struct Alternate {
    on: bool,
    finder: memmem::Finder<'static>,
    /// The beginning of a mode switch that the last chunk ended in.
    cut: Vec<u8>,
}

impl Default for Alternate {
    fn default() -> Self {
        Self { on: false, finder: memmem::Finder::new(PREFIX), cut: Vec::new() }
    }
}

impl Alternate {
    /// Whether the alternate screen is shown.
    pub(super) fn is_on(&self) -> bool {
        self.on
    }

    /// Takes the next chunk of output.
    pub(super) fn feed(&mut self, chunk: &[u8]) {
        if !self.cut.is_empty() {
            let mut joint = std::mem::take(&mut self.cut);
            joint.extend_from_slice(&chunk[..chunk.len().min(LONGEST)]);
            // Only what is left open at the end of the joint may be open in a short chunk; a
            // longer one is scanned whole below.
            self.scan(&joint);
            if chunk.len() <= LONGEST {
                return;
            }
            self.cut.clear();
        }
        self.scan(chunk);
    }

    fn scan(&mut self, bytes: &[u8]) {
        let mut entered = 0;
        for start in self.finder.find_iter(bytes) {
            let body = &bytes[start + PREFIX.len()..];
            let end = body.iter().position(|b| !matches!(b, b'0'..=b'9' | b';'));
            let Some(end) = end else { break };
            let modes = &body[..end];
            let names = modes.split(|b| *b == b';').any(|m| matches!(m, b"47" | b"1047" | b"1049"));
            match body[end] {
                b'h' if names => (self.on, entered) = (true, start),
                b'l' if names => self.on = false,
                _ => {}
            }
        }
        // A full reset (RIS) leaves the alternate screen as well.
        if self.on && memmem::find(&bytes[entered..], b"\x1bc").is_some() {
            self.on = false;
        }
        let tail = &bytes[bytes.len().saturating_sub(LONGEST)..];
        if let Some(escape) = memchr::memrchr(0x1b, tail) {
            let open = &tail[escape..];
            let started = PREFIX.starts_with(open) || open.starts_with(PREFIX);
            if started && open.iter().skip(3).all(|b| matches!(b, b'0'..=b'9' | b';')) {
                self.cut = open.to_vec();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(chunks: &[&[u8]]) -> bool {
        let mut alternate = Alternate::default();
        chunks.iter().for_each(|c| alternate.feed(c));
        alternate.is_on()
    }

    #[test]
    fn it_is_entered_and_left_by_any_of_the_three_modes() {
        assert!(after(&[b"vim\r\n\x1b[?1049h\x1b[22;0;0t"]));
        assert!(after(&[b"\x1b[?1;47h"]));
        assert!(after(&[b"\x1b[?1047h"]));
        assert!(!after(&[b"\x1b[?1049h~\x1b[?1049l$ "]));
        assert!(!after(&[b"\x1b[?25l\x1b[?2004h"]));
        assert!(!after(&[b"\x1b[?1049h", b"\x1bc"]));
    }

    #[test]
    fn a_switch_split_anywhere_counts() {
        let stream = b"text\x1b[?1049hmore text that is longer than a switch could ever be";
        for cut in 0..stream.len() {
            assert!(after(&[&stream[..cut], &stream[cut..]]), "cut at {cut}");
        }
        assert!(after(&stream.chunks(1).collect::<Vec<_>>()));
        let there_and_back = b"\x1b[?1049hin it\x1b[?1049lout of it";
        for size in 1..there_and_back.len() {
            assert!(!after(&there_and_back.chunks(size).collect::<Vec<_>>()), "by {size}");
        }
    }
}
