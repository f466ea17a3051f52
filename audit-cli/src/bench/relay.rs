//! The bare relay: `poll(2)`, read, write, and nothing else. What an engine costs is what it takes
//! more than this.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::fd::AsFd as _;

use anyhow::Context as _;
use audit_core::Winsize;
use audit_pty::{Pty, RawTerminal};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::seat::seated;

/// As large as an engine's buffer is unless it is configured.
const BUFFER: usize = 64 << 10;

/// Runs `command` on a terminal of its own and copies between that and ours.
///
/// # Errors
/// No terminal can be had, or the command cannot be started.
pub(super) fn relay(command: &[OsString]) -> anyhow::Result<u8> {
    let mut pty = Pty::open()?;
    pty.set_winsize(Winsize::new(24, 80))?;
    let slave = pty.slave().context("a terminal without slave")?.try_clone_to_owned()?;
    let mut child = {
        let mut start = seated(std::iter::once(&OsString::from("--")).chain(command))?;
        start.stdin(slave.try_clone()?).stdout(slave.try_clone()?).stderr(slave);
        start.spawn().context("start the child")?
    };
    pty.close_slave();
    let mut terminal = RawTerminal::new(io::stdin().as_fd())?;
    terminal.enter()?;
    copy(&pty).context("relay")?;
    terminal.leave();
    // A child whose relay was hung up is hung up too.
    drop(pty);
    let status = child.wait()?;
    Ok(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1))
}

/// Copies both ways until the child's terminal is closed.
fn copy(pty: &Pty) -> io::Result<()> {
    let mut master = File::from(pty.master().try_clone_to_owned()?);
    let mut user = File::from(io::stdin().as_fd().try_clone_to_owned()?);
    let mut buffer = vec![0; BUFFER];
    loop {
        let mut fds = [
            PollFd::new(pty.master(), PollFlags::POLLIN),
            PollFd::new(user.as_fd(), PollFlags::POLLIN),
        ];
        poll(&mut fds, PollTimeout::NONE)?;
        let [output, input] = fds.map(|fd| fd.any().unwrap_or(false));
        if output {
            match master.read(&mut buffer) {
                // The child's end is closed: on a master that is EIO (pty(7)).
                Ok(0) | Err(_) => return Ok(()),
                Ok(len) => user.write_all(&buffer[..len])?,
            }
        }
        if input {
            match user.read(&mut buffer)? {
                0 => return Ok(()),
                len => master.write_all(&buffer[..len])?,
            }
        }
    }
}
