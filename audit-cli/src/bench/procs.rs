//! What processes use, as `proc(5)` tells.

use std::collections::HashMap;
use std::fs;
use std::time::Duration;

use anyhow::Context as _;

/// What a subject's own processes used: not those of its child.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Cost {
    /// Processor time, in seconds; 0 where the kernel keeps no account of it.
    pub(super) cpu: f64,
    /// Peak resident memory, summed over the processes, in bytes.
    pub(super) rss: u64,
}

/// The cost of process `top` and of its descendants that run the same program.
///
/// # Errors
/// Processes cannot be listed.
pub(super) fn cost(top: u32) -> anyhow::Result<Cost> {
    let program = fs::read_link(format!("/proc/{top}/exe")).context("read /proc")?;
    let mut parents = HashMap::new();
    for entry in fs::read_dir("/proc")? {
        let name = entry?.file_name();
        let Some(pid) = name.to_str().and_then(|n| n.parse::<u32>().ok()) else { continue };
        // A process may end while we look.
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        if let Some(parent) = parent(&stat) {
            parents.insert(pid, parent);
        }
    }
    let is_below = |pid: u32| {
        std::iter::successors(Some(pid), |pid| parents.get(pid).copied())
            .take(64)
            .any(|pid| pid == top)
    };
    let mut cost = Cost::default();
    for pid in parents.keys() {
        let runs = fs::read_link(format!("/proc/{pid}/exe")).is_ok_and(|exe| exe == program);
        if runs && is_below(*pid) {
            cost.cpu += seconds(*pid);
            cost.rss += peak(*pid).unwrap_or(0);
        }
    }
    Ok(cost)
}

/// The parent of a process. Its program's name may hold anything, so fields of `/proc/PID/stat` are
/// counted from behind the parenthesis that ends it.
fn parent(stat: &str) -> Option<u32> {
    stat.get(stat.rfind(')')? + 1..)?.split_whitespace().nth(1)?.parse().ok()
}

/// Processor time of the threads a process has now, in seconds. Clock ticks would be too coarse.
fn seconds(pid: u32) -> f64 {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let nanos = tasks.filter_map(|task| {
        let text = fs::read_to_string(task.path().join("schedstat")).ok()?;
        text.split_whitespace().next()?.parse::<u64>().ok()
    });
    Duration::from_nanos(nanos.sum()).as_secs_f64()
}

/// Peak resident memory (`VmHWM`), in bytes.
fn peak(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib << 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_does_not_shift_the_fields() {
        let stat = "12 (a) b) (c) S 7 12 12 0 -1 4194304 100 0 0 0 30 4 0 0 20 0 1 0";
        assert_eq!(parent(stat), Some(7));
    }

    #[test]
    fn this_process_uses_memory_and_time() {
        let cost = cost(std::process::id()).expect("proc is mounted");
        assert!(cost.rss > 100 << 10 && cost.cpu > 0.0, "{cost:?}");
    }
}
