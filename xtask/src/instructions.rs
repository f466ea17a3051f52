//! How many instructions the session core spends, counted by callgrind: the same on a busy machine
//! and on a quiet one, so that a change that makes the core dearer is seen in CI.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail};

use crate::cargo;

/// Where the counts are written down.
const FILE: &str = "benches/instructions.txt";

/// What is counted, each with what one turn of it is.
const CASES: [(&str, &str); 3] = [
    ("logs", "a 4 KiB read of log lines"),
    ("colour", "a 4 KiB read of coloured text"),
    ("key", "a key and its echo"),
];

/// Turns of the two runs whose difference is counted, so that start-up falls out.
const TURNS: (u64, u64) = (200, 1200);

/// A count may grow by this share before the check fails.
const GROWTH: f64 = 0.05;

/// Counts, and compares with what is written down.
///
/// # Errors
/// A count has grown by more than a twentieth, or nothing could be counted.
pub(crate) fn check(top: &Path) -> anyhow::Result<()> {
    let text = fs::read_to_string(top.join(FILE)).with_context(|| format!("read {FILE}"))?;
    let known = parse(&text).with_context(|| format!("read {FILE}"))?;
    let mut wrong = Vec::new();
    for (case, count) in count_all(top)? {
        let Some(before) = known.get(case).copied() else {
            wrong.push(format!("{case}: {count}, not written down"));
            continue;
        };
        let change = growth(before, count);
        println!(
            "{case:<8} {count:>8} instructions, {before} written down, {:+.1} %",
            change * 100.0
        );
        if change > GROWTH {
            wrong.push(format!("{case}: {before} -> {count}, {:+.1} %", change * 100.0));
        } else if change < -GROWTH {
            println!("{case:<8} is cheaper now: write it down");
        }
    }
    if wrong.is_empty() {
        return Ok(());
    }
    bail!("{}\nif that is meant, run `cargo xtask instructions --write`", wrong.join("\n"))
}

/// Counts, and writes the counts down.
///
/// # Errors
/// Nothing could be counted, or the file cannot be written.
pub(crate) fn write(top: &Path) -> anyhow::Result<()> {
    let mut text = String::from(
        "# Instructions of the session core, counted by `cargo xtask instructions --write`.\n",
    );
    for (case, count) in count_all(top)? {
        let what = CASES.iter().find(|(name, _)| *name == case).map_or("", |(_, what)| what);
        writeln!(text, "{case} {count} # {what}")?;
    }
    print!("{text}");
    fs::write(top.join(FILE), text).with_context(|| format!("write {FILE}"))
}

/// The count of each case, one turn of it.
fn count_all(top: &Path) -> anyhow::Result<Vec<(&'static str, u64)>> {
    let program = build(top)?;
    CASES
        .into_iter()
        .map(|(case, _)| {
            let (few, many) = (count(&program, case, TURNS.0)?, count(&program, case, TURNS.1)?);
            Ok((case, many.saturating_sub(few) / (TURNS.1 - TURNS.0)))
        })
        .collect()
}

/// Builds what is counted, as releases are built.
fn build(top: &Path) -> anyhow::Result<PathBuf> {
    let status = cargo(top)
        .args(["build", "--quiet", "--release", "--package", "benches", "--bin", "instructions"])
        .status()
        .context("build benches")?;
    if !status.success() {
        bail!("build benches: {status}");
    }
    Ok(crate::target(top).join("release/instructions"))
}

/// The same `memcpy` on every machine: glibc else picks one by what the processor can, and what is
/// counted here is a copy for the most part (`ld.so(8)`, `glibc.cpu.hwcaps`).
const TUNABLES: &str = "glibc.cpu.hwcaps=-AVX512F,-AVX512VL,-AVX2,-AVX,-AVX_Fast_Unaligned_Load,\
                        -SSE4_1,-SSE4_2,-SSSE3,-ERMS,-FSRM,-Fast_Unaligned_Copy";

/// Instructions of one run.
fn count(program: &Path, case: &str, turns: u64) -> anyhow::Result<u64> {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(program)
        .args([case, &turns.to_string()])
        .env("GLIBC_TUNABLES", TUNABLES)
        .output()
        .context("run valgrind; is it installed?")?;
    let said = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        bail!("valgrind: {}\n{said}", output.status);
    }
    collected(&said).with_context(|| format!("find the count in what valgrind said:\n{said}"))
}

/// The number in callgrind's line `==PID== Collected : N`.
fn collected(said: &str) -> Option<u64> {
    let line = said.lines().find(|line| line.contains("Collected :"))?;
    line.rsplit(' ').next()?.parse().ok()
}

/// The counts in a file: `case count`, and comments behind `#`.
fn parse(text: &str) -> anyhow::Result<BTreeMap<&str, u64>> {
    let lines = text.lines().map(|line| line.split('#').next().unwrap_or(line).trim());
    lines
        .filter(|line| !line.is_empty())
        .map(|line| {
            let (case, count) = line.split_once(' ').context("expected `case count`")?;
            Ok((case, count.trim().parse()?))
        })
        .collect()
}

/// How much more `after` is, as a share of `before`.
#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
fn growth(before: u64, after: u64) -> f64 {
    after as f64 / before.max(1) as f64 - 1.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_read_with_their_comments() {
        let counts = parse("# head\nlogs 1200 # a read\n\nkey 7\n").expect("counts");
        assert_eq!(counts.get("logs"), Some(&1200));
        assert_eq!(counts.get("key"), Some(&7));
        assert!(parse("logs\n").is_err());
    }

    #[test]
    fn the_count_is_found_in_what_callgrind_says() {
        let said = "==12== Events    : Ir\n==12== Collected : 123456\n==12==\n";
        assert_eq!(collected(said), Some(123_456));
        assert_eq!(collected("==12== nothing"), None);
    }

    #[test]
    fn growth_is_a_share() {
        assert!(growth(1000, 1051) > GROWTH);
        assert!(growth(1000, 1049) < GROWTH);
        assert!(growth(1000, 900) < -GROWTH);
    }
}
