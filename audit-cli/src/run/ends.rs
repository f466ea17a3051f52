//! The user's end of a session: which descriptors are terminals, and which are pipes and files.

use std::fs::File;
use std::io::{IsTerminal as _, stderr, stdin, stdout};
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};

use anyhow::Context as _;
use audit_core::{UserEnd, Winsize};

/// The terminal a session has, if it has one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Terminal {
    /// Size of its window, `None` when it does not tell.
    pub(super) winsize: Option<Winsize>,
}

/// The user's end made of the standard descriptors. Without a terminal on standard input the
/// session runs in pipe mode; output that is redirected while there is one stays apart.
///
/// # Errors
/// No descriptor is left.
pub(super) fn user_end() -> anyhow::Result<(UserEnd, Option<Terminal>)> {
    let (input, out, err) = (stdin(), stdout(), stderr());
    if !input.is_terminal() {
        let end = UserEnd {
            input: Some(copy(input.as_fd())?),
            output: copy(out.as_fd())?,
            stdout: None,
            stderr: Some(copy(err.as_fd())?),
            owns_process: true,
        };
        return Ok((end, None));
    }
    let screen = if out.is_terminal() {
        copy(out.as_fd())?
    } else if err.is_terminal() {
        copy(err.as_fd())?
    } else {
        controlling_terminal().map_or_else(|| copy(input.as_fd()), Ok)?
    };
    let winsize = audit_pty::RawTerminal::new(screen.as_fd())?.winsize();
    let end = UserEnd {
        input: Some(copy(input.as_fd())?),
        output: screen,
        stdout: apart(out.is_terminal(), out.as_fd())?,
        stderr: apart(err.is_terminal(), err.as_fd())?,
        owns_process: true,
    };
    Ok((end, Some(Terminal { winsize })))
}

fn apart(is_terminal: bool, fd: BorrowedFd<'_>) -> anyhow::Result<Option<OwnedFd>> {
    if is_terminal { Ok(None) } else { copy(fd).map(Some) }
}

fn controlling_terminal() -> Option<OwnedFd> {
    File::options().read(true).write(true).open("/dev/tty").ok().map(OwnedFd::from)
}

fn copy(fd: BorrowedFd<'_>) -> anyhow::Result<OwnedFd> {
    fd.try_clone_to_owned().context("duplicate a standard descriptor")
}
