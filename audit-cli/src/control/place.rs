//! Where the sockets of running sessions are.

use std::fs;
use std::io;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use crate::config::Surroundings;

/// Extension of a socket's file name; the rest of the name is the session's id.
const EXTENSION: &str = "sock";

/// `sun_path` of `unix(7)` holds 108 bytes, the last of them zero.
const LONGEST_PATH: usize = 107;

/// Where this user's sessions make their sockets: `$XDG_RUNTIME_DIR/auditty`, else `/run/auditty`
/// for root, else a directory below the user's state. A runtime directory that sudo(8) or su(1)
/// left from another user is not this user's.
pub(crate) fn socket_dir(around: &Surroundings) -> PathBuf {
    let is_own = |base: &PathBuf| fs::metadata(base).is_ok_and(|m| m.uid() == effective_uid());
    let base = around.variable("XDG_RUNTIME_DIR").map(PathBuf::from);
    match base.filter(|base| base.is_absolute()).filter(is_own) {
        Some(base) => base.join("auditty"),
        None if around.root => "/run/auditty".into(),
        None => around.state_dir().join("run"),
    }
}

/// Every directory this user may find sockets in, his own first: root finds those of all users.
pub(super) fn search_dirs(around: &Surroundings) -> Vec<PathBuf> {
    let mut dirs = vec![socket_dir(around), around.state_dir().join("run"), "/run/auditty".into()];
    if around.root {
        let users = fs::read_dir("/run/user").into_iter().flatten().flatten();
        dirs.extend(users.map(|user| user.path().join("auditty")));
    }
    let mut seen = Vec::new();
    dirs.retain(|d| {
        !seen.contains(d) && {
            seen.push(d.clone());
            true
        }
    });
    dirs
}

/// The sockets in `dir`, each with the id in its name.
pub(super) fn sockets_in(dir: &Path) -> Vec<(String, PathBuf)> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten().map(|e| e.path());
    entries
        .filter(|path| path.extension().is_some_and(|e| e == EXTENSION))
        .filter_map(|path| Some((path.file_stem()?.to_str()?.to_owned(), path)))
        .collect()
}

/// Where the socket of the session `id` is in `dir`.
pub(super) fn socket_path(dir: &Path, id: &str) -> PathBuf {
    dir.join(format!("{id}.{EXTENSION}"))
}

/// Makes `dir` for this user alone, or checks that it is.
///
/// # Errors
/// It cannot be made, or belongs to somebody else.
pub(super) fn prepare(dir: &Path) -> io::Result<()> {
    if let Some(parent) = dir.parent() {
        fs::create_dir_all(parent)?;
    }
    match fs::DirBuilder::new().mode(0o700).create(dir) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    let meta = fs::symlink_metadata(dir)?;
    if !meta.is_dir() || meta.uid() != effective_uid() {
        return Err(io::Error::other("the directory is not this user's own"));
    }
    if meta.mode() & 0o022 != 0 {
        fs::set_permissions(dir, fs::Permissions::from_mode(0o700))?;
    }
    Ok(())
}

/// A listening socket at `path` that only this user may reach.
///
/// # Errors
/// The system refuses it.
pub(super) fn listen(path: &Path) -> io::Result<UnixListener> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = with_short_path(path, |short| UnixListener::bind(short))?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// A connection to the socket at `path`.
///
/// # Errors
/// Nobody listens, or the system refuses it.
pub(super) fn connect(path: &Path) -> io::Result<UnixStream> {
    with_short_path(path, |short| UnixStream::connect(short))
}

fn effective_uid() -> u32 {
    nix::unistd::Uid::effective().as_raw()
}

/// Calls `act` with a name of `path` that fits into a socket address.
fn with_short_path<T>(path: &Path, act: impl FnOnce(&Path) -> io::Result<T>) -> io::Result<T> {
    if path.as_os_str().len() <= LONGEST_PATH {
        return act(path);
    }
    let (Some(dir), Some(name)) = (path.parent(), path.file_name()) else { return act(path) };
    let dir = fs::File::open(dir)?;
    act(&Path::new("/proc/self/fd").join(dir.as_raw_fd().to_string()).join(name))
}
