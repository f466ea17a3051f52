//! The owner: takes what the other threads bring, in one place.

use std::os::fd::OwnedFd;
use std::time::Instant;

use audit_core::lanes::LaneSet;
use audit_core::{EngineError, Mail, Mailbox, Outcome, Port, Session, Stream};
use audit_pty::{Driver, Progress, Read, Readers, Side};
use crossbeam_channel::{Receiver, Sender, never, select, unbounded};

use crate::lanes::ThreadedLanes;
use crate::threads::{self, Output, Stop, Stopped};

/// What the other threads bring, apart from the child's output.
#[derive(Debug)]
pub(crate) enum News {
    /// The user's input can be read.
    Input,
    /// This port has room again.
    Room(Port),
    /// The child has ended.
    Child,
    /// A signal came.
    Signals,
    /// A lane or an operator has news.
    Mail(Mail),
}

/// The owner's channel and the mailbox that posts to it.
pub(crate) fn news() -> ((Sender<News>, Receiver<News>), Mailbox) {
    let (sender, receiver) = unbounded();
    let posts = sender.clone();
    let mailbox = Mailbox::new(move |mail| {
        // A session that is over takes no mail.
        let _ = posts.send(News::Mail(mail));
    });
    ((sender, receiver), mailbox)
}

/// Runs a session to its end on this thread.
pub(crate) fn drive(
    session: Session,
    mailbox: Mailbox,
    (sender, receiver): &(Sender<News>, Receiver<News>),
) -> Result<Outcome, EngineError> {
    let buffer_size = session.spec.buffer_size;
    let driver = Driver::open(session, &ThreadedLanes, mailbox)?;
    let mut owner = Owner::new(driver, sender.clone(), buffer_size)
        .map_err(|error| EngineError::new("starting a session's threads", error))?;
    while !owner.driver.is_over() {
        owner.turn(receiver);
    }
    let Owner { driver, stop, .. } = owner;
    drop(stop);
    driver.finish().ok_or_else(|| EngineError::new("session", "it ended without an outcome"))
}

/// The output streams in the order of [`Owner::outputs`].
const OUTPUTS: [Stream; 3] = [Stream::Tty, Stream::Stdout, Stream::Stderr];

struct Owner {
    driver: Driver<LaneSet>,
    news: Sender<News>,
    stop: Stop,
    stopped: Stopped,
    /// What readers have read of the child, in the order of [`OUTPUTS`].
    outputs: [Output; 3],
    /// Asks the user's reader to wait again; `None` for a file, which is always ready.
    input: Option<Sender<()>>,
    input_ready: bool,
    input_asked: bool,
    /// The sentries for the child's end and for signals, asked anew after each answer.
    sentries: [Option<Sender<()>>; 2],
    /// Writers, started when a write first finds no room: the child's and the user's.
    writers: [Option<Sender<(Port, OwnedFd)>>; 2],
    awaited: [bool; 4],
}

impl Owner {
    fn new(
        mut driver: Driver<LaneSet>,
        news: Sender<News>,
        buffer_size: usize,
    ) -> std::io::Result<Self> {
        let (stop, stopped) = threads::stop()?;
        let mut outputs = [Output::none(), Output::none(), Output::none()];
        for (output, stream) in outputs.iter_mut().zip(OUTPUTS) {
            if let Some(fd) = driver.ends().fd(Side::From(stream)) {
                let fd = fd.try_clone_to_owned()?;
                *output = threads::read_output(stream, fd, buffer_size, stopped.clone())?;
            }
        }
        let sentry = |name, side, what: fn() -> News| {
            let Some(fd) = driver.ends().fd(side) else { return Ok(None) };
            let fd = fd.try_clone_to_owned()?;
            threads::tell_readable(name, fd, news.clone(), what, stopped.clone()).map(Some)
        };
        let always = driver.ends().always_ready(Side::From(Stream::Input));
        let input =
            if always { None } else { sentry("input", Side::From(Stream::Input), || News::Input)? };
        let sentries = [
            sentry("child", Side::Child, || News::Child)?,
            sentry("signals", Side::Signals, || News::Signals)?,
        ];
        for sentry in sentries.iter().flatten() {
            let _ = sentry.send(());
        }
        driver.leave_output_to(Box::new(Brought(outputs.clone())));
        Ok(Self {
            driver,
            news,
            stop,
            stopped,
            outputs,
            input_ready: input.is_none(),
            input,
            input_asked: false,
            sentries,
            writers: [None, None],
            awaited: [false; 4],
        })
    }

