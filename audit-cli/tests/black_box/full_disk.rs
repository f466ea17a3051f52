//! A disk that is full: a small one of the test's own, in a mount namespace nobody else sees.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::chance::Chance;
use crate::on_every_engine;
use crate::sandbox::{Ran, Sandbox, until};

on_every_engine![
    without_room_a_closed_session_ends,
    without_room_an_open_session_goes_on_and_says_what_is_missing,
    without_room_a_spilling_session_waits_for_room,
];

/// Size of the disk: a reserve, the first megabyte, and a little.
const SIZE: usize = 4 << 20;

/// More than fits.
const NOISE: usize = 6 << 20;

/// A disk of [`SIZE`] bytes.
struct Disk {
    /// Lives in the namespace, and keeps it.
    keeper: Child,
    path: PathBuf,
}

impl Disk {
    /// `None` where this user may not make a namespace, which is said aloud.
    fn new(sandbox: &Sandbox) -> Option<Self> {
        let point = sandbox.path("disk");
        std::fs::create_dir_all(&point).unwrap();
        let script = format!("mount -t tmpfs -o size={SIZE} tmpfs \"$0\" && echo mounted && cat");
        let user: &[&str] = if nix::unistd::Uid::effective().is_root() { &[] } else { &["-Ur"] };
        let mut keeper = Command::new("unshare")
            .args(user)
            .args(["-m", "--propagation", "private", "sh", "-c", &script])
            .arg(&point)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("unshare(1) of util-linux is needed");
        let mut line = String::new();
        BufReader::new(keeper.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        if line != "mounted\n" {
            let said = Ran::of(keeper).stderr;
            assert!(
                said.contains("ermi") || said.contains("denied"),
                "the disk could not be made: {said}"
            );
            eprintln!("NOT TESTED: no mount namespace is permitted here: {said}");
            return None;
        }
        let path = PathBuf::from(format!("/proc/{}/root", keeper.id()));
        let path = path.join(point.strip_prefix("/").unwrap());
        Some(Self { keeper, path })
    }

    fn journal(&self) -> PathBuf {
        self.path.join("journal")
    }

    /// Takes so much of the room away.
    fn take(&self, bytes: usize) {
        let mut file = File::create(self.path.join("taken")).unwrap();
        file.write_all(&vec![0; bytes]).unwrap();
    }

    fn give_back(&self) {
        std::fs::remove_file(self.path.join("taken")).unwrap();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // It may be gone already.
        let _ = self.keeper.kill();
        let _ = self.keeper.wait();
    }
}

/// A session on a disk, and what it says.
struct Scene {
    sandbox: Sandbox,
    disk: Disk,
    noise: Vec<u8>,
}

impl Scene {
    fn new() -> Option<Self> {
        let sandbox = Sandbox::new();
        let disk = Disk::new(&sandbox)?;
        let noise = Chance::new(9).bytes(NOISE);
        std::fs::write(sandbox.path("home/noise"), &noise).unwrap();
        Some(Self { sandbox, disk, noise })
    }

    fn start(&self, engine: &str, policy: &str, script: &str, limit: &str) -> Child {
        let args = ["run", "--engine", engine, "--on-journal-failure", policy, "--", "sh", "-c"];
        self.command(args)
            .arg(script)
            .env("AUDITTY_DETECT__ENABLED", "false")
            .env("AUDITTY_JOURNAL__SPILL_LIMIT", limit)
            .stderr(File::create(self.said_path()).unwrap())
            .spawn()
            .unwrap()
    }

    fn command<const N: usize>(&self, args: [&str; N]) -> Command {
        let mut command = self.sandbox.command(args);
        command.env("AUDITTY_JOURNAL__DIR", self.disk.journal());
        command
    }

    fn run<const N: usize>(&self, args: [&str; N]) -> Ran {
        Ran::of(self.command(args).spawn().unwrap())
    }

    fn said_path(&self) -> PathBuf {
        self.sandbox.path("said")
    }

    fn said(&self) -> String {
        std::fs::read_to_string(self.said_path()).unwrap()
    }

