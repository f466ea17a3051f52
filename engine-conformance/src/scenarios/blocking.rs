//! A threat blocks the session until somebody decides.

use std::io::Write;
use std::time::Duration;

use audit_core::{Action, Answer, Body, End, News, OnTimeout, SelfApproval, Stream, UserEnd};

use super::scenarios;
use crate::live::{Live, watch_for};
use crate::parts::THREAT;
use crate::patience::until_true;
use crate::processes::{is_gone, is_stopped};
use crate::scene::Stage;
use crate::terminal::Terminal;

scenarios![
    a_threat_blocks_until_approved,
    a_block_is_shown_once_it_is_recorded,
    a_rejected_session_is_killed,
    an_approval_that_does_not_come_ends_the_session,
    an_approval_that_does_not_come_lets_the_session_go_on_where_that_is_the_rule,
    a_blocked_child_stands_still,
    what_runs_in_the_background_stands_still_too,
    a_job_that_was_stopped_before_a_block_stays_so,
    what_a_child_in_pipe_mode_has_started_stands_still_too,
    the_data_of_a_pipe_waits_for_the_decision,
    who_wants_quiet_is_told_of_a_block_all_the_same,
    input_of_a_blocked_session_is_dropped_and_said_to_be,
    an_operator_blocks_and_approves_over_the_link,
    a_blocked_user_may_not_approve_where_that_is_the_rule,
    an_operator_ends_a_session,
    a_blocked_session_that_is_hung_up_ends,
];

/// Waits for a line, shows a threat, and then echoes lines.
fn threat() -> String {
    format!(
        "echo ready; read -r go; echo {THREAT}; while read -r line; do echo \"got $line\"; done; exit 3"
    )
}

/// Plays [`threat`] up to the block.
fn play_to_block(stage: &Stage) -> Live {
    let mut live = stage.sh(&threat()).play();
    live.expect("ready");
    live.send("go\r");
    live.expect("session blocked");
    live
}

fn approve() -> Action {
    Action::Approve { block: None, comment: "looked at it".into() }
}

fn a_threat_blocks_until_approved(stage: &Stage) {
    let mut live = play_to_block(stage);
    live.order(approve());
    live.expect("approved by operator");
    live.send("hello\r");
    live.expect("got hello");
    live.send("\x04");
    let ended = live.end();
    assert_eq!(ended.status(), 3);
    ended.check_screen();
    let kinds: Vec<&str> = ended
        .journal
        .bodies()
        .filter_map(|body| match body {
            Body::Verdict(_) => Some("verdict"),
            Body::Blocked { .. } => Some("blocked"),
            Body::Decided { decision, .. } => {
                assert_eq!(decision.answer, Answer::Approve);
                assert_eq!(decision.by.name, "operator");
                assert!(!decision.own);
                Some("decided")
            }
            _ => None,
        })
        .collect();
    assert_eq!(kinds, ["verdict", "blocked", "decided"]);
}

fn a_block_is_shown_once_it_is_recorded(stage: &Stage) {
    for _ in 0..5 {
        let mut live = stage.sh(&format!("echo {THREAT}; sleep 600")).play();
        live.expect("session blocked");
        let journal = live.files().journal();
        assert!(
            journal.holds(|body| matches!(body, Body::Blocked { .. })),
            "{}",
            journal.summary()
        );
        live.order(Action::Reject { block: None, comment: String::new() });
        live.end();
    }
}

fn a_rejected_session_is_killed(stage: &Stage) {
    let script = format!(
        "trap '' HUP TERM; echo $$ > child; printf '\\033[?1049h\\033[?1000h'; echo {THREAT}; while :; do sleep 1; done"
    );
    let mut live = stage.sh(&script).play();
    live.expect("session blocked");
    live.order(Action::Reject { block: None, comment: "no".into() });
    live.expect("rejected by operator");
    let ended = live.end();
    let shown = ended.terminal.text();
    let behind = shown.split_once("session blocked").map_or("", |(_, behind)| behind);
    let left = behind.split_once("\x1b[?1049l").map_or("", |(_, left)| left);
    assert!(left.contains("\x1b[?1000;") && left.contains("rejected by"), "{behind:?}");
    assert_eq!(ended.outcome.end, End::Rejected);
    assert_eq!(ended.status(), 77);
    let child = ended.files.pid("child");
    until_true("the child is gone", || is_gone(child));
    ended.check_screen();
}

fn an_approval_that_does_not_come_ends_the_session(stage: &Stage) {
    let mut scene = stage.sh(&threat());
    scene.policy().blocking.approval_timeout = Duration::from_millis(400);
    let mut live = scene.play();
    live.expect("ready");
    live.send("go\r");
    live.expect("session blocked");
    live.expect("nobody decided");
    let ended = live.end();
    assert_eq!(ended.outcome.end, End::Expired);
    assert_eq!(ended.status(), 77);
}

