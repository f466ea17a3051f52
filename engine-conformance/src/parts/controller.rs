//! The controller: orders come out of a FIFO, notices go into a file.

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::Read;
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use audit_core::{Command, Controller, ControllerError, Notice, PartError, SessionSpec, Wake};
use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::eventfd::{EfdFlags, EventFd};
use nix::sys::stat::Mode;

use super::{NOTICES, Switch, directory};
use crate::frames;

/// The FIFO of orders, frames of `Command`.
const ORDERS: &str = "orders";

/// How often a waiting controller looks whether its link is down.
const LOOK: Duration = Duration::from_millis(50);

struct Fifo {
    dir: PathBuf,
    notices: File,
    fifo: File,
    read: Vec<u8>,
    orders: VecDeque<Command>,
    woken: Arc<EventFd>,
}

/// Makes the FIFO of a scene and holds it open, so that an order outlives a controller.
pub(crate) fn make_fifo(dir: &Path) -> File {
    nix::unistd::mkfifo(&dir.join(ORDERS), Mode::S_IRWXU).expect("a FIFO in the scene's directory");
    open_fifo(dir).expect("the FIFO just made")
}

fn open_fifo(dir: &Path) -> std::io::Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(OFlag::O_NONBLOCK.bits())
        .open(dir.join(ORDERS))
}

/// Builds the controller.
pub(super) fn build(spec: &SessionSpec) -> Result<Box<dyn Controller>, PartError> {
    let dir = directory(spec.controller.as_ref(), spec)?;
    let failed =
        |error: std::io::Error| PartError { part: "fifo".into(), reason: error.to_string() };
    let notices = frames::open(&dir.join(NOTICES)).map_err(failed)?;
    let fifo = open_fifo(&dir).map_err(failed)?;
    let flags = EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK;
    let woken = EventFd::from_value_and_flags(0, flags).map_err(|e| failed(e.into()))?;
    Ok(Box::new(Fifo {
        dir,
        notices,
        fifo,
        read: Vec::new(),
        orders: VecDeque::new(),
        woken: Arc::new(woken),
    }))
}

impl Fifo {
    fn check(&self) -> Result<(), ControllerError> {
        Switch::LinkPanics.panic_once(&self.dir);
        Switch::LinkStalls.wait_while_on(&self.dir);
        if Switch::LinkIsDown.is_on(&self.dir) {
            return Err(ControllerError { reason: "the link is down".into() });
        }
        Ok(())
    }

    fn take_orders(&mut self) {
        let mut chunk = [0; 4096];
        while let Ok(count @ 1..) = self.fifo.read(&mut chunk) {
            self.read.extend_from_slice(&chunk[..count]);
        }
        let (orders, used) = frames::parse(&self.read);
        self.read.drain(..used);
        self.orders.extend(orders);
    }
}

impl Controller for Fifo {
    fn publish(&mut self, notice: &Notice) -> Result<(), ControllerError> {
        self.check()?;
        frames::append(&mut self.notices, &frames::frame(notice))
            .map_err(|error| ControllerError { reason: error.to_string() })
    }

    fn receive(&mut self, wait: Duration) -> Result<Option<Command>, ControllerError> {
        let start = Instant::now();
        loop {
            self.check()?;
            self.take_orders();
            if let Some(order) = self.orders.pop_front() {
                return Ok(Some(order));
            }
            let left = wait.saturating_sub(start.elapsed());
            if left.is_zero() {
                return Ok(None);
            }
            let look = PollTimeout::try_from(left.min(LOOK)).unwrap_or(PollTimeout::ZERO);
            let mut ready = [
                PollFd::new(self.fifo.as_fd(), PollFlags::POLLIN),
                PollFd::new(self.woken.as_fd(), PollFlags::POLLIN),
            ];
            // An interrupted wait is a short one.
            let _ = poll(&mut ready, look);
            if self.woken.read().is_ok() {
                return Ok(None);
            }
        }
    }

    fn wake(&self) -> Wake {
        let woken = Arc::clone(&self.woken);
        Arc::new(move || {
            // Full means that it is woken already.
            let _ = woken.write(1);
        })
    }
}
