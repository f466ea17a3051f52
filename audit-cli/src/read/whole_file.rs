//! Files that appear under their name only when they are whole.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write as _};
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use nix::fcntl::{AT_FDCWD, AtFlags};
use nix::libc;

use crate::failure::is_full;

/// Has `fill` write the file at `path`; nothing appears there unless it succeeds, and nothing is left
/// beside it, whatever ends this process. A pipe or a device is written as it is.
///
/// # Errors
/// The file cannot be written, or `fill` fails.
pub(super) fn write_whole(
    path: &Path,
    fill: impl FnOnce(&mut dyn io::Write) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    if path.metadata().is_ok_and(|m| !m.is_file()) {
        let file = OpenOptions::new().write(true).open(path);
        let mut out = BufWriter::new(file.with_context(|| format!("open {}", path.display()))?);
        let filled = fill(&mut out).and_then(|()| Ok(out.flush()?));
        return filled.map_err(|error| named(error, path));
    }
    let part = Part::create(path).with_context(|| format!("create {}", path.display()))?;
    let mut out = BufWriter::new(&part.file);
    fill(&mut out).map_err(|error| named(error, path))?;
    out.flush().with_context(|| format!("write {}", path.display()))?;
    drop(out);
    part.publish(path).with_context(|| format!("write {}", path.display()))
}

/// Says of an error that there is no room where there is none.
fn named(error: anyhow::Error, path: &Path) -> anyhow::Error {
    let mut causes = error.chain().filter_map(|cause| cause.downcast_ref::<io::Error>());
    match causes.any(is_full) {
        true => error.context(format!("write {}", path.display())),
        false => error,
    }
}

/// A file on its way to a name.
struct Part {
    file: File,
    /// The name it has meanwhile, where the file system has no files without one.
    named: Option<PathBuf>,
}

impl Part {
    fn create(path: &Path) -> io::Result<Self> {
        let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty());
        let mut options = OpenOptions::new();
        // What was recorded is nobody else's business until its owner says so.
        options.write(true).mode(0o600);
        let nameless =
            options.clone().custom_flags(libc::O_TMPFILE).open(dir.unwrap_or(Path::new(".")));
        match nameless {
            Ok(file) => Ok(Self { file, named: None }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(error),
            Err(_) => {
                let name = beside(path);
                Ok(Self { file: options.create_new(true).open(&name)?, named: Some(name) })
            }
        }
    }

    /// Gives the file its name, in the place of what had it.
    fn publish(mut self, path: &Path) -> io::Result<()> {
        let name = match &self.named {
            Some(name) => name.clone(),
            None => {
                let name = beside(path);
                let file = format!("/proc/self/fd/{}", self.file.as_raw_fd());
                nix::unistd::linkat(AT_FDCWD, &*file, AT_FDCWD, &name, AtFlags::AT_SYMLINK_FOLLOW)?;
                self.named.insert(name).clone()
            }
        };
        fs::rename(name, path)?;
        self.named = None;
        Ok(())
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        if let Some(name) = &self.named {
            // The first failure is the one to tell.
            let _ = fs::remove_file(name);
        }
    }
}

fn beside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".part-{}", std::process::id()));
    PathBuf::from(name)
}
