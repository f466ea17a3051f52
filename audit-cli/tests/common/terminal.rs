//! A terminal with the binary in it: typed into and read by a test.

#![allow(dead_code, reason = "each test target uses a part of it")]

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};
use std::os::unix::fs::OpenOptionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nix::fcntl::OFlag;
use nix::libc;
use nix::poll::{PollFd, PollFlags, poll};
use nix::pty::{OpenptyResult, Winsize, openpty};
use nix::sys::termios::{LocalFlags, tcgetattr};

use crate::processes;
use crate::sandbox::{PATIENCE, until, wait};

/// A program in a terminal of 24 rows and 80 columns, leading a session of its own.
pub(crate) struct Terminal {
    master: File,
    /// Kept open, so that modes can be looked at after the program has ended.
    slave: OwnedFd,
    child: Child,
    output: Receiver<Vec<u8>>,
    /// Ends the thread that reads, which holds the terminal too.
    stop: Arc<AtomicBool>,
    /// While set, nothing is read.
    stalled: Arc<AtomicBool>,
    reading: JoinHandle<()>,
    /// How many bytes were shown so far, whether or not they were looked at.
    shown: Arc<AtomicUsize>,
    seen: Vec<u8>,
    /// Up to where [`Terminal::expect`] has looked.
    looked: usize,
    /// The modes it had before anything was started in it.
    before: String,
}

impl Terminal {
    /// Starts `command` in a new terminal.
    pub(crate) fn start(mut command: Command) -> Self {
        let size = Winsize { ws_row: 24, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0 };
        let OpenptyResult { master, slave } = openpty(Some(&size), None).unwrap();
        for end in [&master, &slave] {
            // Nothing the test starts beside this may hold the terminal open.
            let flags = nix::fcntl::FdFlag::FD_CLOEXEC;
            nix::fcntl::fcntl(end.as_fd(), nix::fcntl::FcntlArg::F_SETFD(flags)).unwrap();
        }
        let before = modes_of(&slave);
        let stdio = || Stdio::from(slave.try_clone().unwrap());
        command.stdin(stdio()).stdout(stdio()).stderr(stdio());
        let lead = || {
            nix::unistd::setsid()?;
            // SAFETY: standard input is the terminal, and the argument is a number.
            nix::errno::Errno::result(unsafe { libc::ioctl(0, libc::TIOCSCTTY, 0) })?;
            Ok(())
        };
        // SAFETY: both calls are async-signal-safe.
        unsafe { command.pre_exec(lead) };
        let child = command.spawn().unwrap();
        drop(command);
        let reader = File::from(master.try_clone().unwrap());
        let (sender, output) = channel();
        let stop = Arc::new(AtomicBool::new(false));
        let stalled = Arc::new(AtomicBool::new(false));
        let shown = Arc::new(AtomicUsize::new(0));
        let (stopped, paused, count) =
            (Arc::clone(&stop), Arc::clone(&stalled), Arc::clone(&shown));
        let reading = std::thread::spawn(move || read(reader, &sender, &stopped, &paused, &count));
        let master = File::from(master);
        let (seen, looked) = (Vec::new(), 0);
        Self { master, slave, child, output, stop, stalled, reading, shown, seen, looked, before }
    }

    /// Types `text`.
    pub(crate) fn type_in(&mut self, text: &str) {
        self.master.write_all(text.as_bytes()).unwrap();
    }

    /// Types these bytes, as fast as they are taken.
    pub(crate) fn type_bytes(&mut self, bytes: &[u8]) {
        self.master.write_all(bytes).unwrap();
    }

