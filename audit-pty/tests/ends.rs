//! The outside of sessions that do not own the process, as a server has them.

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;

use audit_core::{
    CommandSpec, Effect, Event, Exit, Identity, LineState, Part, Policy, Port, SessionId,
    SessionSpec, Step, Stream, UserEnd, Winsize,
};
use audit_pty::{Ends, Intake, Pty, Read, Side, Write};

#[test]
fn a_terminal_session_shows_what_the_child_writes_and_gives_it_what_is_typed() {
    let (mut ends, pid) = start(&shell("read x; echo got $x"), true, user());
    assert_eq!(ends.pid(), Some(pid));
    assert_eq!(ends.write(Port::Child, b"hello\n"), Write::Wrote(6));
    assert_eq!(all(&mut ends, Stream::Tty), "hello\r\ngot hello\r\n");
    assert_eq!(ended(&mut ends), Exit::Code(0));
    assert!(!ends.has(Stream::Tty), "the end is told once");
}

#[test]
fn streams_that_are_apart_stay_apart_and_unchanged() {
    let mut apart = user();
    (apart.stdout, apart.stderr) = (Some(null()), Some(null()));
    let command = shell("echo out; echo err >&2; echo screen >/dev/tty");
    let (mut ends, _) = start(&command, true, apart);
    assert_eq!(all(&mut ends, Stream::Stdout), "out\n");
    assert_eq!(all(&mut ends, Stream::Stderr), "err\n");
    assert_eq!(all(&mut ends, Stream::Tty), "screen\r\n");
}

#[test]
fn in_pipe_mode_there_is_no_terminal() {
    let mut apart = user();
    apart.stderr = Some(null());
    let command = shell("cat; echo err >&2; tty >&2; ps -o pgid= -p $$ >&2");
    let (mut ends, _) = start(&command, false, apart);
    assert!(!ends.has(Stream::Tty));
    assert_eq!(ends.line_state(), None);
    assert_eq!(ends.write(Port::Child, b"in\n"), Write::Wrote(3));
    ends.apply(&Effect::CloseInput);
    assert!(ends.fd(Side::To(Port::Child)).is_none());
    assert_eq!(all(&mut ends, Stream::Stdout), "in\n");
    let group = nix::unistd::getpgrp();
    let told = all(&mut ends, Stream::Stderr);
    let words: Vec<_> = told.split_whitespace().collect();
    assert_eq!(words, ["err", "not", "a", "tty", &group.to_string()]);
}

#[test]
fn without_an_error_stream_of_its_own_a_pipe_session_has_both_in_one() {
    let (mut ends, _) = start(&shell("echo out; echo err >&2"), false, user());
    assert!(!ends.has(Stream::Stderr));
    assert_eq!(all(&mut ends, Stream::Stdout), "out\nerr\n");
}

#[test]
fn a_command_that_is_not_there_is_an_event() {
    let spec = spec(CommandSpec::new("no-such-command", [] as [&str; 0]), true);
    let (mut ends, event) = Ends::open(&spec, user()).unwrap();
    let message = "no-such-command: not found".into();
    assert_eq!(event, Event::SpawnFailed { errno: libc::ENOENT, message });
    assert_eq!(ends.pid(), None);
    assert_eq!(ends.read(Stream::Tty, &mut Intake::default()), Read::Closed);
    assert_eq!(ends.write(Port::Child, b"x"), Write::Closed);
    assert!(ends.fd(Side::Child).is_none());
}

#[test]
fn the_users_pipe_stays_blocking_for_the_others_that_hold_it() {
    let (reader, writer) = nix::unistd::pipe().unwrap();
    let user = UserEnd { input: Some(same(&reader)), output: same(&writer), ..user() };
    let (mut ends, _) = start(&shell("cat"), true, user);
    assert_eq!(ends.read(Stream::Input, &mut Intake::default()), Read::WouldBlock);
    for fd in [&reader, &writer] {
        let flags = nix::fcntl::fcntl(fd, nix::fcntl::FcntlArg::F_GETFL).unwrap();
        assert_eq!(flags & libc::O_NONBLOCK, 0);
    }
    assert_eq!(ends.write(Port::User(Stream::Tty), b"shown"), Write::Wrote(5));
    assert_eq!(read(&mut ends, Stream::Input), Read::Data("shown".into()));
}

