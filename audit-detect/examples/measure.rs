//! Measures the detector on labelled data: `measure score < DATA`, `measure left-out DATA`,
//! `measure train DATA OUT`, `measure explain LINE`, `measure speed FILE`.

use std::io::{self, BufWriter};
use std::path::Path;
use std::time::Instant;

use audit_core::{Moment, Monitor, Stream, Window};
use audit_detect::{Detector, LocalMonitor};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let out = BufWriter::new(io::stdout().lock());
    match words.as_slice() {
        ["score"] => {
            let started = Instant::now();
            let count = audit_detect::score_jsonl(io::stdin().lock(), out)?;
            eprintln!("{:?} a record", started.elapsed() / count.max(1) as u32);
        }
        ["left-out", data] => {
            audit_detect::score_left_out(Path::new(data), out)?;
        }
        ["train", data, model] => audit_detect::train_file(Path::new(data), Path::new(model), out)?,
        ["explain", line] => audit_detect::explain(line, out)?,
        ["speed", file] => speed(Path::new(file))?,
        ["commands", file] => commands(Path::new(file))?,
        _ => eprintln!(
            "usage: measure score | left-out DATA | train DATA OUT | explain LINE | speed FILE | commands FILE"
        ),
    }
    Ok(())
}

/// Time per command line, one line of the file each.
fn commands(file: &Path) -> io::Result<()> {
    let text = std::fs::read_to_string(file)?;
    let detector = Detector::embedded();
    let mut times = Vec::new();
    for _ in 0..2 {
        times.clear();
        for line in text.lines() {
            let started = Instant::now();
            detector.line(line, &mut Default::default(), false);
            times.push(started.elapsed());
        }
    }
    times.sort();
    println!(
        "p50 {:?}, p99 {:?}, most {:?}",
        times[times.len() / 2],
        times[times.len() * 99 / 100],
        times[times.len() - 1]
    );
    memory();
    Ok(())
}

/// Megabytes a second of output, in windows of 64 KiB.
fn speed(file: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let bytes = std::fs::read(file)?;
    let mut monitor = LocalMonitor::with_detector(Detector::embedded());
    let started = Instant::now();
    let (mut offset, mut secrets) = (0u64, 0);
    for (id, chunk) in bytes.chunks(64 << 10).enumerate() {
        let window = Window {
            id: id as u64 + 1,
            at: Moment::from_nanos(offset),
            stream: Stream::Tty,
            offset,
            bytes: chunk.to_vec().into(),
        };
        offset += chunk.len() as u64;
        secrets += monitor.inspect(&window)?.secrets.len();
    }
    let seconds = started.elapsed().as_secs_f64();
    println!("{:.0} MB/s, {secrets} secrets", bytes.len() as f64 / 1e6 / seconds);
    memory();
    Ok(())
}

fn memory() {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    for line in status
        .lines()
        .filter(|l| l.starts_with("VmRSS") || l.starts_with("VmHWM") || l.starts_with("RssAnon"))
    {
        println!("{line}");
    }
}
