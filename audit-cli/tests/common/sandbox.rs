//! A home of its own for each test, and the binary in it.

#![allow(dead_code, reason = "each test target uses a part of it")]

use std::ffi::OsStr;
use std::fs;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Nothing a test waits for takes this long; it is there so that a fault does not hang the run.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// A home, a journal and a runtime directory of their own.
pub(crate) struct Sandbox {
    dir: tempfile::TempDir,
}

impl Sandbox {
    pub(crate) fn new() -> Self {
        let sandbox = Self { dir: tempfile::tempdir().unwrap() };
        for name in ["home", "run", "config/auditty"] {
            fs::create_dir_all(sandbox.path(name)).unwrap();
        }
        sandbox
    }

    /// A path in the sandbox.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Writes a file in the sandbox and returns its path.
    pub(crate) fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    /// The binary with these arguments, seeing nothing of the machine's own configuration.
    pub(crate) fn command<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Command {
        let mut command = self.program(env!("CARGO_BIN_EXE_auditty"));
        command.args(args);
        command
    }

    /// Another program, with the environment the binary would have.
    pub(crate) fn program(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin")
            .env("HOME", self.path("home"))
            .env("XDG_RUNTIME_DIR", self.path("run"))
            .env("XDG_CONFIG_HOME", self.path("config"))
            .env("LC_ALL", "C.UTF-8")
            .env("TERM", "xterm")
            .env("SHELL", "/bin/sh")
            .env("AUDITTY_JOURNAL__DIR", self.path("journal"))
            .env("AUDITTY_JOURNAL__KNOWN_KEYS", self.path("known-keys"))
            .env("AUDITTY_LOGGING__AUDIT_LOG_PATH", self.path("audit.log"))
            .current_dir(self.path("home"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Runs the binary to its end.
    pub(crate) fn run<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Ran {
        Ran::of(self.command(args).spawn().unwrap())
    }

    /// Runs the binary to its end with `input` on its standard input.
    pub(crate) fn feed<S: AsRef<OsStr>>(
        &self,
        args: impl IntoIterator<Item = S>,
        input: &[u8],
    ) -> Ran {
        let mut child = self.command(args).stdin(Stdio::piped()).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let input = input.to_vec();
        let writer = std::thread::spawn(move || {
            // A command that does not read its input is no failure.
            let _ = stdin.write_all(&input);
        });
        let ran = Ran::of(child);
        writer.join().unwrap();
        ran
    }

    /// Records `script` with `sh -c` in pipe mode and returns the session's id.
    pub(crate) fn record(&self, script: &str) -> String {
        let before = self.sessions();
        let ran = self.run(["run", "--", "sh", "-c", script]);
        assert!(ran.status < 126, "{ran:?}");
        let new: Vec<_> = self.sessions().into_iter().filter(|id| !before.contains(id)).collect();
        let [id] = new.as_slice() else { panic!("one new session expected: {new:?}") };
        id.clone()
    }

    /// The ids of all sessions.
    pub(crate) fn sessions(&self) -> Vec<String> {
        if !self.path("journal").exists() {
            return Vec::new();
        }
        let ran = self.run(["ls", "--json"]);
        assert_eq!(ran.status, 0, "{ran:?}");
        ran.lines().iter().map(|line| field(line, "session")).collect()
    }

    /// The first line of the audit log about `action`, if there is one.
    pub(crate) fn logged(&self, action: &str) -> Option<serde_json::Value> {
        self.logged_where(|line| line["event.action"] == action)
    }

    /// The first line of the audit log that is as wanted.
    pub(crate) fn logged_where(
        &self,
        wanted: impl Fn(&serde_json::Value) -> bool,
    ) -> Option<serde_json::Value> {
        let log = fs::read_to_string(self.path("audit.log")).unwrap_or_default();
        let mut lines = log.lines().filter_map(|line| serde_json::from_str(line).ok());
        lines.find(|line| wanted(line))
    }

    /// The directory of a session.
    pub(crate) fn session_dir(&self, id: &str) -> PathBuf {
        let found = files(&self.path("journal"))
            .into_iter()
            .find(|p| p.parent().is_some_and(|d| d.file_name() == Some(OsStr::new(id))));
        found.unwrap().parent().unwrap().to_owned()
    }
}

/// The text field `name` of a line of JSON.
pub(crate) fn field(line: &str, name: &str) -> String {
    let value: serde_json::Value = serde_json::from_str(line).unwrap();
    value[name].as_str().unwrap_or_else(|| panic!("no text `{name}` in {line}")).to_owned()
}

/// Every file below `dir`.
pub(crate) fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found
}

/// What a run of the binary came to.
#[derive(Debug)]
pub(crate) struct Ran {
    /// Exit status; 128 + N when signal N killed it.
    pub(crate) status: i32,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: String,
}

impl Ran {
    /// Waits for `child` and takes what it prints.
    pub(crate) fn of(mut child: Child) -> Self {
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let read = |pipe: Option<Box<dyn std::io::Read + Send>>| {
            std::thread::spawn(move || {
                let mut bytes = Vec::new();
                if let Some(mut pipe) = pipe {
                    pipe.read_to_end(&mut bytes).unwrap();
                }
                bytes
            })
        };
        let stdout = read(stdout.map(|p| Box::new(p) as _));
        let stderr = read(stderr.map(|p| Box::new(p) as _));
        let status = wait(&mut child);
        Self {
            status,
            stdout: stdout.join().unwrap(),
            stderr: String::from_utf8_lossy(&stderr.join().unwrap()).into_owned(),
        }
    }

    /// Standard output as text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    /// Standard output line by line.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.text().lines().map(str::to_owned).collect()
    }
}

/// Waits for `child` to end and returns its status.
pub(crate) fn wait(child: &mut Child) -> i32 {
    let start = Instant::now();
    loop {
        if let Some(ended) = child.try_wait().unwrap() {
            return status(ended);
        }
        if start.elapsed() > PATIENCE {
            child.kill().unwrap();
            panic!("the child does not end");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Waits until `done` says so.
pub(crate) fn until(what: &str, mut done: impl FnMut() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < PATIENCE, "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn status(ended: std::process::ExitStatus) -> i32 {
    use std::os::unix::process::ExitStatusExt as _;
    ended.code().unwrap_or_else(|| 128 + ended.signal().unwrap_or_default())
}
