//! The user, scripted: a terminal that expects text, types, stops reading, hangs up.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Instant;

use audit_core::Winsize;
use audit_pty::Pty;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::eventfd::{EfdFlags, EventFd};
use nix::sys::termios::{SetArg, Termios, cfmakeraw, tcgetattr, tcsetattr};
use nix::unistd::{read, write};

use crate::patience::PATIENCE;

/// First and last bytes of our own banners on a screen.
const BANNER: (u8, &[u8]) = (0x18, b" \x1b[0m\r\n");

/// A terminal with a user in front of it. Its screen is what came out of the PTY's master.
#[derive(Debug)]
pub(crate) struct Terminal {
    pty: Option<Arc<Pty>>,
    slave: Option<OwnedFd>,
    shared: Arc<Shared>,
    reader: Option<JoinHandle<()>>,
    /// How much of the screen earlier expectations have passed.
    passed: usize,
}

#[derive(Debug)]
struct Shared {
    screen: Mutex<Screen>,
    changed: Condvar,
    wake: EventFd,
}

#[derive(Debug, Default)]
struct Screen {
    bytes: Vec<u8>,
    stalled: bool,
    closing: bool,
    /// Nothing more comes: the slave is closed.
    ended: bool,
}

impl Shared {
    fn screen(&self) -> MutexGuard<'_, Screen> {
        self.screen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Terminal {
    /// A terminal in the modes a login finds, with a window of 24 × 80.
    pub(crate) fn new() -> Self {
        let mut pty = Pty::open().expect("a pseudo-terminal");
        pty.set_winsize(Winsize::new(24, 80)).expect("a new terminal takes a size");
        let slave = pty.slave().expect("a new terminal has its slave");
        let slave = slave.try_clone_to_owned().expect("a descriptor is left");
        pty.close_slave();
        let pty = Arc::new(pty);
        let wake = EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)
            .expect("a descriptor is left");
        let shared = Arc::new(Shared { screen: Mutex::default(), changed: Condvar::new(), wake });
        let reader = std::thread::spawn({
            let (pty, shared) = (Arc::clone(&pty), Arc::clone(&shared));
            move || watch(&pty, &shared)
        });
        Self { pty: Some(pty), slave: Some(slave), shared, reader: Some(reader), passed: 0 }
    }

    /// A descriptor of the slave, for whoever is to use this terminal.
    pub(crate) fn slave(&self) -> OwnedFd {
        let slave = self.slave.as_ref().expect("the slave is not given away yet");
        slave.try_clone().expect("a descriptor is left")
    }

    /// Closes our own slave: from now on only those have it who were given it.
    pub(crate) fn give_away(&mut self) {
        self.slave = None;
    }

    /// Makes the terminal raw, as whoever owns a session's process does it.
    pub(crate) fn make_raw(&self) {
        let mut modes = self.modes();
        cfmakeraw(&mut modes);
        tcsetattr(self.pty().master(), SetArg::TCSANOW, &modes).expect("a live terminal");
    }

    /// The terminal's present modes.
    pub(crate) fn modes(&self) -> Termios {
        tcgetattr(self.pty().master()).expect("a live terminal")
    }

    /// Changes the size of the window; the kernel tells the foreground.
    pub(crate) fn resize(&self, size: Winsize) {
        self.pty().set_winsize(size).expect("a live terminal");
    }