    /// The bytes of the session, and its gaps: how many bytes each says are missing.
    fn recorded(&self) -> (Vec<u8>, Vec<u64>) {
        let verified = self.run(["verify"]);
        assert_eq!(verified.status, 0, "{verified:?}");
        let listed = self.run(["ls", "--json"]);
        let id = crate::sandbox::field(&listed.lines()[0], "session");
        let lines = self.run(["export", &id, "--format", "jsonl"]).lines();
        let gaps = lines.iter().filter_map(|line| {
            let line: serde_json::Value = serde_json::from_str(line).unwrap();
            line["record"]["gap"]["bytes"].as_u64()
        });
        let bytes = self.run(["export", &id, "--format", "raw", "--stream", "output"]).stdout;
        (bytes, gaps.collect())
    }
}

fn without_room_a_closed_session_ends(engine: &str) {
    for policy in ["closed", "spill"] {
        let Some(scene) = Scene::new() else { return };
        let script = "cat noise; sleep 60; echo survived > survived";
        let ran = Ran::of(scene.start(engine, policy, script, "512KiB"));
        assert_eq!(ran.status, 74, "{policy}");
        assert!(!scene.sandbox.path("home/survived").exists());
        let said = scene.said();
        assert_eq!(said.lines().count(), 1, "{policy}: {said}");
        assert!(said.contains("no space left") && said.contains("the session ends"), "{said}");
        let (recorded, gaps) = scene.recorded();
        assert!(scene.noise.starts_with(&recorded), "{policy}: what is recorded was written");
        assert!(recorded.len() > SIZE / 8, "{policy}: {} bytes are recorded", recorded.len());
        assert!(!gaps.is_empty(), "{policy}: what is missing is said");
    }
}

/// A session that fills the disk, says so by a file, and goes on when that is removed.
const PAUSES: &str = "cat noise; echo full > full; while [ -e full ]; do sleep 0.05; done; \
    echo after; exit 3";

fn without_room_an_open_session_goes_on_and_says_what_is_missing(engine: &str) {
    let Some(scene) = Scene::new() else { return };
    scene.disk.take(1 << 20);
    let session = scene.start(engine, "open", PAUSES, "16MiB");
    let full = scene.sandbox.path("home/full");
    // It is not read before the end, and a pipe holds less than the noise.
    let ran = std::thread::spawn(move || Ran::of(session));
    until("everything is shown", || full.exists());
    until("it is told", || {
        let said = scene.said();
        count(&said, "WITHOUT RECORD") == 1 + count(&said, "written again")
    });
    scene.disk.give_back();
    until("it is recorded again", || {
        let said = scene.said();
        count(&said, "WITHOUT RECORD") == count(&said, "written again")
    });
    std::fs::remove_file(&full).unwrap();
    let ran = ran.join().unwrap();
    assert_eq!(ran.status, 3);
    assert!(ran.stdout == [&*scene.noise, b"after\n"].concat(), "the session is not disturbed");
    let (recorded, gaps) = scene.recorded();
    let missing: u64 = gaps.iter().sum();
    // A gap tells no less than what is missing; it may count what was written just before it.
    assert!(recorded.len() as u64 + missing >= ran.stdout.len() as u64, "{gaps:?}");
    assert!(missing > 0 && recorded.ends_with(b"after\n"));
    assert!(scene.noise.starts_with(&recorded[..SIZE / 8]));
}

fn without_room_a_spilling_session_waits_for_room(engine: &str) {
    let Some(scene) = Scene::new() else { return };
    scene.disk.take(2 << 20);
    std::fs::write(scene.sandbox.path("home/noise"), &scene.noise[..NOISE / 3]).unwrap();
    let session = scene.start(engine, "spill", PAUSES, "16MiB");
    let full = scene.sandbox.path("home/full");
    let ran = std::thread::spawn(move || Ran::of(session));
    until("everything is shown", || full.exists());
    scene.disk.give_back();
    std::fs::remove_file(&full).unwrap();
    let ran = ran.join().unwrap();
    assert_eq!((ran.status, scene.said().as_str()), (3, ""));
    let shown = [&scene.noise[..NOISE / 3], b"after\n"].concat();
    assert!(ran.stdout == shown);
    let (recorded, gaps) = scene.recorded();
    let lengths = (recorded.len(), shown.len());
    assert!(recorded == shown && gaps.is_empty(), "lost, or twice: {lengths:?}, {gaps:?}");
}

fn count(text: &str, part: &str) -> usize {
    text.matches(part).count()
}

#[test]
fn a_disk_that_is_full_from_the_beginning_is_one_line() {
    let Some(scene) = Scene::new() else { return };
    fill(&scene.disk.path);
    for (policy, statuses) in [("closed", [74, 74]), ("open", [74, 78]), ("spill", [74, 78])] {
        let ran = Ran::of(scene.start("hybrid", policy, "echo ran > ran", "1MiB"));
        let said = scene.said();
        assert!(statuses.contains(&ran.status), "{policy}: {} {said}", ran.status);
        assert_eq!(said.lines().count(), 1, "{policy}: {said}");
        assert!(said.contains("No space left on device\n"), "{policy}: {said}");
        assert!(!scene.sandbox.path("home/ran").exists(), "{policy}");
    }
}

/// Takes every byte.
fn fill(disk: &Path) {
    let mut file = File::create(disk.join("taken")).unwrap();
    for size in [64 << 10, 4096, 1] {
        while file.write_all(&vec![0; size]).is_ok() {}
    }
}
