//! What one more session costs a process that drives many on one engine: memory, with journal and
//! detection on. `cargo bench -p benches --bench sessions`.
#![allow(missing_docs)]

use std::fs::{self, File};
use std::io::{ErrorKind, Read as _, Write as _};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use audit_core::{
    CommandSpec, Engine, EngineEntry, EngineSettings, Part, Session, SessionHandle, SessionId,
    Toolkit, UserEnd, Winsize,
};
use audit_journal::JournalSettings;
use audit_pty::Pty;
use benches::spec;

const ENGINES: [EngineEntry; 4] =
    [engine_poll::ENTRY, engine_async::ENTRY, engine_hybrid::ENTRY, engine_threaded::ENTRY];

/// The first sessions pay for what all share; what is counted is what comes after.
const FIRST: u64 = 20;
const MORE: u64 = 100;

/// A session and the terminal of its user.
struct Open {
    handle: SessionHandle,
    terminal: Pty,
}

fn open(engine: &dyn Engine, root: &std::path::Path, number: u64) -> Open {
    let settings = serde_json::to_value(JournalSettings::new(root)).expect("plain data");
    let mut spec = spec(Part::new("journal", settings));
    let mut name = [0; 10];
    name[2..].copy_from_slice(&number.to_be_bytes());
    spec.id = SessionId::new(spec.opened_unix_millis, name);
    spec.command = CommandSpec::new("sh", ["-c", "while read -r line; do eval \"$line\"; done"]);
    spec.monitor = Some(Part::new(audit_detect::NAME, serde_json::json!({})));
    let toolkit = Toolkit::new()
        .with_recorder("journal", audit_journal::recorder)
        .with_monitor(audit_detect::NAME, audit_detect::monitor);
    let mut terminal = Pty::open().expect("a terminal");
    terminal.set_winsize(Winsize::new(24, 80)).expect("a new terminal takes a size");
    let slave = || {
        let slave = terminal.slave().expect("its slave");
        slave.try_clone_to_owned().expect("a descriptor")
    };
    let user = UserEnd {
        input: Some(slave()),
        output: slave(),
        stdout: None,
        stderr: None,
        owns_process: false,
    };
    terminal.close_slave();
    let session = Session { spec, user, toolkit: Arc::new(toolkit), seed: [7; 32] };
    Open { handle: engine.open(session).expect("a session opens"), terminal }
}

/// Has the session show a page, and reads it.
fn use_it(open: &Open) {
    let mut master = File::from(open.terminal.master().try_clone_to_owned().expect("a descriptor"));
    master.write_all(b"seq 1 200; echo do''ne\r").expect("a terminal takes a line");
    let mut shown = Vec::new();
    let mut chunk = [0; 4096];
    while !shown.windows(4).any(|text| text == b"done") {
        match master.read(&mut chunk) {
            Ok(len) => shown.extend_from_slice(&chunk[..len]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                std::thread::sleep(Duration::from_millis(1));
            }
            Err(error) => {
                panic!("{error}; the terminal shows {:?}", String::from_utf8_lossy(&shown))
            }
        }
    }
}

/// Proportional set size of this process, in KiB.
fn pss() -> u64 {
    let rollup = fs::read_to_string("/proc/self/smaps_rollup").expect("Linux tells it");
    let line = rollup.lines().find(|line| line.starts_with("Pss:")).expect("it has a line of it");
    line.split_whitespace().nth(1).and_then(|kib| kib.parse().ok()).expect("a number")
}

/// Opens sessions on this engine, and tells what they cost.
fn measure(entry: &EngineEntry) {
    let dir = tempfile::tempdir().expect("a directory");
    let settings = EngineSettings { monitor_threads: 2, worker: Vec::new() };
    let engine: Box<dyn Engine> = (entry.build)(&settings).expect("the engine");
    let mut all: Vec<Open> = Vec::new();
    let mut sizes = Vec::new();
    for count in [FIRST, MORE] {
        for _ in 0..count {
            all.push(open(engine.as_ref(), dir.path(), all.len() as u64));
            use_it(&all[all.len() - 1]);
        }
        // What is put off until a session is quiet is done by then.
        std::thread::sleep(Duration::from_secs(2));
        sizes.push(pss());
    }
    println!("{:<10} {:>16} {:>22}", entry.name, sizes[0], (sizes[1] - sizes[0]) / MORE);
    for Open { handle, terminal } in all {
        drop(terminal);
        handle.wait().expect("it ends as it began");
    }
}

/// Each engine in a process of its own, which nothing was freed in before.
fn main() {
    let wanted = std::env::args().nth(1);
    if let Some(entry) = ENGINES.iter().find(|entry| wanted.as_deref() == Some(entry.name)) {
        return measure(entry);
    }
    println!("{:<10} {:>16} {:>22}", "engine", "PSS of 20, KiB", "each further, KiB");
    let program = std::env::current_exe().expect("a bench knows its program");
    for entry in ENGINES {
        let status = Command::new(&program).arg(entry.name).status().expect("it starts again");
        assert!(status.success(), "{}: {status}", entry.name);
    }
}
