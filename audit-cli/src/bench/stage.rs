//! The terminal a subject is run on, played by us.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::fd::AsFd as _;
use std::process::{Child, ExitStatus};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use audit_core::Winsize;
use audit_pty::Pty;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::procs::{self, Cost};
use super::seat::seated;
use super::stop::Stop;

/// A subject that says nothing for so long has failed.
const PATIENCE: Duration = Duration::from_secs(60);

/// What is run: an engine's session, or the relay.
pub(super) struct Subject {
    words: Vec<OsString>,
    env: Vec<(&'static str, OsString)>,
}

impl Subject {
    /// A subject whose seat is told these words; its child's come behind them.
    pub(super) fn new(words: impl IntoIterator<Item = OsString>) -> Self {
        Self { words: words.into_iter().collect(), env: Vec::new() }
    }

    /// With this variable in its environment.
    pub(super) fn with_variable(mut self, name: &'static str, value: impl Into<OsString>) -> Self {
        self.env.push((name, value.into()));
        self
    }

    /// With this child.
    pub(super) fn with_child(mut self, child: &[OsString]) -> Self {
        self.words.push("--".into());
        self.words.extend_from_slice(child);
        self
    }
}

/// A subject that is hung up has so long to end by itself, its own child included.
const GRACE: Duration = Duration::from_secs(5);

/// How often it is looked whether it has.
const LOOK: Duration = Duration::from_millis(5);

/// A subject on its terminal. Dropping it hangs the subject up.
pub(super) struct Stage<'a> {
    /// Dropped first, together, when the subject is to be hung up.
    terminal: Option<(Pty, File)>,
    subject: Child,
    stop: &'a Stop,
}

impl<'a> Stage<'a> {
    /// Starts `subject` on a terminal of 24 × 80.
    ///
    /// # Errors
    /// No terminal can be had, or the program cannot be started.
    pub(super) fn start(subject: &Subject, stop: &'a Stop) -> anyhow::Result<Self> {
        let mut pty = Pty::open()?;
        pty.set_winsize(Winsize::new(24, 80))?;
        let slave = pty.slave().context("a terminal without slave")?.try_clone_to_owned()?;
        let mut command = seated::<&[OsString]>(&subject.words)?;
        command.envs(subject.env.iter().map(|(name, value)| (OsStr::new(name), value)));
        command.stdin(slave.try_clone()?).stdout(slave.try_clone()?).stderr(slave);
        let child = command.spawn().context("start the subject")?;
        // The command holds copies of the slave too, and a slave that is open is never at its end.
        drop(command);
        pty.close_slave();
        let master = File::from(pty.master().try_clone_to_owned()?);
        Ok(Self { terminal: Some((pty, master)), subject: child, stop })
    }

    /// Reads what is shown next into `buffer`; 0 when the terminal is closed.
    ///
    /// # Errors
    /// Nothing came for too long, or somebody asks to stop.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> anyhow::Result<usize> {
        let Some((_, master)) = &mut self.terminal else { return Ok(0) };
        let end = Instant::now() + PATIENCE;
        loop {
            match master.read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.stop.check()?;
                    let left = end.saturating_duration_since(Instant::now());
                    let wait = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
                    let fds = [master.as_fd(), self.stop.fd()];
                    if poll(&mut fds.map(|fd| PollFd::new(fd, PollFlags::POLLIN)), wait)? == 0 {
                        bail!("nothing was shown for {} s", PATIENCE.as_secs());
                    }
                }
                // EIO: everybody has closed the slave (pty(7)).
                Err(_) => return Ok(0),
                Ok(len) => return Ok(len),
            }
        }
    }

    /// Reads until `text` was shown.
    ///
    /// # Errors
    /// The terminal was closed before, or nothing came for too long.
    pub(super) fn await_text(&mut self, text: &[u8]) -> anyhow::Result<()> {
        let (mut seen, mut buffer) = (Vec::new(), [0; 4096]);
        while !seen.windows(text.len()).any(|w| w == text) {
            match self.read(&mut buffer)? {
                0 => bail!("it ended with: {}", String::from_utf8_lossy(&seen).trim()),
                len => seen.extend_from_slice(&buffer[..len]),
            }
        }
        Ok(())
    }

    /// Types `bytes`; few enough for the terminal to take at once.
    ///
    /// # Errors
    /// The terminal does not take them.
    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let Some((_, master)) = &mut self.terminal else { return Ok(()) };
        master.write_all(bytes)
    }

    /// What the subject's own processes have used so far.
    pub(super) fn cost(&self) -> anyhow::Result<Cost> {
        procs::cost(self.subject.id())
    }

    /// Reads and drops the rest, and waits for the subject's end.
    ///
    /// # Errors
    /// It does not end.
    pub(super) fn end(mut self) -> anyhow::Result<ExitStatus> {
        let mut buffer = [0; 4096];
        while self.read(&mut buffer)? > 0 {}
        Ok(self.subject.wait()?)
    }
}

impl Drop for Stage<'_> {
    /// A subject that was waited for is gone. Another one is hung up, so that it ends its own child
    /// and whatever it has started, and is not left behind.
    fn drop(&mut self) {
        self.terminal = None;
        let end = Instant::now() + GRACE;
        while let Ok(None) = self.subject.try_wait() {
            if Instant::now() > end {
                let _ = self.subject.kill();
                let _ = self.subject.wait();
                return;
            }
            std::thread::sleep(LOOK);
        }
    }
}
