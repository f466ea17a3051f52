//! A log file that several processes append to and rotate.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use nix::fcntl::OFlag;
use nix::sys::statvfs::fstatvfs;
use nix::unistd::Uid;

/// A log file and its rotated predecessors: `audit.log`, `audit.log.1` (the youngest), and so on.
#[derive(Debug)]
pub(super) struct LogFile {
    path: PathBuf,
    max_size: u64,
    keep: u32,
    open: Option<File>,
}

impl LogFile {
    /// The log at `path`, which is rotated before it grows beyond `max_size` bytes; `keep` rotated
    /// files stay.
    pub(super) const fn new(path: PathBuf, max_size: u64, keep: u32) -> Self {
        Self { path, max_size, keep, open: None }
    }

    /// Whether it can be opened for writing and there is room; it is made if it is not there.
    ///
    /// # Errors
    /// It cannot, or there is none.
    pub(super) fn check(&self) -> io::Result<()> {
        let file = open(&self.path)?;
        match fstatvfs(&file) {
            // The rest is kept for root.
            Ok(space) if space.blocks() > 0 => {
                let rest = Uid::effective().is_root().then(|| space.blocks_free());
                let free = rest.unwrap_or_else(|| space.blocks_available());
                if free == 0 { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
            }
            _ => Ok(()),
        }
    }

    /// Appends `line` in one write.
    ///
    /// # Errors
    /// The file cannot be made, locked or written; nothing of the line is in it then, unless the
    /// disk filled up in the middle.
    pub(super) fn append(&mut self, line: &[u8]) -> io::Result<()> {
        let result = self.try_append(line);
        if result.is_err() {
            self.open = None;
        }
        result.map_err(|e| io::Error::new(e.kind(), format!("{}: {e}", self.path.display())))
    }

    fn try_append(&mut self, line: &[u8]) -> io::Result<()> {
        loop {
            let file = match self.open.take() {
                Some(file) => file,
                None => open(&self.path)?,
            };
            file.lock()?;
            let meta = file.metadata()?;
            // Somebody may have rotated it while we waited; the lock of a renamed file says nothing.
            let current = fs::metadata(&self.path)
                .is_ok_and(|m| (m.dev(), m.ino()) == (meta.dev(), meta.ino()));
            if !current {
                continue;
            }
            if meta.len() > 0 && meta.len() + line.len() as u64 > self.max_size {
                // The lock goes with the descriptor: others find the new file after it.
                self.rotate()?;
                continue;
            }
            (&file).write_all(line)?;
            file.unlock()?;
            self.open = Some(file);
            return Ok(());
        }
    }

    /// Called with the present file locked.
    fn rotate(&self) -> io::Result<()> {
        if self.keep == 0 {
            return fs::remove_file(&self.path);
        }
        for number in (1..self.keep).rev() {
            let from = numbered(&self.path, number);
            if from.exists() {
                fs::rename(from, numbered(&self.path, number + 1))?;
            }
        }
        fs::rename(&self.path, numbered(&self.path, 1))
    }
}

fn open(path: &Path) -> io::Result<File> {
    if let Some(dir) = path.parent() {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    }
    OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        // Never through a link; and a pipe that nobody reads must not hold the session's link up.
        .custom_flags((OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK).bits())
        .open(path)
}

fn numbered(path: &Path, number: u32) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{number}"));
    PathBuf::from(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writers_at_once_lose_no_line_and_tear_none() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("logs/audit.log");
        let writers: Vec<_> = (0..4)
            .map(|writer| {
                let mut log = LogFile::new(path.clone(), 2000, 1000);
                std::thread::spawn(move || {
                    for number in 0..200 {
                        log.append(format!("{writer}:{number:03}\n").as_bytes()).unwrap();
                    }
                })
            })
            .collect();
        for writer in writers {
            writer.join().unwrap();
        }
        let mut lines: Vec<String> = Vec::new();
        for entry in fs::read_dir(path.parent().unwrap()).unwrap() {
            let entry = entry.unwrap();
            assert!(entry.metadata().unwrap().len() <= 2000);
            lines.extend(fs::read_to_string(entry.path()).unwrap().lines().map(str::to_owned));
        }
        lines.sort();
        let expected: Vec<String> =
            (0..4).flat_map(|w| (0..200).map(move |n| format!("{w}:{n:03}"))).collect();
        assert_eq!(lines, expected);
    }

    #[test]
    fn only_so_many_rotated_files_stay() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("audit.log");
        let mut log = LogFile::new(path.clone(), 10, 2);
        for number in 0..9 {
            log.append(format!("line {number}\n").as_bytes()).unwrap();
        }
        let read = |p: &Path| fs::read_to_string(p).unwrap();
        assert_eq!(read(&path), "line 8\n");
        assert_eq!(read(&numbered(&path, 1)), "line 7\n");
        assert_eq!(read(&numbered(&path, 2)), "line 6\n");
        assert!(!numbered(&path, 3).exists());
    }

    #[test]
    fn a_log_is_for_its_owner_alone_and_never_a_link_or_a_pipe_without_reader() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("audit.log");
        LogFile::new(path.clone(), 1000, 1).append(b"{}\n").unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        let link = dir.path().join("link.log");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        assert!(LogFile::new(link, 1000, 1).append(b"{}\n").is_err());
        let pipe = dir.path().join("pipe.log");
        nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert!(LogFile::new(pipe, 1000, 1).append(b"{}\n").is_err());
    }
}
