//! Processes as `proc(5)` tells of them.

use crate::WORKER;

/// State of a process (`R`, `S`, `T`, …); `None` when it is gone, or waits only to be reaped.
pub(crate) fn state(pid: i32) -> Option<char> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name stands in parentheses and may hold anything.
    let state = stat[stat.rfind(')')? + 2..].chars().next()?;
    (state != 'Z').then_some(state)
}

/// Whether a process is gone.
pub(crate) fn is_gone(pid: i32) -> bool {
    state(pid).is_none()
}

/// Whether a process is stopped.
pub(crate) fn is_stopped(pid: i32) -> bool {
    state(pid) == Some('T')
}

/// Resident memory of a process, in bytes; 0 when it is gone.
pub(crate) fn resident(pid: i32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or("0 kB");
    let kilobytes: u64 = line.trim().trim_end_matches(" kB").parse().expect("a number of kB");
    kilobytes << 10
}

/// The engine's worker processes below this process, however deep.
pub(crate) fn workers(ancestor: i32) -> Vec<i32> {
    let mut all = vec![ancestor];
    let mut at = 0;
    while at < all.len() {
        all.extend(children(all[at]));
        at += 1;
    }
    all.retain(|pid| argument(*pid, 1).as_deref() == Some(WORKER.as_bytes()));
    all
}

/// An argument of a process, by its place in `argv`.
pub(crate) fn argument(pid: i32, place: usize) -> Option<Vec<u8>> {
    let line = std::fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    line.split(|byte| *byte == 0).nth(place).map(<[u8]>::to_vec)
}

fn children(pid: i32) -> Vec<i32> {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let lists = tasks.filter_map(|task| std::fs::read_to_string(task.path().join("children")).ok());
    let list: String = lists.collect::<Vec<_>>().join(" ");
    list.split_whitespace().filter_map(|pid| pid.parse().ok()).collect()
}
