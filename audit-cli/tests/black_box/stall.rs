//! A terminal that takes nothing for a while, and a flood that must stop.

use std::time::Duration;

use crate::chance::times;
use crate::on_every_engine;
use crate::processes;
use crate::sandbox::{Sandbox, until};
use crate::terminal::Terminal;

on_every_engine![a_terminal_that_hangs_costs_no_memory_and_no_byte];

/// All of our processes together stay below this.
const MEMORY: u64 = 64 << 20;

/// Enough that nobody between child and terminal could hold it.
const LINES: usize = 400_000;

fn a_terminal_that_hangs_costs_no_memory_and_no_byte(engine: &str) {
    let sandbox = Sandbox::new();
    let script = format!("stty -echo; echo up; read go; seq 1 {LINES} & wait; echo over");
    let mut command = sandbox.command(["run", "--engine", engine, "--", "sh", "-c", &script]);
    command.env("AUDITTY_DETECT__ENABLED", "false");
    let mut terminal = Terminal::start(command);
    terminal.expect("up\r\n");
    let recorder = terminal.pid().as_raw();
    terminal.stall();
    terminal.type_in("\r");
    let mut writer = None;
    until("the flood has begun", || {
        let flood = |pid: &i32| processes::command_line(*pid).starts_with("seq ");
        writer = processes::below(recorder).into_iter().find(flood);
        writer.is_some()
    });
    let writer = writer.unwrap();
    std::thread::sleep(Duration::from_secs(times(2, 10) as u64));
    let ours: Vec<i32> = processes::below(recorder)
        .into_iter()
        .chain([recorder])
        .filter(|pid| processes::is_program(*pid, env!("CARGO_BIN_EXE_auditty")))
        .collect();
    assert!(ours.contains(&recorder));
    let memory: u64 = ours.iter().map(|pid| processes::resident(*pid)).sum();
    assert!(memory < MEMORY, "{memory} bytes in {} processes", ours.len());
    assert_eq!(processes::state(writer), Some('S'), "the child waits");
    terminal.go_on();
    terminal.expect("over\r\n");
    let (status, shown) = terminal.finish_bytes();
    assert_eq!(status, 0);
    let counted: String = (1..=LINES).map(|n| format!("{n}\r\n")).collect();
    assert!(shown == format!("up\r\n{counted}over\r\n").as_bytes(), "a byte is missing on screen");
    let id = sandbox.sessions().remove(0);
    let recorded = sandbox.run(["export", &id, "--format", "raw", "--stream", "output"]).stdout;
    assert!(recorded == shown, "a byte is missing in the journal");
    assert_eq!(sandbox.run(["verify", &id]).status, 0);
}
