//! Terminal bytes as text: the same rows however the bytes are split, and every offset inside.
#![no_main]

use audit_detect::normalise::{End, Map, Mark, Normaliser, Signal, Sink};
use libfuzzer_sys::fuzz_target;

#[derive(Default)]
struct Rows(Vec<(Vec<u8>, Vec<u64>)>);

impl Sink for Rows {
    fn row(&mut self, text: &[u8], map: Map<'_>, end: End) {
        let offsets = (0..text.len()).map(|at| map.raw(at)).collect();
        if end != End::Open {
            self.0.push((text.to_vec(), offsets));
        }
    }
    fn mark(&mut self, _: Mark, _: usize) {}
    fn signal(&mut self, _: Signal) {}
}

fuzz_target!(|input: (Vec<u8>, Vec<u8>, Option<u16>)| {
    let (bytes, splits, columns) = input;
    let mut whole = Rows::default();
    Normaliser::new(columns).feed(&bytes, &mut whole);

    let (mut normaliser, mut parts) = (Normaliser::new(columns), Rows::default());
    let mut rest = bytes.as_slice();
    for size in splits {
        let (part, behind) = rest.split_at(usize::from(size).min(rest.len()));
        normaliser.feed(part, &mut parts);
        normaliser.flush_open(&mut parts);
        rest = behind;
    }
    normaliser.feed(rest, &mut parts);
    assert_eq!(parts.0, whole.0);
    assert!(whole.0.iter().all(|(_, offsets)| offsets.iter().all(|o| *o < bytes.len() as u64)));
});
