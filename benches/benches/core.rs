//! What the session core costs: a read of output, a key.
#![allow(missing_docs)]

use std::hint::black_box;

use benches::{Turned, colour, keys, logs};
use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

fn output(c: &mut Criterion) {
    let mut group = c.benchmark_group("core/output");
    for (name, chunk) in [("logs", logs()), ("colour", colour())] {
        let chunk = Bytes::from(chunk);
        group.throughput(Throughput::Bytes(chunk.len() as u64));
        let mut turned = Turned::new();
        group.bench_function(name, |b| b.iter(|| turned.show(black_box(&chunk))));
    }
    group.finish();
}

fn input(c: &mut Criterion) {
    let mut turned = Turned::new();
    let mut line = keys().iter().cycle();
    c.bench_function("core/key", |b| {
        b.iter(|| turned.type_key(black_box(*line.next().unwrap_or(&b'x'))));
    });
}

criterion_group!(benches, output, input);
criterion_main!(benches);