fn an_approval_that_does_not_come_lets_the_session_go_on_where_that_is_the_rule(stage: &Stage) {
    let mut scene = stage.sh(&threat());
    scene.policy().blocking.approval_timeout = Duration::from_millis(400);
    scene.policy().blocking.on_timeout = OnTimeout::Resume;
    let mut live = scene.play();
    live.expect("ready");
    live.send("go\r");
    live.expect("session blocked");
    live.expect("the session goes on");
    live.send("hello\r");
    live.expect("got hello");
    live.send("\x04");
    let ended = live.end();
    assert_eq!(ended.status(), 3);
    let resumed = |body: &Body| matches!(body, Body::Decided { decision, .. } if decision.answer == Answer::ExpireResume);
    assert!(ended.journal.holds(resumed));
}

fn a_blocked_child_stands_still(stage: &Stage) {
    let script = format!("echo {THREAT}; i=0; while :; do i=$((i+1)); echo $i > ticks; done");
    let mut live = stage.sh(&script).play();
    live.expect("session blocked");
    let child = live.files().child();
    until_true("the child is stopped", || is_stopped(child));
    let ticks = || std::fs::read_to_string(live.files().dir().join("ticks")).unwrap_or_default();
    let before = ticks();
    watch_for(Duration::from_millis(200));
    assert_eq!(ticks(), before, "a stopped child does nothing");
    live.order(approve());
    until_true("the child goes on", || !ticks().is_empty() && ticks() != before);
    live.order(Action::Terminate);
    assert_eq!(live.end().outcome.end, End::Terminated);
}

/// Blocks the session by an order, checks that what writes `ticks` stands still until it is
/// approved, and ends it and the session.
fn check_that_ticks_stand_still(live: &Live) {
    let ticks = || std::fs::read_to_string(live.files().dir().join("ticks")).unwrap_or_default();
    until_true("it ticks", || !ticks().is_empty());
    live.order(Action::Block { reason: String::new() });
    let ticker = live.files().pid("ticker");
    until_true("the ticker is stopped", || is_stopped(ticker));
    let before = ticks();
    watch_for(Duration::from_millis(200));
    assert_eq!(ticks(), before, "a stopped process does nothing");
    live.order(approve());
    until_true("the ticker goes on", || !ticks().is_empty() && ticks() != before);
    std::fs::remove_file(live.files().dir().join("ticker")).expect("the ticker's file");
    until_true("the ticker ends", || is_gone(ticker));
    live.order(Action::Terminate);
}

/// A shell function that counts up in the file `ticks`, its process id in the file `ticker`, for as
/// long as that file exists.
const TICK: &str = "tick() { sh -c 'echo $$ > ticker; i=0; while [ -e ticker ]; do i=$((i+1)); echo $i > ticks; done'; }; ";

fn what_runs_in_the_background_stands_still_too(stage: &Stage) {
    let live = stage.sh(&format!("{TICK} set -m; tick & sleep 600")).play();
    check_that_ticks_stand_still(&live);
    assert_eq!(live.end().outcome.end, End::Terminated);
}

fn a_job_that_was_stopped_before_a_block_stays_so(stage: &Stage) {
    let script = "set -m; sleep 600 & echo $! > job; kill -STOP $!; \
                  echo ready; while read -r line; do echo \"got $line\"; done; kill -KILL %1";
    let mut live = stage.sh(script).play();
    live.expect("ready");
    let job = live.files().pid("job");
    until_true("the job is stopped", || is_stopped(job));
    live.order(Action::Block { reason: String::new() });
    live.expect("session blocked");
    live.order(approve());
    live.expect("approved");
    live.send("on\r");
    live.expect("got on");
    assert!(is_stopped(job), "nobody has let the job go on");
    live.send("\x04");
    live.end();
}

fn what_a_child_in_pipe_mode_has_started_stands_still_too(stage: &Stage) {
    let mut scene = stage.sh(&format!("{TICK} tick & sleep 600"));
    scene.spec.pty = false;
    let live = scene.play();
    check_that_ticks_stand_still(&live);
    assert_eq!(live.end().outcome.end, End::Terminated);
}

fn the_data_of_a_pipe_waits_for_the_decision(stage: &Stage) {
    let mut scene = stage.scene("wc", ["-c"]);
    scene.spec.pty = false;
    let (input, to_child) = nix::unistd::pipe2(nix::fcntl::OFlag::O_CLOEXEC).expect("a pipe");
    let mut terminal = Terminal::new();
    terminal.make_raw();
    let user = UserEnd {
        input: Some(input),
        output: terminal.slave(),
        stdout: None,
        stderr: Some(terminal.slave()),
        owns_process: false,
    };
    terminal.give_away();
    let mut live = scene.play_with(user, terminal);
    let mut to_child = std::fs::File::from(to_child);
    to_child.write_all(&[b'x'; 1000]).expect("a pipe has room");
    live.files().child();
    live.order(Action::Block { reason: String::new() });
    live.expect("session blocked");
    let writer = std::thread::spawn(move || to_child.write_all(&[b'x'; 499_000]));
    watch_for(Duration::from_millis(200));
    assert!(!writer.is_finished(), "nobody reads it now");
    live.order(approve());
    live.expect("500000");
    writer.join().expect("the writer ends").expect("all of it was taken");
    let ended = live.end();
    assert!(!ended.journal.holds(|body| matches!(body, Body::Refused { .. })));
}

