//! A user's terminal with a shell on it, as a script.

use std::cell::{Cell, RefCell};
use std::mem::MaybeUninit;
use std::os::fd::AsRawFd;

use audit_core::{CommandSpec, Winsize};
use audit_pty::{Child, Pty, Wiring};

/// How long anything may take before the test is given up, in milliseconds. No test depends on it.
const PATIENCE: i32 = 60_000;

/// The user's terminal.
pub(crate) struct Terminal {
    pub(crate) pty: Pty,
    child: Child,
    shown: RefCell<String>,
    /// What was looked for ends here.
    seen: Cell<usize>,
}

impl Terminal {
    /// A terminal on which `sh` runs a script. `$RELAY` in it stands for the audited session.
    pub(crate) fn script(script: &str) -> Self {
        Self::start(&CommandSpec::new("sh", ["-c", script]))
    }

    /// A terminal on which an interactive shell with job control waits for commands.
    pub(crate) fn interactive() -> Self {
        let mut command = CommandSpec::new("bash", ["--norc", "--noprofile", "--noediting", "-i"]);
        command.env.insert("PS1".into(), Some("ready> ".into()));
        command.env.insert("HISTFILE".into(), None);
        let terminal = Self::start(&command);
        terminal.expect("ready> ");
        terminal
    }

    fn start(command: &CommandSpec) -> Self {
        let pty = Pty::open().unwrap();
        pty.set_winsize(Winsize::new(24, 80)).unwrap();
        let mut command = command.clone();
        let own = std::env::current_exe().unwrap();
        command.env.insert("RELAY".into(), Some(own.into()));
        command.env.insert("AUDITTY_TEST_RELAY".into(), Some("1".into()));
        let slave = pty.slave().unwrap();
        let wiring = Wiring { stdio: [slave; 3], terminal: Some(slave), guard: None, ignored: 0 };
        let child = Child::spawn(&command, &wiring).unwrap();
        let mut terminal = Self { pty, child, shown: RefCell::default(), seen: Cell::new(0) };
        terminal.pty.close_slave();
        terminal
    }

    /// Types.
    pub(crate) fn enter(&self, text: &str) {
        let fd = self.pty.master().as_raw_fd();
        // SAFETY: the pointer and the length describe the text.
        let written = unsafe { libc::write(fd, text.as_ptr().cast(), text.len()) };
        assert_eq!(usize::try_from(written).unwrap(), text.len());
    }

    /// Waits until the screen shows `text` after what was looked for before; returns what stands
    /// between.
    pub(crate) fn expect(&self, text: &str) -> String {
        loop {
            if let Some(at) = self.shown.borrow()[self.seen.get()..].find(text) {
                let start = self.seen.replace(self.seen.get() + at + text.len());
                return self.shown.borrow()[start..start + at].to_owned();
            }
            assert!(self.read(), "no {text:?} in {:?}", self.shown.borrow());
        }
    }

    /// A line that begins with `name=`: its value.
    pub(crate) fn value(&self, name: &str) -> String {
        self.expect(&format!("{name}="));
        self.expect("\r\n").trim_end().to_owned()
    }

    /// Leaves an interactive shell, once it has the terminal.
    pub(crate) fn leave(&self) {
        // A prompt may be shown already; this one is.
        self.enter("\n");
        self.expect("ready> ");
        self.enter("exit\n");
        self.rest();
    }

    /// Everything shown until the last process has left the terminal.
    pub(crate) fn rest(&self) -> String {
        while self.read() {}
        self.shown.borrow()[self.seen.get()..].to_owned()
    }

    fn read(&self) -> bool {
        let fd = self.pty.master().as_raw_fd();
        let mut entry = libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
        // SAFETY: the pointer is to one entry.
        let ready = unsafe { libc::poll(&raw mut entry, 1, PATIENCE) };
        assert!(ready > 0, "nothing more is shown after {:?}", self.shown.borrow());
        let mut buffer = [MaybeUninit::<u8>::uninit(); 4096];
        // SAFETY: the pointer and the length describe the buffer.
        let read = unsafe { libc::read(fd, buffer.as_mut_ptr().cast(), buffer.len()) };
        let Ok(read) = usize::try_from(read) else { return false };
        // SAFETY: so many bytes were filled.
        let bytes = unsafe { buffer[..read].assume_init_ref() };
        self.shown.borrow_mut().push_str(&String::from_utf8_lossy(bytes));
        true
    }

    /// Closes the terminal, as a window is closed.
    pub(crate) fn close(self) {
        let Self { pty, child, .. } = self;
        drop(pty);
        drop(child);
    }
}

/// Waits until no process has this id.
pub(crate) fn gone(pid: i32) {
    // SAFETY: takes no memory of ours.
    while unsafe { libc::kill(pid, 0) } == 0 {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
}

pub(crate) fn kill(pid: i32, signal: i32) {
    // SAFETY: takes no memory of ours.
    assert_eq!(unsafe { libc::kill(pid, signal) }, 0);
}
