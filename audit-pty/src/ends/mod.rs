//! Everything outside of one session.

mod effects;
mod flow;
mod job;
mod open;
mod signals;

use std::collections::HashSet;
use std::os::fd::BorrowedFd;

use audit_core::{Port, Stream, Winsize};

use crate::channel::Channel;
use crate::pty::Pty;
use crate::signals::Signals;
use crate::spawn::Child;
use crate::terminal::RawTerminal;

/// Something of a session that can be waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// Becomes readable. [`Stream::Input`] is the user; the others are the child's.
    From(Stream),
    /// Becomes writable.
    To(Port),
    /// Becomes readable when the child has ended: then call [`Ends::reap`].
    Child,
    /// Becomes readable when a signal came: then call [`Ends::next_signal`].
    Signals,
}

impl Side {
    /// Every side a session may have.
    pub const ALL: [Self; 10] = [
        Self::From(Stream::Input),
        Self::From(Stream::Tty),
        Self::From(Stream::Stdout),
        Self::From(Stream::Stderr),
        Self::To(Port::Child),
        Self::To(Port::User(Stream::Tty)),
        Self::To(Port::User(Stream::Stdout)),
        Self::To(Port::User(Stream::Stderr)),
        Self::Child,
        Self::Signals,
    ];
}

/// Everything outside of one session: the child, its terminal or pipes, the user's descriptors,
/// the user's terminal modes, the signals of this process.
///
/// Nothing here ever waits, with one exception: [`audit_core::Effect::Stop`] returns when the
/// process goes on.
///
/// In PTY mode the child's terminal is [`Stream::Tty`]; its standard output and error are streams
/// of their own ([`Stream::Stdout`], [`Stream::Stderr`]) where the user's end has them apart. In
/// pipe mode there is no [`Stream::Tty`]: standard output is [`Stream::Stdout`] and goes to the
/// user's `stdout` or else `output`; standard error is [`Stream::Stderr`] where the user's end has
/// it apart, or else shares the pipe of standard output. The child stays in our process group and
/// keeps the terminal it may have, and there is no guard: should we be killed, the child finds its
/// pipes closed.
///
/// A session that owns the process has a guard beside its child in PTY mode. One that does not has
/// none: it has no terminal to put back, and when its master closes with us, the kernel hangs the
/// child up.
///
/// Dropping it puts the user's terminal back, hangs a child up that still runs, and leaves no
/// process of ours behind.
#[derive(Debug)]
pub struct Ends {
    // Fields are dropped in this order: the terminal before the guard that would restore it, the
    // signal mask last.
    terminal: Option<Outer>,
    child: Option<Child>,
    pty: Option<Pty>,
    /// By number of the stream.
    sources: [Option<Channel>; 4],
    /// In the order of [`Port::ALL`].
    sinks: [Option<Channel>; 4],
    buffer_size: usize,
    /// The last byte the child was given, as far as it matters for the end of input.
    last_byte: u8,
    /// How many end-of-file characters the child's terminal is still to be given.
    ends_due: u8,
    /// Signals the kernel sent to our whole process group, bit `number - 1` each: in pipe mode the
    /// child is in it and has them already.
    kernel_sent: u64,
    /// Processes that a block has stopped and that go on with its end.
    frozen: HashSet<i32>,
    /// Whether the child is to be asked for news.
    news_due: bool,
    signals: Option<Signals>,
}

/// The user's terminal, of a session that owns the process.
#[derive(Debug)]
struct Outer {
    raw: RawTerminal,
    winsize: Winsize,
    /// Whether the user types on it: then it is made raw, and read only while it is.
    typed: bool,
    /// Whether the child wants it. In a pipeline that is known only once it has tried to use it,
    /// for another member of the pipeline may (a pager).
    wanted: bool,
    /// It was hung up.
    lost: bool,
}

impl Ends {
    /// Process id of the child; `None` when it could not be started.
    pub fn pid(&self) -> Option<i32> {
        self.child.as_ref().map(Child::pid)
    }

    /// The descriptor to wait for a side with; `None` when the session has no such side or it is
    /// closed. Each side has a descriptor of its own. One that was closed is gone after the call
    /// that said so.
    pub fn fd(&self, side: Side) -> Option<BorrowedFd<'_>> {
        match side {
            Side::From(stream) => self.source(stream).map(Channel::fd),
            Side::To(port) => self.sink(port).map(Channel::fd),
            Side::Child => self.child.as_ref().filter(|child| !child.exited()).map(Child::pidfd),
            Side::Signals => self.signals.as_ref().map(Signals::fd),
        }
    }

    /// Whether a side need not be waited for, and cannot be: `epoll(7)` refuses regular files and
    /// `/dev/null`.
    pub fn always_ready(&self, side: Side) -> bool {
        match side {
            Side::From(stream) => self.source(stream).is_some_and(Channel::always_ready),
            Side::To(port) => self.sink(port).is_some_and(Channel::always_ready),
            Side::Child | Side::Signals => false,
        }
    }

    /// Whether there is such a stream, still open.
    pub fn has(&self, stream: Stream) -> bool {
        self.source(stream).is_some()
    }

    fn source(&self, stream: Stream) -> Option<&Channel> {
        self.sources[usize::from(stream.number())].as_ref()
    }

    fn sink(&self, port: Port) -> Option<&Channel> {
        self.sinks[port.index()].as_ref()
    }

    fn child_runs(&self) -> bool {
        self.child.as_ref().is_some_and(|child| !child.exited())
    }
}