fn who_wants_quiet_is_told_of_a_block_all_the_same(stage: &Stage) {
    let mut scene = stage.sh(&threat());
    scene.policy().quiet = true;
    let mut live = scene.play();
    live.expect("ready");
    live.send("go\r");
    live.expect("session blocked");
    live.order(approve());
    live.expect("approved");
    live.order(Action::Terminate);
    let ended = live.end();
    assert!(!ended.terminal.text().contains("ended by an operator"), "that need not be seen");
}

fn input_of_a_blocked_session_is_dropped_and_said_to_be(stage: &Stage) {
    let mut live = play_to_block(stage);
    live.send("dropped\r");
    live.expect("what you typed was dropped");
    live.send("dropped too\r");
    let refused = |body: &Body| match body {
        Body::Refused { bytes } => Some(*bytes),
        _ => None,
    };
    until_true("both lines are refused", || {
        live.files().journal().bodies().filter_map(refused).sum::<u64>() == 20
    });
    live.order(approve());
    live.expect("approved");
    live.send("kept\r");
    live.expect("got kept");
    live.send("\x04");
    let ended = live.end();
    assert!(!ended.terminal.text().contains("got dropped"));
    let typed = ended.journal.text(Stream::Input);
    assert!(!typed.contains("dropped"), "{typed:?}");
    ended.check_screen();
}

fn an_operator_blocks_and_approves_over_the_link(stage: &Stage) {
    let mut live = stage.sh("echo ready; read -r word; echo \"got $word\"").play();
    live.expect("ready");
    live.files().order_by_link(1, Action::Block { reason: "a \x1b[2Jlook".into() });
    assert_eq!(live.files().await_answer(1), Ok(()));
    live.expect("session blocked (block 1): a  [2Jlook");
    live.files().await_news("the block", |news| matches!(news, News::Blocked { .. }).then_some(()));
    live.files().order_by_link(2, Action::Block { reason: String::new() });
    assert!(live.files().await_answer(2).is_err(), "it is blocked already");
    live.files().order_by_link(3, approve());
    assert_eq!(live.files().await_answer(3), Ok(()));
    live.files().order_by_link(4, approve());
    assert!(live.files().await_answer(4).is_err(), "it is approved already");
    live.expect("approved");
    live.send("on\r");
    live.expect("got on");
    let ended = live.end();
    ended.check_screen();
    ended.files.await_news("the end", |news| matches!(news, News::Finished(_)).then_some(()));
    let notices = ended.files.notices();
    let numbers: Vec<u64> = notices.iter().map(|notice| notice.id).collect();
    assert_eq!(numbers, (1..=numbers.len() as u64).collect::<Vec<_>>(), "notices come in order");
}

fn a_blocked_user_may_not_approve_where_that_is_the_rule(stage: &Stage) {
    let mut scene = stage.sh("echo ready; read -r word");
    scene.policy().blocking.self_approval = SelfApproval::Never;
    // The operator is the session's user.
    scene.spec.user = crate::live::operator();
    let mut live = scene.play();
    live.expect("ready");
    live.files().order_by_link(1, Action::Block { reason: String::new() });
    live.expect("session blocked");
    live.files().order_by_link(2, approve());
    assert!(live.files().await_answer(2).is_err());
    live.files().order_by_link(3, Action::Reject { block: None, comment: String::new() });
    assert_eq!(live.end().outcome.end, End::Rejected);
}

fn an_operator_ends_a_session(stage: &Stage) {
    let mut live =
        stage.sh("trap 'echo hung up; exit 5' HUP; echo ready; while :; do sleep 0.1; done").play();
    live.expect("ready");
    live.files().order_by_link(1, Action::Terminate);
    live.expect("ended by an operator");
    let ended = live.end();
    assert_eq!(ended.outcome.end, End::Terminated);
    assert!(ended.terminal.text().contains("hung up"), "the child had its chance");
    let is_mark = |body: &Body| {
        matches!(body, Body::Marker { name, text }
            if name == "session.terminated" && text == "ordered by operator")
    };
    assert!(ended.journal.holds(is_mark), "{}", ended.journal.summary());
    ended.files.await_news("who ended it", |news| match news {
        News::Terminated { by } if by.name == "operator" => Some(()),
        _ => None,
    });
    ended.check_screen();
}

fn a_blocked_session_that_is_hung_up_ends(stage: &Stage) {
    let mut live = play_to_block(stage);
    live.hang_up();
    let ended = live.end();
    assert_eq!(ended.outcome.end, End::HangUp);
}
