//! A sixth engine: `poll(2)`, one session at a time, everything on one thread.

use std::os::fd::AsFd as _;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use audit_core::lanes::Lanes;
use audit_core::{
    Engine, EngineEntry, EngineError, EngineSettings, Mail, Mailbox, Outcome, Session,
    SessionHandle, Stream,
};
use audit_pty::{Driver, Progress, Side};
use engine_poll::PollLanes;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::eventfd::{EfdFlags, EventFd};

// ANCHOR: entry
/// The engine's line in the table of engines.
pub const ENTRY: EngineEntry = EngineEntry {
    name: "plain",
    aliases: &[],
    purpose: "poll(2) and nothing else: an example",
    build: |_: &EngineSettings| Ok(Box::new(Plain)),
};

struct Plain;

impl Engine for Plain {
    fn name(&self) -> &'static str {
        ENTRY.name
    }

    fn open(&self, session: Session) -> Result<SessionHandle, EngineError> {
        let (letters, mailbox) = inbox()?;
        let (handle, outcome) = SessionHandle::new(mailbox.clone());
        std::thread::spawn(move || {
            // Nobody waits for it if the handle was dropped.
            let _ = outcome.send(drive(session, &letters, mailbox));
        });
        Ok(handle)
    }
}
// ANCHOR_END: entry

// ANCHOR: mailbox
/// What others put into the session's mailbox, and what wakes the loop for it.
struct Letters {
    mail: Receiver<Mail>,
    bell: std::sync::Arc<EventFd>,
}

fn inbox() -> Result<(Letters, Mailbox), EngineError> {
    let flags = EfdFlags::EFD_NONBLOCK | EfdFlags::EFD_CLOEXEC;
    let bell = EventFd::from_flags(flags).map_err(|error| EngineError::new("eventfd", error))?;
    let bell = std::sync::Arc::new(bell);
    let (sender, mail) = channel();
    let ring = bell.clone();
    let mailbox = Mailbox::new(move |mail| {
        // Both fail only when the session is over: its mail is dropped then.
        if sender.send(mail).is_ok() {
            let _ = ring.write(1);
        }
    });
    Ok((Letters { mail, bell }, mailbox))
}
// ANCHOR_END: mailbox

// ANCHOR: drive
fn drive(session: Session, letters: &Letters, mailbox: Mailbox) -> Result<Outcome, EngineError> {
    let mut driver = Driver::open(session, &PollLanes, mailbox)?;
    while !driver.is_over() {
        let (ready, rung) = wait(&driver, letters)?;
        if rung {
            let _ = letters.bell.read();
            letters.mail.try_iter().for_each(|mail| driver.mail(mail));
        }
        for side in ready {
            match side {
                Side::From(stream) => while driver.read(stream) == Progress::Made {},
                Side::To(port) => driver.writable(port),
                Side::Child => driver.child_ready(),
                Side::Signals => driver.signals_ready(),
            }
        }
        if driver.wants().deadline.is_some_and(|at| at <= Instant::now()) {
            driver.timeout();
        }
    }
    driver.finish().ok_or_else(|| EngineError::new("session", "it ended without an outcome"))
}

/// Waits for anything the driver wants; returns what is ready, and whether there is mail.
fn wait<L: Lanes>(driver: &Driver<L>, letters: &Letters) -> Result<(Vec<Side>, bool), EngineError> {
    let wants = driver.wants();
    let is_wanted = |side: &Side| match side {
        Side::From(stream) => wants.read.wants(*stream),
        Side::To(port) => {
            audit_core::Port::ALL.into_iter().zip(wants.write).any(|w| w == (*port, true))
        }
        Side::Child | Side::Signals => true,
    };
    let ends = driver.ends();
    let (mut sides, mut ready, mut fds) = (Vec::new(), Vec::new(), Vec::new());
    for side in Side::ALL.into_iter().filter(is_wanted) {
        let Some(fd) = ends.fd(side) else { continue };
        // Regular files are always ready, whatever poll(2) would say.
        if ends.always_ready(side) {
            ready.push(side);
            continue;
        }
        let flags =
            if matches!(side, Side::To(_)) { PollFlags::POLLOUT } else { PollFlags::POLLIN };
        fds.push(PollFd::new(fd, flags));
        sides.push(side);
    }
    fds.push(PollFd::new(letters.bell.as_fd(), PollFlags::POLLIN));
    let until = wants.deadline.map(|at| at.saturating_duration_since(Instant::now()));
    let timeout = match until {
        _ if !ready.is_empty() => PollTimeout::ZERO,
        // Rounded up: a millisecond too early would wake us for nothing.
        Some(span) => {
            PollTimeout::try_from(span + Duration::from_millis(1)).unwrap_or(PollTimeout::MAX)
        }
        None => PollTimeout::NONE,
    };
    match poll(&mut fds, timeout) {
        Ok(_) | Err(nix::errno::Errno::EINTR) => {}
        Err(error) => return Err(EngineError::new("poll", error)),
    }
    let happened = |fd: &PollFd<'_>| fd.any().unwrap_or(false);
    ready.extend(sides.into_iter().zip(&fds).filter(|(_, fd)| happened(fd)).map(|(side, _)| side));
    Ok((ready, fds.last().is_some_and(happened)))
}
// ANCHOR_END: drive

fn main() {
    println!("{}: {}", ENTRY.name, ENTRY.purpose);
    println!("reads {:?} and the child's streams", Stream::Input);
}
