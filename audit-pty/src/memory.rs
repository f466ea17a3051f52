//! Giving back what only the start of a program needed.

use std::ops::Range;

/// Has the system take back the pages of code this process has touched so far, and the free memory
/// of its heap. A session lives long after the parsers of its arguments and its configuration have
/// run for the last time; what is needed again comes back from the page cache, a few pages at each
/// fault.
///
/// Does nothing where `/proc` does not tell what is mapped.
pub fn give_back() {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap_or_default();
    for code in maps.lines().filter_map(code_of_file) {
        let (start, len) = (code.start as *mut libc::c_void, code.end - code.start);
        // SAFETY: the mapping is a file's, private and never written to (position-independent code
        // has no relocations), so that a page that is dropped is read from the file again.
        unsafe { libc::madvise(start, len, libc::MADV_DONTNEED) };
    }
    #[cfg(target_env = "gnu")]
    // SAFETY: frees only what is not in use.
    unsafe {
        libc::malloc_trim(0);
    }
}

/// Where a line of `proc_pid_maps(5)` maps code of a file.
fn code_of_file(line: &str) -> Option<Range<usize>> {
    let (range, rest) = line.split_once(' ')?;
    let (permissions, rest) = rest.split_once(' ')?;
    let (start, end) = range.split_once('-')?;
    let of_file = rest.contains(" /");
    (permissions == "r-xp" && of_file).then_some(())?;
    let number = |digits| usize::from_str_radix(digits, 16).ok();
    Some(number(start)?..number(end)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_code_of_files_is_given_back() {
        let code = "55d0bff00000-55d0bff10000 r-xp 00001000 fe:01 1203       /bin/w p 1";
        assert_eq!(code_of_file(code), Some(0x55d0_bff0_0000..0x55d0_bff1_0000));
        for other in [
            "55d0bff10000-55d0bff12000 r--p 00001000 fe:01 1203       /bin/w p 1",
            "55d0bff10000-55d0bff12000 rwxp 00001000 fe:01 1203       /bin/w p 1",
            "55d0c0ffe000-55d0c101f000 rw-p 00000000 00:00 0                  [heap]",
            "7ffd1a3f2000-7ffd1a3f4000 r-xp 00000000 00:00 0                  [vdso]",
            "7f00aa000000-7f00aa021000 r-xp 00000000 00:00 0 ",
        ] {
            assert_eq!(code_of_file(other), None, "{other}");
        }
    }

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
