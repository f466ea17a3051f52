//! A command turned into what `execve(2)` takes: paths, arguments, environment.

use std::collections::BTreeMap;
use std::env;
use std::ffi::{CString, OsStr, OsString, c_char};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::ptr;

use audit_core::CommandSpec;
use nix::errno::Errno;
use nix::unistd::{AccessFlags, eaccess};

use super::child::Step;
use crate::error::PtyError;

/// Where programs are looked for when `PATH` is not set (`execvp(3)`).
const DEFAULT_PATH: &str = "/bin:/usr/bin";

/// What runs a script that does not say what runs it (`execvp(3)`).
const SHELL: &std::ffi::CStr = c"/bin/sh";

/// Everything `execve(2)` needs, so that nothing is allocated after the fork.
pub(super) struct Prepared {
    path: CString,
    argv: Strings,
    /// The arguments with a shell before them, for a script without `#!`.
    script: Strings,
    env: Strings,
    cwd: Option<CString>,
}

impl Prepared {
    /// Finds the program and lays out its arguments and environment.
    pub(super) fn new(command: &CommandSpec) -> Result<Self, PtyError> {
        let name = command.program.to_string_lossy().into_owned();
        let invalid = |_| refusal(&name, Errno::EINVAL as i32);
        let variables = environment(command);
        let found = find(command, variables.get(OsStr::new("PATH")).map(OsString::as_os_str))
            .map_err(|errno| refusal(&name, errno as i32))?;
        let path = CString::new(found.into_os_string().into_vec()).map_err(invalid)?;
        let own_name = command.argv0.as_ref().unwrap_or(&command.program);
        let args = || command.args.iter().map(|arg| arg.as_bytes().to_vec());
        let argv = Strings::new([own_name.as_bytes().to_vec()].into_iter().chain(args()));
        let shell = [SHELL.to_bytes().to_vec(), path.to_bytes().to_vec()];
        let script = Strings::new(shell.into_iter().chain(args()));
        let env = Strings::new(variables.into_iter().map(|(mut name, value)| {
            name.push("=");
            name.push(value);
            name.into_vec()
        }));
        let cwd = command.cwd.as_ref().map(|cwd| CString::new(cwd.as_os_str().as_bytes()));
        Ok(Self {
            path,
            argv: argv.map_err(invalid)?,
            script: script.map_err(invalid)?,
            env: env.map_err(invalid)?,
            cwd: cwd.transpose().map_err(invalid)?,
        })
    }

    pub(super) fn cwd(&self) -> Option<&std::ffi::CStr> {
        self.cwd.as_deref()
    }

    /// Becomes the program; returns only `errno(3)`. Async-signal-safe.
    pub(super) fn execute(&self) -> i32 {
        let env = self.env.pointers();
        // SAFETY: the path is a C string; both arrays end in a null pointer.
        unsafe { libc::execve(self.path.as_ptr(), self.argv.pointers(), env) };
        if Errno::last_raw() == libc::ENOEXEC {
            // SAFETY: as above.
            unsafe { libc::execve(SHELL.as_ptr(), self.script.pointers(), env) };
        }
        Errno::last_raw()
    }

    /// The error of a step that failed in the child.
    pub(super) fn failed(&self, command: &CommandSpec, step: Step, errno: i32) -> PtyError {
        match step {
            Step::Execute => refusal(&command.program.to_string_lossy(), errno),
            Step::Directory => {
                let cwd = command.cwd.as_deref().unwrap_or(Path::new(""));
                refusal(&cwd.to_string_lossy(), errno)
            }
            Step::Session | Step::Terminal | Step::Descriptors => {
                let message = format!("{}: {}", step.name(), reason(errno));
                PtyError::Command { errno, message }
            }
        }
    }
}

/// Our environment with the changes the command asks for.
fn environment(command: &CommandSpec) -> BTreeMap<OsString, OsString> {
    let mut variables: BTreeMap<_, _> = env::vars_os().collect();
    for (name, value) in &command.env {
        match value {
            Some(value) => variables.insert(name.clone(), value.clone()),
            None => variables.remove(name),
        };
    }
    variables
}

