//! One session on the loop: its driver, its registered descriptors, and what is known to be ready.

use std::io;
use std::os::fd::AsRawFd;
use std::sync::mpsc::SyncSender;
use std::time::Instant;

use audit_core::lanes::Lanes;
use audit_core::{EngineError, Outcome, Stream};
use audit_pty::{Driver, Progress, Side};
use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};

/// Tokens of one seat: `key * TOKENS + index of the side`.
const TOKENS: usize = 16;
/// Index of the lanes' descriptor, behind the sides.
const LANES: usize = Side::ALL.len();
const _: () = assert!(LANES < TOKENS);

/// Stack of a thread that ends a session, in bytes.
const STACK: usize = 256 << 10;

/// A session and its place on the loop.
#[derive(Debug)]
pub(crate) struct Seat<L> {
    pub(crate) driver: Driver<L>,
    pub(crate) outcome: Option<SyncSender<Result<Outcome, EngineError>>>,
    /// The deadline the loop's calendar holds for this seat.
    pub(crate) due: Option<Instant>,
    /// mio is edge-triggered: a stream stays ready until a read finds nothing.
    ready: [bool; 4],
}

/// The seat a token belongs to.
pub(crate) fn key_of(token: Token) -> u64 {
    (token.0 / TOKENS) as u64
}

impl<L: Lanes> Seat<L> {
    pub(crate) fn new(
        key: u64,
        driver: Driver<L>,
        outcome: Option<SyncSender<Result<Outcome, EngineError>>>,
        registry: &Registry,
    ) -> io::Result<Self> {
        let base = usize::try_from(key).unwrap_or(usize::MAX / TOKENS) * TOKENS;
        let mut ready = [false; 4];
        for (index, side) in Side::ALL.into_iter().enumerate() {
            let Some(fd) = driver.ends().fd(side) else { continue };
            if driver.ends().always_ready(side) {
                if let Side::From(stream) = side {
                    ready[usize::from(stream.number())] = true;
                }
                continue;
            }
            let interest =
                if matches!(side, Side::To(_)) { Interest::WRITABLE } else { Interest::READABLE };
            registry.register(&mut SourceFd(&fd.as_raw_fd()), Token(base + index), interest)?;
        }
        if let Some(fd) = driver.lanes_fd() {
            let (fd, token) = (fd.as_raw_fd(), Token(base + LANES));
            registry.register(&mut SourceFd(&fd), token, Interest::READABLE)?;
        }
        Ok(Self { driver, outcome, due: None, ready })
    }

    /// Takes what the kernel says of one of this seat's descriptors.
    pub(crate) fn notice(&mut self, token: Token) {
        match Side::ALL.get(token.0 % TOKENS) {
            Some(Side::From(stream)) => self.ready[usize::from(stream.number())] = true,
            Some(Side::To(port)) => self.driver.writable(*port),
            Some(Side::Child) => self.driver.child_ready(),
            Some(Side::Signals) => {
                self.driver.signals_ready();
                // We may be in the foreground again, with input that came before: try a read.
                self.ready[usize::from(Stream::Input.number())] = true;
            }
            None => self.driver.lanes_ready(),
        }
    }

    /// Reads every ready and wanted stream once. Returns whether anything was read.
    pub(crate) fn turn(&mut self) -> bool {
        let mut moved = false;
        for stream in [Stream::Input, Stream::Tty, Stream::Stdout, Stream::Stderr] {
            let ready = usize::from(stream.number());
            if !self.ready[ready] {
                continue;
            }
            match self.driver.read(stream) {
                Progress::Made => moved = true,
                Progress::Blocked => {
                    self.ready[ready] = self.driver.ends().always_ready(Side::From(stream));
                }
                Progress::Unwanted => {}
            }
        }
        moved
    }

    /// Whether a ready stream is wanted: the next turn must not wait.
    pub(crate) fn is_eager(&self) -> bool {
        let read = self.driver.wants().read;
        Stream::ALL
            .into_iter()
            .any(|stream| self.ready[usize::from(stream.number())] && read.wants(stream))
    }

    /// Ends the session. Its descriptors leave the loop as they are closed (`epoll(7)`). Where
    /// other sessions may be on the loop, it ends on a thread of its own: a lane that hangs must
    /// not keep them waiting.
    pub(crate) fn leave(self) -> Option<Outcome>
    where
        L: Send + 'static,
    {
        let Self { driver, outcome: Some(sender), .. } = self else {
            return self.driver.finish();
        };
        let finish = |(driver, sender): (Driver<L>, SyncSender<Result<Outcome, EngineError>>)| {
            if let Some(outcome) = driver.finish() {
                // Nobody waits for it if the handle was dropped.
                let _ = sender.send(Ok(outcome));
            }
        };
        let (hand, taken) = std::sync::mpsc::channel();
        let end = move || taken.into_iter().for_each(finish);
        let thread = std::thread::Builder::new().name("end".into()).stack_size(STACK).spawn(end);
        match thread {
            Ok(_) => drop(hand.send((driver, sender))),
            Err(_) => finish((driver, sender)),
        }
        None
    }
}
