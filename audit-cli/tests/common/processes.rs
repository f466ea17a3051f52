//! What `/proc` says about processes that a test started.

#![allow(dead_code, reason = "each test target uses a part of it")]

use std::fs;
use std::path::PathBuf;

/// Every process below `pid`, itself not among them. A process that left the tree, because its
/// parent died, is found by [`holding`].
pub(crate) fn below(pid: i32) -> Vec<i32> {
    let mut found = children(pid);
    let mut next = 0;
    while let Some(child) = found.get(next) {
        found.extend(children(*child));
        next += 1;
    }
    found
}

fn children(pid: i32) -> Vec<i32> {
    let threads = fs::read_dir(format!("/proc/{pid}/task"));
    let lists = threads.into_iter().flatten().flatten();
    let lists = lists.filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok());
    lists.flat_map(|list| list.split_whitespace().map(number).collect::<Vec<_>>()).collect()
}

/// Every process with `variable` (`NAME=value`) in its environment.
pub(crate) fn holding(variable: &str) -> Vec<i32> {
    all()
        .filter(|pid| {
            fs::read(format!("/proc/{pid}/environ"))
                .is_ok_and(|all| all.split(|b| *b == 0).any(|one| one == variable.as_bytes()))
        })
        .filter(|pid| state(*pid).is_some_and(|state| state != 'Z'))
        .collect()
}

fn all() -> impl Iterator<Item = i32> {
    let entries = fs::read_dir("/proc").unwrap().flatten();
    entries.filter_map(|entry| entry.file_name().to_str().and_then(|name| name.parse().ok()))
}

/// Its state as `ps(1)` shows it, `None` when it is gone.
pub(crate) fn state(pid: i32) -> Option<char> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(") ")?.1.chars().next()
}

/// Its command line, words joined by spaces.
pub(crate) fn command_line(pid: i32) -> String {
    let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&line).replace('\0', " ")
}

/// What its standard input is.
pub(crate) fn input(pid: i32) -> Option<PathBuf> {
    fs::read_link(format!("/proc/{pid}/fd/0")).ok()
}

/// Whether it runs the program at this path.
pub(crate) fn is_program(pid: i32, path: &str) -> bool {
    fs::read_link(format!("/proc/{pid}/exe")).is_ok_and(|exe| exe.as_os_str() == path)
}

/// Its resident memory in bytes, what it shares with others counted in part; 0 when it is gone.
pub(crate) fn resident(pid: i32) -> u64 {
    let Ok(rollup) = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")) else { return 0 };
    let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:"));
    let kilobytes = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    kilobytes.unwrap_or_default() << 10
}

fn number(text: &str) -> i32 {
    text.parse().unwrap()
}