/// The program's path as `execvp(3)` finds it: a name with a slash is a path already.
fn find(command: &CommandSpec, path: Option<&OsStr>) -> Result<PathBuf, Errno> {
    let program = &command.program;
    if program.is_empty() {
        return Err(Errno::ENOENT);
    }
    if program.as_bytes().contains(&b'/') {
        return executable(command, Path::new(program)).map(|()| program.into());
    }
    let mut failure = Errno::ENOENT;
    for directory in env::split_paths(path.unwrap_or(OsStr::new(DEFAULT_PATH))) {
        // An empty entry is the working directory; "./" keeps it a path.
        let directory = if directory.as_os_str().is_empty() { ".".into() } else { directory };
        let candidate = directory.join(program);
        match executable(command, &candidate) {
            Ok(()) => return Ok(candidate),
            Err(Errno::EACCES) => failure = Errno::EACCES,
            Err(_) => {}
        }
    }
    Err(failure)
}

/// Whether the path, seen from the command's directory, is a file we may execute.
fn executable(command: &CommandSpec, path: &Path) -> Result<(), Errno> {
    let seen = command.cwd.as_ref().map_or_else(|| path.to_path_buf(), |cwd| cwd.join(path));
    eaccess(&seen, AccessFlags::X_OK)?;
    if seen.is_dir() { Err(Errno::EACCES) } else { Ok(()) }
}

/// `NAME: not found`, as shells say it.
fn refusal(name: &str, errno: i32) -> PtyError {
    PtyError::Command { errno, message: format!("{name}: {}", reason(errno)) }
}

fn reason(errno: i32) -> String {
    match Errno::from_raw(errno) {
        Errno::ENOENT | Errno::ENOTDIR => "not found".into(),
        known => known.desc().to_lowercase(),
    }
}

/// C strings and the null-terminated array of pointers to them.
struct Strings {
    pointers: Vec<*const c_char>,
    /// Owns what the pointers point to; its strings never move.
    _owned: Vec<CString>,
}

impl Strings {
    fn new(strings: impl Iterator<Item = Vec<u8>>) -> Result<Self, std::ffi::NulError> {
        let owned: Vec<_> = strings.map(CString::new).collect::<Result<_, _>>()?;
        let ends = [ptr::null()];
        let pointers = owned.iter().map(|string| string.as_ptr()).chain(ends).collect();
        Ok(Self { pointers, _owned: owned })
    }

    fn pointers(&self) -> *const *const c_char {
        self.pointers.as_ptr()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(program: &str, path: Option<&str>) -> (i32, String) {
        let mut command = CommandSpec::new(program, [] as [&str; 0]);
        command.env.insert("PATH".into(), path.map(Into::into));
        match Prepared::new(&command).err() {
            Some(PtyError::Command { errno, message }) => (errno, message),
            other => panic!("not refused: {other:?}"),
        }
    }

    #[test]
    fn an_unknown_program_is_not_found() {
        let refusal = refused("no-such-program", Some("/bin:/usr/bin"));
        assert_eq!(refusal, (libc::ENOENT, "no-such-program: not found".into()));
        assert_eq!(refused("/bin/sh/x", None).0, libc::ENOTDIR);
        assert_eq!(refused("", None).0, libc::ENOENT);
    }

    #[test]
    fn a_file_that_may_not_be_executed_is_denied() {
        let refusal = refused("/etc/passwd", None);
        assert_eq!(refusal, (libc::EACCES, "/etc/passwd: permission denied".into()));
        assert_eq!(refused("passwd", Some("/nowhere:/etc")).0, libc::EACCES);
        assert_eq!(refused("/etc", None).0, libc::EACCES);
    }

    #[test]
    fn a_name_is_looked_up_in_the_path_of_the_command() {
        let mut command = CommandSpec::new("sh", [] as [&str; 0]);
        command.env.insert("PATH".into(), Some("/nowhere:/etc:/bin".into()));
        assert_eq!(Prepared::new(&command).unwrap().path.as_c_str(), c"/bin/sh");
        command.env.insert("PATH".into(), Some("/nowhere".into()));
        assert!(Prepared::new(&command).is_err());
        command.env.insert("PATH".into(), None);
        assert_eq!(Prepared::new(&command).unwrap().path.as_c_str(), c"/bin/sh");
    }

    #[test]
    fn a_relative_path_is_seen_from_the_directory_of_the_command() {
        let mut command = CommandSpec::new("./sh", [] as [&str; 0]);
        command.cwd = Some("/bin".into());
        assert!(Prepared::new(&command).is_ok());
        command.cwd = Some("/etc".into());
        assert!(Prepared::new(&command).is_err());
    }
}
