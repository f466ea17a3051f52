//! What may happen to workers, and what must not come of it.

use std::fs;
use std::io::Read;

use audit_core::{Body, News, Stream};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

use crate::parts::{LATE, POISON, SLOW, THREAT};
use crate::play::{Play, check, has_marker, records, signal, start_relay, stream, until, worker};

type Scenario = (&'static str, fn());

pub(crate) const ALL: &[Scenario] = &[
    (
        "a_recorder_killed_again_and_again_under_a_flood_loses_nothing",
        a_recorder_killed_again_and_again_under_a_flood_loses_nothing,
    ),
    ("a_recorder_that_stands_still_is_waited_for", a_recorder_that_stands_still_is_waited_for),
    ("a_killed_relay_leaves_everything_it_showed", a_killed_relay_leaves_everything_it_showed),
    (
        "a_threat_whose_monitor_is_killed_mid_verdict_still_blocks",
        a_threat_whose_monitor_is_killed_mid_verdict_still_blocks,
    ),
    (
        "a_late_verdict_whose_monitor_is_killed_is_not_lost",
        a_late_verdict_whose_monitor_is_killed_is_not_lost,
    ),
    (
        "a_window_that_kills_every_monitor_is_given_up_aloud",
        a_window_that_kills_every_monitor_is_given_up_aloud,
    ),
    ("a_new_link_is_told_what_still_holds", a_new_link_is_told_what_still_holds),
    ("a_session_without_parts_has_one_worker", a_session_without_parts_has_one_worker),
    ("workers_outlive_the_signals_of_a_terminal", workers_outlive_the_signals_of_a_terminal),
];

/// Says what it reads, in another word order.
const ECHO: &str = "stty -echo; echo ready; while read -r line; do echo \"said $line\"; done";

fn a_recorder_killed_again_and_again_under_a_flood_loses_nothing() {
    // It stays until told to go: a recorder that is to be killed must be there.
    let mut play = Play::new("stty -opost -echo; seq 1 400000; echo over; read -r line");
    for _ in 0..4 {
        signal("recorder", Signal::SIGKILL);
        let before = play.records().len();
        until(|| play.records().len() > before || play.shows("over"));
    }
    play.expect("over");
    play.send("go");
    let (_, shown, dir) = play.end();
    let recorded = records(dir.path());
    assert!(has_marker(&recorded, "recorder.restarted"));
    assert!(stream(&recorded, Stream::Tty) == shown, "the recording is what was shown");
    assert!(shown.ends_with(b"400000\nover\n"));
}

fn a_recorder_that_stands_still_is_waited_for() {
    let mut play = Play::new(ECHO);
    play.expect("ready");
    let pid = signal("recorder", Signal::SIGSTOP);
    play.send("one");
    play.expect("said one");
    kill(pid, Signal::SIGCONT).unwrap();
    play.send("two");
    play.expect("said two");
    let (_, shown, dir) = play.end();
    assert_eq!(stream(&records(dir.path()), Stream::Tty), shown);
}

fn a_killed_relay_leaves_everything_it_showed() {
    let dir = TempDir::new().unwrap();
    let mut relay = start_relay("stty -opost; seq 1 1000000", dir.path());
    let mut shown = vec![0; 1 << 20];
    relay.stdout.as_mut().unwrap().read_exact(&mut shown).unwrap();
    let recorder = worker(relay.id(), "recorder").unwrap();
    relay.kill().unwrap();
    relay.wait().unwrap();
    relay.stdout.take().unwrap().read_to_end(&mut shown).unwrap();
    until(|| has_marker(&records(dir.path()), "session.interrupted"));
    until(|| kill(recorder, None).is_err());
    let recorded = records(dir.path());
    check(&recorded);
    let recorded = stream(&recorded, Stream::Tty);
    let common = recorded.len().min(shown.len());
    assert!(recorded[..common] == shown[..common], "what was shown is recorded");
    // What was read last is shown before it is handed over.
    assert!(shown.len() - common <= 64 << 10, "{} of {}", recorded.len(), shown.len());
}

fn a_threat_whose_monitor_is_killed_mid_verdict_still_blocks() {
    let mut play = Play::new(ECHO);
    play.expect("ready");
    fs::write(play.dir.path().join(SLOW), "").unwrap();
    play.send(&format!("{SLOW} {THREAT}"));
    until(|| play.dir.path().join("judging").exists());
    signal("monitor", Signal::SIGKILL);
    fs::remove_file(play.dir.path().join(SLOW)).unwrap();
    until(|| play.notices().iter().any(|n| matches!(n.news, News::Blocked { .. })));
    let judged = play.windows().iter().filter(|text| text.contains(THREAT)).count();
    assert!(judged >= 2, "the window was judged again");
    assert!(play.has_marker("monitor.restarted"));
    play.terminate();
}

fn a_late_verdict_whose_monitor_is_killed_is_not_lost() {
    let mut play = Play::new(ECHO);
    play.expect("ready");
    let late = play.dir.path().join(LATE);
    fs::write(&late, "").unwrap();
    play.send(LATE);
    until(|| play.windows().iter().any(|text| text.contains("said LATE")));
    // The verdict that came at once is out: the session goes on.
    play.send("on");
    play.expect("said on");
    play.send(LATE);
    until(|| play.windows().iter().filter(|text| text.contains("said LATE")).count() == 2);
    signal("monitor", Signal::SIGKILL);
    fs::remove_file(late).unwrap();
    until(|| play.notices().iter().any(|n| matches!(n.news, News::Blocked { .. })));
    play.terminate();
}

fn a_window_that_kills_every_monitor_is_given_up_aloud() {
    let mut play = Play::new(ECHO);
    play.expect("ready");
    play.send(POISON);
    play.expect("said POISON");
    until(|| play.windows().iter().filter(|text| text.contains(POISON)).count() >= 3);
    play.until_alarm("monitor.failed");
    play.send("more");
    play.expect("said more");
    until(|| play.windows().iter().any(|text| text.contains("more")));
    play.end();
}

fn a_new_link_is_told_what_still_holds() {
    let mut play = Play::new(ECHO);
    play.expect("ready");
    let opened = |play: &Play| {
        play.notices().iter().filter(|n| matches!(n.news, News::Opened { .. })).count()
    };
    until(|| opened(&play) == 1);
    signal("link", Signal::SIGKILL);
    until(|| opened(&play) == 2);
    play.until_alarm("link.restarted");
    play.send("on");
    play.expect("said on");
    let (outcome, _, dir) = play.end();
    let (notices, _) = crate::parts::read::<audit_core::Notice>(&dir.path().join("notices"));
    assert!(notices.iter().any(|n| matches!(&n.news, News::Finished(o) if *o == outcome)));
}

fn a_session_without_parts_has_one_worker() {
    let play = Play::with(ECHO, |spec| (spec.monitor, spec.controller) = (None, None));
    play.expect("ready");
    let own = std::process::id();
    assert!(worker(own, "recorder").is_some());
    assert_eq!((worker(own, "monitor"), worker(own, "link")), (None, None));
    play.end();
}

fn workers_outlive_the_signals_of_a_terminal() {
    let mut play = Play::new(ECHO);
    play.expect("ready");
    for role in ["recorder", "monitor", "link"] {
        for number in [Signal::SIGINT, Signal::SIGQUIT, Signal::SIGHUP, Signal::SIGTERM] {
            let pid = signal(role, number);
            // None of them is in our process group, where a terminal would reach it.
            assert_ne!(nix::unistd::getpgid(Some(pid)), nix::unistd::getpgid(None::<Pid>));
        }
    }
    play.send("on");
    play.expect("said on");
    let (_, _, dir) = play.end();
    let troubled = |record: &audit_core::Record| matches!(&record.body, Body::Marker { name, .. } if name.ends_with("restarted"));
    assert!(!records(dir.path()).iter().any(troubled));
}
