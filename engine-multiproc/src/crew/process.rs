//! One worker process: started, listened to, reaped.

use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::message::{Hello, Role, ToWorker};
use crate::wire::{Wire, WireError};

/// How often, and how long in between, a killed worker is looked for: it is gone at once unless it
/// waits in the kernel.
const REAP_TRIES: u32 = 20;
const REAP_PAUSE: Duration = Duration::from_millis(1);

/// A worker that runs, or has died unnoticed.
#[derive(Debug)]
pub(crate) struct Worker {
    /// Taken out only when it is dropped.
    process: Option<Child>,
    pub(crate) wire: Wire,
    /// Whether it has said that its part is built.
    pub(crate) ready: bool,
    /// Whether the loop is woken when it takes more than it took.
    pub(crate) watched_for_room: bool,
}

impl Worker {
    /// Starts a worker and greets it. `memory` is what a recorder reads.
    ///
    /// The child inherits a socket, the memory and `/dev/null`, and is in a process group of its
    /// own, so that no key of the terminal reaches it.
    pub(crate) fn start(
        role: Role,
        program: &[OsString],
        memory: Option<&OwnedFd>,
        hello: &Hello,
    ) -> io::Result<Self> {
        let (name, args) = program.split_first().ok_or_else(|| {
            io::Error::new(io::ErrorKind::InvalidInput, "no worker program is set")
        })?;
        let (ours, theirs) = UnixStream::pair()?;
        let memory = memory.map(OwnedFd::try_clone).transpose()?;
        let process = Command::new(name)
            .args(args)
            .arg(role.name())
            .stdin(OwnedFd::from(theirs))
            .stdout(memory.map_or_else(Stdio::null, Stdio::from))
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()?;
        let mut wire = Wire::new(ours);
        match wire.send(&ToWorker::Hello(Box::new(hello.clone()))) {
            // Its end is noticed when it is read from.
            Ok(()) | Err(WireError::HungUp) => {}
            Err(error) => return Err(io::Error::other(error)),
        }
        Ok(Self { process: Some(process), wire, ready: false, watched_for_room: false })
    }

    /// Ends it, whatever it does, and tells how it ended.
    pub(crate) fn end(mut self) -> String {
        let Some(mut process) = self.process.take() else { return "it is gone".into() };
        // One that has died by itself keeps its status.
        let mut status = process.try_wait();
        let _ = process.kill();
        for _ in 0..REAP_TRIES {
            if !matches!(status, Ok(None)) {
                break;
            }
            std::thread::sleep(REAP_PAUSE);
            status = process.try_wait();
        }
        match status {
            Ok(Some(status)) => describe(status),
            Ok(None) => {
                // The kernel holds on to it, for a disk perhaps; the terminal does not wait.
                self.process = Some(process);
                "it does not end".into()
            }
            Err(_) => "it is gone".into(),
        }
    }

    /// Kills it, without waiting.
    pub(crate) fn kill(&mut self) {
        if let Some(process) = &mut self.process {
            let _ = process.kill();
        }
    }
}

impl AsFd for Worker {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.wire.as_fd()
    }
}

impl Drop for Worker {
    /// Hangs up and leaves the process to end by itself.
    fn drop(&mut self) {
        let mut leaving = LEAVING.lock().unwrap_or_else(PoisonError::into_inner);
        leaving.extend(self.process.take());
        leaving.retain_mut(|process| matches!(process.try_wait(), Ok(None)));
    }
}

/// Workers that were left to end by themselves; reaped whenever another one is.
static LEAVING: Mutex<Vec<Child>> = Mutex::new(Vec::new());

fn describe(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(101), _) => "it panicked".into(),
        (Some(code), _) => format!("it ended with status {code}"),
        (_, Some(signal)) => format!("signal {signal} killed it"),
        _ => "it is gone".into(),
    }
}
