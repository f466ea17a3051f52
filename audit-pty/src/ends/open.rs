//! Opening a session's outside.

use std::collections::HashSet;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use audit_core::{EngineError, Event, Port, SessionSpec, Stream, UserEnd};

use super::{Ends, Outer};
use crate::channel::{Channel, Direction};
use crate::error::{During, PtyError};
use crate::pty::Pty;
use crate::signals::Signals;
use crate::spawn::{Child, Guarding, Wiring, pipe};
use crate::sys;
use crate::terminal::RawTerminal;

impl Ends {
    /// Opens the outside of a session and starts its command. The event is
    /// [`Event::Started`], or [`Event::SpawnFailed`] when the command cannot be run.
    ///
    /// A session that owns the process blocks its signals for the calling thread and the threads
    /// it starts later; see [`crate::block_signals`].
    ///
    /// # Errors
    /// No pseudo-terminal, descriptor or process is left, or the user's end is not usable.
    pub fn open(spec: &SessionSpec, user: UserEnd) -> Result<(Self, Event), EngineError> {
        open(spec, user).map_err(|error| EngineError::new("open the session", error))
    }
}

fn open(spec: &SessionSpec, user: UserEnd) -> Result<(Ends, Event), PtyError> {
    let signals = if user.owns_process { Some(Signals::open()?) } else { None };
    let mut ends = Ends {
        terminal: if spec.pty && user.owns_process { outer(spec, &user)? } else { None },
        child: None,
        pty: None,
        sources: [const { None }; 4],
        sinks: [const { None }; 4],
        buffer_size: spec.buffer_size.max(1),
        last_byte: b'\n',
        ends_due: 0,
        kernel_sent: 0,
        frozen: HashSet::new(),
        news_due: false,
        signals,
    };
    let apart = Apart { stdout: user.stdout.is_some(), stderr: user.stderr.is_some() };
    ends.take_user(user, spec.pty)?;
    let spawned = if spec.pty {
        ends.spawn_on_terminal(spec, apart)
    } else {
        ends.spawn_on_pipes(spec, apart)
    };
    let event = match spawned {
        Ok(child) => {
            let pid = child.pid();
            ends.child = Some(child);
            ends.take_terminal();
            Event::Started { pid }
        }
        Err(PtyError::Command { errno, message }) => {
            ends.sources = [const { None }; 4];
            ends.close_sink(Port::Child);
            Event::SpawnFailed { errno, message }
        }
        Err(error) => return Err(error),
    };
    Ok((ends, event))
}

/// Which of the child's streams the user's end has apart.
#[derive(Clone, Copy)]
struct Apart {
    stdout: bool,
    stderr: bool,
}

/// The user's terminal: the one typed on, or else any shown on.
fn outer(spec: &SessionSpec, user: &UserEnd) -> Result<Option<Outer>, PtyError> {
    let is_terminal = |fd: &&OwnedFd| sys::tcgetattr(fd.as_raw_fd()).is_ok();
    let typed = user.input.as_ref().filter(is_terminal);
    let shown = [Some(&user.output), user.stdout.as_ref(), user.stderr.as_ref()];
    let Some(fd) = typed.or_else(|| shown.into_iter().flatten().find(is_terminal)) else {
        return Ok(None);
    };
    let raw = RawTerminal::new(fd.as_fd())?;
    // In a pipeline another member, such as a pager, may have the terminal; see `job`.
    let wanted = !user.stdout.as_ref().is_some_and(|fd| is_pipe(fd.as_fd()));
    Ok(Some(Outer { raw, winsize: spec.winsize, typed: typed.is_some(), wanted, lost: false }))
}

fn is_pipe(fd: BorrowedFd<'_>) -> bool {
    nix::sys::stat::fstat(fd).is_ok_and(|file| file.st_mode & libc::S_IFMT == libc::S_IFIFO)
}

