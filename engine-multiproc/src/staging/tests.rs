//! Staging against a model: a queue of frames.

use std::collections::VecDeque;

use proptest::prelude::*;

use super::*;
use crate::sys::WriteMap;

#[derive(Clone, Debug)]
enum Step {
    /// Write a frame of this many bytes, in two parts.
    Push(usize, usize),
    /// The worker reads up to so many frames.
    Read(usize),
    /// So many of the frames read become durable.
    Release(usize),
    /// The worker dies and another one takes over.
    Crash,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let lengths = prop_oneof![4 => 0_usize..200, 2 => 0_usize..70_000, 1 => 0_usize..400_000];
    let step = prop_oneof![
        6 => (lengths, 0_usize..300).prop_map(|(a, b)| Step::Push(a, b)),
        4 => (0_usize..12).prop_map(Step::Read),
        4 => (0_usize..12).prop_map(Step::Release),
        1 => Just(Step::Crash),
    ];
    proptest::collection::vec(step, 1..120)
}

fn frame(number: usize, len: usize) -> Vec<u8> {
    (0..len).map(|i| (i * 31 + number * 7) as u8).collect()
}

proptest! {
    // Each case moves megabytes.
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_worker_reads_every_frame_and_its_successor_every_one_not_released(steps in steps()) {
        let (mut writer, memory) = Writer::new(1 << 20).unwrap();
        let mut reader = Reader::open(&memory, Position::START).unwrap();
        // Frames not released yet, each with the place behind it.
        let mut kept: VecDeque<(Vec<u8>, Position)> = VecDeque::new();
        let mut released = Position::START;
        let mut seen = 0;
        for (number, step) in steps.into_iter().enumerate() {
            match step {
                Step::Push(a, b) => {
                    let (first, second) = (frame(number, a), frame(number + 1, b));
                    if writer.push([&first, &second], 0) {
                        kept.push_back(([first, second].concat(), writer.head()));
                    } else {
                        prop_assert!(kept.iter().map(|(f, _)| f.len()).sum::<usize>() > 0);
                    }
                }
                Step::Read(count) => {
                    for _ in 0..count {
                        let read = reader.next().unwrap();
                        prop_assert_eq!(read.as_ref(), kept.get(seen).map(|(frame, _)| frame));
                        seen += usize::from(read.is_some());
                    }
                }
                Step::Release(count) => {
                    for (_, end) in kept.drain(..count.min(seen)) {
                        writer.release(end);
                        released = end;
                        seen -= 1;
                    }
                }
                Step::Crash => {
                    reader = Reader::open(&memory, released).unwrap();
                    seen = 0;
                }
            }
        }
        while let Some(read) = reader.next().unwrap() {
            prop_assert_eq!(Some(&read), kept.get(seen).map(|(frame, _)| frame));
            seen += 1;
        }
        prop_assert_eq!(seen, kept.len());
    }

    #[test]
    fn no_memory_makes_a_reader_panic_or_run_for_ever(
        words in proptest::collection::vec((0_usize..4 * SEGMENT / 8, 0_u32..5, any::<u32>()), 0..60),
        head in any::<(u8, u32)>(),
        at in (0_u32..4, 0_u32..SEGMENT as u32),
    ) {
        let (mut map, memory) = WriteMap::new(4 * SEGMENT).unwrap();
        for (at, kind, value) in words {
            let value = if value % 3 == 0 { value % 5 } else { value % SEGMENT as u32 };
            map.write(at * 8, &[kind.to_le_bytes(), value.to_le_bytes()].concat());
        }
        let head = Position { segment: u32::from(head.0 % 5), offset: head.1 % SEGMENT as u32 };
        map.publish(head.pack());
        let at = Position { segment: at.0, offset: at.1 };
        let mut reader = Reader::open(&memory, at).unwrap();
        for _ in 0..100 {
            if !matches!(reader.next(), Ok(Some(_))) {
                break;
            }
        }
    }
}

#[test]
fn a_frame_may_be_longer_than_a_segment() {
    let (mut writer, memory) = Writer::new(1 << 20).unwrap();
    let long = frame(1, 3 * SEGMENT + 5);
    assert!(writer.push([b"ab", &long], 0));
    let mut reader = Reader::open(&memory, Position::START).unwrap();
    assert_eq!(reader.next().unwrap().unwrap(), [b"ab".as_slice(), &long].concat());
    assert_eq!(reader.next(), Ok(None));
}

#[test]
fn a_full_staging_refuses_and_takes_again_what_was_released() {
    let (mut writer, _memory) = Writer::new(4 * ROOM).unwrap();
    let piece = vec![7; ROOM];
    let mut ends = Vec::new();
    while writer.push([&piece, &[]], 0) {
        ends.push(writer.head());
    }
    assert_eq!(ends.len(), 4);
    writer.release(ends[0]);
    assert!(!writer.push([&piece, &[]], 0), "the released place is in the first segment still");
    writer.release(ends[1]);
    assert!(writer.push([&piece, &[]], 0));
}

#[test]
fn a_steady_stream_stays_in_few_segments() {
    let (mut writer, _memory) = Writer::new(8 << 20).unwrap();
    let mut ends = VecDeque::new();
    for _ in 0..2000 {
        assert!(writer.push([&[0; 64 << 10], &[]], 0));
        ends.push_back(writer.head());
        if ends.len() > 8 {
            writer.release(ends.pop_front().unwrap());
        }
        assert!(writer.highest() < 8, "{} segments in use", writer.used());
    }
}

#[test]
fn the_spare_room_is_left_for_a_small_frame() {
    let (mut writer, _memory) = Writer::new(2 * ROOM).unwrap();
    while writer.push([&[1; 1000], &[]], 64) {}
    while writer.push([&[1; 8], &[]], 64) {}
    assert!(writer.push([&[2; 20], &[]], 0));
}

#[test]
fn a_reader_cannot_write() {
    use nix::sys::mman::{MapFlags, ProtFlags, mmap};
    let (_writer, memory) = Writer::new(1 << 20).unwrap();
    let len = 4096.try_into().unwrap();
    let both = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
    // SAFETY: the system chooses the place; the mapping is refused anyway.
    let mapped = unsafe { mmap(None, len, both, MapFlags::MAP_SHARED, &memory, 0) };
    assert!(mapped.is_err());
}
