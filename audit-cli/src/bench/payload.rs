//! What is pushed through a session: lines such as a busy server logs.

use std::io::Write as _;

/// Log lines, at least `size` bytes cut to whole lines; the same bytes for the same size.
pub(super) fn logs(size: usize) -> Vec<u8> {
    const LEVELS: [&str; 8] = ["INFO", "INFO", "INFO", "INFO", "DEBUG", "DEBUG", "WARN", "ERROR"];
    const PARTS: [&str; 6] = ["http", "store", "scheduler", "auth", "queue", "replica"];
    const DEEDS: [&str; 8] = [
        "request served",
        "cache miss",
        "connection accepted",
        "job finished",
        "lease renewed",
        "retrying after timeout",
        "flushed segment",
        "peer is behind",
    ];
    let mut random = Random::new(1);
    let mut text = Vec::with_capacity(size + 256);
    let mut millis: u64 = 0;
    while text.len() < size {
        millis += random.below(40);
        let (second, milli) = (millis / 1000, millis % 1000);
        let (hour, minute, second) = (second / 3600 % 24, second / 60 % 60, second % 60);
        let level = LEVELS[random.below(8) as usize];
        let part = PARTS[random.below(6) as usize];
        let deed = DEEDS[random.below(8) as usize];
        let (id, span, size) = (random.next(), random.below(9000), random.below(200_000));
        // Writing to memory does not fail.
        let _ = writeln!(
            text,
            "2031-04-05T{hour:02}:{minute:02}:{second:02}.{milli:03}Z {level:<5} {part}: {deed} id={id:016x} took={span}us bytes={size}"
        );
    }
    text
}

/// `text` as a terminal shows it: each line feed with a carriage return (`ONLCR`, `termios(3)`).
pub(super) fn as_shown(text: &[u8]) -> Vec<u8> {
    let mut shown = Vec::with_capacity(text.len() + text.len() / 64);
    for line in text.split_inclusive(|b| *b == b'\n') {
        match line.strip_suffix(b"\n") {
            Some(line) => {
                shown.extend_from_slice(line);
                shown.extend_from_slice(b"\r\n");
            }
            None => shown.extend_from_slice(line),
        }
    }
    shown
}

/// Numbers that look random and are the same each time (xorshift64*).
pub(super) struct Random(u64);

impl Random {
    /// A row of numbers; each seed has its own.
    pub(super) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A number below `end`.
    pub(super) fn below(&mut self, end: u64) -> u64 {
        (self.next() >> 33) % end
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_payload_is_whole_lines_and_the_same_each_time() {
        let text = logs(10_000);
        assert!(text.len() >= 10_000 && text.ends_with(b"\n"));
        assert_eq!(text, logs(10_000));
        assert!(text.is_ascii());
    }

    #[test]
    fn a_terminal_adds_a_carriage_return_to_each_line() {
        assert_eq!(as_shown(b"a\nb\n"), b"a\r\nb\r\n");
        assert_eq!(as_shown(b"a"), b"a");
    }
}
