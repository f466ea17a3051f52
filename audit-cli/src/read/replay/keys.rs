//! The keys of a replay, and who presses them.

use std::collections::VecDeque;
use std::io;
use std::os::fd::AsFd as _;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use audit_pty::{RawTerminal, Signals};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// What a key asks for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Key {
    /// Stop the time, or let it go on.
    Pause,
    /// Show the next output at once and stop the time.
    Step,
    /// Go this many seconds forwards or backwards.
    Seek(i64),
    /// Play faster or slower by this factor.
    Speed(f64),
    /// End the replay.
    Quit,
}

/// The keys in what a terminal sent at once. Arrows are `ESC [ A` or, in application mode,
/// `ESC O A`; what is not a key of ours is skipped.
pub(super) fn parse(mut bytes: &[u8]) -> Vec<Key> {
    let mut keys = Vec::new();
    while let Some((first, rest)) = bytes.split_first() {
        bytes = rest;
        let key = match first {
            b' ' => Some(Key::Pause),
            b'.' => Some(Key::Step),
            b'+' | b'=' => Some(Key::Speed(2.0)),
            b'-' | b'_' => Some(Key::Speed(0.5)),
            // Ctrl-C and Ctrl-D reach us as bytes.
            b'q' | b'Q' | 3 | 4 => Some(Key::Quit),
            0x1b => {
                let (key, rest) = escape(bytes);
                bytes = rest;
                key
            }
            _ => None,
        };
        keys.extend(key);
    }
    keys
}

/// The key of an escape sequence, and what is behind it.
fn escape(bytes: &[u8]) -> (Option<Key>, &[u8]) {
    let (b'[' | b'O', body) = (match bytes.split_first() {
        Some((first, body)) => (*first, body),
        None => return (None, bytes),
    }) else {
        return (None, bytes);
    };
    let end = body.iter().position(|b| (0x40..=0x7e).contains(b)).unwrap_or(body.len());
    let key = match body.get(end) {
        Some(b'A') => Some(Key::Seek(60)),
        Some(b'B') => Some(Key::Seek(-60)),
        Some(b'C') => Some(Key::Seek(5)),
        Some(b'D') => Some(Key::Seek(-5)),
        _ => None,
    };
    (key, body.get(end + 1..).unwrap_or_default())
}

/// Whoever steers a replay, and the clock it follows.
pub(super) trait Hands {
    /// Waits for a key until `span` has passed since the last wait ended; `None` waits for ever.
    /// Returns how long ago that is now.
    ///
    /// # Errors
    /// The terminal is gone.
    fn wait(&mut self, span: Option<Duration>) -> io::Result<(Duration, Option<Key>)>;
}

/// A person at a terminal; without one, only the clock and the signals.
#[derive(Debug)]
pub(super) struct Person {
    terminal: Option<RawTerminal>,
    signals: Signals,
    pressed: VecDeque<Key>,
    /// When the last wait ended.
    last: Instant,
}

impl Person {
    /// Takes the terminal on standard input, if `steering`; it is put back when this is dropped.
    ///
    /// # Errors
    /// No descriptor is left.
    pub(super) fn new(steering: bool) -> anyhow::Result<Self> {
        let signals = Signals::open()?;
        audit_pty::restore_on_exit();
        let mut terminal = None;
        if steering {
            let mut raw = RawTerminal::new(io::stdin().as_fd())?;
            raw.enter().context("make the terminal raw")?;
            terminal = Some(raw);
        }
        Ok(Self { terminal, signals, pressed: VecDeque::new(), last: Instant::now() })
    }

    /// Waits for a key until `until`.
    fn key(&mut self, until: Option<Instant>) -> io::Result<Option<Key>> {
        loop {
            if let Some(key) = self.pressed.pop_front() {
                return Ok(Some(key));
            }
            let left = until.map(|until| until.saturating_duration_since(Instant::now()));
            // Rounded up: a wait of half a millisecond must not become a busy loop.
            let timeout = left.map_or(PollTimeout::NONE, |left| {
                PollTimeout::try_from(left + Duration::from_micros(999)).unwrap_or(PollTimeout::MAX)
            });
            let mut fds = vec![PollFd::new(self.signals.fd(), PollFlags::POLLIN)];
            if let Some(terminal) = &self.terminal {
                fds.push(PollFd::new(terminal.fd(), PollFlags::POLLIN));
            }
            let ready = match poll(&mut fds, timeout) {
                Ok(ready) => ready,
                Err(nix::errno::Errno::EINTR) => continue,
                Err(errno) => return Err(errno.into()),
            };
            let typed = fds.get(1).and_then(PollFd::any).unwrap_or(false);
            while let Some(signal) = self.signals.next() {
                if ends(signal.number) {
                    self.pressed.push_back(Key::Quit);
                }
            }
            if let Some(terminal) = self.terminal.as_ref().filter(|_| typed) {
                let mut bytes = [0; 256];
                match nix::unistd::read(terminal.fd(), &mut bytes)? {
                    0 => self.pressed.push_back(Key::Quit),
                    count => self.pressed.extend(parse(&bytes[..count])),
                }
            }
            if ready == 0 {
                return Ok(None);
            }
        }
    }
}

impl Hands for Person {
    fn wait(&mut self, span: Option<Duration>) -> io::Result<(Duration, Option<Key>)> {
        let key = self.key(span.and_then(|span| self.last.checked_add(span)))?;
        let now = Instant::now();
        let passed = now - std::mem::replace(&mut self.last, now);
        Ok((passed, key))
    }
}

/// Nobody: time does not matter, and signals end the process as they always do.
#[derive(Debug)]
pub(super) struct Nobody;

impl Hands for Nobody {
    fn wait(&mut self, span: Option<Duration>) -> io::Result<(Duration, Option<Key>)> {
        Ok((span.unwrap_or_default(), Some(Key::Quit)))
    }
}

impl Drop for Person {
    fn drop(&mut self) {
        if let Some(terminal) = &self.terminal {
            // What was played may have asked the terminal questions; its answers are not commands
            // for the shell that reads next.
            let _ =
                nix::sys::termios::tcflush(terminal.fd(), nix::sys::termios::FlushArg::TCIFLUSH);
        }
    }
}

fn ends(signal: i32) -> bool {
    use nix::sys::signal::Signal::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};
    [SIGHUP, SIGINT, SIGQUIT, SIGTERM].iter().any(|s| *s as i32 == signal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_known_and_everything_else_is_skipped() {
        assert_eq!(
            parse(b" .+-q"),
            [Key::Pause, Key::Step, Key::Speed(2.0), Key::Speed(0.5), Key::Quit]
        );
        assert_eq!(parse(b"\x1b[A\x1bOD\x1b[1;5C"), [Key::Seek(60), Key::Seek(-5), Key::Seek(5)]);
        assert_eq!(parse(b"x\x1b[?1;2c\x1b"), []);
    }
}