#[test]
fn a_full_pipe_of_the_users_does_not_make_us_wait() {
    let (reader, writer) = nix::unistd::pipe().unwrap();
    let (mut ends, _) = start(&shell("cat"), true, UserEnd { output: writer, ..user() });
    let block = [b'x'; 65_536];
    while ends.write(Port::User(Stream::Tty), &block) != Write::WouldBlock {}
    drop(reader);
    assert_eq!(ends.write(Port::User(Stream::Tty), &block), Write::Closed);
    assert!(ends.fd(Side::To(Port::User(Stream::Tty))).is_none());
}

#[test]
fn a_full_disk_is_not_a_reader_that_left() {
    let full = File::options().write(true).open("/dev/full").unwrap();
    let user = UserEnd { stdout: Some(full.into()), ..user() };
    let (mut ends, _) = start(&shell("cat"), true, user);
    let port = Port::User(Stream::Stdout);
    assert_eq!(ends.write(port, b"x"), Write::Failed(libc::ENOSPC));
    assert!(ends.fd(Side::To(port)).is_none());
    assert_eq!(ends.write(port, b"x"), Write::Closed);
}

#[test]
fn files_and_null_are_always_ready_and_keep_their_shared_offset() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("input");
    fs::write(&path, "from a file").unwrap();
    let mut file = File::open(&path).unwrap();
    file.read_exact(&mut [0; 5]).unwrap();
    let user = UserEnd { input: Some(file.into()), ..user() };
    let (mut ends, _) = start(&shell("cat"), true, user);
    assert!(ends.always_ready(Side::From(Stream::Input)));
    assert!(ends.always_ready(Side::To(Port::User(Stream::Tty))));
    assert!(!ends.always_ready(Side::From(Stream::Tty)));
    assert_eq!(read(&mut ends, Stream::Input), Read::Data("a file".into()));
    assert_eq!(read(&mut ends, Stream::Input), Read::Closed);
    assert_eq!(ends.write(Port::User(Stream::Tty), b"gone"), Write::Wrote(4));
}

#[test]
fn a_directory_as_input_is_an_empty_one() {
    let user = UserEnd { input: Some(File::open("/").unwrap().into()), ..user() };
    let (mut ends, _) = start(&shell("cat"), true, user);
    assert_eq!(read(&mut ends, Stream::Input), Read::Closed);
}

#[test]
fn a_socket_is_read_and_written_without_waiting() {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let user = UserEnd { input: Some(same(&theirs)), output: theirs.into(), ..user() };
    let (mut ends, _) = start(&shell("cat"), true, user);
    assert_eq!(ends.read(Stream::Input, &mut Intake::default()), Read::WouldBlock);
    (&ours).write_all(b"typed").unwrap();
    assert_eq!(read(&mut ends, Stream::Input), Read::Data("typed".into()));
    let block = [b'x'; 65_536];
    while ends.write(Port::User(Stream::Tty), &block) != Write::WouldBlock {}
    drop(ours);
    assert_eq!(ends.write(Port::User(Stream::Tty), &block), Write::Closed);
}

#[test]
fn a_terminal_of_the_user_that_is_closed_is_a_hang_up() {
    let outer = Pty::open().unwrap();
    let slave = same(&outer.slave().unwrap());
    let user = UserEnd { input: Some(same(&slave)), output: slave, ..user() };
    let (mut ends, _) = start(&shell("cat"), true, user);
    assert_eq!(ends.read(Stream::Input, &mut Intake::default()), Read::WouldBlock);
    drop(outer);
    assert_eq!(read(&mut ends, Stream::Input), Read::HungUp);
    assert_eq!(ends.write(Port::User(Stream::Tty), b"x"), Write::Closed);
}

#[test]
fn every_side_has_a_descriptor_of_its_own() {
    let (ends, _) = start(&shell("cat"), true, user());
    let sides = [Side::From(Stream::Tty), Side::To(Port::Child), Side::Child];
    let fds = sides.map(|side| ends.fd(side).unwrap().as_raw_fd());
    assert!(fds[0] != fds[1] && fds[1] != fds[2] && fds[0] != fds[2]);
    assert!(ends.fd(Side::Signals).is_none());
}

#[test]
fn small_reads_share_a_buffer() {
    let (mut ends, _) = start(&shell("while read x; do :; done"), true, user());
    let mut buffer = Intake::default();
    let mut kept = Vec::new();
    for _ in 0..20 {
        ends.write(Port::Child, b"\n");
        wait(ends.fd(Side::From(Stream::Tty)).unwrap());
        match ends.read(Stream::Tty, &mut buffer) {
            Read::Data(bytes) => kept.push(bytes),
            other => panic!("{other:?}"),
        }
    }
    let start = kept[0].as_ptr() as usize;
    assert!(kept.iter().all(|bytes| (start..start + 65_536).contains(&(bytes.as_ptr() as usize))));
}

