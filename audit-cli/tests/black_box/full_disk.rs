//! A disk that is full: a small one of the test's own, in a mount namespace nobody else sees. Where
//! no namespace is permitted, a limit on the size of files, which is as much room and no more.

use std::cell::Cell;
use std::fs::File;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use nix::libc;

use crate::chance::Chance;
use crate::on_every_engine;
use crate::processes;
use crate::sandbox::{Ran, Sandbox, until};

on_every_engine![
    without_room_a_closed_session_ends,
    without_room_an_open_session_goes_on_and_says_what_is_missing,
    without_room_a_spilling_session_waits_for_room,
    without_room_to_begin_an_open_session_runs_and_is_recorded_once_there_is,
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
    /// `None` where this user may not make a namespace.
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
            return None;
        }
        let path = PathBuf::from(format!("/proc/{}/root", keeper.id()));
        let path = path.join(point.strip_prefix("/").unwrap());
        Some(Self { keeper, path })
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // It may be gone already.
        let _ = self.keeper.kill();
        let _ = self.keeper.wait();
    }
}

/// What a session does first whose files are to be limited.
const WAITS: &str = "touch up; until [ -e go ]; do sleep 0.02; done; rm up go";

/// As much room as there is.
enum Room {
    Disk(Disk),
    /// No file may be larger than this. The journal is the only one that grows.
    Limit(Cell<usize>),
}

/// A session with little room, and what it says.
struct Scene {
    sandbox: Sandbox,
    room: Room,
    noise: Vec<u8>,
}

impl Scene {
    fn new() -> Self {
        let sandbox = Sandbox::new();
        let disk = Disk::new(&sandbox);
        Self::with(sandbox, disk.map_or_else(|| Room::Limit(Cell::new(SIZE)), Room::Disk))
    }

    fn limited() -> Self {
        Self::with(Sandbox::new(), Room::Limit(Cell::new(SIZE)))
    }

    fn with(sandbox: Sandbox, room: Room) -> Self {
        let noise = Chance::new(9).bytes(NOISE);
        std::fs::write(sandbox.path("home/noise"), &noise).unwrap();
        Self { sandbox, room, noise }
    }

    fn start(&self, engine: &str, policy: &str, script: &str, limit: &str) -> Child {
        let script = match &self.room {
            Room::Disk(_) => script.to_owned(),
            Room::Limit(_) => format!("{WAITS}; {script}"),
        };
        let mut command = self.command_to_run(engine, policy, &script, limit);
        let child = command.stderr(File::create(self.said_path()).unwrap()).spawn().unwrap();
        if let Room::Limit(size) = &self.room {
            // What an engine sets up before it runs anything is no journal.
            let (up, go) = (self.sandbox.path("home/up"), self.sandbox.path("home/go"));
            until("the session runs", || up.exists());
            self.limit(size.get());
            File::create(go).unwrap();
        }
        child
    }

    fn command_to_run(&self, engine: &str, policy: &str, script: &str, limit: &str) -> Command {
        let args = ["run", "--engine", engine, "--on-journal-failure", policy, "--", "sh", "-c"];
        let mut command = self.command(args);
        command
            .arg(script)
            .env("AUDITTY_DETECT__ENABLED", "false")
            .env("AUDITTY_JOURNAL__SPILL_LIMIT", limit);
        command
    }

    /// Lets no file of the session grow beyond `size`.
    fn limit(&self, size: usize) {
        for pid in processes::holding(&format!("MARK={}", self.mark())) {
            match limit_files(pid, size) {
                // It has ended since.
                Err(error) if error.raw_os_error() == Some(libc::ESRCH) => {}
                limited => limited.unwrap(),
            }
        }
    }

    fn command<const N: usize>(&self, args: [&str; N]) -> Command {
        let mut command = self.sandbox.command(args);
        command.env("AUDITTY_JOURNAL__DIR", self.journal()).env("MARK", self.mark());
        command
    }

    fn journal(&self) -> PathBuf {
        match &self.room {
            Room::Disk(disk) => disk.path.join("journal"),
            Room::Limit(_) => self.sandbox.path("journal"),
        }
    }

    /// Found again in every process of the session.
    fn mark(&self) -> String {
        self.sandbox.path("mark").display().to_string()
    }

    /// Takes so much of the room away.
    fn take(&self, bytes: usize) {
        match &self.room {
            Room::Disk(disk) => {
                let mut file = File::create(disk.path.join("taken")).unwrap();
                file.write_all(&vec![0; bytes]).unwrap();
            }
            Room::Limit(size) => size.set(SIZE - bytes),
        }
    }

    /// Gives back what was taken.
    fn give_back(&self) {
        match &self.room {
            Room::Disk(disk) => std::fs::remove_file(disk.path.join("taken")).unwrap(),
            Room::Limit(_) => self.limit(SIZE),
        }
    }

    /// Takes every byte.
    fn fill(&self) {
        match &self.room {
            Room::Disk(disk) => fill(&disk.path),
            // From the very beginning.
            Room::Limit(_) => {}
        }
    }

