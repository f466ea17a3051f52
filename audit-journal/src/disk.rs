//! Files that only grow, and keep a reserve of disk space for what must still be said when the
//! disk is full.

use std::fs::{File, OpenOptions};
use std::io::{self, IoSlice, Write as _};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::fcntl::{FallocateFlags, fallocate};
use nix::sys::resource::{Resource, getrlimit};

use crate::error::{JournalError, Result};

/// How much room is asked of the file system at a time, in bytes, beyond the reserve: as much as
/// the file has already, within these bounds. A thousand idle sessions must not fill a disk.
const STEP: std::ops::RangeInclusive<u64> = (64 << 10)..=(4 << 20);
/// The reserve is never smaller than this, in bytes, where the file system can reserve at all.
const SMALLEST: u64 = 16 << 10;

/// Whether what is written may use the reserve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    /// It must leave the reserve alone.
    Plain,
    /// It is what the reserve is for: gaps, blocks, decisions, the end.
    Vital,
}

/// A file that grows at its end.
#[derive(Debug)]
pub(crate) struct GrowingFile {
    file: File,
    path: PathBuf,
    /// Bytes written, all whole.
    len: u64,
    /// Bytes the file system has promised, from the beginning; 0 where it makes no promises.
    promised: u64,
    reserve: u64,
    /// Bytes beyond `len` may be in the file, from a write that failed half-way.
    torn: bool,
    /// Whether anything was written since the last [`GrowingFile::sync`].
    dirty: bool,
    #[cfg(test)]
    room: Option<tests::Room>,
}

impl GrowingFile {
    /// Creates the file. `reserve` is what to keep free for [`Need::Vital`]; less where there is
    /// less, nothing where the file system cannot promise room.
    pub(crate) fn create(path: &Path, reserve: u64) -> Result<Self> {
        let file = options()
            .create_new(true)
            .mode(0o600)
            .open(path)
            .map_err(|e| JournalError::io("create", path, e))?;
        Ok(Self::over(file, path, 0, reserve))
    }

    /// Opens the file to go on behind its first `len` bytes, and cuts off what is behind them.
    pub(crate) fn reopen(path: &Path, len: u64, reserve: u64) -> Result<Self> {
        let file = options().open(path).map_err(|e| JournalError::io("open", path, e))?;
        file.set_len(len).map_err(|e| JournalError::io("truncate", path, e))?;
        Ok(Self::over(file, path, len, reserve))
    }

    fn over(file: File, path: &Path, len: u64, reserve: u64) -> Self {
        let mut this = Self {
            file,
            path: path.to_owned(),
            len,
            promised: 0,
            reserve: 0,
            torn: false,
            dirty: len > 0,
            #[cfg(test)]
            room: tests::Room::current(),
        };
        let mut size = reserve;
        while size >= SMALLEST.min(reserve) && size > 0 {
            match this.promise(len, size) {
                Ok(()) => {
                    (this.promised, this.reserve) = (len + size, size);
                    break;
                }
                Err(e) if crate::error::is_no_space(&e) => size /= 4,
                Err(_) => break,
            }
        }
        this
    }

    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    #[cfg(test)]
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Bytes that were kept free for [`Need::Vital`] and are not used yet.
    #[cfg(test)]
    pub(crate) fn reserve_left(&self) -> u64 {
        self.promised.saturating_sub(self.len)
    }

    /// Appends `parts`, all or nothing.
    pub(crate) fn append(&mut self, parts: &[&[u8]], need: Need) -> Result<()> {
        let total: u64 = parts.iter().map(|p| p.len() as u64).sum();
        self.mend()?;
        if self.reserve > 0 {
            self.make_room(total, need).map_err(|e| JournalError::io("write to", &self.path, e))?;
        }
        self.torn = true;
        match self.write(parts) {
            Ok(()) => {
                self.torn = false;
                self.dirty = true;
                self.len += total;
                Ok(())
            }
            Err(e) => {
                let _ = self.mend();
                Err(JournalError::io("write to", &self.path, e))
            }
        }
    }

    /// Makes what was written survive the machine.
    pub(crate) fn sync(&mut self) -> Result<()> {
        if self.dirty {
            self.file.sync_data().map_err(|e| JournalError::io("sync", &self.path, e))?;
            self.dirty = false;
        }
        Ok(())
    }