    /// Waits for one thing and does it.
    fn turn(&mut self, news: &Receiver<News>) {
        let wants = self.driver.wants();
        if wants.read.user && self.read_input() {
            return;
        }
        self.await_room(&wants.write);
        for (output, stream) in self.outputs.iter_mut().zip(OUTPUTS) {
            // Closed towards the child: the reader must let go of its duplicate too.
            if self.driver.ends().fd(Side::From(stream)).is_none() {
                *output = Output::none();
            }
        }
        let nothing = never();
        let wanted = |at: usize| {
            if wants.read.wants(OUTPUTS[at]) { &self.outputs[at].chunks } else { &nothing }
        };
        let alarm = wants.deadline.map_or_else(never, crossbeam_channel::at);
        // Under a flood the next chunk is there already: taking it costs no wake-up. News go first.
        let (tty, stdout, stderr) = (wanted(0), wanted(1), wanted(2));
        let (at, read) = match news.try_recv() {
            Ok(letter) => return self.learn(letter),
            Err(_) => match tty.try_recv() {
                Ok(read) => (0, Ok(read)),
                Err(_) => select! {
                    recv(news) -> letter => return letter.into_iter().for_each(|l| self.learn(l)),
                    recv(tty) -> read => (0, read),
                    recv(stdout) -> read => (1, read),
                    recv(stderr) -> read => (2, read),
                    recv(alarm) -> _ => return self.driver.timeout(),
                },
            },
        };
        // A reader that is gone has brought the end of its stream before.
        self.take(at, read.unwrap_or(Read::Closed));
        if wants.deadline.is_some_and(|due| due <= Instant::now()) {
            self.driver.timeout();
        }
    }

    fn take(&mut self, at: usize, read: Read) {
        if read == Read::Closed {
            self.outputs[at] = Output::none();
        }
        self.driver.took(OUTPUTS[at], read);
    }

    fn learn(&mut self, news: News) {
        match news {
            News::Input => {
                self.input_asked = false;
                self.input_ready = true;
            }
            News::Room(port) => {
                self.awaited[port.index()] = false;
                self.driver.writable(port);
            }
            News::Child => {
                self.driver.child_ready();
                self.watch_on(0, Side::Child);
            }
            News::Signals => {
                self.driver.signals_ready();
                self.watch_on(1, Side::Signals);
            }
            News::Mail(mail) => self.driver.mail(mail),
        }
    }

    fn watch_on(&mut self, sentry: usize, side: Side) {
        if self.driver.ends().fd(side).is_none() {
            self.sentries[sentry] = None;
        }
        if let Some(sentry) = &self.sentries[sentry] {
            let _ = sentry.send(());
        }
    }

    /// Reads the user once if there is something; else has its reader wait. Whether it read.
    fn read_input(&mut self) -> bool {
        if self.input_ready {
            match self.driver.read(Stream::Input) {
                Progress::Made => {
                    self.input_ready = self.input.is_none();
                    return true;
                }
                Progress::Blocked => self.input_ready = self.input.is_none(),
                Progress::Unwanted => return false,
            }
        }
        if !self.input_asked
            && let Some(input) = &self.input
        {
            self.input_asked = true;
            let _ = input.send(());
        }
        false
    }

    /// Has the writers wait for room where a write found none.
    fn await_room(&mut self, full: &[bool; 4]) {
        for (at, port) in Port::ALL.into_iter().enumerate() {
            if !full[at] || self.awaited[at] {
                continue;
            }
            let Some(fd) = self.driver.ends().fd(Side::To(port)) else { continue };
            let Ok(fd) = fd.try_clone_to_owned() else { continue };
            let (writer, name) =
                if port == Port::Child { (0, "child-writer") } else { (1, "user-writer") };
            if self.writers[writer].is_none() {
                let (news, stopped) = (self.news.clone(), self.stopped.clone());
                self.writers[writer] = threads::await_room(name, news, stopped).ok();
            }
            if let Some(writer) = &self.writers[writer] {
                self.awaited[at] = writer.send((port, fd)).is_ok();
            }
        }
    }
}

/// What the readers have brought, for the driver.
#[derive(Debug)]
struct Brought([Output; 3]);

impl Readers for Brought {
    fn next_there(&mut self, stream: Stream) -> Option<Read> {
        let at = OUTPUTS.into_iter().position(|output| output == stream)?;
        self.0[at].next_there()
    }

    fn close(&mut self, stream: Stream) {
        if let Some(at) = OUTPUTS.into_iter().position(|output| output == stream) {
            self.0[at] = Output::none();
        }
    }
}
