//! A session about to be played.

use std::ffi::OsString;
use std::fs::File;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use audit_core::{
    CommandSpec, Engine, EngineEntry, EngineSettings, Identity, Policy, Session, SessionHandle,
    SessionId, SessionSpec, UserEnd, Winsize,
};
use tempfile::TempDir;

use crate::WORKER;
use crate::journal::Journal;
use crate::live::{Ended, Files, Live};
use crate::owned::{self, Owned};
use crate::parts;
use crate::process::Plan;
use crate::terminal::Terminal;

/// What a scenario is played on: one engine.
pub(crate) struct Stage {
    entry: EngineEntry,
    engine: Arc<dyn Engine>,
}

impl Stage {
    /// A stage of this engine.
    pub(crate) fn new(entry: &EngineEntry) -> Self {
        Self { entry: *entry, engine: build(entry).into() }
    }

    /// A stage of the same kind with an engine of its own.
    pub(crate) fn another(&self) -> Self {
        Self::new(&self.entry)
    }

    /// A scene that runs this script under `sh`.
    pub(crate) fn sh(&self, script: &str) -> Scene {
        self.scene("sh", ["-c", script])
    }

    /// A scene that runs this script under `bash`.
    pub(crate) fn bash(&self, script: &str) -> Scene {
        self.scene("bash", ["--norc", "--noprofile", "-c", script])
    }

    /// A scene that runs this command.
    pub(crate) fn scene<A: Into<OsString>>(
        &self,
        program: &str,
        args: impl IntoIterator<Item = A>,
    ) -> Scene {
        let dir = Arc::new(Dir::new());
        let mut command = CommandSpec::new(program, args);
        command.env.insert("LC_ALL".into(), Some("C.UTF-8".into()));
        command.env.insert("ENV".into(), None);
        command.cwd = Some(dir.path().to_owned());
        let spec = SessionSpec {
            id: session_id(),
            parent: None,
            user: Identity::person("user", nix::unistd::getuid().as_raw()),
            host: "stage".into(),
            opened_unix_millis: unix_millis(),
            engine: self.entry.name.into(),
            command,
            pty: true,
            winsize: Winsize::new(24, 80),
            buffer_size: 64 << 10,
            policy: Policy::default(),
            recorder: parts::recorder(dir.path()),
            monitor: Some(parts::monitor(dir.path())),
            controller: Some(parts::controller(dir.path())),
        };
        Scene { engine: Arc::clone(&self.engine), spec, dir }
    }
}

/// Builds the engine as a program would.
pub(crate) fn build(entry: &EngineEntry) -> Box<dyn Engine> {
    let program = std::env::current_exe().expect("a test knows its program");
    let settings =
        EngineSettings { monitor_threads: 2, worker: vec![program.into(), WORKER.into()] };
    (entry.build)(&settings).expect("an engine can be built")
}

/// A session about to be played. Its spec may still be changed.
pub(crate) struct Scene {
    engine: Arc<dyn Engine>,
    pub(crate) spec: SessionSpec,
    dir: Arc<Dir>,
}

impl Scene {
    /// The scene's directory, which is the command's working directory.
    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// The policy, to be changed.
    pub(crate) fn policy(&mut self) -> &mut Policy {
        &mut self.spec.policy
    }

    /// Puts a file into the directory and returns its path.
    pub(crate) fn file(&self, name: &str, contents: impl AsRef<[u8]>) -> PathBuf {
        let path = self.dir().join(name);
        std::fs::write(&path, contents).expect("the scene's directory takes files");
        path
    }

    /// Leaves out monitor and controller: a session with a recorder alone.
    pub(crate) fn bare(mut self) -> Self {
        (self.spec.monitor, self.spec.controller) = (None, None);
        self
    }

    /// Plays it inside this process, with a terminal of its own as the user's end.
    pub(crate) fn play(self) -> Live {
        let (user, terminal) = user_end();
        self.play_with(user, terminal)
    }

    /// Opens it inside this process and leaves the handle to the scenario; the engine goes with
    /// the last scene and stage that has it.
    pub(crate) fn open(self) -> (Terminal, Files, SessionHandle) {
        let (user, terminal) = user_end();
        let handle = self.engine.open(self.session(user)).expect("the engine opens a session");
        (terminal, Files(self.dir), handle)
    }

