//! System calls as safe functions, one operation each.
//!
//! Everything here is async-signal-safe and allocates nothing, so that it may also be called
//! between `fork(2)` and `execve(2)`.

use std::ffi::c_int;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::ptr;

use audit_core::Winsize;

/// The error in `errno` if `result` is -1.
pub(crate) fn check(result: c_int) -> io::Result<c_int> {
    if result == -1 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

/// Whether `error` is this `errno(3)`.
pub(crate) fn is(error: &io::Error, errno: c_int) -> bool {
    error.raw_os_error() == Some(errno)
}

/// Reads once, again only when a signal interrupts.
pub(crate) fn read(fd: RawFd, into: &mut [MaybeUninit<u8>]) -> io::Result<usize> {
    retry(|| {
        // SAFETY: the pointer and the length describe memory borrowed for writing.
        unsafe { libc::read(fd, into.as_mut_ptr().cast(), into.len()) }
    })
}

/// Receives once from a socket without waiting.
pub(crate) fn receive(fd: RawFd, into: &mut [MaybeUninit<u8>]) -> io::Result<usize> {
    retry(|| {
        // SAFETY: the pointer and the length describe memory borrowed for writing.
        unsafe { libc::recv(fd, into.as_mut_ptr().cast(), into.len(), libc::MSG_DONTWAIT) }
    })
}

/// Writes once, again only when a signal interrupts.
pub(crate) fn write(fd: RawFd, bytes: &[u8]) -> io::Result<usize> {
    retry(|| {
        // SAFETY: the pointer and the length describe borrowed memory.
        unsafe { libc::write(fd, bytes.as_ptr().cast(), bytes.len()) }
    })
}

/// Sends once to a socket without waiting and without `SIGPIPE`.
pub(crate) fn send(fd: RawFd, bytes: &[u8]) -> io::Result<usize> {
    let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
    retry(|| {
        // SAFETY: the pointer and the length describe borrowed memory.
        unsafe { libc::send(fd, bytes.as_ptr().cast(), bytes.len(), flags) }
    })
}

fn retry(mut call: impl FnMut() -> isize) -> io::Result<usize> {
    loop {
        match usize::try_from(call()) {
            Ok(count) => return Ok(count),
            Err(_) => {
                let error = io::Error::last_os_error();
                if !is(&error, libc::EINTR) {
                    return Err(error);
                }
            }
        }
    }
}

/// The events of `events` (and errors, hang-ups) that hold for `fd` now or within `millis`.
pub(crate) fn poll(fd: RawFd, events: i16, millis: c_int) -> i16 {
    let mut entry = libc::pollfd { fd, events, revents: 0 };
    // SAFETY: the pointer describes one entry borrowed for writing.
    let ready = unsafe { libc::poll(&raw mut entry, 1, millis) };
    if ready > 0 { entry.revents } else { 0 }
}

/// The terminal's modes. On a PTY master these are the slave's.
pub(crate) fn tcgetattr(fd: RawFd) -> io::Result<libc::termios> {
    let mut modes = MaybeUninit::uninit();
    // SAFETY: the pointer has room for the modes.
    check(unsafe { libc::tcgetattr(fd, modes.as_mut_ptr()) })?;
    // SAFETY: the call succeeded and so has filled the modes.
    Ok(unsafe { modes.assume_init() })
}

/// Sets the terminal's modes at once.
pub(crate) fn tcsetattr(fd: RawFd, modes: &libc::termios) -> io::Result<()> {
    // SAFETY: the pointer is to borrowed modes.
    check(unsafe { libc::tcsetattr(fd, libc::TCSANOW, modes) }).map(drop)
}

/// Size of the terminal's window.
pub(crate) fn winsize(fd: RawFd) -> io::Result<Winsize> {
    let mut size = MaybeUninit::<libc::winsize>::uninit();
    // SAFETY: this request fills one `winsize`, for which the pointer has room.
    check(unsafe { libc::ioctl(fd, libc::TIOCGWINSZ, size.as_mut_ptr()) })?;
    // SAFETY: the call succeeded and so has filled the size.
    let size = unsafe { size.assume_init() };
    Ok(Winsize {
        rows: size.ws_row,
        columns: size.ws_col,
        pixel_width: size.ws_xpixel,
        pixel_height: size.ws_ypixel,
    })
}

/// Sets the size of the terminal's window; the foreground process group gets `SIGWINCH` if it
/// changes.
pub(crate) fn set_winsize(fd: RawFd, size: Winsize) -> io::Result<()> {
    let size = libc::winsize {
        ws_row: size.rows,
        ws_col: size.columns,
        ws_xpixel: size.pixel_width,
        ws_ypixel: size.pixel_height,
    };
    // SAFETY: this request reads one `winsize`, to which the pointer points.
    check(unsafe { libc::ioctl(fd, libc::TIOCSWINSZ, &raw const size) }).map(drop)
}

/// Bytes (in canonical mode: bytes of whole lines) nobody has read yet.
pub(crate) fn unread(fd: RawFd) -> io::Result<u32> {
    let mut count: c_int = 0;
    // SAFETY: this request fills one `int`, to which the pointer points.
    check(unsafe { libc::ioctl(fd, libc::FIONREAD, &raw mut count) })?;
    Ok(u32::try_from(count).unwrap_or(0))
}

/// The terminal's foreground process group.
pub(crate) fn foreground(fd: RawFd) -> io::Result<i32> {
    // SAFETY: takes no memory of ours.
    check(unsafe { libc::tcgetpgrp(fd) })
}

/// Makes `group` the foreground process group of the terminal.
pub(crate) fn set_foreground(fd: RawFd, group: i32) -> io::Result<()> {
    // SAFETY: takes no memory of ours.
    check(unsafe { libc::tcsetpgrp(fd, group) }).map(drop)
}

/// Lets a PTY's slave be opened.
pub(crate) fn unlock(master: RawFd) -> io::Result<()> {
    let locked: c_int = 0;
    // SAFETY: this request reads one `int`, to which the pointer points.
    check(unsafe { libc::ioctl(master, libc::TIOCSPTLCK, &raw const locked) }).map(drop)
}

/// Opens the slave of a PTY by its master, so that no path and no mount is involved.
pub(crate) fn open_peer(master: RawFd, flags: c_int) -> io::Result<OwnedFd> {
    // SAFETY: this request takes its argument by value.
    let fd = check(unsafe { libc::ioctl(master, libc::TIOCGPTPEER, flags) })?;
    // SAFETY: the call succeeded, so this descriptor is new and nobody else's.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Makes the terminal the controlling terminal of the calling session leader.
pub(crate) fn set_controlling(fd: RawFd) -> io::Result<()> {
    // SAFETY: this request takes its argument by value.
    check(unsafe { libc::ioctl(fd, libc::TIOCSCTTY, 0) }).map(drop)
}

/// Opens a file by a path that ends in a zero byte.
pub(crate) fn open(path: &std::ffi::CStr, flags: c_int) -> io::Result<OwnedFd> {
    // SAFETY: the path is a C string; the descriptor of a successful call is new.
    let fd = check(unsafe { libc::open(path.as_ptr(), flags | libc::O_CLOEXEC) })?;
    // SAFETY: the call succeeded, so this descriptor is new and nobody else's.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// A descriptor for the same open file, numbered from 3 on, closed on `execve(2)`.
pub(crate) fn duplicate(fd: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    // SAFETY: takes no memory of ours.
    let fd = check(unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_DUPFD_CLOEXEC, 3) })?;
    // SAFETY: the call succeeded, so this descriptor is new and nobody else's.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Status flags of the open file (`O_NONBLOCK` and the access mode among them).
pub(crate) fn status_flags(fd: RawFd) -> io::Result<c_int> {
    // SAFETY: takes no memory of ours.
    check(unsafe { libc::fcntl(fd, libc::F_GETFL) })
}

/// Sets `O_NONBLOCK` on an open file that is ours alone.
pub(crate) fn set_nonblocking(fd: RawFd) -> io::Result<()> {
    let flags = status_flags(fd)? | libc::O_NONBLOCK;
    // SAFETY: takes no memory of ours.
    check(unsafe { libc::fcntl(fd, libc::F_SETFL, flags) }).map(drop)
}

/// Sends `signal` to a process, or with a negative number to a process group. 0 asks whether it
/// is there.
pub(crate) fn kill(pid: i32, signal: i32) -> io::Result<()> {
    // SAFETY: takes no memory of ours.
    check(unsafe { libc::kill(pid, signal) }).map(drop)
}

/// A descriptor that becomes readable when the process ends (`pidfd_open(2)`).
pub(crate) fn pidfd(pid: i32) -> io::Result<OwnedFd> {
    // SAFETY: takes no memory of ours.
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
    let fd = check(fd as c_int)?;
    // SAFETY: the call succeeded, so this descriptor is new and nobody else's.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// What `waitid(2)` tells of this child now, if anything: code and status.
pub(crate) fn wait(pid: i32, options: c_int) -> io::Result<Option<(c_int, c_int)>> {
    // SAFETY: all bytes zero is a value of this plain structure.
    let mut info: libc::siginfo_t = unsafe { MaybeUninit::zeroed().assume_init() };
    let id = pid as libc::id_t;
    loop {
        // SAFETY: the pointer has room for one `siginfo_t`.
        match check(unsafe { libc::waitid(libc::P_PID, id, &raw mut info, options) }) {
            Ok(_) => break,
            Err(error) if is(&error, libc::EINTR) => {}
            Err(error) => return Err(error),
        }
    }
    // SAFETY: filled by `waitid`, or still zero when there is no news.
    if unsafe { info.si_pid() } == 0 {
        return Ok(None);
    }
    // SAFETY: `waitid` has filled in the status of a child.
    let status = unsafe { info.si_status() };
    Ok(Some((info.si_code, status)))
}

/// Starts a process as `fork(2)` does; 0 in the child.
///
/// # Safety
/// The child may only do what is async-signal-safe, for the process may have other threads.
pub(crate) unsafe fn fork() -> io::Result<i32> {
    // SAFETY: the caller keeps to async-signal-safe calls in the child.
    check(unsafe { libc::fork() })
}

/// Starts a process without running any handlers of the C library; 0 in the new process.
/// As a sibling it is not ours but our parent's child (`CLONE_PARENT`).
///
/// # Safety
/// The caller must itself be a forked child, and both it and the new process may only do what is
/// async-signal-safe.
pub(crate) unsafe fn fork_bare(sibling: bool) -> io::Result<i32> {
    let flags = if sibling { libc::CLONE_PARENT } else { 0 } | libc::SIGCHLD;
    let flags = libc::c_long::from(flags);
    let zero: libc::c_long = 0;
    // SAFETY: without a stack and without shared memory this is a plain fork.
    let pid = unsafe { libc::syscall(libc::SYS_clone, flags, zero, zero, zero, zero) };
    check(pid as c_int)
}

/// Ends the process at once.
pub(crate) fn exit(status: c_int) -> ! {
    // SAFETY: never returns and runs nothing of ours.
    unsafe { libc::_exit(status) }
}

/// Makes the caller the leader of a new session.
pub(crate) fn setsid() -> io::Result<()> {
    // SAFETY: takes no memory of ours.
    check(unsafe { libc::setsid() }).map(drop)
}

/// Puts a process (0: the caller) into a process group (0: one of its own).
pub(crate) fn setpgid(pid: i32, group: i32) -> io::Result<()> {
    // SAFETY: takes no memory of ours.
    check(unsafe { libc::setpgid(pid, group) }).map(drop)
}

/// Process id of the caller.
pub(crate) fn getpid() -> i32 {
    // SAFETY: cannot fail.
    unsafe { libc::getpid() }
}

/// Process id of the caller's parent.
pub(crate) fn getppid() -> i32 {
    // SAFETY: cannot fail.
    unsafe { libc::getppid() }
}

/// Process group of the caller.
pub(crate) fn getpgrp() -> i32 {
    // SAFETY: cannot fail.
    unsafe { libc::getpgrp() }
}

/// Makes `to` a descriptor for what `from` is for; stays open on `execve(2)`.
pub(crate) fn dup2(from: RawFd, to: RawFd) -> io::Result<()> {
    // SAFETY: takes no memory of ours; the callers own what they replace.
    check(unsafe { libc::dup2(from, to) }).map(drop)
}

/// Closes every descriptor from `first` on. For forked children only, which own all of them.
pub(crate) fn close_from(first: RawFd) {
    close_range(first, 0, |fd| {
        // SAFETY: a forked child owns all its descriptors.
        unsafe { libc::close(fd) };
    });
}

/// Marks every descriptor from `first` on to be closed by `execve(2)`.
pub(crate) fn close_from_on_exec(first: RawFd) {
    close_range(first, libc::CLOSE_RANGE_CLOEXEC as c_int, |fd| {
        // SAFETY: takes no memory of ours.
        unsafe { libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC) };
    });
}

/// `close_range(2)`, or one by one where the system does not have it (before Linux 5.11).
fn close_range(first: RawFd, flags: c_int, each: impl Fn(RawFd)) {
    // SAFETY: takes no memory of ours; the callers own all descriptors.
    let done = unsafe { libc::syscall(libc::SYS_close_range, first, libc::c_uint::MAX, flags) };
    if done == 0 {
        return;
    }
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the pointer has room for one `rlimit`.
    unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) };
    for fd in first..limit.rlim_cur.min(65_536) as RawFd {
        each(fd);
    }
}

