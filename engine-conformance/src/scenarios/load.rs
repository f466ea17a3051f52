//! Much at once: floods, terminals that do not read, many sessions.

use std::time::Duration;

use audit_core::{Exit, Stream};

use super::scenarios;
use crate::live::{Live, check_equal, check_recorded, watch_for};
use crate::owned::Owned;
use crate::patience::until_true;
use crate::processes::{resident, workers};
use crate::scene::Stage;

scenarios![
    a_terminal_that_stops_reading_stops_the_child_and_costs_no_memory,
    a_terminal_that_does_not_read_when_the_child_ends_loses_nothing,
    an_interrupt_in_a_flood_acts_promptly,
    a_flood_in_one_session_leaves_the_others_alive,
    a_hundred_sessions_run_on_one_engine,
];

fn a_terminal_that_stops_reading_stops_the_child_and_costs_no_memory(stage: &Stage) {
    const LINES: usize = 1_500_000;
    let script = format!("echo ready; read -r go; seq 1 {LINES}; echo last");
    let mut owned = stage.sh(&script).play_owned();
    owned.expect("ready");
    let pid = owned.pid();
    owned.stall();
    owned.send("go\r");
    let recorded = |owned: &Owned| {
        std::fs::metadata(owned.files().dir().join("journal")).map_or(0, |file| file.len())
    };
    until_true("output is recorded", || recorded(&owned) > 4096);
    watch_for(Duration::from_millis(2000));
    let ahead = recorded(&owned);
    assert!(ahead < 4 << 20, "{ahead} bytes were read ahead of a terminal that takes none");
    for pid in workers(pid).into_iter().chain([pid]) {
        let resident = resident(pid);
        assert!(resident < 64 << 20, "{resident} bytes are resident");
    }
    owned.go_on();
    owned.expect("\nlast\r\n");
    let ended = owned.end();
    let counted: String = (1..=LINES).map(|n| format!("{n}\r\n")).collect();
    let expected = format!("ready\r\ngo\r\n{counted}last\r\n");
    check_equal(&ended.journal.stream(Stream::Tty), expected.as_bytes());
    assert_eq!(ended.outcome.lost, None);
}

fn a_terminal_that_does_not_read_when_the_child_ends_loses_nothing(stage: &Stage) {
    // How much fits between child and user is the kernel's affair: some of these are left in the
    // child's terminal when it ends.
    let sizes = [1500, 2000, 2500, 3000, 3500, 4000, 4500, 5000, 6000];
    let play = |lines: &usize| {
        let script = format!("echo ready; read -r go; seq 1 {lines}; printf last");
        let mut live = stage.sh(&script).bare().play();
        live.expect("ready");
        live.stall();
        live.send("go\r");
        live
    };
    let all: Vec<Live> = sizes.iter().map(play).collect();
    // Longer than a terminal is drained for the sake of background processes.
    watch_for(Duration::from_millis(1500));
    for (lines, live) in sizes.into_iter().zip(all) {
        live.go_on();
        let ended = live.end();
        let counted: String = (1..=lines).map(|n| format!("{n}\r\n")).collect();
        let expected = format!("ready\r\ngo\r\n{counted}last");
        check_equal(expected.as_bytes(), &ended.terminal.shown());
        ended.check_screen();
    }
}

/// What a flood shows in a fifth of a second where it is fastest, in bytes. An engine that puts
/// reading before typing goes beyond it, however slow the machine is.
const PROMPTLY: usize = 32 << 20;

fn an_interrupt_in_a_flood_acts_promptly(stage: &Stage) {
    let live = stage.scene("yes", ["a flood of lines that does not end by itself"]).bare().play();
    until_true("the flood runs", || live.shown_len() > 1 << 20);
    let before = live.shown_len();
    live.send("\x03");
    let ended = live.end();
    assert_eq!(ended.outcome.exit, Some(Exit::Signal { number: 2, core: false }));
    let after = ended.terminal.shown().len() - before;
    assert!(after < PROMPTLY, "{after} bytes were shown behind the interrupt");
    ended.check_screen();
}

fn a_flood_in_one_session_leaves_the_others_alive(stage: &Stage) {
    let flood = stage.scene("yes", ["a flood of lines that does not end by itself"]).bare().play();
    until_true("the flood runs", || flood.shown_len() > 1 << 16);
    let mut live = stage.sh("while read -r line; do echo \"got $line\"; done").play();
    for number in 0..10 {
        live.send(format!("line {number}\r"));
        live.expect(&format!("got line {number}\r\n"));
    }
    live.send("\x04");
    live.end().check_screen();
    flood.send("\x03");
    flood.end().check_screen();
}

fn a_hundred_sessions_run_on_one_engine(stage: &Stage) {
    let script = "echo ready; read -r line; echo \"got $line\"; exit 9";
    let mut all: Vec<Live> = (0..100).map(|_| stage.sh(script).bare().play()).collect();
    for live in &mut all {
        live.expect("ready");
    }
    for (number, live) in all.iter().enumerate() {
        live.send(format!("line {number}\r"));
    }
    for (number, live) in all.iter_mut().enumerate() {
        live.expect(&format!("got line {number}\r\n"));
    }
    for (number, live) in all.into_iter().enumerate() {
        let ended = live.end();
        assert_eq!(ended.status(), 9);
        let typed = format!("line {number}\r");
        check_recorded(typed.as_bytes(), &ended.journal.stream(Stream::Input));
        ended.check_screen();
    }
}