    /// Runs it on the calling thread, to its end.
    pub(crate) fn run_here(self) -> Ended {
        let (user, terminal) = user_end();
        let outcome = self.engine.run(self.session(user)).expect("the engine runs a session");
        terminal.wait_for_end();
        let files = Files(self.dir);
        Ended { outcome, journal: files.journal(), terminal, files }
    }

    /// Plays it inside this process with these descriptors as the user's end; `terminal` shows
    /// what comes to the output.
    pub(crate) fn play_with(self, user: UserEnd, terminal: Terminal) -> Live {
        Live::open(&self.engine, self.session(user), self.dir, terminal)
    }

    /// Plays it in a process of its own, whose terminal is led by `sh`.
    pub(crate) fn play_owned(self) -> Owned {
        self.play_owned_as(owned::RUN)
    }

    /// As [`Scene::play_owned`], by a command line of the scenario's own: `"$0"
    /// conformance-session "$1"` is the session, `$1` the scene's directory.
    pub(crate) fn play_owned_as(self, run: &str) -> Owned {
        Owned::start(&Plan { spec: self.spec, panics: false }, self.dir, run)
    }

    /// As [`Scene::play_owned`], with a main thread that panics when it is told to.
    pub(crate) fn play_owned_until_panic(self) -> Owned {
        Owned::start(&Plan { spec: self.spec, panics: true }, self.dir, owned::RUN)
    }

    /// Prepares it to be played in a process of its own, by commands typed at an interactive
    /// `bash`.
    pub(crate) fn play_under_bash(self) -> Owned {
        Owned::start_bash(&Plan { spec: self.spec, panics: false }, self.dir)
    }

    /// Checks that the engine refuses to open it.
    ///
    /// # Panics
    /// It opens.
    pub(crate) fn fails_to_open(self) -> Files {
        let (user, mut terminal) = user_end();
        let opened = self.engine.open(self.session(user)).and_then(SessionHandle::wait);
        assert!(opened.is_err(), "{opened:?}");
        terminal.hang_up();
        Files(self.dir)
    }

    fn session(&self, user: UserEnd) -> Session {
        Session {
            spec: self.spec.clone(),
            user,
            toolkit: Arc::new(parts::toolkit()),
            seed: random(),
        }
    }
}

/// A terminal of a user, and the descriptors a session gets of it.
fn user_end() -> (UserEnd, Terminal) {
    let mut terminal = Terminal::new();
    terminal.make_raw();
    let user = UserEnd {
        input: Some(terminal.slave()),
        output: terminal.slave(),
        stdout: None,
        stderr: None,
        owns_process: false,
    };
    terminal.give_away();
    (user, terminal)
}

/// A directory of a scene, with its FIFO of orders.
pub(crate) struct Dir {
    dir: TempDir,
    orders: File,
}

impl Dir {
    fn new() -> Self {
        let dir = tempfile::Builder::new().prefix("conformance-").tempdir().expect("a directory");
        let mode = std::fs::Permissions::from_mode(0o700);
        std::fs::set_permissions(dir.path(), mode).expect("a directory of ours");
        let orders = parts::make_fifo(dir.path());
        Self { dir, orders }
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    /// The FIFO that its controller reads.
    pub(crate) fn orders(&self) -> &File {
        &self.orders
    }
}

impl Drop for Dir {
    /// Tells what is in it before it goes, if the scenario fails.
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the journal has {}", Journal::read(self.path()).summary());
        }
    }
}

fn session_id() -> SessionId {
    let random = random();
    let mut tail = [0; 10];
    tail.copy_from_slice(&random[..10]);
    SessionId::new(unix_millis(), tail)
}

fn unix_millis() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    u64::try_from(now.as_millis()).unwrap_or(u64::MAX)
}

/// 32 random bytes.
pub(crate) fn random() -> [u8; 32] {
    use std::io::Read;
    let mut bytes = [0; 32];
    let random = File::open("/dev/urandom").and_then(|mut file| file.read_exact(&mut bytes));
    random.expect("/dev/urandom never ends");
    bytes
}