#[test]
fn end_of_input_is_told_after_a_whole_line_and_after_a_part_of_one() {
    for (typed, shown) in [("", ""), ("line\n", "line\r\n"), ("part", "part")] {
        let (mut ends, _) = start(&shell("stty -echo; echo up; cat"), true, user());
        until(&mut ends, Stream::Tty, "up\r\n");
        ends.write(Port::Child, typed.as_bytes());
        ends.apply(&Effect::CloseInput);
        assert!(!ends.end_due());
        assert_eq!(all(&mut ends, Stream::Tty), shown);
        assert_eq!(ended(&mut ends), Exit::Code(0));
    }
}

#[test]
fn the_line_discipline_is_sampled() {
    let (mut ends, _) = start(&shell("stty -echo; echo up; read x"), true, user());
    until(&mut ends, Stream::Tty, "up");
    assert_eq!(ends.line_state(), Some(LineState::NO_ECHO));
    let sampled = ends.apply(&Effect::Sample);
    assert_eq!(sampled, Some(Event::Line(LineState { unread: Some(0), ..LineState::NO_ECHO })));
}

#[test]
fn a_size_is_passed_on() {
    let (mut ends, _) = start(&shell("stty size; read x; stty size"), true, user());
    assert_eq!(until(&mut ends, Stream::Tty, "\r\n"), "24 80\r\n");
    ends.apply(&Effect::Resize(Winsize::new(33, 111)));
    ends.write(Port::Child, b"\n");
    assert_eq!(all(&mut ends, Stream::Tty), "\r\n33 111\r\n");
}

#[test]
fn a_frozen_session_stands_still_until_it_thaws() {
    let command = shell("echo $$; while :; do echo tick; sleep 0.01; done");
    let (mut ends, pid) = start(&command, true, user());
    until(&mut ends, Stream::Tty, "tick");
    ends.apply(&Effect::Freeze);
    // A shell that has just begun a process waits for it, uninterruptibly, before it stops.
    while !matches!(state(pid), Some('T' | 'D')) {
        std::thread::yield_now();
    }
    ends.apply(&Effect::Thaw);
    while state(pid) == Some('T') {
        std::thread::yield_now();
    }
    until(&mut ends, Stream::Tty, "tick");
}

#[test]
fn a_hang_up_wakes_even_a_stopped_child() {
    let command = shell("trap 'echo hung up; exit 3' HUP; echo up; while :; do sleep 0.01; done");
    let (mut ends, _) = start(&command, true, user());
    until(&mut ends, Stream::Tty, "up");
    ends.apply(&Effect::Freeze);
    ends.apply(&Effect::Terminate(Step::HangUp));
    until(&mut ends, Stream::Tty, "hung up");
    assert_eq!(ended(&mut ends), Exit::Code(3));
}

#[test]
fn a_kill_takes_the_whole_session() {
    let command = shell(
        "trap '' HUP TERM; setsid sh -c 'echo $$; sleep 1000' & sh -c 'echo $$; sleep 1000' & \
         bash -mc \"sh -c 'echo \\$\\$; sleep 1000' & wait\" & wait",
    );
    for pty in [true, false] {
        let (mut ends, pid) = start(&command, pty, user());
        let stream = if pty { Stream::Tty } else { Stream::Stdout };
        let mut pids = vec![pid];
        let mut shown = String::new();
        while pids.len() < 4 {
            shown += &until(&mut ends, stream, "\n");
            pids = shown.split_whitespace().filter_map(|word| word.parse().ok()).collect();
            pids.push(pid);
        }
        ends.apply(&Effect::Terminate(Step::Kill));
        assert_eq!(ended(&mut ends), Exit::Signal { number: libc::SIGKILL, core: false });
        for pid in pids {
            while state(pid).is_some_and(|state| state != 'Z') {
                std::thread::yield_now();
            }
        }
    }
}

#[test]
fn a_stream_nobody_takes_any_more_is_closed_towards_the_child() {
    let (mut ends, _) = start(&shell("yes; kill -l $?"), false, user());
    until(&mut ends, Stream::Stdout, "y\n");
    ends.apply(&Effect::CloseOutput(Stream::Stdout));
    assert!(matches!(ended(&mut ends), Exit::Code(_) | Exit::Signal { .. }));
}