/// Changes the working directory.
pub(crate) fn chdir(path: &std::ffi::CStr) -> io::Result<()> {
    // SAFETY: the path is a C string.
    check(unsafe { libc::chdir(path.as_ptr()) }).map(drop)
}

/// Gives a signal its default disposition; whether it was ignored before is for [`ignored`].
pub(crate) fn set_default(signal: c_int) {
    // SAFETY: all bytes zero is `SIG_DFL` with an empty mask.
    let action: libc::sigaction = unsafe { MaybeUninit::zeroed().assume_init() };
    // SAFETY: the pointer is to a whole action; the old one is not asked for.
    unsafe { libc::sigaction(signal, &raw const action, ptr::null_mut()) };
}

/// Has this process ignore a signal.
pub(crate) fn ignore(signal: c_int) {
    // SAFETY: no handler is installed.
    unsafe { libc::signal(signal, libc::SIG_IGN) };
}

/// Whether this process ignores a signal.
pub(crate) fn ignored(signal: c_int) -> bool {
    // SAFETY: all bytes zero is a value of this plain structure.
    let mut action: libc::sigaction = unsafe { MaybeUninit::zeroed().assume_init() };
    // SAFETY: nothing is set; the pointer has room for one action.
    let result = unsafe { libc::sigaction(signal, ptr::null(), &raw mut action) };
    result == 0 && action.sa_sigaction == libc::SIG_IGN
}

