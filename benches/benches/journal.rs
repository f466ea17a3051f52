//! What the journal costs: taking records and making them durable, and checking them.
#![allow(missing_docs)]

use audit_core::{Body, Durability, Moment, Part, Record, Recorder, Stream};
use audit_journal::{JournalSettings, Trust, verify_root};
use benches::{colour, logs, spec};
use bytes::Bytes;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use tempfile::TempDir;

/// Reads in one run of the bench: 1 MiB.
const READS: u64 = 256;

fn journal(dir: &TempDir) -> Box<dyn Recorder> {
    let settings = serde_json::to_value(JournalSettings::new(dir.path())).expect("plain data");
    audit_journal::recorder(&spec(Part::new("journal", settings))).expect("a journal")
}

fn fill(recorder: &mut dyn Recorder, chunk: &Bytes, first: u64) {
    for seq in first..first + READS {
        let body = Body::Data { stream: Stream::Tty, bytes: chunk.clone() };
        let at = Moment::from(std::time::Duration::from_micros(seq * 20));
        recorder.record(&Record { seq, at, body }).expect("it is kept");
    }
    recorder.sync(Durability::Process).expect("it is durable");
}

fn record(c: &mut Criterion) {
    let mut group = c.benchmark_group("journal/record and sync");
    for (name, chunk) in [("logs", logs()), ("colour", colour())] {
        let chunk = Bytes::from(chunk);
        group.throughput(Throughput::Bytes(chunk.len() as u64 * READS));
        group.bench_function(name, |b| {
            let fresh = || {
                let dir = tempfile::tempdir().expect("a directory");
                let recorder = journal(&dir);
                (dir, recorder)
            };
            let run = |(_dir, recorder): &mut (TempDir, Box<dyn Recorder>)| {
                fill(recorder.as_mut(), &chunk, 1);
            };
            b.iter_batched_ref(fresh, run, BatchSize::PerIteration);
        });
    }
    group.finish();
}

fn verify(c: &mut Criterion) {
    const RUNS: u64 = 32;
    let dir = tempfile::tempdir().expect("a directory");
    let chunk = Bytes::from(logs());
    let mut recorder = journal(&dir);
    for run in 0..RUNS {
        fill(recorder.as_mut(), &chunk, 1 + run * READS);
    }
    recorder.close().expect("it is closed");
    drop(recorder);

    let mut group = c.benchmark_group("journal/verify");
    group.throughput(Throughput::Bytes(chunk.len() as u64 * READS * RUNS)).sample_size(20);
    group.bench_function("logs", |b| {
        b.iter(|| verify_root(dir.path(), &Trust::FirstUse, None).expect("a journal").code());
    });
    group.finish();
}

criterion_group!(benches, record, verify);
criterion_main!(benches);
