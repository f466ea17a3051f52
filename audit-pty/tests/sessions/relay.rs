//! The smallest engine there can be: one session, `poll(2)`, lanes that keep nothing but a count.

use std::collections::VecDeque;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use audit_core::lanes::{Lanes, MakeLanes};
use audit_core::{
    CommandSpec, Durability, EngineError, Identity, Mail, Mailbox, Notice, Part, Policy, Port,
    Record, Request, Session, SessionId, SessionSpec, Stream, Toolkit, UserEnd, Window, Winsize,
};
use audit_pty::{Driver, Progress, Side};
use nix::unistd::isatty;

/// Runs `command` with the standard descriptors as the user's end; returns its exit status.
pub(crate) fn run(command: &[String]) -> i32 {
    let session = Session {
        spec: spec(command),
        user: user(),
        toolkit: Arc::new(Toolkit::new()),
        seed: [7; 32],
    };
    let mut driver = Driver::open(session, &Nothing, Mailbox::new(|_| {})).unwrap();
    while !driver.is_over() {
        turn(&mut driver);
    }
    driver.finish().unwrap().status()
}

fn user() -> UserEnd {
    let own = |fd: &dyn AsFdExt| fd.duplicate();
    let terminal = isatty(std::io::stdin()).unwrap();
    let shown = isatty(std::io::stdout()).unwrap();
    let told = isatty(std::io::stderr()).unwrap();
    UserEnd {
        input: Some(own(&std::io::stdin())),
        output: if terminal && !shown { own(&std::io::stdin()) } else { own(&std::io::stdout()) },
        stdout: (terminal && !shown).then(|| own(&std::io::stdout())),
        stderr: (!terminal || !told).then(|| own(&std::io::stderr())),
        owns_process: std::env::var_os("AUDITTY_TEST_SERVED").is_none(),
    }
}

trait AsFdExt {
    fn duplicate(&self) -> OwnedFd;
}

impl<F: AsFd> AsFdExt for F {
    fn duplicate(&self) -> OwnedFd {
        self.as_fd().try_clone_to_owned().unwrap()
    }
}

fn spec(command: &[String]) -> SessionSpec {
    SessionSpec {
        id: SessionId::new(0, [0; 10]),
        parent: None,
        user: Identity::service("test"),
        host: "test".into(),
        opened_unix_millis: 0,
        engine: "relay".into(),
        command: CommandSpec::new(&command[0], &command[1..]),
        pty: isatty(std::io::stdin()).unwrap(),
        winsize: Winsize::new(24, 80),
        buffer_size: 65_536,
        policy: Policy::default(),
        recorder: Part::new("none", serde_json::Value::Null),
        monitor: None,
        controller: None,
    }
}

fn turn(driver: &mut Driver<Kept>) {
    let wants = driver.wants();
    let mut waits = vec![(Side::Child, libc::POLLIN), (Side::Signals, libc::POLLIN)];
    waits.extend(
        Stream::ALL
            .into_iter()
            .filter(|stream| wants.read.wants(*stream))
            .map(|stream| (Side::From(stream), libc::POLLIN)),
    );
    waits.extend(
        Port::ALL
            .into_iter()
            .zip(wants.write)
            .filter(|(_, wanted)| *wanted)
            .map(|(port, _)| (Side::To(port), libc::POLLOUT)),
    );
    waits.retain(|(side, _)| driver.ends().fd(*side).is_some());
    let mut fds: Vec<_> = waits
        .iter()
        .map(|(side, events)| libc::pollfd {
            fd: driver.ends().fd(*side).unwrap().as_raw_fd(),
            events: *events,
            revents: 0,
        })
        .collect();
    let wait = wants.deadline.map_or(-1, |at| {
        let left = at.saturating_duration_since(Instant::now()) + Duration::from_micros(999);
        i32::try_from(left.as_millis()).unwrap_or(i32::MAX)
    });
    // SAFETY: the pointer and the length describe the entries.
    unsafe { libc::poll(fds.as_mut_ptr(), fds.len() as libc::nfds_t, wait) };
    for ((side, _), fd) in waits.into_iter().zip(fds) {
        if fd.revents == 0 {
            continue;
        }
        match side {
            Side::From(stream) => {
                let _: Progress = driver.read(stream);
            }
            Side::To(port) => driver.writable(port),
            Side::Child => driver.child_ready(),
            Side::Signals => driver.signals_ready(),
        }
    }
    if wants.deadline.is_some_and(|at| at <= Instant::now()) {
        driver.timeout();
    }
}

struct Nothing;

impl MakeLanes for Nothing {
    type Parts = ();
    type Lanes = Kept;

    fn prepare(&self, _: &SessionSpec, _: &Toolkit) -> Result<(), EngineError> {
        Ok(())
    }

    fn start(&self, (): (), _: Mailbox) -> Result<Kept, EngineError> {
        Ok(Kept::default())
    }
}

/// Counts records and acknowledges them at once.
#[derive(Default)]
struct Kept {
    last: u64,
    mail: VecDeque<Mail>,
}

impl Lanes for Kept {
    fn record(&mut self, record: Record) {
        self.last = record.seq;
    }

    fn flush(&mut self, _: Durability) {
        self.mail.push_back(Mail::Recorded { through: self.last });
    }

    fn close(&mut self) {
        self.flush(Durability::Process);
        self.mail.push_back(Mail::RecorderClosed { failure: None });
    }

    fn inspect(&mut self, _: Window) {}

    fn judge(&mut self, _: Request) {}

    fn publish(&mut self, _: Notice) {}

    fn take_mail(&mut self) -> Option<Mail> {
        self.mail.pop_front()
    }

    fn end(&mut self, _: Duration) {}
}
