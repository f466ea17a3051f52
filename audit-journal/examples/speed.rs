//! What the journal costs: `speed FILE CHUNK RATE` records FILE in chunks of CHUNK bytes as if
//! they came at RATE bytes per second, syncing every 50 ms or 256 KiB of them, and prints
//! nanoseconds per byte (of the clock, and of this thread's processor time) and bytes on disk per
//! byte.

use std::time::Instant;

use audit_core::{
    Body, CommandSpec, Durability, Identity, Moment, Part, Policy, Record, Recorder, SessionId,
    SessionSpec, Stream, Winsize,
};
use audit_journal::{Format, Journal, JournalSettings, Status, Trust, Writer, export, verify};
use bytes::Bytes;

fn main() {
    let mut args = std::env::args().skip(1);
    let file = args.next().expect("a file");
    let mut number = || args.next().and_then(|a| a.parse::<u64>().ok()).expect("a number");
    let (chunk, rate) = (number() as usize, number());
    let bytes = Bytes::from(std::fs::read(&file).expect("readable"));
    let root = std::env::temp_dir().join(format!("auditty-speed-{}", std::process::id()));
    let settings = JournalSettings::new(&root);
    let spec = SessionSpec {
        id: SessionId::new(1_795_000_000_000, [7; 10]),
        parent: None,
        user: Identity::person("mia", 1000),
        host: "here".to_owned(),
        opened_unix_millis: 1_795_000_000_000,
        engine: "none".to_owned(),
        command: CommandSpec::new("true", [""; 0]),
        pty: true,
        winsize: Winsize::new(24, 80),
        buffer_size: 65536,
        policy: Policy::default(),
        recorder: Part::new("journal", serde_json::to_value(&settings).expect("json")),
        monitor: None,
        controller: None,
    };
    let open = Timer::start();
    let mut writer = Writer::open(&spec, settings).expect("a journal");
    let open = open.elapsed();
    let before = resident();
    let (mut seq, mut done, mut synced, mut synced_at, mut machine) = (0, 0, 0, 0, 0);
    let start = Timer::start();
    while done < bytes.len() {
        let end = bytes.len().min(done + chunk);
        seq += 1;
        let at = done as u64 * 1_000_000_000 / rate;
        let body = Body::Data { stream: Stream::Tty, bytes: bytes.slice(done..end) };
        writer.record(&Record { seq, at: Moment::from_nanos(at), body }).expect("recorded");
        done = end;
        if done - synced >= 256 << 10 || at - synced_at >= 50_000_000 {
            let durability = if at - machine >= 1_000_000_000 {
                machine = at;
                Durability::Machine
            } else {
                Durability::Process
            };
            writer.sync(durability).expect("synced");
            (synced, synced_at) = (done, at);
        }
    }
    writer.sync(Durability::Process).expect("synced");
    let record = start.elapsed();
    let resident = resident().saturating_sub(before);
    let close = Timer::start();
    writer.close().expect("closed");
    let close = close.elapsed();
    let stored: u64 = std::fs::read_dir(writer.dir())
        .expect("listed")
        .map(|e| e.and_then(|e| e.metadata()).map_or(0, |m| m.len()))
        .sum();
    let check = Timer::start();
    let report = verify(writer.dir(), &Trust::FirstUse, None);
    let check = check.elapsed();
    assert_eq!(report.status, Status::Intact, "{report}");
    let read = Timer::start();
    let mut out = Vec::with_capacity(bytes.len());
    let journal = Journal::open(writer.dir()).expect("opened");
    export(&journal, Format::Raw, None, &mut out).expect("exported");
    let read = read.elapsed();
    assert!(out == bytes, "the export differs");
    let per_byte = |nanos: u64| nanos as f64 / bytes.len() as f64;
    for (what, (wall, cpu)) in [
        ("open", open),
        ("record and sync", record),
        ("close", close),
        ("verify", check),
        ("export", read),
    ] {
        let (wall_per, cpu_per) = (per_byte(wall), per_byte(cpu));
        println!(
            "{what:16} {:9.3} ms, {wall_per:8.3} ns/B; processor {:9.3} ms, {cpu_per:8.3} ns/B",
            wall as f64 / 1e6,
            cpu as f64 / 1e6,
        );
    }
    let per = stored as f64 / bytes.len() as f64;
    println!("{file}: {per:.4} B/B on disk, resident +{} KiB", resident / 1024);
    std::fs::remove_dir_all(root).expect("removed");
}

/// Measures from here, in nanoseconds: the clock's time, and this thread's processor time.
struct Timer(Instant, u64);

impl Timer {
    fn start() -> Self {
        Self(Instant::now(), processor())
    }

    fn elapsed(&self) -> (u64, u64) {
        (self.0.elapsed().as_nanos() as u64, processor() - self.1)
    }
}

fn processor() -> u64 {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    stat.split(' ').next().and_then(|n| n.parse().ok()).unwrap_or(0)
}

/// Resident memory of this process, in bytes.
fn resident() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages: u64 = statm.split(' ').nth(1).and_then(|p| p.parse().ok()).unwrap_or(0);
    pages * 4096
}
