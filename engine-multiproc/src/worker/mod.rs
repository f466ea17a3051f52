//! The life of a worker process, from its start to its end.
//!
//! A worker is started with its socket to the relay as standard input, the staging memory as
//! standard output if it records, and its role as last argument. It leads a process group of its
//! own and blocks the signals a terminal or a service manager sends to everybody: it ends when its
//! socket does, with everything done that was handed to it.

mod home;
mod judge;
mod link;
mod record;

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::ExitCode;

use audit_core::{PartError, Toolkit};
use nix::sys::prctl;
use nix::sys::signal::{SigSet, Signal};
use nix::unistd::{dup2_stdin, dup2_stdout};

use crate::message::{FromWorker, Role, ToWorker};
use crate::sys;
use home::Home;

/// Signals that are meant for the session and not for its workers.
const NOT_OURS: [Signal; 7] = [
    Signal::SIGINT,
    Signal::SIGQUIT,
    Signal::SIGHUP,
    Signal::SIGTERM,
    Signal::SIGTSTP,
    Signal::SIGTTIN,
    Signal::SIGTTOU,
];

/// The whole life of a worker process: what a program runs when it is started with
/// [`audit_core::EngineSettings::worker`] and the role the engine adds as last argument.
///
/// `toolkit` must hold the same parts under the same names as the relay's. Call this before
/// anything else in `main`: descriptors the process inherited are closed, its signal mask, standard
/// input and output are changed.
pub fn worker_main(toolkit: &Toolkit, args: impl Iterator<Item = OsString>) -> ExitCode {
    let Some(role) = args.last().as_deref().and_then(Role::named) else {
        eprintln!("a worker is started by the multiproc engine only");
        return ExitCode::from(2);
    };
    match live(role, toolkit) {
        Ok(()) => ExitCode::SUCCESS,
        // Nobody reads what a worker says; the relay sees how it ends.
        Err(_) => ExitCode::FAILURE,
    }
}

fn live(role: Role, toolkit: &Toolkit) -> io::Result<()> {
    sys::close_inherited();
    SigSet::from_iter(NOT_OURS).thread_set_mask()?;
    // What a monitor or a controller holds is not for other processes of the same user.
    let _ = prctl::set_dumpable(false);
    let _ = prctl::set_name(match role {
        Role::Recorder => c"audit-recorder",
        Role::Monitor => c"audit-monitor",
        Role::Link => c"audit-link",
    });
    let (socket, memory) = take_standard_descriptors()?;
    let mut home = Home::new(socket);
    let Some(ToWorker::Hello(hello)) = home.read()? else { return Ok(()) };
    let spec = &hello.spec;
    match (role, hello.staged) {
        (Role::Recorder, Some(staged)) => {
            let recorder = build(&home, toolkit.recorder(spec))?;
            record::serve(recorder, home, &memory, staged)
        }
        (Role::Monitor, _) => match build(&home, toolkit.monitor(spec))? {
            Some(monitor) => judge::serve(monitor, home),
            None => Ok(()),
        },
        (Role::Link, _) => match build(&home, toolkit.controller(spec))? {
            Some(controller) => link::serve(controller, home),
            None => Ok(()),
        },
        (Role::Recorder, None) => Err(io::ErrorKind::InvalidData.into()),
    }
}

/// Takes socket and memory off the standard descriptors, which anything this process starts would
/// inherit.
fn take_standard_descriptors() -> io::Result<(UnixStream, OwnedFd)> {
    let socket = io::stdin().as_fd().try_clone_to_owned()?;
    let memory = io::stdout().as_fd().try_clone_to_owned()?;
    let null = File::options().read(true).write(true).open("/dev/null")?;
    dup2_stdin(&null)?;
    dup2_stdout(&null)?;
    Ok((UnixStream::from(socket), memory))
}

/// Tells the relay how building a part went.
fn build<P>(home: &Home, built: Result<P, PartError>) -> io::Result<P> {
    match built {
        Ok(part) => {
            home.send(&FromWorker::Ready)?;
            audit_pty::give_back();
            Ok(part)
        }
        Err(PartError { part, reason }) => {
            home.send(&FromWorker::Refused { part, reason })?;
            Err(io::ErrorKind::Other.into())
        }
    }
}
