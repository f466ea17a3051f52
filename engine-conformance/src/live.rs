//! A session that runs inside the test process.

use std::io::Write;
use std::ops::{Deref, DerefMut};
use std::path::Path;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use audit_core::{
    Action, Command, Engine, EngineError, Identity, Mail, Mailbox, News, Notice, Outcome, Session,
    Stream,
};

use crate::frames;
use crate::journal::{Journal, MASK};
use crate::parts::{NOTICES, Seen, WINDOWS};
use crate::patience::{PATIENCE, until};
use crate::scene::Dir;
use crate::terminal::{Terminal, find};

/// A running session and its user's terminal, to which it derefs.
pub(crate) struct Live {
    pub(crate) terminal: Terminal,
    files: Files,
    mailbox: Mailbox,
    outcome: mpsc::Receiver<Result<Outcome, EngineError>>,
}

/// What the parts of a session left in its directory.
#[derive(Clone)]
pub(crate) struct Files(pub(crate) Arc<Dir>);

/// A session that is over.
pub(crate) struct Ended {
    pub(crate) outcome: Outcome,
    pub(crate) journal: Journal,
    pub(crate) terminal: Terminal,
    pub(crate) files: Files,
}

impl Live {
    /// Opens a session.
    pub(crate) fn open(
        engine: &Arc<dyn Engine>,
        session: Session,
        dir: Arc<Dir>,
        terminal: Terminal,
    ) -> Self {
        let handle = engine.open(session).expect("the engine opens a session");
        let mailbox = handle.mailbox().clone();
        let (sender, outcome) = mpsc::channel();
        let engine = Arc::clone(engine);
        std::thread::spawn(move || {
            let outcome = handle.wait();
            drop(engine);
            // Nobody waits any more when the scenario has failed.
            let _ = sender.send(outcome);
        });
        Self { terminal, files: Files(dir), mailbox, outcome }
    }

    /// Gives an order as an operator, through the session's mailbox.
    pub(crate) fn order(&self, action: Action) {
        self.mailbox.send(order(0, action));
    }

    /// The way to send the session an order.
    pub(crate) fn mailbox(&self) -> &Mailbox {
        &self.mailbox
    }

    /// What the parts wrote so far.
    pub(crate) fn files(&self) -> &Files {
        &self.files
    }

    /// Whether the engine has told the outcome. A second call would miss it.
    pub(crate) fn is_over(&self) -> bool {
        !matches!(self.outcome.try_recv(), Err(mpsc::TryRecvError::Empty))
    }

    /// Waits for the end and checks the whole recording.
    pub(crate) fn end(self) -> Ended {
        let ended = self.end_unchecked();
        ended.journal.check_whole(&ended.outcome);
        ended
    }

    /// Waits for the end; the recording is for the scenario to check.
    pub(crate) fn end_unchecked(self) -> Ended {
        let Self { terminal, files, outcome, .. } = self;
        let outcome = match outcome.recv_timeout(PATIENCE) {
            Ok(outcome) => outcome.expect("the engine ends a session with an outcome"),
            Err(_) => panic!("the session does not end; {}", files.journal().summary()),
        };
        // The master gives what is in it before it tells that the slave is closed.
        if !terminal.is_closed() {
            terminal.wait_for_end();
        }
        let journal = files.journal();
        Ended { outcome, journal, terminal, files }
    }
}

impl Deref for Live {
    type Target = Terminal;

    fn deref(&self) -> &Terminal {
        &self.terminal
    }
}

impl DerefMut for Live {
    fn deref_mut(&mut self) -> &mut Terminal {
        &mut self.terminal
    }
}

/// Somebody who is not the session's user.
pub(crate) fn operator() -> Identity {
    Identity::person("operator", 4_000_000)
}

/// An order of an operator, as mail for a session.
pub(crate) fn order(id: u64, action: Action) -> Mail {
    Mail::Command(command(id, action))
}

fn command(id: u64, action: Action) -> Command {
    Command { id, by: operator(), action }
}

impl Files {
    /// The scene's directory.
    pub(crate) fn dir(&self) -> &Path {
        self.0.path()
    }

    /// What is recorded so far.
    pub(crate) fn journal(&self) -> Journal {
        Journal::read(self.dir())
    }

    /// What was told so far.
    pub(crate) fn notices(&self) -> Vec<Notice> {
        frames::read(&self.dir().join(NOTICES)).0
    }

    /// What the monitor saw so far.
    pub(crate) fn windows(&self) -> Vec<Seen> {
        frames::read(&self.dir().join(WINDOWS)).0
    }

