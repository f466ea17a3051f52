//! Children: what they get from us, how they end, and the guard beside them.

use std::fs;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::fs::PermissionsExt;

use audit_core::{CommandSpec, Exit};
use audit_pty::{Change, Child, Guarding, Pty, PtyError, Wiring};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

#[test]
fn a_child_ends_with_its_code() {
    let mut on = OnTerminal::start(&shell("exit 42"));
    assert_eq!(on.end(), Exit::Code(42));
}

#[test]
fn a_child_ends_by_a_signal() {
    let mut on = OnTerminal::start(&shell("kill -TERM $$"));
    assert_eq!(on.end(), Exit::Signal { number: libc::SIGTERM, core: false });
}

#[test]
fn a_child_leads_a_session_in_the_foreground_of_its_terminal() {
    for guarded in [false, true] {
        let mut on = OnTerminal::start_as(&command("cat", &["/proc/self/stat"]), guarded, true);
        let pid = on.child.pid();
        let stat = on.rest();
        let fields: Vec<i32> =
            stat.split(' ').skip(4).take(4).map(|field| field.parse().unwrap()).collect();
        let [group, session, terminal, foreground] = fields[..] else { panic!("{stat}") };
        assert_eq!([group, session, foreground], [pid; 3]);
        assert_ne!(terminal, 0);
    }
}

#[test]
fn a_child_sees_three_descriptors() {
    let bait = fs::File::open("/dev/null").unwrap();
    // SAFETY: takes no memory of ours.
    let bait = unsafe { libc::fcntl(bait.as_raw_fd(), libc::F_DUPFD, 10) };
    assert!(bait >= 10);
    for guarded in [false, true] {
        let mut on = OnTerminal::start_as(&shell("ls /proc/$$/fd; true"), guarded, true);
        assert_eq!(on.rest().split_whitespace().collect::<Vec<_>>(), ["0", "1", "2"]);
    }
}

#[test]
fn a_child_blocks_and_ignores_nothing() {
    // This process ignores SIGPIPE: the runtime of Rust sees to that.
    let mut on = OnTerminal::start(&command("cat", &["/proc/self/status"]));
    let status = on.rest();
    for name in ["SigBlk", "SigIgn"] {
        let line = status.lines().find(|line| line.starts_with(name)).unwrap();
        let mask = u64::from_str_radix(line.split_whitespace().nth(1).unwrap(), 16).unwrap();
        // Two of the real-time signals are the C library's own.
        assert_eq!(mask & !(0b11 << 31), 0, "{line}");
    }
}

#[test]
fn environment_directory_and_name_are_the_commands() {
    let directory = tempfile::tempdir().unwrap();
    let mut command = shell("echo $0 $ADDED ${HOME-none}; pwd -P");
    command.argv0 = Some("-shell".into());
    command.env.insert("ADDED".into(), Some("added".into()));
    command.env.insert("HOME".into(), None);
    command.cwd = Some(directory.path().into());
    let mut on = OnTerminal::start(&command);
    let cwd = directory.path().canonicalize().unwrap();
    assert_eq!(on.rest(), format!("-shell added none\r\n{}\r\n", cwd.display()));
}

#[test]
fn a_script_that_names_no_interpreter_is_run_by_the_shell() {
    let directory = tempfile::tempdir().unwrap();
    let path = script(&directory, "echo from $1\n");
    let mut on = OnTerminal::start(&command(&path, &["script"]));
    assert_eq!(on.rest(), "from script\r\n");
}

#[test]
fn what_fails_after_the_fork_is_told_with_its_error() {
    let directory = tempfile::tempdir().unwrap();
    let path = script(&directory, "#!/no/such/interpreter\n");
    assert_eq!(refused(&command(&path, &[])), (libc::ENOENT, format!("{path}: not found")));
    let mut elsewhere = shell("true");
    elsewhere.program = "/bin/sh".into();
    elsewhere.cwd = Some("/etc/passwd".into());
    assert_eq!(refused(&elsewhere).0, libc::ENOTDIR);
}

#[test]
fn a_guarded_child_is_stopped_by_its_terminal_and_goes_on() {
    let mut on = OnTerminal::start_as(&shell("kill -TSTP $$; echo back; read x"), true, true);
    assert_eq!(on.news(), Change::Stopped(libc::SIGTSTP));
    on.child.signal(libc::SIGCONT).unwrap();
    assert_eq!(on.news(), Change::Continued);
    on.until("back\r\n");
}

#[test]
fn without_a_guard_its_group_is_orphaned_and_never_stops() {
    let mut on = OnTerminal::start_as(&shell("kill -TSTP $$; echo back"), false, true);
    assert_eq!(on.rest(), "back\r\n");
    assert_eq!(on.news(), Change::Exited(Exit::Code(0)));
}

#[test]
fn in_the_background_the_first_use_of_the_terminal_stops_a_child() {
    let mut on = OnTerminal::start_as(&shell("echo shown; read line"), true, false);
    assert_eq!(on.news(), Change::Stopped(libc::SIGTTIN));
}

#[test]
fn a_command_has_no_children_it_does_not_know_and_nothing_is_left_of_the_guard() {
    let on = OnTerminal::start_as(&command("cat", &[]), true, true);
    let pid = on.child.pid();
    assert_eq!(processes(|stat| stat.parent == pid).len(), 0);
    let session = processes(|stat| stat.session == pid);
    assert_eq!(session.len(), 3, "the command, the guard and its anchor");
    drop(on);
    assert!(processes(|stat| stat.session == pid && stat.pid != pid).is_empty());
}

