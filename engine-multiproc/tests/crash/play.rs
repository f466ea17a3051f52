//! A session of a shell script, and the hands that kill what serves it.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::ExitCode;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use audit_core::{
    Action, Body, Command, CommandSpec, Engine, EngineSettings, Identity, Mail, News, Notice,
    Outcome, Policy, Record, Session, SessionHandle, SessionId, SessionSpec, Stream, UserEnd,
    Winsize,
};
use engine_multiproc::MultiprocEngine;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

use crate::parts::{self, part};
use crate::{RELAY, WORKER};

/// A running session.
pub(crate) struct Play {
    pub(crate) dir: TempDir,
    _engine: MultiprocEngine,
    handle: SessionHandle,
    input: File,
    screen: Arc<Mutex<Vec<u8>>>,
    reader: JoinHandle<()>,
}

/// Waits until `what` is true; a test that waits in vain is ended from outside.
pub(crate) fn until(mut what: impl FnMut() -> bool) {
    while !what() {
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn engine() -> MultiprocEngine {
    let program = std::env::current_exe().unwrap();
    let worker = vec![program.into(), WORKER.into()];
    MultiprocEngine::new(&EngineSettings { monitor_threads: 1, worker }).unwrap()
}

fn spec(script: &str, dir: &Path) -> SessionSpec {
    let mut command = CommandSpec::new("sh", ["-c", script]);
    command.cwd = Some(dir.to_owned());
    let mut policy = Policy { quiet: true, ..Policy::default() };
    policy.recording.flush_interval = Duration::from_millis(5);
    // Not what is tested here.
    policy.secrets.mask_input = false;
    SessionSpec {
        id: SessionId::new(0, [0; 10]),
        parent: None,
        user: Identity::service("test"),
        host: "host".into(),
        opened_unix_millis: 0,
        engine: "multiproc".into(),
        command,
        pty: true,
        winsize: Winsize::new(24, 80),
        buffer_size: 64 << 10,
        policy,
        recorder: part("file", dir),
        monitor: Some(part("words", dir)),
        controller: Some(part("file", dir)),
    }
}

fn session(spec: SessionSpec, input: Option<OwnedFd>, output: OwnedFd) -> Session {
    let user = UserEnd { input, output, stdout: None, stderr: None, owns_process: false };
    Session { spec, user, toolkit: Arc::new(parts::toolkit()), seed: [9; 32] }
}

impl Play {
    pub(crate) fn new(script: &str) -> Self {
        Self::with(script, |_| {})
    }

    /// A session of `script` whose spec `change` has changed.
    pub(crate) fn with(script: &str, change: impl FnOnce(&mut SessionSpec)) -> Self {
        let dir = TempDir::new().unwrap();
        let mut spec = spec(script, dir.path());
        change(&mut spec);
        let (theirs, input) = std::io::pipe().unwrap();
        let (mut shown, output) = std::io::pipe().unwrap();
        let engine = engine();
        let session = session(spec, Some(theirs.into()), output.into());
        let handle = engine.open(session).unwrap();
        let screen = Arc::new(Mutex::new(Vec::new()));
        let reader = std::thread::spawn({
            let screen = screen.clone();
            move || {
                let mut buffer = vec![0; 64 << 10];
                while let Ok(count @ 1..) = shown.read(&mut buffer) {
                    screen.lock().unwrap().extend_from_slice(&buffer[..count]);
                }
            }
        });
        let input = File::from(OwnedFd::from(input));
        Self { dir, _engine: engine, handle, input, screen, reader }
    }

    pub(crate) fn send(&mut self, line: &str) {
        writeln!(self.input, "{line}").unwrap();
    }

    pub(crate) fn shows(&self, text: &str) -> bool {
        String::from_utf8_lossy(&self.screen.lock().unwrap()).contains(text)
    }

    pub(crate) fn expect(&self, text: &str) {
        until(|| self.shows(text));
    }

    pub(crate) fn records(&self) -> Vec<Record> {
        records(self.dir.path())
    }

    pub(crate) fn has_marker(&self, wanted: &str) -> bool {
        has_marker(&self.records(), wanted)
    }

    pub(crate) fn notices(&self) -> Vec<Notice> {
        parts::read(&self.dir.path().join("notices")).0
    }

    pub(crate) fn windows(&self) -> Vec<String> {
        parts::read(&self.dir.path().join("windows")).0
    }

    /// Waits until somebody was told this.
    pub(crate) fn until_alarm(&self, wanted: &str) {
        until(|| {
            let alarm = |notice: &Notice| matches!(&notice.news, News::Alarm { name, .. } if name == wanted);
            self.notices().iter().any(alarm)
        });
    }

    /// Ends the session, whatever it does.
    pub(crate) fn terminate(self) {
        let by = Identity::service("test");
        let command = Command { id: 1, by, action: Action::Terminate };
        self.handle.mailbox().send(Mail::Command(command));
        self.end();
    }

    /// Waits for the end; the records are whole.
    pub(crate) fn end(self) -> (Outcome, Vec<u8>, TempDir) {
        drop(self.input);
        let outcome = self.handle.wait().unwrap();
        self.reader.join().unwrap();
        let shown = std::mem::take(&mut *self.screen.lock().unwrap());
        assert_eq!(outcome.lost, None);
        let records = records(self.dir.path());
        check(&records);
        let end = records.last().map(|record| &record.body);
        assert_eq!(end, Some(&Body::End(outcome.clone())));
        (outcome, shown, self.dir)
    }
}

pub(crate) fn records(dir: &Path) -> Vec<Record> {
    parts::read(&dir.join("records")).0
}

/// Every record is there once and in order.
pub(crate) fn check(records: &[Record]) {
    for (index, record) in records.iter().enumerate() {
        assert_eq!(record.seq, index as u64 + 1, "{record:?}");
    }
}

pub(crate) fn has_marker(records: &[Record], wanted: &str) -> bool {
    let is = |record: &Record| matches!(&record.body, Body::Marker { name, .. } if name == wanted);
    records.iter().any(is)
}

/// What a stream recorded.
pub(crate) fn stream(records: &[Record], wanted: Stream) -> Vec<u8> {
    let mut joined = Vec::new();
    for record in records {
        match &record.body {
            Body::Data { stream, bytes } if *stream == wanted => joined.extend_from_slice(bytes),
            _ => {}
        }
    }
    joined
}

/// The worker of this role among the children of `parent`.
pub(crate) fn worker(parent: u32, role: &str) -> Option<Pid> {
    let tasks = fs::read_dir(format!("/proc/{parent}/task")).ok()?;
    let children =
        tasks.filter_map(|task| fs::read_to_string(task.ok()?.path().join("children")).ok());
    let children: Vec<i32> = children
        .flat_map(|line| line.split(' ').filter_map(|pid| pid.parse().ok()).collect::<Vec<_>>())
        .collect();
    children.into_iter().map(Pid::from_raw).find(|pid| {
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let args: Vec<_> = line.split(|byte| *byte == 0).collect();
        args.get(1) == Some(&WORKER.as_bytes()) && args.get(2) == Some(&role.as_bytes())
    })
}

/// Sends the worker of this role a signal, once there is one.
pub(crate) fn signal(role: &str, signal: Signal) -> Pid {
    loop {
        if let Some(pid) = worker(std::process::id(), role)
            && kill(pid, signal).is_ok()
        {
            return pid;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// A relay that shows the session of its directory on its standard output.
pub(crate) fn relay(dir: &Path) -> ExitCode {
    let script = fs::read_to_string(dir.join("script")).unwrap();
    let output = std::os::fd::AsFd::as_fd(&std::io::stdout()).try_clone_to_owned().unwrap();
    engine().run(session(spec(&script, dir), None, output)).unwrap();
    ExitCode::SUCCESS
}

/// Starts a relay in a process of its own.
pub(crate) fn start_relay(script: &str, dir: &Path) -> std::process::Child {
    fs::write(dir.join("script"), script).unwrap();
    std::process::Command::new(std::env::current_exe().unwrap())
        .arg(RELAY)
        .arg(dir)
        .stdin(std::process::Stdio::null())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap()
}
