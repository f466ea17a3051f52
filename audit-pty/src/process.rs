//! Processes as `/proc` and `waitid(2)` tell of them.

use std::fs;
use std::time::{Duration, Instant};

use audit_core::Exit;

use crate::sys;

/// What became of a child.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It ended and is reaped.
    Exited(Exit),
    /// This signal stopped it.
    Stopped(i32),
    /// It goes on.
    Continued,
}

/// The next news of our child `pid`, without waiting. With `ended_only` stops are left alone.
pub(crate) fn news(pid: i32, ended_only: bool) -> Option<Change> {
    let stops = if ended_only { 0 } else { libc::WSTOPPED | libc::WCONTINUED };
    let (code, status) = sys::wait(pid, libc::WNOHANG | libc::WEXITED | stops).ok()??;
    match code {
        libc::CLD_EXITED => Some(Change::Exited(Exit::Code(status))),
        libc::CLD_KILLED => Some(Change::Exited(Exit::Signal { number: status, core: false })),
        libc::CLD_DUMPED => Some(Change::Exited(Exit::Signal { number: status, core: true })),
        libc::CLD_STOPPED => Some(Change::Stopped(status)),
        libc::CLD_CONTINUED => Some(Change::Continued),
        // CLD_TRAPPED: a tracer of ours has it; not our news.
        _ => None,
    }
}

/// One line of `/proc/PID/stat`, as far as it matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stat {
    /// A letter of `proc_pid_stat(5)`.
    state: u8,
    parent: i32,
    group: i32,
    session: i32,
}

fn stat(pid: i32) -> Option<Stat> {
    let line = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name stands in parentheses and may hold anything, even more of them.
    let mut fields = line[line.rfind(')')? + 1..].split_ascii_whitespace();
    let state = *fields.next()?.as_bytes().first()?;
    let parent = fields.next()?.parse().ok()?;
    let group = fields.next()?.parse().ok()?;
    let session = fields.next()?.parse().ok()?;
    Some(Stat { state, parent, group, session })
}

/// Whether a signal has stopped this process.
pub(crate) fn is_stopped(pid: i32) -> bool {
    stat(pid).is_some_and(|stat| stat.state == b'T')
}

/// The process group of this process, if there is one.
pub(crate) fn group_of(pid: i32) -> Option<i32> {
    stat(pid).map(|stat| stat.group)
}

/// A process that has not stopped after this long waits for a disk or a network.
const STOPPING: Duration = Duration::from_millis(50);

/// Waits until each of these processes, which were told to stop, has stopped or is gone.
pub(crate) fn until_stopped<'a>(pids: impl IntoIterator<Item = &'a i32>) {
    let started = Instant::now();
    let moves =
        |pid| stat(pid).is_some_and(|stat| !matches!(stat.state, b'T' | b't' | b'Z' | b'X'));
    for pid in pids {
        while moves(*pid) && started.elapsed() < STOPPING {
            std::thread::sleep(Duration::from_micros(100));
        }
    }
}

/// Whether `pid` is `ancestor`, a descendant of it, or a process of its session. A process that
/// is gone already cannot be told and is not.
pub(crate) fn belongs_to(pid: i32, ancestor: i32, own_session: bool) -> bool {
    let mut at = pid;
    // The chain changes while it is walked; no real one is longer.
    for _ in 0..1024 {
        if at == ancestor {
            return true;
        }
        match stat(at) {
            Some(stat) if own_session && stat.session == ancestor => return true,
            Some(stat) if stat.parent > 1 => at = stat.parent,
            _ => return false,
        }
    }
    false
}

/// Every process that belongs to `leader` as [`belongs_to`] says, except `spared` and its children.
pub(crate) fn members(leader: i32, own_session: bool, spared: Option<i32>) -> Vec<i32> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|pid| belongs_to(*pid, leader, own_session))
        .filter(|pid| spared != Some(*pid))
        .filter(|pid| spared.is_none() || stat(*pid).map(|stat| stat.parent) != spared)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::process::parent_id;
    use std::process::{Command, Stdio, id};

    #[test]
    fn the_parent_and_the_session_are_told() {
        let own = stat(id() as i32).unwrap();
        assert_eq!(own.parent, parent_id() as i32);
        assert_eq!(own.session, nix::unistd::getsid(None).unwrap().as_raw());
    }

    #[test]
    fn a_child_belongs_to_its_parent_and_not_the_other_way_round() {
        let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
        let pid = child.id() as i32;
        assert!(belongs_to(pid, id() as i32, false));
        assert!(members(id() as i32, false, None).contains(&pid));
        assert!(!belongs_to(id() as i32, pid, false));
        drop(child.stdin.take());
        child.wait().unwrap();
        assert!(!belongs_to(pid, id() as i32, false));
    }
}