    /// Waits for news.
    pub(crate) fn await_news<T>(&self, what: &str, mut is: impl FnMut(&News) -> Option<T>) -> T {
        until(what, || self.notices().iter().find_map(|notice| is(&notice.news)))
    }

    /// Waits for an alarm of this name.
    pub(crate) fn await_alarm(&self, wanted: &str) {
        self.await_news(wanted, |news| match news {
            News::Alarm { name, .. } if name == wanted => Some(()),
            _ => None,
        });
    }

    /// Process id of the child, as the notices tell it.
    pub(crate) fn child(&self) -> i32 {
        self.await_news("the child's process id", |news| match news {
            News::Opened { pid } => Some(*pid),
            _ => None,
        })
    }

    /// Process id that the child wrote into this file.
    pub(crate) fn pid(&self, name: &str) -> i32 {
        let text = std::fs::read_to_string(self.dir().join(name)).expect("the child wrote it");
        text.trim().parse().expect("a process id")
    }

    /// Gives an order as an operator, through the controller's link.
    pub(crate) fn order_by_link(&self, id: u64, action: Action) {
        let frame = frames::frame(&command(id, action));
        self.0.orders().write_all(&frame).expect("a FIFO has room for an order");
    }

    /// Waits for the answer to the order with this number.
    pub(crate) fn await_answer(&self, id: u64) -> Result<(), String> {
        self.await_news("an answer", |news| match news {
            News::Answer { command, result } if *command == id => Some(result.clone()),
            _ => None,
        })
    }

    /// Checks that a secret is in no file of any part, and in no recorded stream.
    ///
    /// # Panics
    /// It is.
    pub(crate) fn check_secrecy(&self, secret: &str) {
        let secret = secret.as_bytes();
        for name in [crate::parts::JOURNAL, NOTICES, WINDOWS] {
            let bytes = std::fs::read(self.dir().join(name)).unwrap_or_default();
            assert_eq!(find(&bytes, secret), None, "the secret is in the {name}");
        }
        let journal = self.journal();
        for stream in Stream::ALL {
            let found = find(&journal.stream(stream), secret);
            assert_eq!(found, None, "the secret is in the recorded {}", stream.name());
        }
        let mut seen = std::collections::BTreeMap::<Stream, Vec<u8>>::new();
        for window in self.windows() {
            seen.entry(window.stream).or_default().extend(window.bytes);
        }
        for (stream, bytes) in seen {
            assert_eq!(find(&bytes, secret), None, "the monitor saw the secret in {stream:?}");
        }
    }
}

impl Ended {
    /// Checks that what was recorded of the terminal is what was shown, apart from our banners.
    ///
    /// # Panics
    /// It is not.
    pub(crate) fn check_screen(&self) {
        let shown = self.terminal.shown_without_banners();
        check_recorded(&shown, &self.journal.stream(Stream::Tty));
    }

    /// The status a command line would report.
    pub(crate) fn status(&self) -> i32 {
        self.outcome.status()
    }
}

/// Checks that two long streams are the same.
///
/// # Panics
/// They are not; the message shows where they part.
pub(crate) fn check_equal(wanted: &[u8], found: &[u8]) {
    compare(wanted, found, |a, b| a == b);
}

/// Checks that a recorded stream holds these bytes, but for those whose key is gone: of what is
/// typed a busy machine may tell too late that it was no secret.
///
/// # Panics
/// It does not; the message shows where they part.
pub(crate) fn check_recorded(bytes: &[u8], recorded: &[u8]) {
    compare(bytes, recorded, |a, b| a == b || b == MASK);
}

fn compare(wanted: &[u8], found: &[u8], agree: impl Fn(u8, u8) -> bool) {
    let at = wanted.iter().zip(found).take_while(|(a, b)| agree(**a, **b)).count();
    if at == wanted.len() && at == found.len() {
        return;
    }
    let near = |bytes: &[u8]| {
        let near = &bytes[at.saturating_sub(40)..bytes.len().min(at + 80)];
        String::from_utf8_lossy(near).escape_debug().to_string()
    };
    panic!(
        "{} bytes wanted, {} found; they part at {at}:\n  wanted …{}\n  found  …{}",
        wanted.len(),
        found.len(),
        near(wanted),
        near(found)
    );
}

/// Lets a while pass in which something forbidden might happen. Never used to wait for anything.
pub(crate) fn watch_for(span: Duration) {
    let start = Instant::now();
    while let Some(rest) = span.checked_sub(start.elapsed()) {
        std::thread::sleep(rest);
    }
}
