//! auditty beside other recorders, as far as they are installed: what each costs over no recorder.
//!
//! The terminal is one that throws everything away: `script -qefc` of util-linux plays it, for
//! every recorder alike. What is compared is how long a child takes to show a file,
//! and how many bytes the recording has. Finer measurements are those of `auditty bench`; this one
//! puts the program beside its neighbours. sudo's I/O logs are left out: they need a line in
//! sudoers, and this changes nothing on the machine.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context as _, bail};

use crate::cargo;

/// Rounds in which every recorder runs once.
const ROUNDS: usize = 5;

/// Bytes the child shows.
const SIZE: usize = 32 << 20;

/// A recorder: its name, the program that must be installed, and how it is told to record a
/// command. `{cmd}` stands for the command, `{out}` for the recording, `{auditty}` for our program.
const RECORDERS: [(&str, &str, &str); 10] = [
    ("none", "sh", "{cmd}"),
    ("hybrid", "sh", "{auditty} run --quiet --engine hybrid --journal {out} -- {cmd}"),
    ("async", "sh", "{auditty} run --quiet --engine async --journal {out} -- {cmd}"),
    ("threaded", "sh", "{auditty} run --quiet --engine threaded --journal {out} -- {cmd}"),
    ("poll", "sh", "{auditty} run --quiet --engine poll --journal {out} -- {cmd}"),
    ("multiproc", "sh", "{auditty} run --quiet --engine multiproc --journal {out} -- {cmd}"),
    ("script", "script", "script -q -c {cmd} {out}"),
    ("ttyrec", "ttyrec", "ttyrec -e {cmd} {out}"),
    ("tlog-rec", "tlog-rec", "tlog-rec --log-input=on -w file -o {out} {cmd}"),
    ("asciinema", "asciinema", "asciinema rec -q --overwrite -c {cmd} {out}"),
];

/// One run.
struct Run {
    seconds: f64,
    recorded: u64,
}

/// Runs every installed recorder and prints the table.
///
/// # Errors
/// auditty does not build, `script` is missing, or a recorder that worked once fails.
pub(crate) fn compare(top: &Path) -> anyhow::Result<()> {
    if !installed("script") {
        bail!("script(1) of util-linux plays the terminal and is not installed");
    }
    let status = cargo(top).args(["build", "--release", "--package", "audit-cli"]).status()?;
    if !status.success() {
        bail!("build audit-cli: {status}");
    }
    let place = Place::new(&crate::target(top))?;
    let mut present = Vec::new();
    for recorder in &RECORDERS {
        let (name, program, template) = recorder;
        if !installed(program) {
            println!("{name} is not installed");
            continue;
        }
        // A first run that is not counted fills the caches, and tells who does not work here.
        match place.run(template) {
            Ok(_) => present.push(recorder),
            Err(error) => println!("{name} is left out: {error:#}"),
        }
    }
    let mut runs: Vec<Vec<Run>> = present.iter().map(|_| Vec::new()).collect();
    for round in 0..ROUNDS {
        for turn in 0..present.len() {
            // Whoever runs first finds other caches than who runs last: take turns.
            let index = (round + turn) % present.len();
            let (name, _, template) = present[index];
            let run = place.run(template).with_context(|| format!("run {name}"))?;
            runs[index].push(run);
        }
    }
    print(&present.iter().map(|(name, ..)| *name).collect::<Vec<_>>(), &runs);
    Ok(())
}

/// Speeds are ratios within a round, so that a slow moment of the machine falls on all.
fn print(names: &[&str], runs: &[Vec<Run>]) {
    println!("{ROUNDS} rounds, {} MiB of log lines; medians", SIZE >> 20);
    println!("{:<10} {:>8} {:>8} {:>14}", "recorder", "seconds", "x none", "recording B/B");
    let Some(none) = runs.first() else { return };
    for (name, own) in names.iter().zip(runs) {
        let seconds = median(own.iter().map(|run| run.seconds).collect());
        let ratio = median(own.iter().zip(none).map(|(o, n)| n.seconds / o.seconds).collect());
        #[expect(clippy::cast_precision_loss, reason = "figures for people")]
        let share = median(own.iter().map(|run| run.recorded as f64 / SIZE as f64).collect());
        println!("{name:<10} {seconds:>8.2} {ratio:>8.2} {share:>14.3}");
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Whether a program is in the path.
fn installed(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|dir| dir.join(program).is_file())
}

/// Where the payload and the recordings are.
struct Place {
    dir: PathBuf,
    auditty: PathBuf,
}

impl Place {
    fn new(target: &Path) -> anyhow::Result<Self> {
        let dir = target.join("bench-compare");
        fs::create_dir_all(&dir)?;
        let mut text = String::with_capacity(SIZE + 128);
        for n in 0_u64.. {
            if text.len() >= SIZE {
                break;
            }
            let id = n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
            text += &format!("2031-04-05T10:00:{:02}Z INFO http: served id={id:016x}\n", n % 60);
        }
        let payload = dir.join("payload");
        fs::write(&payload, text)?;
        // A script of its own, so that no recorder splits the command differently from another.
        let child = dir.join("child");
        fs::write(&child, format!("#!/bin/sh\nexec cat '{}'\n", payload.display()))?;
        make_executable(&child)?;
        let auditty = target.join("release/auditty");
        Ok(Self { dir, auditty })
    }

    fn run(&self, template: &str) -> anyhow::Result<Run> {
        let out = self.dir.join("recording");
        remove(&out)?;
        let words = [
            ("{cmd}", self.dir.join("child")),
            ("{out}", out.clone()),
            ("{auditty}", self.auditty.clone()),
        ];
        let command = words.iter().fold(template.to_owned(), |command, (word, path)| {
            command.replace(word, &path.display().to_string())
        });
        let began = Instant::now();
        let status = Command::new("script")
            .args(["-qefc", &command, "/dev/null"])
            .env("SHELL", "/bin/sh")
            .env("AUDITTY_LOGGING__AUDIT_LOG_PATH", self.dir.join("audit.log"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .status()
            .context("run script")?;
        let seconds = began.elapsed().as_secs_f64();
        if !status.success() {
            bail!("`{command}` ended with {status}");
        }
        Ok(Run { seconds, recorded: size(&out)? })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // It lies in the build directory, where `cargo clean` finds it.
        let _ = fs::remove_dir_all(&self.dir);
    }
}

fn make_executable(path: &Path) -> anyhow::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    Ok(fs::set_permissions(path, fs::Permissions::from_mode(0o755))?)
}

fn remove(path: &Path) -> anyhow::Result<()> {
    match fs::symlink_metadata(path) {
        Err(_) => Ok(()),
        Ok(meta) if meta.is_dir() => Ok(fs::remove_dir_all(path)?),
        Ok(_) => Ok(fs::remove_file(path)?),
    }
}

/// Bytes of a file, or of everything below a directory; 0 of what is not there.
fn size(path: &Path) -> anyhow::Result<u64> {
    let Ok(meta) = fs::symlink_metadata(path) else { return Ok(0) };
    if !meta.is_dir() {
        return Ok(meta.len());
    }
    let mut sum = 0;
    for entry in fs::read_dir(path)? {
        sum += size(&entry?.path())?;
    }
    Ok(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_an_odd_row_is_its_middle() {
        assert!((median(vec![3.0, 1.0, 2.0]) - 2.0).abs() < 1e-9);
    }

    #[test]
    fn every_recorder_is_given_the_command() {
        assert!(RECORDERS.iter().all(|(_, _, template)| template.contains("{cmd}")));
        assert!(installed("sh") && !installed("no-such-recorder"));
    }
}