#[test]
fn a_guard_keeps_nothing_of_our_memory() {
    let ours = vec![b'x'; 64 << 20];
    let on = OnTerminal::start_as(&command("cat", &[]), true, true);
    let pid = on.child.pid();
    for stat in processes(|stat| stat.session == pid && stat.pid != pid) {
        let pages = fs::read_to_string(format!("/proc/{}/statm", stat.pid)).unwrap();
        let resident: usize = pages.split(' ').nth(1).unwrap().parse().unwrap();
        assert!(resident * 4096 < 16 << 20, "{resident} pages");
    }
    assert!(ours.iter().all(|byte| *byte == b'x'));
}

#[test]
fn a_guard_that_was_stopped_is_ended_all_the_same() {
    let on = OnTerminal::start_as(&command("cat", &[]), true, true);
    let pid = on.child.pid();
    for stat in processes(|stat| stat.session == pid && stat.pid != pid) {
        // SAFETY: takes no memory of ours.
        unsafe { libc::kill(stat.pid, libc::SIGSTOP) };
    }
    drop(on);
    // The anchor's end is its system's to collect once its parent is gone.
    let left = || processes(|stat| stat.session == pid && stat.pid != pid && stat.state != 'Z');
    while !left().is_empty() {
        std::thread::yield_now();
    }
}

#[test]
fn a_dropped_child_is_hung_up() {
    let mut on = OnTerminal::start(&shell("trap 'echo gone; exit' HUP; echo up; read x"));
    on.until("up");
    drop(on.child);
    on.pty.close_slave();
    assert!(read_rest(on.pty.master()).contains("gone"));
}

/// A child on a terminal of its own.
struct OnTerminal {
    pty: Pty,
    child: Child,
}

impl OnTerminal {
    fn start(command: &CommandSpec) -> Self {
        Self::start_as(command, false, true)
    }

    fn start_as(command: &CommandSpec, guarded: bool, foreground: bool) -> Self {
        let pty = Pty::open().unwrap();
        let slave = pty.slave().unwrap();
        let guard = guarded.then_some(Guarding { terminal: None, foreground });
        let wiring = Wiring { stdio: [slave; 3], terminal: Some(slave), guard, ignored: 0 };
        let child = Child::spawn(command, &wiring).unwrap();
        Self { pty, child }
    }

    /// Everything it writes until its end.
    fn rest(&mut self) -> String {
        self.pty.close_slave();
        read_rest(self.pty.master())
    }

    fn until(&self, wanted: &str) {
        let mut shown = String::new();
        while !shown.contains(wanted) {
            shown += &read_some(self.pty.master()).expect("it still runs");
        }
    }

    fn news(&mut self) -> Change {
        loop {
            if let Some(change) = self.child.news(false) {
                return change;
            }
            std::thread::yield_now();
        }
    }

    fn end(&mut self) -> Exit {
        wait(self.child.pidfd());
        match self.child.news(true) {
            Some(Change::Exited(exit)) => exit,
            other => panic!("{other:?}"),
        }
    }
}

fn read_rest(master: BorrowedFd<'_>) -> String {
    let mut all = String::new();
    while let Some(more) = read_some(master) {
        all += &more;
    }
    all
}

/// `None` when every slave is closed (`EIO`).
fn read_some(master: BorrowedFd<'_>) -> Option<String> {
    wait(master);
    let mut buffer = [MaybeUninit::<u8>::uninit(); 4096];
    // SAFETY: the pointer and the length describe the buffer.
    let read = unsafe { libc::read(master.as_raw_fd(), buffer.as_mut_ptr().cast(), buffer.len()) };
    let read = usize::try_from(read).ok()?;
    // SAFETY: so many bytes were filled.
    let bytes = unsafe { buffer[..read].assume_init_ref() };
    Some(String::from_utf8_lossy(bytes).into_owned())
}

fn wait(fd: BorrowedFd<'_>) {
    poll(&mut [PollFd::new(fd.as_fd(), PollFlags::POLLIN)], PollTimeout::NONE).unwrap();
}

fn command(program: &str, args: &[&str]) -> CommandSpec {
    CommandSpec::new(program, args)
}

fn shell(script: &str) -> CommandSpec {
    command("sh", &["-c", script])
}

fn script(directory: &tempfile::TempDir, text: &str) -> String {
    let path = directory.path().join("script");
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path.to_str().unwrap().to_owned()
}

fn refused(command: &CommandSpec) -> (i32, String) {
    let pty = Pty::open().unwrap();
    let slave = pty.slave().unwrap();
    let guard = Some(Guarding { terminal: None, foreground: true });
    let wiring = Wiring { stdio: [slave; 3], terminal: Some(slave), guard, ignored: 0 };
    match Child::spawn(command, &wiring) {
        Err(PtyError::Command { errno, message }) => (errno, message),
        other => panic!("{other:?}"),
    }
}

struct Stat {
    pid: i32,
    state: char,
    parent: i32,
    session: i32,
}

fn processes(wanted: impl Fn(&Stat) -> bool) -> Vec<Stat> {
    let stat = |entry: std::io::Result<fs::DirEntry>| {
        let pid = entry.ok()?.file_name().to_str()?.parse().ok()?;
        let line = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let fields: Vec<_> = line[line.rfind(')')? + 2..].split(' ').collect();
        let state = fields[0].chars().next()?;
        Some(Stat { pid, state, parent: fields[1].parse().ok()?, session: fields[3].parse().ok()? })
    };
    fs::read_dir("/proc").unwrap().filter_map(stat).filter(wanted).collect()
}
