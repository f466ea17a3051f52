//! The monitor: it looks for some words in what the child shows, and keeps every window it saw.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::PathBuf;

use audit_core::{
    Finding, Monitor, MonitorError, PartError, Request, Ruling, Score, SessionSpec, Stream,
    Verdict, Window,
};
use serde::{Deserialize, Serialize};

use super::{Switch, WINDOWS, directory};
use crate::frames;

/// A verdict of 0.9.
pub(crate) const THREAT: &str = "A-THREAT-IS-SHOWN";
/// A verdict of 0.8 about something else.
pub(crate) const SECOND: &str = "A-SECOND-DANGER-IS-SHOWN";
/// No answer while the switch is on.
pub(crate) const STALL: &str = "THE-MONITOR-STALLS";
/// A panic, once.
pub(crate) const CRASH: &str = "THE-MONITOR-CRASHES";

/// A window as the monitor saw it. Long windows are kept by their length alone.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Seen {
    pub(crate) id: u64,
    pub(crate) stream: Stream,
    pub(crate) offset: u64,
    pub(crate) length: u64,
    pub(crate) bytes: Vec<u8>,
}

/// Windows of at most this many bytes are kept whole.
const KEPT: usize = 16 << 10;

struct Script {
    dir: PathBuf,
    windows: File,
    /// The end of what was seen of each stream, where a word may begin.
    tails: BTreeMap<Stream, Vec<u8>>,
}

/// Builds the monitor.
pub(super) fn build(spec: &SessionSpec) -> Result<Box<dyn Monitor>, PartError> {
    let dir = directory(spec.monitor.as_ref(), spec)?;
    let windows = frames::open(&dir.join(WINDOWS))
        .map_err(|error| PartError { part: "script".into(), reason: error.to_string() })?;
    Ok(Box::new(Script { dir, windows, tails: BTreeMap::new() }))
}

impl Script {
    /// Whether a word ends in this window of what the child shows. Input counts only by its echo.
    fn finds(&mut self, window: &Window) -> impl Fn(&str) -> bool + use<> {
        let tail = self.tails.entry(window.stream).or_default();
        let known = tail.len();
        tail.extend_from_slice(&window.bytes);
        let text = tail.clone();
        let longest = [THREAT, SECOND, STALL, CRASH].map(str::len).into_iter().max().unwrap_or(1);
        tail.drain(..tail.len().saturating_sub(longest - 1));
        let output = window.stream.is_output();
        move |word| {
            let from = known.saturating_sub(word.len() - 1);
            output && text[from..].windows(word.len()).any(|w| w == word.as_bytes())
        }
    }
}

impl Monitor for Script {
    fn inspect(&mut self, window: &Window) -> Result<Verdict, MonitorError> {
        let kept = if window.bytes.len() <= KEPT { &window.bytes[..] } else { &[] };
        let seen = Seen {
            id: window.id,
            stream: window.stream,
            offset: window.offset,
            length: window.bytes.len() as u64,
            bytes: kept.to_vec(),
        };
        frames::append(&mut self.windows, &frames::frame(&seen))
            .map_err(|error| MonitorError { reason: error.to_string() })?;
        let found = self.finds(window);
        if found(CRASH) && !Switch::MonitorHasCrashed.is_on(&self.dir) {
            Switch::MonitorHasCrashed.on(&self.dir);
            panic!("the monitor crashes, as it was told");
        }
        if found(STALL) {
            Switch::MonitorStalls.wait_while_on(&self.dir);
        }
        Ok(match (found(THREAT), found(SECOND)) {
            (true, _) => threat(THREAT, 0.9),
            (false, true) => threat(SECOND, 0.8),
            (false, false) => Verdict::default(),
        })
    }

    fn judge(&mut self, _: &Request) -> Result<Ruling, MonitorError> {
        Ok(Ruling::Allow)
    }
}

fn threat(word: &str, score: f32) -> Verdict {
    let score = Score::new(score).unwrap_or_default();
    let finding = Finding {
        rule: "scripted".into(),
        title: format!("a scripted threat ({word})"),
        category: "test".into(),
        mitre: Vec::new(),
        score,
        excerpt: word.into(),
    };
    Verdict { score, findings: vec![finding], secrets: Vec::new() }
}
