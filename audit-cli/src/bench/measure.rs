//! The two measurements: how fast output flows, and how long a key takes to come back.

use std::ffi::OsString;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::bail;

use super::payload::Random;
use super::procs::Cost;
use super::stage::Stage;

/// What the flow of output came to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Flow {
    /// Bytes shown.
    pub(super) bytes: u64,
    /// From the first byte shown to the last.
    pub(super) span: Duration,
    /// What the subject's processes used for it, their start included.
    pub(super) cost: Cost,
    /// Bytes the recording has on disk; `None` of the relay.
    pub(super) recorded: Option<u64>,
}

/// How long each key took from being typed to being shown.
#[derive(Clone, Debug)]
pub(super) struct Echo(pub(super) Vec<Duration>);

/// The child of [`flow`]: shows a file, then waits for a line, so that whoever relays is still
/// there to be asked what it used.
pub(super) fn flow_child(file: &Path) -> Vec<OsString> {
    let script = r#"cat "$1"; read -r line"#;
    vec!["sh".into(), "-c".into(), script.into(), "sh".into(), file.into()]
}

/// Pushes output through a session whose child is [`flow_child`] and checks that exactly `shown`
/// is seen.
///
/// # Errors
/// Something else was shown, or nothing for too long.
pub(super) fn flow(mut stage: Stage<'_>, shown: &[u8]) -> anyhow::Result<Flow> {
    let mut buffer = vec![0; 64 << 10];
    let (mut seen, mut first) = (0, None);
    let mut last = Instant::now();
    while seen < shown.len() {
        let len = stage.read(&mut buffer)?;
        last = Instant::now();
        first.get_or_insert(last);
        let expected = shown.get(seen..seen + len);
        if len == 0 || expected != buffer.get(..len) {
            let text = String::from_utf8_lossy(&buffer[..len.min(200)]).into_owned();
            bail!("after {seen} bytes something else was shown: {}", crate::text::sanitised(&text));
        }
        seen += len;
    }
    let cost = stage.cost()?;
    stage.write(b"\n")?;
    stage.end()?;
    let span = first.map_or(Duration::ZERO, |first| last - first);
    Ok(Flow { bytes: seen as u64, span, cost, recorded: None })
}

/// The child of [`echo`]: lets the terminal echo, and takes what is typed.
pub(super) fn echo_child() -> Vec<OsString> {
    ["sh", "-c", "echo ready; exec cat > /dev/null"].map(OsString::from).to_vec()
}

/// Types `keys` letters, one at a time at uneven intervals, and waits for each to be shown.
///
/// # Errors
/// A key was not shown.
pub(super) fn echo(mut stage: Stage<'_>, keys: u32, seed: u64) -> anyhow::Result<Echo> {
    stage.await_text(b"ready")?;
    let mut random = Random::new(seed);
    let mut spans = Vec::with_capacity(keys as usize);
    let mut buffer = [0; 4096];
    for key in 0..keys {
        std::thread::sleep(Duration::from_micros(1000 + random.below(9000)));
        // The terminal edits lines of up to 4095 characters (termios(3)).
        if key % 64 == 63 {
            stage.write(b"\n")?;
            stage.await_text(b"\n")?;
        }
        let letter = b'a' + u8::try_from(random.below(26)).unwrap_or(0);
        let typed = Instant::now();
        stage.write(&[letter])?;
        loop {
            let len = stage.read(&mut buffer)?;
            if len == 0 {
                bail!("the session ended at key {key}");
            }
            if buffer[..len].contains(&letter) {
                break;
            }
        }
        spans.push(typed.elapsed());
    }
    // End of file, at the beginning of a line.
    stage.write(b"\n\x04")?;
    stage.end()?;
    Ok(Echo(spans))
}