#[test]
fn what_a_background_process_writes_after_the_childs_end_can_be_read() {
    let command = shell("trap '' HUP; (read go; echo late) </dev/tty & echo up");
    let (mut ends, _) = start(&command, true, user());
    assert_eq!(ended(&mut ends), Exit::Code(0));
    ends.write(Port::Child, b"\n");
    ends.apply(&Effect::Terminate(Step::Terminate));
    assert!(all(&mut ends, Stream::Tty).contains("up"));
}

fn start(command: &CommandSpec, pty: bool, user: UserEnd) -> (Ends, i32) {
    match Ends::open(&spec(command.clone(), pty), user).unwrap() {
        (ends, Event::Started { pid }) => (ends, pid),
        (_, other) => panic!("{other:?}"),
    }
}

fn spec(command: CommandSpec, pty: bool) -> SessionSpec {
    SessionSpec {
        id: SessionId::new(0, [0; 10]),
        parent: None,
        user: Identity::service("test"),
        host: "test".into(),
        opened_unix_millis: 0,
        engine: "none".into(),
        command,
        pty,
        winsize: Winsize::new(24, 80),
        buffer_size: 65_536,
        policy: Policy::default(),
        recorder: Part::new("none", serde_json::Value::Null),
        monitor: None,
        controller: None,
    }
}

fn shell(script: &str) -> CommandSpec {
    CommandSpec::new("sh", ["-c", script])
}

/// A user who never types and looks at nothing.
fn user() -> UserEnd {
    UserEnd { input: None, output: null(), stdout: None, stderr: None, owns_process: false }
}

fn null() -> OwnedFd {
    File::options().read(true).write(true).open("/dev/null").unwrap().into()
}

fn same(fd: &impl AsFd) -> OwnedFd {
    fd.as_fd().try_clone_to_owned().unwrap()
}

/// The next read that is not in vain.
fn read(ends: &mut Ends, stream: Stream) -> Read {
    let side = Side::From(stream);
    if !ends.always_ready(side) {
        wait(ends.fd(side).unwrap());
    }
    ends.read(stream, &mut Intake::default())
}

/// Everything from here to the end of the stream. The child's end is noticed on the way.
fn all(ends: &mut Ends, stream: Stream) -> String {
    let mut all = String::new();
    loop {
        let fds = [ends.fd(Side::From(stream)), ends.fd(Side::Child)];
        let fds: Vec<_> = fds.into_iter().flatten().collect();
        wait_any(&fds);
        match ends.read(stream, &mut Intake::default()) {
            Read::Data(bytes) => all += std::str::from_utf8(&bytes).unwrap(),
            Read::WouldBlock => drop(reap(ends)),
            Read::Closed => return all,
            Read::HungUp => panic!("hung up"),
        }
    }
}

thread_local! {
    /// The end of the child, where a test asks for it after it was noticed on the way.
    static EXIT: std::cell::Cell<Option<Exit>> = const { std::cell::Cell::new(None) };
}

fn reap(ends: &mut Ends) -> Option<Exit> {
    match ends.reap() {
        Some(Event::ChildExited(exit)) => EXIT.set(Some(exit)),
        None => {}
        Some(other) => panic!("{other:?}"),
    }
    EXIT.get()
}

fn until(ends: &mut Ends, stream: Stream, wanted: &str) -> String {
    let mut shown = String::new();
    while !shown.contains(wanted) {
        match read(ends, stream) {
            Read::Data(bytes) => shown += std::str::from_utf8(&bytes).unwrap(),
            Read::WouldBlock => {}
            other => panic!("{other:?} after {shown:?}"),
        }
    }
    shown
}

fn ended(ends: &mut Ends) -> Exit {
    if let Some(pidfd) = ends.fd(Side::Child) {
        wait(pidfd);
    }
    reap(ends).unwrap()
}

fn wait(fd: BorrowedFd<'_>) {
    wait_any(&[fd]);
}

fn wait_any(fds: &[BorrowedFd<'_>]) {
    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
    let mut entries: Vec<_> = fds.iter().map(|fd| PollFd::new(*fd, PollFlags::POLLIN)).collect();
    poll(&mut entries, PollTimeout::NONE).unwrap();
}

/// The letter `ps(1)` shows for a process.
fn state(pid: i32) -> Option<char> {
    let line = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    line[line.rfind(')')? + 2..].chars().next()
}
