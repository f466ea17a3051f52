//! A writer that is killed at any time loses nothing it has acknowledged.

mod common;

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use audit_journal::{Journal, Recovery, Status, Trust, recover, verify};
use common::Root;

/// Not a test of its own: what the child of the test below runs.
#[test]
fn child() {
    let Some(root) = std::env::var_os("AUDITTY_TEST_KILL_ROOT").map(PathBuf::from) else { return };
    let mut settings = audit_journal::JournalSettings::new(&root);
    settings.segment_size = 100_000;
    let writer = audit_journal::Writer::open(&common::spec(1, &root), settings).unwrap();
    let dir = writer.dir().to_owned();
    let mut tape = common::Tape { writer, dir, seq: 0, at: 0 };
    loop {
        for _ in 0..7 {
            let line = format!("line {}\r\n", tape.seq + 1);
            tape.tty(line.repeat(40).as_bytes());
        }
        let through = tape.sync();
        println!("\nacknowledged {through}");
        while audit_core::Recorder::idle(&mut tape.writer).unwrap() {}
    }
}

#[test]
fn a_killed_writer_loses_nothing_it_has_acknowledged() {
    for round in 0..8u32 {
        let root = Root::new();
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "child", "--nocapture"])
            .env("AUDITTY_TEST_KILL_ROOT", root.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut acknowledged = 0;
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        // Killed after another number of syncs each round, wherever it then is.
        let mut syncs = 0;
        for line in lines.by_ref().map_while(Result::ok) {
            if let Some(through) = line.strip_prefix("acknowledged ") {
                acknowledged = through.parse().unwrap();
                syncs += 1;
                if syncs > 3 + round * round {
                    break;
                }
            }
        }
        child.kill().unwrap();
        child.wait().unwrap();
        // What it acknowledged while it was being killed.
        for line in lines.map_while(Result::ok) {
            if let Some(through) = line.strip_prefix("acknowledged ") {
                acknowledged = through.parse().unwrap_or(acknowledged);
            }
        }
        let dir = audit_journal::sessions(root.path()).unwrap().remove(0).0;
        let report = verify(&dir, &Trust::FirstUse, None);
        assert_eq!(report.status, Status::Truncated, "{report}");
        assert!(report.records >= acknowledged, "{report}, acknowledged {acknowledged}");
        assert!(matches!(recover(&dir, None).unwrap(), Recovery::Mended { .. }));
        assert_eq!(recover(&dir, None).unwrap(), Recovery::Closed);
        let report = verify(&dir, &Trust::FirstUse, None);
        assert_eq!(report.status, Status::Intact, "{report}");
        let last = Journal::open(&dir).unwrap().entries().unwrap().last().unwrap().unwrap();
        assert_eq!(last.last, report.records);
    }
}
