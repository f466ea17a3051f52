//! Giving back the memory a forked process does not need.
//!
//! The guard is a copy of a process that holds keys and what people type, and it lives as long as
//! the session. What it copied would outlive the destruction of a key in the original, so the
//! heap, the stacks and every other private anonymous mapping are emptied, save the few pages the
//! guard itself runs on. It makes the guard small as well.
//!
//! Async-signal-safe: reads `/proc/self/maps` (`proc_pid_maps(5)`) byte by byte.

use std::mem::MaybeUninit;
use std::ops::Range;
use std::os::fd::AsRawFd;

use crate::sys;

/// Kept above the caller's own frame, in bytes: what it and its callees have on the stack.
const FRAMES: usize = 16 << 10;

/// Kept on each side of `errno`, in bytes: the thread's own variables and its descriptor.
const THREAD: usize = 16 << 10;

/// Empties this process's private memory except around `frame`, an address in the frame of the
/// outermost function that still runs, and this thread's own data. Nothing else may be used
/// afterwards: no heap, nothing borrowed from a caller.
///
/// # Safety
/// The process must be a forked one with a single thread that never returns from the function
/// `frame` is in, and holds no reference to anything outside of it.
pub(super) unsafe fn shed(frame: usize) {
    let Ok(maps) = sys::open(c"/proc/self/maps", libc::O_RDONLY) else { return };
    // SAFETY: never fails; the address is only looked at.
    let errno = unsafe { libc::__errno_location() } as usize;
    let here = std::ptr::from_ref(&errno) as usize;
    let kept =
        [here.saturating_sub(FRAMES)..frame + FRAMES, errno.saturating_sub(THREAD)..errno + THREAD];
    let mut line = Line::default();
    let mut file_end = 0;
    let mut buffer = [MaybeUninit::uninit(); 4096];
    while let Ok(count @ 1..) = sys::read(maps.as_raw_fd(), &mut buffer) {
        // SAFETY: the call has filled so many bytes.
        for byte in unsafe { buffer[..count].assume_init_ref() } {
            if !line.take(*byte) {
                continue;
            }
            // What follows a file's mapping directly is the uninitialised data of that program or
            // library, which its functions may still need.
            if line.anonymous && line.private && line.start != file_end {
                // SAFETY: the caller vouches for the process; the kept pages are spared.
                unsafe { empty(line.start..line.end, &kept) };
            }
            if !line.anonymous {
                file_end = line.end;
            }
            line = Line::default();
        }
    }
}

/// Has the system drop the pages of a range, whole pages only, except those of `kept`.
///
/// # Safety
/// Nothing in the range may be used any more.
unsafe fn empty(range: Range<usize>, kept: &[Range<usize>]) {
    // The largest page Linux has where we run, so that kept edges are never rounded over.
    const PAGE: usize = 64 << 10;
    let mut at = range.start;
    while at < range.end {
        let spared = kept.iter().find(|kept| kept.start < at + PAGE && at < kept.end);
        if let Some(spared) = spared {
            at = spared.end.next_multiple_of(PAGE).max(at + PAGE);
            continue;
        }
        let next = kept.iter().map(|kept| kept.start / PAGE * PAGE).filter(|start| *start > at);
        let end = next.min().map_or(range.end, |start| start.min(range.end));
        // SAFETY: the caller vouches for the range; the call takes addresses, not references.
        unsafe { libc::madvise(at as *mut libc::c_void, end - at, libc::MADV_DONTNEED) };
        at = end;
    }
}

/// A line of the table, as far as it is read: `start-end rwxp offset device inode path`.
struct Line {
    field: usize,
    start: usize,
    end: usize,
    /// Writable and private.
    private: bool,
    writable: bool,
    /// Not a file's.
    anonymous: bool,
}

impl Default for Line {
    fn default() -> Self {
        Self { field: 0, start: 0, end: 0, private: false, writable: false, anonymous: true }
    }
}

impl Line {
    /// Takes the next byte; whether the line is whole.
    fn take(&mut self, byte: u8) -> bool {
        const START: usize = 0;
        const END: usize = 1;
        const PERMISSIONS: usize = 2;
        const INODE: usize = 5;
        match (self.field, byte) {
            (_, b'\n') => return true,
            (START, b'-') => self.field = END,
            (START, digit) => self.start = self.start << 4 | value(digit),
            (END..INODE, b' ') => self.field += 1,
            (END, digit) => self.end = self.end << 4 | value(digit),
            (PERMISSIONS, b'w') => self.writable = true,
            (PERMISSIONS, b'p') => self.private = self.writable,
            (INODE, b'1'..=b'9') => self.anonymous = false,
            (INODE, b' ') => self.field += 1,
            _ => {}
        }
        false
    }
}

fn value(digit: u8) -> usize {
    usize::from(match digit {
        b'a'..=b'f' => digit - b'a' + 10,
        _ => digit.wrapping_sub(b'0') & 15,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> (usize, usize, bool, bool) {
        let mut read = Line::default();
        let ends: Vec<_> = line.bytes().map(|byte| read.take(byte)).collect();
        assert!(ends.iter().rev().skip(1).all(|end| !end) && *ends.last().unwrap());
        (read.start, read.end, read.private, read.anonymous)
    }

    #[test]
    fn lines_are_told_apart() {
        let heap = "55d0c0ffe000-55d0c101f000 rw-p 00000000 00:00 0                  [heap]\n";
        assert_eq!(read(heap), (0x55d0_c0ff_e000, 0x55d0_c101_f000, true, true));
        let anonymous = "7f00aa000000-7f00aa021000 rw-p 00000000 00:00 0 \n";
        assert_eq!(read(anonymous), (0x7f00_aa00_0000, 0x7f00_aa02_1000, true, true));
        let code = "55d0bff00000-55d0bff10000 r-xp 00001000 fe:01 1203       /bin/w p 1\n";
        assert_eq!(read(code), (0x55d0_bff0_0000, 0x55d0_bff1_0000, false, false));
        let shared = "7f0000000000-7f0000001000 rw-s 00000000 00:01 20     /memfd:x (deleted)\n";
        assert_eq!(read(shared), (0x7f00_0000_0000, 0x7f00_0000_1000, false, false));
    }
}
