//! What starts a program on a terminal, as its session's leader.
//!
//! A hidden command of ours and not a hook between fork and exec: such a hook is `unsafe`, and a
//! process that has just been started may do as it likes.

use std::fs::File;
use std::io;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use anyhow::Context as _;

use super::relay;
use crate::args::SeatArgs;
use crate::failure::Failure;

/// Takes the terminal on standard input as its own and becomes the program, or relays to it.
///
/// # Errors
/// There is no terminal, or the program cannot be run.
pub(crate) fn seat(args: &SeatArgs) -> anyhow::Result<u8> {
    let name = nix::unistd::ttyname(io::stdin()).context("find the terminal")?;
    nix::unistd::setsid().context("lead a session")?;
    // Opened by a session's leader that has none, a terminal becomes its own (tty_ioctl(4)).
    let own = File::options().read(true).write(true).open(&name);
    drop(own.with_context(|| format!("open {}", name.display()))?);
    if args.relay {
        return relay::relay(&args.command);
    }
    let (program, rest) = args.command.split_first().context("no program")?;
    let error = Command::new(program).args(rest).exec();
    Err(Failure::new(126, format!("{}: {error}", program.to_string_lossy())).into())
}

/// `command` through [`seat`].
///
/// # Errors
/// The path of this program is unknown.
pub(super) fn seated<I: IntoIterator<Item: AsRef<std::ffi::OsStr>>>(
    words: I,
) -> io::Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("bench-seat").args(words);
    Ok(command)
}
