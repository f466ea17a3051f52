//! How fast output flows through whole sessions, beside a bare loop that only copies.
//!
//! The terminal is not played here: output goes into `/dev/null`, so what is left is the child, the
//! PTY, the engine and the journal. `auditty bench` measures with a terminal, and `multiproc` too.
#![allow(missing_docs)]

use std::fs::File;
use std::io::{ErrorKind, Read as _, Write as _};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use audit_core::{
    CommandSpec, Engine, EngineEntry, EngineSettings, Part, Session, SessionId, Toolkit, UserEnd,
};
use audit_journal::JournalSettings;
use audit_pty::Pty;
use benches::{logs, spec};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// Bytes the child shows.
const SIZE: usize = 4 << 20;

const ENGINES: [EngineEntry; 4] =
    [engine_hybrid::ENTRY, engine_async::ENTRY, engine_threaded::ENTRY, engine_poll::ENTRY];

fn sink() -> File {
    File::options().write(true).open("/dev/null").expect("/dev/null")
}

/// What an engine does without the rest: reads the child's terminal and writes.
fn bare(file: &Path) {
    let mut pty = Pty::open().expect("a terminal");
    let slave = pty.slave().expect("its slave").try_clone_to_owned().expect("a descriptor");
    let mut child = Command::new("cat").arg(file).stdout(slave).spawn().expect("cat");
    pty.close_slave();
    let mut master = File::from(pty.master().try_clone_to_owned().expect("a descriptor"));
    let (mut sink, mut buffer) = (sink(), vec![0; 64 << 10]);
    loop {
        poll(&mut [PollFd::new(pty.master(), PollFlags::POLLIN)], PollTimeout::NONE).expect("poll");
        match master.read(&mut buffer) {
            Ok(len @ 1..) => sink.write_all(&buffer[..len]).expect("/dev/null takes all"),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            // EIO: the child has closed its end (pty(7)).
            _ => break,
        }
    }
    assert!(child.wait().expect("it was started").success());
}

fn session(file: &Path, root: &Path, number: u64) -> Session {
    let settings = serde_json::to_value(JournalSettings::new(root)).expect("plain data");
    let mut spec = spec(Part::new("journal", settings));
    let mut name = [0; 10];
    name[..8].copy_from_slice(&number.to_le_bytes());
    spec.id = SessionId::new(spec.opened_unix_millis, name);
    spec.command = CommandSpec::new("cat", [file]);
    spec.monitor = None;
    let toolkit = Toolkit::new().with_recorder("journal", audit_journal::recorder);
    let user = UserEnd {
        input: None,
        output: sink().into(),
        stdout: None,
        stderr: None,
        owns_process: false,
    };
    Session { spec, user, toolkit: Arc::new(toolkit), seed: [7; 32] }
}

fn engines(c: &mut Criterion) {
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("payload");
    let payload: Vec<u8> = logs().into_iter().filter(|b| *b != b'\r').cycle().take(SIZE).collect();
    std::fs::write(&file, payload).expect("the payload");

    let mut group = c.benchmark_group("engines/cat");
    group.throughput(Throughput::Bytes(SIZE as u64)).sample_size(10);
    group.bench_function("bare loop", |b| b.iter(|| bare(&file)));
    let settings = EngineSettings { monitor_threads: 1, worker: Vec::new() };
    let mut number = 0;
    for entry in ENGINES {
        let engine: Box<dyn Engine> = (entry.build)(&settings).expect("the engine");
        group.bench_function(entry.name, |b| {
            b.iter(|| {
                number += 1;
                let session = session(&file, dir.path(), number);
                assert_eq!(engine.run(session).expect("it runs").status(), 0);
            });
        });
    }
    group.finish();
}

criterion_group!(benches, engines);
criterion_main!(benches);
