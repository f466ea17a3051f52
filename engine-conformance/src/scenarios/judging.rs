//! Verdicts that come again, late, or in other people's languages.

use std::time::Duration;

use audit_core::{Action, Body, End, Language, OnStall};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::scenarios;
use crate::live::Live;
use crate::parts::{CRASH, SECOND, STALL, Seen, Switch, THREAT};
use crate::patience::until_true;
use crate::processes;
use crate::scene::Stage;

scenarios![
    a_threat_over_which_the_monitor_crashes_is_judged_again,
    a_threat_over_which_the_monitor_is_killed_is_judged_again,
    what_is_shown_while_the_monitor_stalls_is_judged_when_it_is_back,
    a_monitor_that_stalls_blocks_where_that_is_the_rule,
    a_second_threat_is_decided_apart_from_the_first,
    a_block_is_told_in_the_language_of_the_user,
];

fn approve() -> Action {
    Action::Approve { block: None, comment: String::new() }
}

/// Numbers of the blocks that were recorded, in order.
fn blocks(live: &Live) -> usize {
    live.files().journal().count(|body| matches!(body, Body::Blocked { .. }))
}

fn a_threat_over_which_the_monitor_crashes_is_judged_again(stage: &Stage) {
    let mut live = stage.sh(&format!("echo ready; read -r go; echo {CRASH} {THREAT}; cat")).play();
    live.expect("ready");
    live.send("go\r");
    live.expect("session blocked");
    assert!(Switch::MonitorHasCrashed.is_on(live.files().dir()));
    live.order(approve());
    live.expect("approved");
    live.send("\x04");
    let ended = live.end();
    assert!(ended.journal.has_marker("monitor.restarted"), "{}", ended.journal.summary());
    ended.check_screen();
}

fn a_threat_over_which_the_monitor_is_killed_is_judged_again(stage: &Stage) {
    let script = format!("echo ready; read -r go; echo {STALL} {THREAT}; cat; exit 3");
    let scene = stage.sh(&script);
    Switch::MonitorStalls.on(scene.dir());
    let mut owned = scene.play_owned();
    owned.expect("ready");
    owned.send("go\r");
    let files = owned.files().clone();
    let holds = |seen: &Seen| seen.bytes.windows(THREAT.len()).any(|w| w == THREAT.as_bytes());
    until_true("the monitor is about to judge it", || files.windows().iter().any(holds));
    // Where everything is one process, nobody can be killed apart from the session.
    for worker in processes::workers(owned.pid()) {
        let _ = kill(Pid::from_raw(worker), Signal::SIGKILL);
    }
    Switch::MonitorStalls.off(files.dir());
    owned.expect("session blocked");
    files.order_by_link(1, approve());
    owned.expect("approved");
    owned.send("\x04");
    assert_eq!(owned.end().status(), 3);
}

fn what_is_shown_while_the_monitor_stalls_is_judged_when_it_is_back(stage: &Stage) {
    let script =
        format!("echo ready; read -r go; echo {STALL}; read -r go; echo {THREAT}; echo shown; cat");
    let mut scene = stage.sh(&script);
    scene.policy().blocking.analysis_timeout = Duration::from_millis(300);
    Switch::MonitorStalls.on(scene.dir());
    let mut live = scene.play();
    live.expect("ready");
    live.send("go\r");
    live.files().await_alarm("monitor.stalled");
    live.send("go\r");
    live.expect("shown");
    assert_eq!(blocks(&live), 0, "nobody judges");
    Switch::MonitorStalls.off(live.files().dir());
    live.expect("session blocked");
    live.order(approve());
    live.expect("approved");
    live.send("\x04");
    live.end().check_screen();
}

fn a_monitor_that_stalls_blocks_where_that_is_the_rule(stage: &Stage) {
    let mut scene = stage.sh(&format!("echo ready; read -r go; echo {STALL}; cat"));
    scene.policy().blocking.analysis_timeout = Duration::from_millis(300);
    scene.policy().blocking.on_stall = OnStall::Block;
    Switch::MonitorStalls.on(scene.dir());
    let mut live = scene.play();
    live.expect("ready");
    live.send("go\r");
    live.expect("the monitor does not answer in time");
    Switch::MonitorStalls.off(live.files().dir());
    live.files().await_alarm("monitor.back");
    live.order(Action::Reject { block: None, comment: String::new() });
    assert_eq!(live.end().outcome.end, End::Rejected);
}

fn a_second_threat_is_decided_apart_from_the_first(stage: &Stage) {
    // Both are shown before the monitor says a word about either, and too far apart to be judged
    // together.
    let script = format!(
        "echo ready; read -r go; echo {STALL}; echo {THREAT}; head -c 100000 /dev/zero | tr '\\0' .; \
         echo {SECOND}; echo shown; cat > taken"
    );
    let scene = stage.sh(&script);
    Switch::MonitorStalls.on(scene.dir());
    let mut live = scene.play();
    live.expect("ready");
    live.send("go\r");
    live.expect("shown");
    Switch::MonitorStalls.off(live.files().dir());
    live.expect(&format!("(block 1): a scripted threat ({THREAT})"));
    let second = |body: &Body| matches!(body, Body::Verdict(v) if v.findings.iter().any(|f| f.excerpt == SECOND));
    until_true("the second is recorded", || live.files().journal().holds(second));
    live.order(approve());
    live.expect(&format!("(block 2): a scripted threat ({SECOND})"));
    live.send("typed\r");
    live.expect("what you typed was dropped");
    live.order(approve());
    live.expect("block 2 approved");
    live.send("\x04");
    let ended = live.end();
    let taken = std::fs::read(ended.files.dir().join("taken")).expect("a file");
    assert_eq!(taken, b"", "what was typed between the two did not reach the child");
    ended.check_screen();
}

fn a_block_is_told_in_the_language_of_the_user(stage: &Stage) {
    for (language, blocked, dropped, approved) in [
        (Language::Chinese, "会话已被阻止（阻止编号 1）", "您的输入已丢弃", "已由 operator 批准"),
        (Language::Japanese, "セッションを停止しました", "入力は破棄されました", "承認されました"),
    ] {
        let mut scene = stage.sh(&format!("echo ready; read -r go; echo {THREAT}; cat"));
        scene.policy().language = language;
        let mut live = scene.play();
        live.expect("ready");
        live.send("go\r");
        live.expect(blocked);
        live.send("typed\r");
        live.expect(dropped);
        live.order(approve());
        live.expect(approved);
        live.send("\x04");
        live.end().check_screen();
    }
}
