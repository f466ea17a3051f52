//! What goes into the session core and what comes out.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::control::{Command, Notice};
use crate::interfaces::Durability;
use crate::monitor::{Request, Ruling, Verdict, Window};
use crate::outcome::{Exit, Outcome};
use crate::record::Record;
use crate::stream::{Port, Stream};
use crate::terminal::{LineState, Winsize};

/// Something that happened outside.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// The child runs.
    Started {
        /// Its process id.
        pid: i32,
    },
    /// The command could not be started.
    SpawnFailed {
        /// `errno(3)` of the failed step.
        errno: i32,
        /// What was tried and why it failed.
        message: String,
    },
    /// The user typed or piped bytes in.
    UserInput {
        /// The bytes.
        bytes: Bytes,
        /// The line discipline, sampled beside the read; `None` in pipe mode.
        line: Option<LineState>,
    },
    /// Nothing more comes from the user: end of a file or pipe.
    UserClosed,
    /// The user's terminal is gone.
    UserHungUp,
    /// The user's end of an output stream is gone (`EPIPE`, `EIO`).
    PortClosed(Port),
    /// What is pending at this port cannot be written where the user wants it: a full disk, say.
    PortFailed {
        /// Which port.
        port: Port,
        /// Why, in the system's words.
        reason: String,
    },
    /// The child wrote bytes.
    Output {
        /// To which of its streams.
        stream: Stream,
        /// The bytes.
        bytes: Bytes,
    },
    /// Nothing more comes on this output stream (end of file, or `EIO` on a PTY master).
    OutputClosed(Stream),
    /// Answer to [`Effect::Sample`].
    Line(LineState),
    /// The user's terminal has this size now.
    Resized(Winsize),
    /// The child ended.
    ChildExited(Exit),
    /// The child was stopped by this signal.
    ChildStopped(i32),
    /// The child goes on.
    ChildContinued,
    /// A signal reached us.
    Signal {
        /// Number of the signal.
        number: i32,
        /// Process that sent it, 0 when the kernel did.
        sender: i32,
        /// Whether the sender is the child or a descendant of it.
        own_child: bool,
    },
    /// We go on after [`Effect::Stop`].
    Resumed,
    /// A lane or an operator has news.
    Mail(Mail),
}

/// News of a lane or an operator: the only asynchronous way in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Mail {
    /// Every record up to and including this number is durable.
    Recorded {
        /// Number of the last record.
        through: u64,
    },
    /// The recorder failed; records after the last acknowledged one may be missing.
    RecorderFailed {
        /// Why, one line.
        reason: String,
    },
    /// The recorder finished after [`Effect::Close`].
    RecorderClosed {
        /// Why it could not finish, if it could not.
        failure: Option<String>,
    },
    /// The recorder works again (a full disk has room, a worker was restarted).
    RecorderRecovered,
    /// A monitor has judged a window.
    Verdict {
        /// [`Window::id`].
        window: u64,
        /// What it found, or why it could not judge.
        verdict: Result<Verdict, String>,
    },
    /// A monitor has judged a request.
    Ruling {
        /// [`Request::id`].
        request: u64,
        /// What it decided, or why it could not.
        ruling: Result<Ruling, String>,
    },
    /// An operator gives an order.
    Command(Command),
    /// A lane is in trouble; for people.
    Trouble {
        /// Stable name, such as `monitor.restarted`.
        name: String,
        /// One line.
        text: String,
    },
}

/// Something that must be done outside.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Hand this record to the recorder; it may wait until the next [`Effect::Flush`].
    Record(Record),
    /// Have the recorder make all records handed over so far durable.
    Flush(Durability),
    /// Have the recorder finish; the last record was handed over.
    Close,
    /// Have the monitor inspect this window.
    Inspect(Window),
    /// Have the monitor judge this request.
    Judge(Request),
    /// Have the controllers tell this.
    Publish(Notice),
    /// Sample the line discipline and answer with [`Event::Line`] at once.
    Sample,
    /// Give the child's terminal this size.
    Resize(Winsize),
    /// Stop the session's processes: the child first, then the foreground process group, then
    /// all others.
    Freeze,
    /// Let those go on that the freeze has stopped, the child last.
    Thaw,
    /// Pass this signal to the child's process group in the foreground and to the child.
    Forward(i32),
    /// Let a child that job control has stopped go on.
    ContinueChild,
    /// Job control of the outer terminal stops us: restore the terminal, stop this process by this
    /// signal, and answer with [`Event::Resumed`] when it goes on.
    Stop(i32),
    /// Close the child's input: the user has no more.
    CloseInput,
    /// Close our end of this output stream of the child: nobody takes its bytes any more.
    CloseOutput(Stream),
    /// A step towards the child's end.
    Terminate(Step),
    /// The last byte is on the screen: put the user's terminal back.
    ReleaseTerminal,
    /// The session is over. Comes once, and last.
    Finish(Outcome),
}

/// The steps towards a child's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Hang-up and continue, as a closed terminal does.
    HangUp,
    /// `SIGTERM`.
    Terminate,
    /// `SIGKILL` to everything of the session.
    Kill,
}

/// What may be read and written now. A source that is not wanted stays unread: that is the back
/// pressure.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Interest {
    /// Read from the user.
    pub user: bool,
    /// Read the child's terminal; pipe mode has none.
    pub tty: bool,
    /// Read the child's standard output where it is apart from the terminal.
    pub stdout: bool,
    /// Read the child's standard error where it is apart.
    pub stderr: bool,
}

impl Interest {
    /// Whether this output stream may be read.
    pub const fn wants(&self, stream: Stream) -> bool {
        match stream {
            Stream::Tty => self.tty,
            Stream::Input => self.user,
            Stream::Stdout => self.stdout,
            Stream::Stderr => self.stderr,
        }
    }
}
