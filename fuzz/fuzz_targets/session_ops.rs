//! A random life of a session: the invariants that can be checked after every step.
#![no_main]

use arbitrary::Arbitrary;
use audit_core::{
    Action, BlockId, Body, Command, Effect, Event, Exit, Identity, LineState, Mail, Moment,
    OnFailure, Policy, Port, Score, State, Stream, Winsize,
};
use libfuzzer_sys::fuzz_target;
use world::{World, spec};

#[path = "../../audit-core/tests/properties/world.rs"]
#[allow(dead_code, reason = "the property tests look at more of it")]
mod world;

/// The record window of these sessions, in bytes.
const WINDOW: usize = 32 << 10;

#[derive(Arbitrary, Debug)]
struct Life {
    strict: bool,
    policy: u8,
    ops: Vec<Op>,
}

#[derive(Arbitrary, Debug)]
enum Op {
    Output(Vec<u8>),
    Input(Vec<u8>, u8),
    Write(u8, u16),
    Acknowledge(u8),
    Pass(u16),
    PassLong(u32),
    Verdict(u8),
    Block,
    Approve(Option<u32>),
    Reject,
    Terminate,
    Resize(u16, u16),
    Signal(u8, bool),
    Stopped(u8),
    Resumed,
    RecorderFails,
    HangUp,
    UserClosed,
    PtyClosed,
    Exit(u8),
}

fuzz_target!(|life: Life| {
    let mut policy = Policy::default();
    policy.recording.strict = life.strict;
    policy.recording.on_failure =
        [OnFailure::Closed, OnFailure::Open, OnFailure::Spill][usize::from(life.policy) % 3];
    policy.recording.window = WINDOW;
    policy.recording.flush_bytes = WINDOW / 4;
    policy.recording.spill_limit = WINDOW * 2;
    let mut world = World::new(&spec(policy));
    for op in life.ops.into_iter().take(400) {
        apply(&mut world, op);
        if world.core.state() == State::Blocked {
            assert_eq!(world.core.pending(Port::Child), None, "a byte passes a block");
        }
        if world.core.state() != State::Closed && world.core.state() != State::Running {
            assert!(
                world.core.poll_timeout().is_some(),
                "{:?} without a deadline",
                world.core.state()
            );
        }
    }
    world.child_exits(Exit::Code(0));
    world.finish();
    check(&world);
});

/// What holds of every life once it is over.
fn check(world: &World) {
    let (mut next, mut at) = (1, Moment::START);
    for record in world.journal() {
        if let Body::Gap { from, through, .. } = &record.body {
            assert_eq!(*from, next, "a gap begins where the journal ends");
            next = *through + 1;
        }
        assert_eq!(record.seq, next, "record numbers have a gap");
        assert!(record.at >= at, "time goes back");
        (next, at) = (next + 1, record.at);
    }
    let ends = world.effects().iter().filter(|e| matches!(e, Effect::Finish(_))).count();
    assert_eq!(ends, 1, "a session ends once");
    assert!(matches!(world.effects().last(), Some(Effect::Finish(_))), "the end is last");
}

fn apply(world: &mut World, op: Op) {
    let order = |action| {
        let by = Identity::person("operator", 1);
        Event::Mail(Mail::Command(Command { id: 1, by, action }))
    };
    match op {
        // Without CAN, by which our own banners are told.
        Op::Output(bytes) if !bytes.is_empty() => {
            let bytes: Vec<u8> = bytes.into_iter().filter(|b| *b != 0x18).take(8192).collect();
            world.child_writes(Stream::Tty, bytes.into());
        }
        Op::Input(bytes, line) if !bytes.is_empty() => {
            let lines = [LineState::COOKED, LineState::RAW, LineState::NO_ECHO];
            world.user_types(bytes.into(), lines[usize::from(line) % 3]);
        }
        Op::Output(_) | Op::Input(..) => {}
        Op::Write(port, len) => world.write(Port::ALL[usize::from(port) % 4], 1 + usize::from(len)),
        Op::Acknowledge(flushes) => world.acknowledge(usize::from(flushes)),
        Op::Pass(millis) => world.pass(u64::from(millis)),
        Op::PassLong(millis) => world.pass(u64::from(millis) % 4_000_000),
        Op::Verdict(score) => {
            world.answer_windows(Score::new(f32::from(score) / 255.0).expect("in range"));
        }
        Op::Block => world.handle(order(Action::Block { reason: "fuzz".to_owned() })),
        Op::Approve(block) => world
            .handle(order(Action::Approve { block: block.map(BlockId), comment: String::new() })),
        Op::Reject => world.handle(order(Action::Reject { block: None, comment: String::new() })),
        Op::Terminate => world.handle(order(Action::Terminate)),
        Op::Resize(rows, columns) => {
            world.handle(Event::Resized(Winsize::new(rows.max(1), columns.max(1))));
        }
        Op::Signal(number, own_child) => {
            let number = 1 + i32::from(number % 30);
            world.handle(Event::Signal { number, sender: 7, own_child });
        }
        Op::Stopped(which) => {
            world.handle(Event::ChildStopped([19, 20, 21, 22][usize::from(which) % 4]));
        }
        Op::Resumed => world.handle(Event::Resumed),
        Op::RecorderFails => world.recorder_fails(),
        Op::HangUp => world.handle(Event::UserHungUp),
        Op::UserClosed => world.handle(Event::UserClosed),
        Op::PtyClosed => world.handle(Event::OutputClosed(Stream::Tty)),
        Op::Exit(code) => world.child_exits(Exit::Code(i32::from(code))),
    }
}