    /// Waits until `text` is shown, behind what was expected before.
    pub(crate) fn expect(&mut self, text: &str) {
        let start = Instant::now();
        let mut from = self.looked;
        loop {
            let fresh = &self.seen[from..];
            if let Some(at) = fresh.windows(text.len()).position(|w| w == text.as_bytes()) {
                self.looked = from + at + text.len();
                return;
            }
            // What was looked through once is not looked through again.
            from = from.max(self.seen.len().saturating_sub(text.len() - 1));
            let left = PATIENCE.saturating_sub(start.elapsed());
            match self.output.recv_timeout(left) {
                Ok(bytes) => self.seen.extend(bytes),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                    panic!("{text:?} is not shown, but {:?}", self.shown());
                }
            }
        }
    }

    /// What was shown so far, which is forgotten.
    pub(crate) fn forget(&mut self) -> Vec<u8> {
        self.looked = 0;
        std::mem::take(&mut self.seen)
    }

    /// What is shown next, which is not remembered.
    pub(crate) fn wait_for_bytes(&mut self) -> Vec<u8> {
        self.output.recv_timeout(PATIENCE).expect("something is shown")
    }

    /// Reads nothing until [`Terminal::go_on`], as a terminal that hangs.
    pub(crate) fn stall(&self) {
        self.stalled.store(true, Ordering::Relaxed);
    }

    /// Reads again.
    pub(crate) fn go_on(&self) {
        self.stalled.store(false, Ordering::Relaxed);
    }

    /// Everything shown so far.
    pub(crate) fn shown(&self) -> String {
        String::from_utf8_lossy(&self.seen).into_owned()
    }

    /// How many bytes were shown so far.
    pub(crate) fn shown_len(&self) -> usize {
        self.shown.load(Ordering::Relaxed)
    }

    /// Waits until the terminal inside, which the session's command has, hides what is typed.
    pub(crate) fn await_hidden(&self) {
        self.await_inside("hides what is typed", |flags| !flags.contains(LocalFlags::ECHO));
    }

    /// Waits until the terminal inside edits lines and shows what is typed, as a command finds it
    /// that a shell has started.
    pub(crate) fn await_plain(&self) {
        let plain = LocalFlags::ECHO | LocalFlags::ICANON;
        self.await_inside("is plain", |flags| flags.contains(plain));
    }

    fn await_inside(&self, what: &str, holds: impl Fn(LocalFlags) -> bool) {
        let ours = nix::unistd::ttyname(&self.slave).unwrap();
        let is_inner = |path: &PathBuf| path.starts_with("/dev/pts") && *path != ours;
        until(&format!("the terminal inside {what}"), || {
            // The one of the session's command, which is started last.
            let below = processes::below(self.pid().as_raw()).into_iter().rev();
            let inner = below.filter_map(processes::input).find(is_inner);
            // Opened by somebody who leads a session, it would become his without this flag.
            let open = |path| {
                let flags = OFlag::O_NOCTTY.bits();
                OpenOptions::new().read(true).custom_flags(flags).open(path).ok()
            };
            let modes = inner.and_then(open).and_then(|file| tcgetattr(file).ok());
            modes.is_some_and(|modes| holds(modes.local_flags))
        });
    }

    /// The terminal's modes, as `stty -g` would tell them.
    pub(crate) fn modes(&self) -> String {
        modes_of(&self.slave)
    }

    /// The modes it had before anything was started in it.
    pub(crate) fn modes_before(&self) -> String {
        self.before.clone()
    }

    /// The process that was started.
    pub(crate) fn pid(&self) -> nix::unistd::Pid {
        nix::unistd::Pid::from_raw(i32::try_from(self.child.id()).unwrap())
    }

    /// Takes the terminal away, as a closed window does.
    pub(crate) fn hang_up(self) {
        let Self { master, slave, mut child, stop, reading, .. } = self;
        stop.store(true, Ordering::Relaxed);
        reading.join().unwrap();
        drop((master, slave));
        wait(&mut child);
    }

    /// Gives the terminal another size.
    pub(crate) fn resize(&self, rows: u16, columns: u16) {
        let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        // SAFETY: the argument points to a window size.
        let done = unsafe { libc::ioctl(self.master.as_raw_fd(), libc::TIOCSWINSZ, &size) };
        assert_eq!(done, 0);
    }

    /// Waits for the program to end and returns its status and the modes it left.
    pub(crate) fn modes_after_end(mut self) -> (i32, String) {
        let status = wait(&mut self.child);
        (status, self.modes())
    }

    /// Waits for the program to end and returns its status and everything it showed.
    pub(crate) fn finish(self) -> (i32, String) {
        let (status, shown) = self.finish_bytes();
        (status, String::from_utf8_lossy(&shown).into_owned())
    }

    /// [`Terminal::finish`], with every byte as it came.
    pub(crate) fn finish_bytes(mut self) -> (i32, Vec<u8>) {
        let status = wait(&mut self.child);
        // The reader sees the end once our own end of the terminal is closed too.
        let Self { slave, output, mut seen, .. } = self;
        drop(slave);
        while let Ok(bytes) = output.recv_timeout(PATIENCE) {
            seen.extend(bytes);
        }
        (status, seen)
    }
}

fn modes_of(terminal: &OwnedFd) -> String {
    format!("{:?}", tcgetattr(terminal).unwrap())
}

/// Passes on what `terminal` shows until nobody is there to show anything, or `stop` is set.
fn read(
    mut terminal: File,
    sender: &Sender<Vec<u8>>,
    stop: &AtomicBool,
    stalled: &AtomicBool,
    shown: &AtomicUsize,
) {
    let mut buffer = [0; 4096];
    while !stop.load(Ordering::Relaxed) {
        if stalled.load(Ordering::Relaxed) {
            std::thread::sleep(Duration::from_millis(10));
            continue;
        }
        let mut fds = [PollFd::new(terminal.as_fd(), PollFlags::POLLIN)];
        if poll(&mut fds, 20u8).unwrap() == 0 {
            continue;
        }
        match terminal.read(&mut buffer) {
            Ok(count @ 1..) if sender.send(buffer[..count].to_vec()).is_ok() => {
                shown.fetch_add(count, Ordering::Relaxed);
            }
            // EIO says that nobody holds the other end any more.
            _ => return,
        }
    }
}