impl Ends {
    fn take_user(&mut self, user: UserEnd, pty: bool) -> Result<(), PtyError> {
        let mut sink = |stream: Stream, fd: OwnedFd| {
            let channel = Channel::of_user(fd, Direction::Out).during("take the user's output")?;
            self.sinks[Port::User(stream).index()] = Some(channel);
            Ok::<_, PtyError>(())
        };
        match user.stdout {
            Some(stdout) => {
                sink(Stream::Stdout, stdout)?;
                if pty {
                    sink(Stream::Tty, user.output)?;
                }
            }
            None => sink(if pty { Stream::Tty } else { Stream::Stdout }, user.output)?,
        }
        if let Some(stderr) = user.stderr {
            sink(Stream::Stderr, stderr)?;
        }
        if let Some(input) = user.input {
            let channel = Channel::of_user(input, Direction::In).during("take the user's input")?;
            self.sources[usize::from(Stream::Input.number())] = Some(channel);
        }
        Ok(())
    }

    fn spawn_on_terminal(&mut self, spec: &SessionSpec, apart: Apart) -> Result<Child, PtyError> {
        let pty = Pty::open()?;
        let stdout = self.own_pipe(Stream::Stdout, apart.stdout)?;
        let stderr = self.own_pipe(Stream::Stderr, apart.stderr)?;
        let outer = self.terminal.as_ref();
        // A terminal that was hung up has no modes to copy; its hang-up is told in due course.
        let _ = pty.adopt_modes(outer.map(|outer| outer.raw.fd()));
        // Should this not be the size the session was described with, the core learns of it as of
        // any other change.
        let winsize = outer.and_then(|outer| outer.raw.winsize()).unwrap_or(spec.winsize);
        pty.set_winsize(winsize).during("set the size of the terminal")?;
        let master = || -> Result<Channel, PtyError> {
            let master = sys::duplicate(pty.master()).during("duplicate the master")?;
            Channel::own(master).during("duplicate the master")
        };
        self.sources[usize::from(Stream::Tty.number())] = Some(master()?);
        self.sinks[Port::Child.index()] = Some(master()?);
        let slave = pty.slave().expect("a new terminal has its slave");
        let guard = self.signals.as_ref().map(|_| Guarding {
            terminal: outer.filter(|outer| outer.typed).map(|outer| outer.raw.fd()),
            foreground: outer.is_none_or(Outer::is_ours),
        });
        let wiring = Wiring {
            stdio: [
                slave,
                stdout.as_ref().map_or(slave, AsFd::as_fd),
                stderr.as_ref().map_or(slave, AsFd::as_fd),
            ],
            terminal: Some(slave),
            guard,
            ignored: self.signals.as_ref().map_or(0, Signals::ignored),
        };
        let child = Child::spawn(&spec.command, &wiring)?;
        self.pty = Some(pty);
        Ok(child)
    }

    fn spawn_on_pipes(&mut self, spec: &SessionSpec, apart: Apart) -> Result<Child, PtyError> {
        let (stdin, to_child) = pipe()?;
        let to_child = Channel::own(to_child).during("open a pipe")?;
        self.sinks[Port::Child.index()] = Some(to_child);
        let stdout = self.own_pipe(Stream::Stdout, true)?.expect("asked for");
        let stderr = self.own_pipe(Stream::Stderr, apart.stderr)?;
        let wiring = Wiring {
            stdio: [
                stdin.as_fd(),
                stdout.as_fd(),
                stderr.as_ref().map_or(stdout.as_fd(), AsFd::as_fd),
            ],
            terminal: None,
            guard: None,
            ignored: self.signals.as_ref().map_or(0, Signals::ignored),
        };
        Child::spawn(&spec.command, &wiring)
    }

    /// A pipe for one of the child's streams if it is to be apart; returns the child's end.
    fn own_pipe(&mut self, stream: Stream, apart: bool) -> Result<Option<OwnedFd>, PtyError> {
        if !apart {
            return Ok(None);
        }
        let (from_child, to_us) = pipe()?;
        let channel = Channel::own(from_child).during("open a pipe")?;
        self.sources[usize::from(stream.number())] = Some(channel);
        Ok(Some(to_us))
    }
}
