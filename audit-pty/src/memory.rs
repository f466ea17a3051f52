//! Giving back what only the start of a program needed.

use std::ffi::{c_int, c_void};

/// Has the system take back the pages of code and constants this process has touched so far, and
/// the free memory of its heap. A session lives long after the parsers of its arguments and its
/// rules have run for the last time; what is needed again comes back from the page cache, a few
/// pages at each fault.
pub fn give_back() {
    // SAFETY: the callback has the type asked for, needs no data and does not unwind.
    unsafe { libc::dl_iterate_phdr(Some(give_back_segments), std::ptr::null_mut()) };
    #[cfg(target_env = "gnu")]
    // SAFETY: frees only what is not in use.
    unsafe {
        libc::malloc_trim(0);
    }
}

/// Gives back the segments of one program or library that cannot be written, `dl_iterate_phdr(3)`.
///
/// # Safety
/// `object` must describe what is loaded.
unsafe extern "C" fn give_back_segments(
    object: *mut libc::dl_phdr_info,
    _size: usize,
    _data: *mut c_void,
) -> c_int {
    // SAFETY: the caller vouches for it.
    let object = unsafe { &*object };
    // SAFETY: the table has so many entries and lives as long as the object is loaded.
    let segments =
        unsafe { std::slice::from_raw_parts(object.dlpi_phdr, object.dlpi_phnum.into()) };
    // SAFETY: only asks.
    let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) } as usize;
    for segment in segments {
        if segment.p_type != libc::PT_LOAD || segment.p_flags & libc::PF_W != 0 {
            continue;
        }
        let start = object.dlpi_addr.wrapping_add(segment.p_vaddr) as usize;
        let from = start - start % page;
        let len = start + segment.p_memsz as usize - from;
        // SAFETY: the segment is a file's (or the kernel's own, `vdso(7)`), mapped privately and never
        // written (position-independent code has no relocations in it), so that a page that is
        // dropped is there again, as it was, when it is touched.
        unsafe { libc::madvise(from as *mut c_void, len, libc::MADV_DONTNEED) };
    }
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_goes_on_with_less() {
        let resident = || {
            let status = std::fs::read_to_string("/proc/self/status").expect("it is there");
            let line = status.lines().find(|line| line.starts_with("RssFile:")).expect("a line");
            line.split_whitespace()
                .nth(1)
                .and_then(|kib| kib.parse::<u64>().ok())
                .expect("a number")
        };
        let before = resident();
        give_back();
        let after = resident();
        assert!(after < before, "{before} KiB, then {after} KiB");
    }
}
