//! The unsafe corner: memory shared by two processes, descriptors nobody owns, and pages of code.
//!
//! The relay maps the memory for reading and writing and then seals it, so that a worker can map
//! it for reading only: no worker, however broken, can change what was handed over. Neither side
//! ever makes a reference to the shared bytes; they are copied in and out by pointer.

use std::io;
use std::num::NonZeroUsize;
use std::os::fd::{AsFd, OwnedFd};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU64, Ordering};

use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::mman::{MapFlags, ProtFlags, mmap, munmap};
use nix::sys::stat::fstat;
use nix::unistd::ftruncate;

/// Bytes before the data; the first eight hold the head.
const HEADER: usize = 4096;

/// A mapping of shared memory.
#[derive(Debug)]
struct Mapping {
    start: NonNull<u8>,
    len: usize,
}

// SAFETY: a mapping belongs to the process and not to a thread.
unsafe impl Send for Mapping {}

impl Mapping {
    fn new(memory: &OwnedFd, len: usize, protection: ProtFlags) -> io::Result<Self> {
        let size = NonZeroUsize::new(len).ok_or(io::ErrorKind::InvalidInput)?;
        // SAFETY: the system chooses the place, so nothing of ours is mapped over.
        let start = unsafe { mmap(None, size, protection, MapFlags::MAP_SHARED, memory, 0) }?;
        Ok(Self { start: start.cast(), len })
    }

    /// Bytes of data.
    fn capacity(&self) -> usize {
        self.len - HEADER
    }

    /// Where the `len` bytes from `offset` of the data are, if they are all inside.
    fn place(&self, offset: usize, len: usize) -> Option<NonNull<u8>> {
        let end = offset.checked_add(len)?;
        if end > self.capacity() {
            return None;
        }
        // SAFETY: `HEADER + offset` is inside the mapping, as checked above.
        Some(unsafe { self.start.add(HEADER + offset) })
    }

    fn head(&self) -> &AtomicU64 {
        // SAFETY: a mapping starts on a page, which aligns it, holds at least `HEADER` bytes, and
        // both processes use these eight as an atomic integer only.
        unsafe { AtomicU64::from_ptr(self.start.cast().as_ptr()) }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: this mapping is ours, and nothing refers to it any more.
        let _ = unsafe { munmap(self.start.cast(), self.len) };
    }
}

/// The relay's side of shared memory: writes.
#[derive(Debug)]
pub(crate) struct WriteMap(Mapping);

impl WriteMap {
    /// Makes shared memory for `capacity` bytes of data. The descriptor is for the reader, who
    /// cannot write, grow or shrink it. Untouched pages take no memory.
    pub(crate) fn new(capacity: usize) -> io::Result<(Self, OwnedFd)> {
        let flags = MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING;
        let memory = memfd_create(c"auditty-staging", flags)?;
        let len = capacity.checked_add(HEADER).ok_or(io::ErrorKind::InvalidInput)?;
        let size = i64::try_from(len).map_err(|_| io::ErrorKind::InvalidInput)?;
        ftruncate(&memory, size)?;
        let map = Mapping::new(&memory, len, ProtFlags::PROT_READ | ProtFlags::PROT_WRITE)?;
        // Linux before 5.1 does not know this seal; then the worker's good will must do.
        let _ = fcntl(&memory, FcntlArg::F_ADD_SEALS(SealFlag::F_SEAL_FUTURE_WRITE));
        let size_is_fixed = SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_GROW | SealFlag::F_SEAL_SEAL;
        fcntl(&memory, FcntlArg::F_ADD_SEALS(size_is_fixed))?;
        Ok((Self(map), memory))
    }

    /// Copies `bytes` to `offset` of the data.
    ///
    /// # Panics
    /// They do not fit: the writer has lost count.
    pub(crate) fn write(&mut self, offset: usize, bytes: &[u8]) {
        let place = self.0.place(offset, bytes.len());
        let place = place.expect("a write inside the staging memory");
        // SAFETY: the place is inside our mapping, which no reference points into.
        unsafe { place.copy_from_nonoverlapping(NonNull::from(bytes).cast(), bytes.len()) };
    }

    /// Publishes everything written so far under this head.
    pub(crate) fn publish(&mut self, head: u64) {
        self.0.head().store(head, Ordering::Release);
    }
}

/// A worker's side of shared memory: reads.
#[derive(Debug)]
pub(crate) struct ReadMap(Mapping);

impl ReadMap {
    /// Maps what a relay has made.
    pub(crate) fn open(memory: &OwnedFd) -> io::Result<Self> {
        // Memory that can shrink could take a page from under a read.
        let seals = SealFlag::from_bits_truncate(fcntl(memory, FcntlArg::F_GET_SEALS)?);
        let len = usize::try_from(fstat(memory.as_fd())?.st_size).unwrap_or(0);
        if !seals.contains(SealFlag::F_SEAL_SHRINK) || len <= HEADER {
            return Err(io::ErrorKind::InvalidData.into());
        }
        Mapping::new(memory, len, ProtFlags::PROT_READ).map(Self)
    }

    /// Bytes of data.
    pub(crate) fn capacity(&self) -> usize {
        self.0.capacity()
    }

    /// Appends the `len` bytes from `offset` of the data to `into`; `None` when they are not all
    /// inside.
    pub(crate) fn read(&self, offset: usize, len: usize, into: &mut Vec<u8>) -> Option<()> {
        let place = self.0.place(offset, len)?;
        into.reserve(len);
        let end = into.spare_capacity_mut().as_mut_ptr().cast();
        // SAFETY: the place is inside the mapping, the vector has room for as many, and the two
        // do not overlap. The relay changes no published byte before it is acknowledged.
        unsafe { place.as_ptr().copy_to_nonoverlapping(end, len) };
        // SAFETY: the bytes behind the old length were written above.
        unsafe { into.set_len(into.len() + len) };
        Some(())
    }

    /// The head the relay published last.
    pub(crate) fn head(&self) -> u64 {
        self.0.head().load(Ordering::Acquire)
    }
}

/// Closes every descriptor but the standard ones: what a worker inherited by accident, such as a
/// shell's open pipe, would otherwise stay open as long as the worker lives.
///
/// For a process that has just started and has opened nothing yet.
pub(crate) fn close_inherited() {
    let (first, last, flags) = (3 as libc::c_uint, libc::c_uint::MAX, 0 as libc::c_uint);
    // SAFETY: the caller has opened nothing, so no descriptor from 3 on is owned by anything.
    // Linux before 5.9 does not know the call, and then they stay open.
    unsafe { libc::syscall(libc::SYS_close_range, first, last, flags) };
}