    /// What has to be synced for everything written so far to survive the machine, if anything
    /// has. It counts as synced from here on.
    pub(crate) fn take_dirty(&mut self) -> Result<Option<Dirty>> {
        if !std::mem::take(&mut self.dirty) {
            return Ok(None);
        }
        let file = self.file.try_clone().map_err(|e| {
            self.dirty = true;
            JournalError::io("sync", &self.path, e)
        })?;
        Ok(Some(Dirty { file, path: self.path.clone() }))
    }

    /// Syncing what was taken by [`GrowingFile::take_dirty`] failed.
    pub(crate) fn still_dirty(&mut self) {
        self.dirty = true;
    }

    /// Gives the reserve back, makes the file read-only and lets go of it.
    pub(crate) fn close(mut self) -> Result<Dirty> {
        self.seal()?;
        Ok(Dirty { file: self.file, path: self.path })
    }

    /// Gives the reserve back, makes the file read-only, and makes it survive the machine.
    pub(crate) fn finish(&mut self) -> Result<()> {
        self.seal()?;
        self.sync()
    }

    fn seal(&mut self) -> Result<()> {
        use std::os::unix::fs::PermissionsExt;
        let io = |e| JournalError::io("finish", &self.path, e);
        self.file.set_len(self.len).map_err(io)?;
        self.file.set_permissions(std::fs::Permissions::from_mode(0o440)).map_err(io)?;
        self.promised = 0;
        self.reserve = 0;
        self.dirty = true;
        Ok(())
    }

    fn mend(&mut self) -> Result<()> {
        if self.torn {
            self.file.set_len(self.len).map_err(|e| JournalError::io("truncate", &self.path, e))?;
            self.torn = false;
            // Cutting back may have given up what lay promised behind the end.
            self.promised = 0;
            if self.reserve > 0 && self.promise(self.len, self.reserve).is_ok() {
                self.promised = self.len + self.reserve;
            }
        }
        Ok(())
    }

    fn make_room(&mut self, total: u64, need: Need) -> io::Result<()> {
        let end = self.len + total;
        let keep = if need == Need::Plain { self.reserve } else { 0 };
        // Promises do not ask for the limit on the size of files, and writes do.
        let limit = size_limit();
        if need == Need::Plain && end.saturating_add(keep.min(limit / 4)) > limit {
            return Err(io::Error::from_raw_os_error(nix::libc::EFBIG));
        }
        if end + keep <= self.promised {
            return Ok(());
        }
        let from = self.promised.max(self.len);
        let wanted = end + self.reserve;
        let step = self.len.clamp(*STEP.start(), *STEP.end());
        for target in [wanted + step, wanted] {
            if self.promise(from, target - from).is_ok() {
                self.promised = target;
                return Ok(());
            }
        }
        // The reserve itself is promised already; a vital write beyond it takes its chances.
        if need == Need::Vital { Ok(()) } else { Err(io::ErrorKind::StorageFull.into()) }
    }

    fn promise(&self, from: u64, len: u64) -> io::Result<()> {
        #[cfg(test)]
        if let Some(room) = &self.room {
            return room.take(len);
        }
        let (from, len) = (from.cast_signed(), len.cast_signed());
        Ok(fallocate(&self.file, FallocateFlags::FALLOC_FL_KEEP_SIZE, from, len)?)
    }

    fn write(&mut self, parts: &[&[u8]]) -> io::Result<()> {
        #[cfg(test)]
        if let Some(room) = &self.room {
            let total: u64 = parts.iter().map(|p| p.len() as u64).sum();
            let beyond = (self.len + total).saturating_sub(self.promised.max(self.len));
            if room.take(beyond).is_err() {
                // What a file system does: takes some, then says that it is full.
                self.file.write_all(&parts[0][..parts[0].len() / 2])?;
                return Err(io::ErrorKind::StorageFull.into());
            }
        }
        let mut slices = [IoSlice::new(&[]); 4];
        for (slice, part) in slices.iter_mut().zip(parts) {
            *slice = IoSlice::new(part);
        }
        let mut rest = &mut slices[..parts.len()];
        while rest.iter().any(|s| !s.is_empty()) {
            match self.file.write_vectored(rest) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(n) => IoSlice::advance_slices(&mut rest, n),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        Ok(())
    }
}

/// How large a file of this process may be, in bytes (`getrlimit(2)`).
fn size_limit() -> u64 {
    getrlimit(Resource::RLIMIT_FSIZE).map_or(u64::MAX, |(soft, _)| soft)
}

fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.append(true).read(true).custom_flags(nix::libc::O_NOFOLLOW);
    options
}

