//! A session in a process of its own, started by a shell on a scripted terminal.

use std::fmt::Debug;
use std::ops::{Deref, DerefMut};
use std::path::PathBuf;
use std::process::{Child, Command};
use std::sync::Arc;

use audit_core::Outcome;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::SESSION;
use crate::live::{Ended, Files};
use crate::patience::{until, until_true};
use crate::process::{self, Plan};
use crate::processes::is_gone;
use crate::scene::Dir;
use crate::terminal::{Terminal, find};

/// The command line that runs the session.
pub(crate) const RUN: &str = r#""$0" conformance-session "$1""#;

/// What the shell writes in front of a status.
const STATUS: &str = "\n<status ";

/// What `sh` does on the terminal: run the session, say how it ended, wait to be hung up. The
/// modes of the terminal go into files before and after.
const LEADER: &str = r#"
stty -g > "$1/modes.before"
RUN
code=$?
stty -g > "$1/modes.after"
printf '\n<status %s>\n' "$code"
read -r never
"#;

/// A session in a process of its own, and its user's terminal, to which it derefs.
pub(crate) struct Owned {
    pub(crate) terminal: Terminal,
    files: Files,
    /// Held to end the scene when it is dropped.
    _leader: Leader,
}

/// The shell that leads the terminal. Dropping it ends whatever of the scene still runs.
struct Leader {
    shell: Child,
    dir: PathBuf,
}

impl Owned {
    /// Starts the session under `sh` with this command line.
    pub(crate) fn start(plan: &Plan, dir: Arc<Dir>, run: &str) -> Self {
        plan.write(dir.path());
        let mut command = on_terminal("sh");
        command.args(["-c", &LEADER.replace("RUN", run)]).arg(program()).arg(dir.path());
        Self::lead(command, dir)
    }

    /// Starts an interactive `bash` at which the scenario can type [`Owned::command_line`].
    pub(crate) fn start_bash(plan: &Plan, dir: Arc<Dir>) -> Self {
        plan.write(dir.path());
        let mut command = on_terminal("bash");
        command.args(["--norc", "--noprofile", "--noediting", "-i"]);
        command.env("PS1", "bash> ").env("HISTFILE", "/dev/null").env_remove("PROMPT_COMMAND");
        let mut owned = Self::lead(command, dir);
        owned.terminal.expect("bash> ");
        owned
    }

    fn lead(mut command: Command, dir: Arc<Dir>) -> Self {
        let mut terminal = Terminal::new();
        command.stdin(terminal.slave()).stdout(terminal.slave()).stderr(terminal.slave());
        let shell = command.spawn().expect("a shell starts");
        // The command holds descriptors of the slave too.
        drop(command);
        terminal.give_away();
        let leader = Leader { shell, dir: dir.path().to_owned() };
        Self { terminal, files: Files(dir), _leader: leader }
    }

    /// What to type at a shell to start the session.
    pub(crate) fn command_line(&self) -> String {
        format!("'{}' {SESSION} '{}'", program().display(), self.files.dir().display())
    }

    /// What the parts wrote so far.
    pub(crate) fn files(&self) -> &Files {
        &self.files
    }

    /// Id of the process that drives the session.
    pub(crate) fn pid(&self) -> i32 {
        until("the session's process", || process::pid(self.files.dir()))
    }

    /// Sends the process that drives the session a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.pid()), signal).expect("the session's process is ours");
    }

    /// Waits until the shell tells how the session's process ended, and checks what must be true
    /// of status, recording and terminal after any session.
    pub(crate) fn end(mut self) -> Ended {
        let status = self.status();
        let outcome = process::outcome(self.files.dir()).expect("the process leaves its outcome");
        assert_eq!(status, outcome.status(), "the process exits with the session's status");
        self.check_modes();
        self.files.journal().check_whole(&outcome);
        self.terminal.hang_up();
        self.into_ended(outcome)
    }

    /// A session whose process is gone, for looking at what it left.
    pub(crate) fn into_ended(self, outcome: Outcome) -> Ended {
        let journal = self.files.journal();
        Ended { outcome, journal, terminal: self.terminal, files: self.files }
    }

    /// Waits until the shell tells how the session's process ended. What the shell wrote is taken
    /// off the screen, which then shows what the session showed.
    pub(crate) fn status(&mut self) -> i32 {
        let number = self.terminal.expect_between(STATUS, ">");
        self.terminal.forget_from(STATUS);
        number.parse().expect("the shell prints a number")
    }

    /// Waits for the outcome that the process leaves.
    pub(crate) fn await_outcome(&self) -> Outcome {
        until("the outcome", || process::outcome(self.files.dir()))
    }

    /// Waits for the process to go and returns the outcome in its recording. After a hang-up the
    /// kernel sends a signal more, which may kill the process once its session is over.
    pub(crate) fn await_death(&self) -> Outcome {
        let pid = self.pid();
        until_true("the process is gone", || is_gone(pid));
        let journal = self.files.journal();
        let outcome = journal.outcome().unwrap_or_else(|| panic!("{}", journal.summary()));
        outcome.clone()
    }

    /// The terminal's modes, as far as they can be compared.
    pub(crate) fn flags(&self) -> impl PartialEq + Debug + use<> {
        let modes = self.terminal.modes();
        let flags = (modes.input_flags, modes.output_flags, modes.control_flags, modes.local_flags);
        (flags, modes.control_chars)
    }

    /// Checks that the terminal has the modes it had before, as `stty` tells.
    ///
    /// # Panics
    /// It has not.
    pub(crate) fn check_modes(&self) {
        let modes = |name| {
            std::fs::read_to_string(self.files.dir().join(name)).expect("the shell wrote the modes")
        };
        assert_eq!(modes("modes.before"), modes("modes.after"), "the terminal is put back");
    }
}

impl Deref for Owned {
    type Target = Terminal;

    fn deref(&self) -> &Terminal {
        &self.terminal
    }
}

impl DerefMut for Owned {
    fn deref_mut(&mut self) -> &mut Terminal {
        &mut self.terminal
    }
}

impl Drop for Leader {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.shell.kill();
        let _ = self.shell.wait();
        let Some(pid) = process::pid(&self.dir) else { return };
        let name = self.dir.as_os_str().as_encoded_bytes();
        // Only if that number still belongs to the process of this scene.
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        if find(&line, name).is_some() {
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
    }
}

/// A command that leads a session of its own whose controlling terminal is its standard input.
fn on_terminal(program: &str) -> Command {
    let mut command = Command::new("setsid");
    command.args(["--ctty", program]).env("TERM", "dumb").env_remove("ENV");
    command
}

fn program() -> PathBuf {
    std::env::current_exe().expect("a test knows its program")
}
