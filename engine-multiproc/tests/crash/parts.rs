//! The parts of the sessions: they keep what they get in files, so that it outlives them.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use audit_core::{
    Command, Controller, ControllerError, Durability, Monitor, MonitorError, Notice, Part,
    PartError, Record, Recorder, RecorderError, Request, Ruling, Score, SessionSpec, Toolkit,
    Verdict, Wake, Window,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Shown by the child: a verdict that blocks.
pub(crate) const THREAT: &str = "THREAT";
/// The monitor takes its time, as long as there is a file of this name.
pub(crate) const SLOW: &str = "SLOW";
/// The monitor finds a threat in it, but late, not while there is a file of this name.
pub(crate) const LATE: &str = "LATE";
/// The monitor dies of it, every time.
pub(crate) const POISON: &str = "POISON";

pub(crate) fn toolkit() -> Toolkit {
    Toolkit::new()
        .with_recorder("file", |spec| Ok(Box::new(FileRecorder::open(&directory(&spec.recorder)?))))
        .with_monitor("words", |spec| {
            Ok(Box::new(Words { dir: part_directory(spec)?, late: false }))
        })
        .with_controller("file", |spec| Ok(Box::new(Diary::open(&part_directory(spec)?))))
}

pub(crate) fn part(name: &str, dir: &Path) -> Part {
    Part::new(name, serde_json::json!(dir))
}

fn directory(part: &Part) -> Result<PathBuf, PartError> {
    part.settings()
}

fn part_directory(spec: &SessionSpec) -> Result<PathBuf, PartError> {
    directory(&spec.recorder)
}

/// Appends one thing to a file, in one write.
fn append(file: &mut File, thing: &impl Serialize) {
    let body = postcard::to_stdvec(thing).unwrap();
    let frame = [&(body.len() as u32).to_le_bytes()[..], &body].concat();
    file.write_all(&frame).unwrap();
}

/// The whole things in a file, and how many bytes they take.
pub(crate) fn read<T: DeserializeOwned>(path: &Path) -> (Vec<T>, usize) {
    let mut bytes = Vec::new();
    if let Ok(mut file) = File::open(path) {
        file.read_to_end(&mut bytes).unwrap();
    }
    let (mut things, mut at) = (Vec::new(), 0);
    while let Some(prefix) = bytes.get(at..at + 4) {
        let len = u32::from_le_bytes(prefix.try_into().unwrap()) as usize;
        let Some(body) = bytes.get(at + 4..at + 4 + len) else { break };
        things.push(postcard::from_bytes(body).unwrap());
        at += 4 + len;
    }
    (things, at)
}

fn open(path: &Path) -> File {
    File::options().create(true).append(true).open(path).unwrap()
}

struct FileRecorder {
    file: File,
    last: u64,
}

impl FileRecorder {
    fn open(dir: &Path) -> Self {
        let path = dir.join("records");
        let (records, whole) = read::<Record>(&path);
        let file = open(&path);
        // What a killed recorder wrote in part.
        file.set_len(whole as u64).unwrap();
        Self { file, last: records.last().map_or(0, |record| record.seq) }
    }
}

impl Recorder for FileRecorder {
    fn record(&mut self, record: &Record) -> Result<(), RecorderError> {
        if record.seq > self.last {
            append(&mut self.file, record);
            self.last = record.seq;
        }
        Ok(())
    }

    fn sync(&mut self, _: Durability) -> Result<u64, RecorderError> {
        Ok(self.last)
    }

    fn close(&mut self) -> Result<(), RecorderError> {
        Ok(())
    }
}

struct Words {
    dir: PathBuf,
    /// Whether a late answer is to come.
    late: bool,
}

fn verdict(score: f32) -> Verdict {
    Verdict { score: Score::new(score).unwrap(), ..Verdict::default() }
}

impl Monitor for Words {
    fn inspect(&mut self, window: &Window) -> Result<Verdict, MonitorError> {
        let text = String::from_utf8_lossy(&window.bytes).into_owned();
        append(&mut open(&self.dir.join("windows")), &text);
        if text.contains(POISON) {
            std::process::abort();
        }
        if text.contains(SLOW) {
            fs::write(self.dir.join("judging"), "").unwrap();
            while self.dir.join(SLOW).exists() {
                std::thread::sleep(Duration::from_millis(5));
            }
        }
        self.late = text.contains(LATE) && self.dir.join(LATE).exists();
        let threat = text.contains(THREAT) || text.contains(LATE) && !self.late;
        Ok(verdict(if threat { 0.9 } else { 0.0 }))
    }

    fn awaits(&self) -> bool {
        self.late
    }

    fn late(&mut self, wait: Duration) -> Option<Verdict> {
        std::thread::sleep(wait);
        self.late = self.dir.join(LATE).exists();
        (!self.late).then(|| verdict(0.9))
    }

    fn judge(&mut self, _: &Request) -> Result<Ruling, MonitorError> {
        Ok(Ruling::Allow)
    }
}

struct Diary {
    file: File,
    woken: Arc<(Mutex<bool>, Condvar)>,
}

impl Diary {
    fn open(dir: &Path) -> Self {
        Self { file: open(&dir.join("notices")), woken: Arc::default() }
    }
}

impl Controller for Diary {
    fn publish(&mut self, notice: &Notice) -> Result<(), ControllerError> {
        append(&mut self.file, notice);
        Ok(())
    }

    fn receive(&mut self, _: Duration) -> Result<Option<Command>, ControllerError> {
        let (woken, condition) = &*self.woken;
        let woken = condition.wait_while(woken.lock().unwrap(), |woken| !*woken);
        *woken.unwrap() = false;
        Ok(None)
    }

    fn wake(&self) -> Wake {
        let woken = self.woken.clone();
        Arc::new(move || {
            *woken.0.lock().unwrap() = true;
            woken.1.notify_one();
        })
    }
}
