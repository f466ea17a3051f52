//! `kill -9` at any moment: what was shown is on disk, the terminal is as it was, nobody is left.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use nix::sys::signal::{Signal, kill};

use crate::chance::{Chance, times};
use crate::on_every_engine;
use crate::processes;
use crate::sandbox::{Sandbox, files, until};
use crate::terminal::Terminal;

on_every_engine![a_killed_recorder_leaves_a_journal_and_a_terminal];

/// Numbered lines with the time they were written at, in nanoseconds since 1970, and much text.
const LINES: &str = "filler=$(printf %0300d 0); echo up; \
    while :; do n=$((n+1)); echo \"$n $(date +%s%N) $filler\"; done";

/// How long something shown may stay unwritten.
const FLUSH: Duration = Duration::from_millis(100);

/// How late everybody may be once on a machine that is busy otherwise.
const LATE: Duration = Duration::from_millis(400);

fn a_killed_recorder_leaves_a_journal_and_a_terminal(engine: &str) {
    let mut chance = Chance::new(engine.len() as u64);
    // Late enough for the child to be at it.
    let mut after = || Duration::from_millis(200 + chance.below(700));
    let mut missing: Vec<_> = (0..times(9, 41)).map(|_| kill_once(engine, after())).collect();
    missing.sort_unstable();
    // A machine may be busy at one moment or another, not at most of them: half of all kills find
    // everything written but the last tenth of a second. A flush that came later than it should
    // would show in most.
    let usual = missing[missing.len() / 2];
    assert!(usual <= FLUSH, "{engine}: {usual:?} are missing as a rule: {missing:?}");
}

/// Kills a recorder and returns how much of what was shown is missing, in time.
fn kill_once(engine: &str, after: Duration) -> Duration {
    let sandbox = Sandbox::new();
    let mut command = sandbox.command(["run", "--engine", engine, "--", "sh", "-c", LINES]);
    // Found again in everything that is started below.
    let mark = sandbox.path("mark").display().to_string();
    command.env("MARK", &mark);
    let mut terminal = Terminal::start(command);
    terminal.expect("up");
    let shown = now();
    std::thread::sleep(after);
    let killed = now();
    kill(terminal.pid(), Signal::SIGKILL).unwrap();
    let before = terminal.modes_before();
    until("the terminal is put back", || terminal.modes() == before);
    until("nobody is left", || processes::holding(&format!("MARK={mark}")).is_empty());
    assert_eq!(terminal.finish().0, 137);

    let id = sandbox.sessions().remove(0);
    let verified = sandbox.run(["verify", &id]);
    assert!([0, 10].contains(&verified.status), "{engine} {after:?}: {verified:?}");
    let what = format!("{engine} after {after:?}");
    let missing = check_lines(&recorded(&sandbox, &id), shown, killed, &what);

    let recovered = sandbox.run(["recover", &id]);
    assert_eq!(recovered.status, 0, "{engine} {after:?}: {recovered:?}");
    let verified = sandbox.run(["verify", &id]);
    assert_eq!(verified.status, 0, "{engine} {after:?}: {verified:?}");
    let once = contents(&sandbox.path("journal"));
    assert_eq!(sandbox.run(["recover", &id]).status, 0);
    assert!(once == contents(&sandbox.path("journal")), "the second recovery changed something");
    check_lines(&recorded(&sandbox, &id), shown, killed, &format!("{engine} recovered"));
    missing
}

fn recorded(sandbox: &Sandbox, id: &str) -> String {
    let ran = sandbox.run(["export", id, "--format", "raw", "--stream", "output"]);
    assert_eq!(ran.status, 0, "{ran:?}");
    ran.text()
}

/// The lines are whole, in order, without one missing, up to shortly before `killed`. The first
/// was `shown` at this time. Returns how long before `killed` the last was written, apart from how
/// long the child took for a line.
fn check_lines(text: &str, shown: Duration, killed: Duration, what: &str) -> Duration {
    let (mut last, mut slowest) = (shown, Duration::ZERO);
    let whole = text.rsplit_once("\r\n").map_or("", |(whole, _)| whole);
    assert!(whole.is_empty() || whole.starts_with("up"), "{what}: {whole}");
    for (at, line) in whole.lines().skip(1).enumerate() {
        let mut words = line.split(' ');
        assert_eq!(words.next(), Some(&*(at + 1).to_string()), "{what}: {line}");
        let time = Duration::from_nanos(words.next().unwrap().parse().unwrap());
        slowest = slowest.max(time.saturating_sub(last));
        last = time;
    }
    // How unevenly the child itself got on tells how late a flush may be.
    let late = FLUSH + LATE + slowest * 10;
    let missing = killed.saturating_sub(last);
    assert!(missing < late, "{what}: the last {missing:?} are missing, {late:?} may be");
    missing.saturating_sub(slowest)
}

fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap()
}

/// Every file below `dir` with its bytes.
fn contents(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    files(dir).into_iter().map(|path| (path.clone(), std::fs::read(&path).unwrap())).collect()
}