/// Creates a directory only its owner may enter, and those above it.
pub(crate) fn create_dirs(path: &Path) -> Result<()> {
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(|e| JournalError::io("create directory", path, e))
}

/// A file with bytes that may not survive the machine yet.
#[derive(Debug)]
pub(crate) struct Dirty {
    file: File,
    path: PathBuf,
}

impl Dirty {
    /// Makes everything in the file survive the machine, also what was written to it since.
    pub(crate) fn sync(&self) -> Result<()> {
        self.file.sync_data().map_err(|e| JournalError::io("sync", &self.path, e))
    }
}

/// Makes the names in a directory survive the machine.
pub(crate) fn sync_dir(path: &Path) -> Result<()> {
    File::open(path)
        .and_then(|dir| dir.sync_all())
        .map_err(|e| JournalError::io("sync directory", path, e))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use std::cell::RefCell;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    thread_local! {
        static ROOM: RefCell<Option<Room>> = const { RefCell::new(None) };
    }

    /// A disk with so many bytes left, for the files this thread opens.
    #[derive(Clone, Debug)]
    pub(crate) struct Room(Arc<AtomicU64>);

    impl Room {
        pub(crate) fn limit(bytes: u64) -> Self {
            let room = Self(Arc::new(AtomicU64::new(bytes)));
            ROOM.set(Some(room.clone()));
            room
        }

        pub(super) fn current() -> Option<Self> {
            ROOM.with_borrow(Clone::clone)
        }

        pub(super) fn take(&self, bytes: u64) -> io::Result<()> {
            self.0
                .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(bytes))
                .map(drop)
                .map_err(|_| io::ErrorKind::StorageFull.into())
        }

        pub(crate) fn set(&self, bytes: u64) {
            self.0.store(bytes, Ordering::SeqCst);
        }
    }

    fn file(reserve: u64) -> (tempfile::TempDir, GrowingFile) {
        let dir = tempfile::tempdir().unwrap();
        let file = GrowingFile::create(&dir.path().join("f"), reserve).unwrap();
        (dir, file)
    }

    #[test]
    fn the_reserve_is_left_to_what_is_vital() {
        let room = Room::limit(100_000);
        let (_dir, mut file) = file(64 << 10);
        file.append(&[&[1; 30_000]], Need::Plain).unwrap();
        let error = file.append(&[&[2; 30_000]], Need::Plain).unwrap_err();
        assert!(error.is_no_space(), "{error}");
        assert_eq!(std::fs::metadata(file.path()).unwrap().len(), 30_000);
        file.append(&[&[3; 50_000]], Need::Vital).unwrap();
        room.set(1 << 30);
        file.append(&[&[4; 100]], Need::Plain).unwrap();
        let bytes = std::fs::read(file.path()).unwrap();
        assert_eq!((bytes.len(), bytes[30_000], bytes[80_000]), (80_100, 3, 4));
    }

    #[test]
    fn a_failed_write_leaves_nothing_behind() {
        Room::limit(10);
        let (_dir, mut file) = file(0);
        file.append(&[b"12345"], Need::Plain).unwrap();
        assert!(file.append(&[b"123456789"], Need::Vital).is_err());
        assert_eq!(std::fs::read(file.path()).unwrap(), b"12345");
    }

    #[test]
    fn a_small_disk_gets_a_small_reserve() {
        Room::limit(40_000);
        let (_dir, file) = file(1 << 20);
        assert_eq!(file.reserve_left(), 16 << 10);
    }

    #[test]
    fn a_real_file_system_keeps_its_promise_and_its_length() {
        ROOM.set(None);
        let (_dir, mut file) = file(1 << 20);
        let parts: [&[u8]; 3] = [b"a", b"", b"bc"];
        file.append(&parts, Need::Plain).unwrap();
        file.finish().unwrap();
        assert_eq!(std::fs::read(file.path()).unwrap(), b"abc");
    }
}