/// Blocks every signal of the calling thread and returns the old mask.
pub(crate) fn block_all() -> libc::sigset_t {
    let mut all = MaybeUninit::uninit();
    // SAFETY: the pointer has room for one set.
    unsafe { libc::sigfillset(all.as_mut_ptr()) };
    // SAFETY: all bytes zero is an empty set.
    let mut old: libc::sigset_t = unsafe { MaybeUninit::zeroed().assume_init() };
    // SAFETY: the first set was filled above; the second has room.
    unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, all.as_ptr(), &raw mut old) };
    old
}

/// Sets the mask of the calling thread.
pub(crate) fn set_mask(mask: &libc::sigset_t) {
    // SAFETY: the pointer is to a whole set; the old one is not asked for.
    unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, mask, ptr::null_mut()) };
}

/// A mask that blocks nothing.
pub(crate) fn empty_mask() -> libc::sigset_t {
    // SAFETY: all bytes zero is an empty set.
    unsafe { MaybeUninit::zeroed().assume_init() }
}

/// Names the calling process in `ps(1)` and keeps others of the same user from reading its memory.
pub(crate) fn disguise(name: &std::ffi::CStr) {
    // SAFETY: this option reads a C string.
    unsafe { libc::prctl(libc::PR_SET_NAME, name.as_ptr()) };
    let no: libc::c_ulong = 0;
    // SAFETY: this option takes its argument by value.
    unsafe { libc::prctl(libc::PR_SET_DUMPABLE, no) };
}