    /// Takes every byte from a session that is to be started, where [`Scene::fill`] cannot.
    fn fill_for(&self, command: &mut Command) {
        if let Room::Limit(_) = &self.room {
            // SAFETY: the call is async-signal-safe.
            unsafe { command.pre_exec(|| limit_files(0, 0)) };
        }
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
    a_closed_session_ends(engine, Scene::new);
}

fn a_closed_session_ends(engine: &str, scene: fn() -> Scene) {
    for policy in ["closed", "spill"] {
        let scene = scene();
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
    an_open_session_goes_on_and_says_what_is_missing(engine, Scene::new);
}

fn an_open_session_goes_on_and_says_what_is_missing(engine: &str, scene: fn() -> Scene) {
    let scene = scene();
    scene.take(1 << 20);
    let session = scene.start(engine, "open", PAUSES, "16MiB");
    let full = scene.sandbox.path("home/full");
    // It is not read before the end, and a pipe holds less than the noise.
    let ran = std::thread::spawn(move || Ran::of(session));
    until("everything is shown", || full.exists());
    until("it is told", || {
        let said = scene.said();
        count(&said, "WITHOUT RECORD") == 1 + count(&said, "written again")
    });
    scene.give_back();
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
    a_spilling_session_waits_for_room(engine, Scene::new);
}

fn a_spilling_session_waits_for_room(engine: &str, scene: fn() -> Scene) {
    let scene = scene();
    scene.take(2 << 20);
    std::fs::write(scene.sandbox.path("home/noise"), &scene.noise[..NOISE / 3]).unwrap();
    let session = scene.start(engine, "spill", PAUSES, "16MiB");
    let full = scene.sandbox.path("home/full");
    let ran = std::thread::spawn(move || Ran::of(session));
    until("everything is shown", || full.exists());
    scene.give_back();
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
fn a_limit_on_the_size_of_files_is_a_full_disk() {
    a_closed_session_ends("poll", Scene::limited);
    an_open_session_goes_on_and_says_what_is_missing("multiproc", Scene::limited);
    a_spilling_session_waits_for_room("poll", Scene::limited);
}

fn without_room_to_begin_an_open_session_runs_and_is_recorded_once_there_is(engine: &str) {
    let scene = Scene::new();
    // Without a namespace files are limited, and with them what `multiproc` shares with its workers.
    if matches!(scene.room, Room::Limit(_)) && engine == "multiproc" {
        return;
    }
    scene.fill();
    let script =
        "echo early; touch waits; while [ -e waits ]; do sleep 0.05; done; echo late; exit 3";
    let mut command = scene.command_to_run(engine, "open", script, "1MiB");
    scene.fill_for(&mut command);
    let session = command.stderr(File::create(scene.said_path()).unwrap()).spawn().unwrap();
    let waits = scene.sandbox.path("home/waits");
    until("it runs", || waits.exists());
    until("it is told", || scene.said().contains("WITHOUT RECORD"));
    scene.give_back();
    until("it is recorded", || scene.said().contains("written again"));
    std::fs::remove_file(&waits).unwrap();
    let ran = Ran::of(session);
    assert_eq!((ran.status, &ran.stdout[..]), (3, &b"early\nlate\n"[..]));
    assert_eq!(scene.recorded(), (b"late\n".to_vec(), vec![6]));
}

#[test]
fn a_disk_that_is_full_from_the_beginning_to_the_end_is_told() {
    let scene = Scene::new();
    scene.fill();
    for (policy, status, told) in [("closed", 74, 1), ("open", 0, 1), ("spill", 74, 1)] {
        let mut command = scene.command_to_run("hybrid", policy, "head -c 2000000 noise", "1MiB");
        scene.fill_for(&mut command);
        let ran = Ran::of(command.spawn().unwrap());
        assert_eq!(ran.status, status, "{policy}: {}", ran.stderr);
        assert_eq!(ran.stderr.lines().count(), told, "{policy}: {}", ran.stderr);
        let reason = match scene.room {
            Room::Disk(_) => "no space left on device",
            Room::Limit(_) => "file too large",
        };
        let said = ran.stderr.to_lowercase().replace("on the device", "on device");
        assert!(said.contains(reason), "{policy}: {said}");
        assert_eq!(ran.stdout.is_empty(), policy == "closed", "{policy}");
    }
    scene.give_back();
    assert_eq!(scene.run(["verify"]).status, 0, "nothing half is left");
}

/// Lets no file of process `pid`, 0 for this one, grow beyond `size`.
fn limit_files(pid: i32, size: usize) -> std::io::Result<()> {
    let limit = libc::rlimit { rlim_cur: size as u64, rlim_max: libc::RLIM_INFINITY };
    // SAFETY: the new limit points to one, and the old one is not asked for.
    let set = unsafe { libc::prlimit(pid, libc::RLIMIT_FSIZE, &limit, std::ptr::null_mut()) };
    nix::errno::Errno::result(set)?;
    Ok(())
}

/// Takes every byte.
fn fill(disk: &Path) {
    let mut file = File::create(disk.join("taken")).unwrap();
    for size in [64 << 10, 4096, 1] {
        while file.write_all(&vec![0; size]).is_ok() {}
    }
}