    /// Waits until this text appears behind what was expected before, and passes it.
    ///
    /// # Panics
    /// It does not appear: nothing more can come, or patience is at its end.
    pub(crate) fn expect(&mut self, text: &str) {
        let start = Instant::now();
        let shared = Arc::clone(&self.shared);
        let mut screen = shared.screen();
        let mut looked = self.passed;
        loop {
            if let Some(at) = find(&screen.bytes[looked..], text.as_bytes()) {
                self.passed = looked + at + text.len();
                return;
            }
            looked = self.passed.max((screen.bytes.len() + 1).saturating_sub(text.len()));
            let hopeless = screen.ended || start.elapsed() >= PATIENCE;
            assert!(!hopeless, "expected {text:?}, the screen shows:\n{}", tail(&screen.bytes));
            let rest = PATIENCE.saturating_sub(start.elapsed());
            screen =
                shared.changed.wait_timeout(screen, rest).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Waits for `before`, then for `after`, and returns what stands between them.
    pub(crate) fn expect_between(&mut self, before: &str, after: &str) -> String {
        self.expect(before);
        let start = self.passed;
        self.expect(after);
        let shown = self.shared.screen();
        String::from_utf8_lossy(&shown.bytes[start..self.passed - after.len()]).into_owned()
    }

    /// Takes the last appearance of this text, which begins with a newline, and all that follows
    /// off the screen.
    pub(crate) fn forget_from(&mut self, text: &str) {
        let mut screen = self.shared.screen();
        if let Some(at) = memchr::memmem::rfind(&screen.bytes, text.as_bytes()) {
            // A cooked terminal has put a carriage return in front.
            let at = if screen.bytes[..at].ends_with(b"\r") { at - 1 } else { at };
            screen.bytes.truncate(at);
            self.passed = self.passed.min(at);
        }
    }

    /// Types, as fast as the terminal takes it.
    ///
    /// # Panics
    /// It takes nothing until patience is at its end.
    pub(crate) fn send(&self, bytes: impl AsRef<[u8]>) {
        let mut rest = bytes.as_ref();
        let start = Instant::now();
        let master = self.pty().master();
        while !rest.is_empty() {
            match write(master, rest) {
                Ok(count) => rest = &rest[count..],
                Err(Errno::EAGAIN | Errno::EINTR) => {
                    assert!(start.elapsed() < PATIENCE, "{} bytes cannot be typed", rest.len());
                    let mut ready = [PollFd::new(master, PollFlags::POLLOUT)];
                    let _ = poll(&mut ready, PollTimeout::from(1000_u16));
                }
                Err(error) => panic!("typing: {error}"),
            }
        }
    }

    /// Stops reading: nothing is shown any more and soon nothing is taken.
    pub(crate) fn stall(&self) {
        self.shared.screen().stalled = true;
    }

    /// Reads on after [`Terminal::stall`].
    pub(crate) fn go_on(&self) {
        self.shared.screen().stalled = false;
        self.shared.changed.notify_all();
    }

    /// Closes the terminal, as a lost connection does.
    pub(crate) fn hang_up(&mut self) {
        self.slave = None;
        self.shared.screen().closing = true;
        self.shared.changed.notify_all();
        let _ = self.shared.wake.write(1);
        if let Some(reader) = self.reader.take() {
            // A reader that panicked has shown nothing; the scenario sees that.
            let _ = reader.join();
        }
        self.pty = None;
    }

    /// Waits until nothing more can come.
    pub(crate) fn wait_for_end(&self) {
        let start = Instant::now();
        let mut screen = self.shared.screen();
        while !screen.ended {
            assert!(start.elapsed() < PATIENCE, "the terminal stays open");
            let wait = self.shared.changed.wait_timeout(screen, PATIENCE);
            screen = wait.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Everything that was shown.
    pub(crate) fn shown(&self) -> Vec<u8> {
        self.shared.screen().bytes.clone()
    }

    /// How many bytes were shown.
    pub(crate) fn shown_len(&self) -> usize {
        self.shared.screen().bytes.len()
    }

    /// Everything that was shown, as text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.shown()).into_owned()
    }

    /// Everything that was shown, without our own banners.
    pub(crate) fn shown_without_banners(&self) -> Vec<u8> {
        without_banners(&self.shown())
    }

    /// Whether we have hung up.
    pub(crate) fn is_closed(&self) -> bool {
        self.pty.is_none()
    }

    fn pty(&self) -> &Pty {
        self.pty.as_deref().expect("the terminal is not hung up")
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the screen shows:\n{}", tail(&self.shared.screen().bytes));
        }
        self.hang_up();
    }
}

/// Reads the master until the terminal is closed from either side.
fn watch(pty: &Pty, shared: &Shared) {
    let mut chunk = vec![0; 64 << 10];
    loop {
        let mut screen = shared.screen();
        while screen.stalled && !screen.closing {
            screen = shared.changed.wait(screen).unwrap_or_else(PoisonError::into_inner);
        }
        if screen.closing {
            return;
        }
        drop(screen);
        let master = pty.master();
        let mut ready = [
            PollFd::new(master, PollFlags::POLLIN),
            PollFd::new(shared.wake.as_fd(), PollFlags::POLLIN),
        ];
        let _ = poll(&mut ready, PollTimeout::NONE);
        let count = match read(master, &mut chunk) {
            Ok(count @ 1..) => count,
            Err(Errno::EAGAIN | Errno::EINTR) => continue,
            Ok(0) | Err(_) => break,
        };
        shared.screen().bytes.extend_from_slice(&chunk[..count]);
        shared.changed.notify_all();
    }
    shared.screen().ended = true;
    shared.changed.notify_all();
}

/// What was shown, without our own banners.
///
/// # Panics
/// A banner is cut short.
pub(crate) fn without_banners(mut rest: &[u8]) -> Vec<u8> {
    let (first, last) = BANNER;
    let mut clean = Vec::new();
    // Before a program is killed, what it switched on is switched off.
    let begins: [&[u8]; 3] = [b"\r\n\x1b[0;4", b"\x1b7\x1b[r", b"\x1b[?1049l\x1b7"];
    let starts = |rest: &[u8]| {
        let mut starts = memchr::memchr_iter(first, rest);
        starts.find(|at| begins.iter().any(|begin| rest[at + 1..].starts_with(begin)))
    };
    while let Some(start) = starts(rest) {
        clean.extend_from_slice(&rest[..start]);
        let length = find(&rest[start..], last).expect("a banner has its end");
        rest = &rest[start + length + last.len()..];
    }
    clean.extend_from_slice(rest);
    clean
}

/// Where `word` begins in `bytes`.
pub(crate) fn find(bytes: &[u8], word: &[u8]) -> Option<usize> {
    memchr::memmem::find(bytes, word)
}

fn tail(bytes: &[u8]) -> String {
    String::from_utf8_lossy(&bytes[bytes.len().saturating_sub(2000)..]).escape_debug().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn banners_are_taken_off_and_nothing_else() {
        let shown = b"one\x18two\x18\r\n\x1b[0;41;97m auditty: text \x1b[0m\r\nthree";
        assert_eq!(without_banners(shown), b"one\x18twothree");
        let shown = b"one\x18\x1b[?1049l\x1b7\x1b[r\x1b8\r\n\x1b[0;41;97m no \x1b[0m\r\ntwo";
        assert_eq!(without_banners(shown), b"onetwo");
    }

    #[test]
    fn a_terminal_shows_what_is_written_and_takes_what_is_typed() {
        let mut terminal = Terminal::new();
        terminal.make_raw();
        let slave = terminal.slave();
        write(&slave, b"question ").expect("a slave takes bytes");
        terminal.expect("question");
        terminal.send("answer");
        let mut typed = [0; 16];
        assert_eq!(read(&slave, &mut typed), Ok(6));
        assert_eq!(typed[..6], *b"answer");
        terminal.stall();
        drop(slave);
        terminal.give_away();
        terminal.go_on();
        terminal.wait_for_end();
        assert_eq!(terminal.text(), "question ");
    }
}