/// Where `ps(1)` finds the process's arguments.
pub(crate) struct Title {
    start: *mut u8,
    room: usize,
}

impl Title {
    /// The memory of the name this process was started by.
    pub(crate) fn find() -> Self {
        unsafe extern "C" {
            /// Points to the first argument (`program_invocation_name(3)`).
            static program_invocation_name: *mut libc::c_char;
        }
        // SAFETY: set by the C library before any code of ours runs, and by us never.
        let name = unsafe { program_invocation_name };
        // SAFETY: the name is a C string.
        let room = unsafe { libc::strlen(name) };
        Self { start: name.cast(), room }
    }

    /// Writes a name, as much of it as there is room for.
    pub(crate) fn set(self, name: &std::ffi::CStr) {
        // SAFETY: so many bytes belong to the old name, on which nothing relies any more.
        let old = unsafe { std::slice::from_raw_parts_mut(self.start, self.room) };
        let name = name.to_bytes().iter().chain(std::iter::repeat(&0));
        old.iter_mut().zip(name).for_each(|(old, new)| *old = *new);
    }
}

/// Has the calling process killed when its parent ends.
pub(crate) fn die_with_parent() {
    let kill = libc::SIGKILL as libc::c_ulong;
    // SAFETY: this option takes its argument by value.
    unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, kill) };
}

/// Sleeps until a signal is caught: for ever where all are blocked.
pub(crate) fn pause() {
    // SAFETY: takes no memory of ours.
    unsafe { libc::pause() };
}
