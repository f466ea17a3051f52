//! Much output while everything is on: nothing is lost, nothing piles up, and the last row is judged
//! as the first.
//!
//! An optimised build with `slow-tests` is shown a gigabyte.

use sha2::{Digest as _, Sha256};

use crate::on_every_engine;
use crate::processes;
use crate::sandbox::{Sandbox, until};
use crate::terminal::Terminal;

on_every_engine![a_flood_that_is_judged_is_recorded_whole_in_bounded_memory];

/// How much is shown, in bytes.
const AMOUNT: usize = match (cfg!(feature = "slow-tests"), cfg!(debug_assertions)) {
    (true, false) => 1 << 30,
    (true, true) => 48 << 20,
    (false, _) => 8 << 20,
};

/// Memory of all of our processes may grow by no more than this, from the beginning of the flood to
/// its end.
const GROWTH: u64 = 24 << 20;

/// It is looked at each time so much was shown.
const STEP: usize = AMOUNT / 16;

fn a_flood_that_is_judged_is_recorded_whole_in_bounded_memory(engine: &str) {
    let sandbox = Sandbox::new();
    let token = format!("ghp_{}", "aB3dE5gH7jK9mN1pQ2sT4vW6xY8zR0aB3dE5");
    sandbox.file("home/secret", &format!("\nTOKEN={token}\n"));
    let script = format!(
        "stty -echo -opost; echo up; read -r go; \
         yes 'drwxr-xr-x 2 alice alice 4096 a line as ls(1) shows it' | head -c {AMOUNT}; \
         cat secret; echo over; read -r go"
    );
    let mut terminal =
        Terminal::start(sandbox.command(["run", "--engine", engine, "--", "sh", "-c", &script]));
    terminal.expect("up\n");
    let recorder = terminal.pid().as_raw();
    terminal.type_in("\r");
    let mut digest = Sha256::new();
    digest.update(terminal.forget());
    let (mut length, mut first, mut most) = (0, None, 0);
    let mut tail = Vec::new();
    while !tail.ends_with(b"over\n") {
        let bytes = terminal.wait_for_bytes();
        digest.update(&bytes);
        let before = length;
        length += bytes.len();
        tail.extend_from_slice(&bytes);
        tail.drain(..tail.len().saturating_sub(64));
        if before / STEP < length / STEP {
            let memory = memory(recorder);
            most = most.max(memory);
            first.get_or_insert(memory);
        }
    }
    let first = first.unwrap_or_default();
    assert!(most < first + GROWTH, "{engine}: from {first} to {most} bytes");
    assert_eq!(length, AMOUNT + format!("\nTOKEN={token}\nover\n").len(), "{engine}");
    let id = sandbox.sessions().remove(0);
    until("the last row is judged", || {
        sandbox.run(["show", "--json", &id]).text().contains("secret.shown")
    });
    terminal.type_in("\r");
    assert_eq!(terminal.finish().0, 0, "{engine}");
    let shown = digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let told = sandbox.run(["show", "--json", &id]).text();
    assert!(told.contains(&shown), "{engine}: what was recorded is not what was shown: {told}");
    assert!(!told.contains("\"gap\":{"), "{engine}: {told}");
    assert_eq!(sandbox.run(["verify", &id]).status, 0, "{engine}");
}

/// Memory of all processes of the program in this session, in bytes.
fn memory(recorder: i32) -> u64 {
    let all = processes::below(recorder).into_iter().chain([recorder]);
    let ours = all.filter(|pid| processes::is_program(*pid, env!("CARGO_BIN_EXE_auditty")));
    ours.map(processes::resident).sum()
}
