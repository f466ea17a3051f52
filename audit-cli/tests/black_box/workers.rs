//! `multiproc`: a worker that is killed takes nothing with it.

use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::chance::{Chance, times};
use crate::processes;
use crate::sandbox::Sandbox;
use crate::terminal::Terminal;

/// Lines in small bursts for some seconds, so that every worker is busy and idle in turn.
const LINES: usize = 4000;

#[test]
fn workers_killed_at_random_moments_cost_no_byte() {
    for seed in 0..times(2, 10) {
        kill_some(Chance::new(seed as u64));
    }
}

fn kill_some(mut chance: Chance) {
    let sandbox = Sandbox::new();
    let script = format!(
        "echo up; while [ $((n+=1)) -le {LINES} ]; do echo line $n; \
         [ $((n % 50)) = 0 ] && sleep 0.05; done; exit 7"
    );
    let mut terminal = Terminal::start(sandbox.command([
        "run",
        "--engine",
        "multiproc",
        "--",
        "bash",
        "-c",
        &script,
    ]));
    terminal.expect("up\r\n");
    let recorder = terminal.pid().as_raw();
    let mut killed = 0;
    for _ in 0..6 {
        std::thread::sleep(Duration::from_millis(100 + chance.below(500)));
        let workers: Vec<_> = processes::below(recorder)
            .into_iter()
            .filter(|pid| processes::command_line(*pid).contains("auditty worker"))
            .collect();
        if workers.is_empty() {
            continue;
        }
        let victim = workers[usize::try_from(chance.below(workers.len() as u64)).unwrap()];
        // It may have ended by itself, with the session.
        killed += usize::from(kill(Pid::from_raw(victim), Signal::SIGKILL).is_ok());
    }
    assert!(killed > 0);
    terminal.expect(&format!("line {LINES}\r\n"));
    let (status, shown) = terminal.finish();
    assert_eq!(status, 7, "{shown}");
    let lines: String = (1..=LINES).map(|n| format!("line {n}\r\n")).collect();
    assert!(shown == format!("up\r\n{lines}"), "the terminal is not disturbed: {shown}");
    let id = sandbox.sessions().remove(0);
    let recorded = sandbox.run(["export", &id, "--format", "raw", "--stream", "output"]).text();
    assert!(recorded == shown, "what was shown is not what was recorded: {recorded}");
    let verified = sandbox.run(["verify", &id]);
    assert_eq!(verified.status, 0, "{verified:?}");
}
