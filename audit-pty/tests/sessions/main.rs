//! Whole sessions on real terminals: this program is also the audited session, so that it can be
//! stopped, hung up and killed.

mod relay;
mod terminal;

use audit_core::Winsize;
use libtest_mimic::{Arguments, Failed, Trial};
use terminal::{Terminal, gone, kill};

fn main() {
    if std::env::var_os("AUDITTY_TEST_RELAY").is_some() {
        let command: Vec<_> = std::env::args().skip(1).collect();
        std::process::exit(relay::run(&command));
    }
    let trials = TESTS.iter().map(|(name, test)| {
        Trial::test(*name, move || {
            test();
            Ok::<_, Failed>(())
        })
    });
    libtest_mimic::run(&Arguments::from_args(), trials.collect()).exit();
}

macro_rules! tests {
    ($($name:ident)*) => {
        const TESTS: &[(&str, fn())] = &[$((stringify!($name), $name)),*];
    };
}

tests! {
    the_terminal_is_restored
    the_terminal_is_restored_when_the_recorder_is_killed
    an_interactive_shell_has_its_terminal_back_when_the_recorder_is_killed
    a_session_without_a_guard_is_hung_up_when_its_server_is_killed
    the_child_has_a_terminal_of_its_own
    a_pipe_into_and_out_of_the_session_stays_unchanged
    standard_error_in_a_file_stays_apart
    the_exit_status_is_the_childs
    a_command_that_is_not_there_ends_with_127
    a_signal_is_forwarded_once
    a_signal_of_the_child_is_ignored
    suspend_and_resume
    a_recorder_stopped_from_outside_has_the_terminal_again_when_it_goes_on
    a_pipeline_without_a_terminal_stops_once_and_goes_on
    an_interrupt_reaches_a_command_on_pipes_once
    a_session_started_in_the_background_leaves_the_terminal_alone
    a_background_session_takes_the_terminal_when_it_is_brought_back
    a_background_session_that_reads_is_stopped_until_it_is_brought_back
    asking_for_the_terminal_in_the_foreground_does_not_deadlock
    a_session_in_a_pipeline_leaves_the_terminal_to_others
    a_session_in_a_pipeline_takes_the_terminal_when_it_reads
    a_resize_is_passed_on
    a_hang_up_reaches_the_child
    a_closed_terminal_leaves_nothing_behind
    a_last_line_is_not_lost
    a_background_process_does_not_keep_the_session
}

fn the_terminal_is_restored() {
    let terminal = Terminal::script("echo a=$(stty -g); $RELAY echo hi; echo b=$(stty -g)");
    let before = terminal.value("a");
    terminal.expect("hi\r\n");
    assert_eq!(before, terminal.value("b"));
}

fn the_terminal_is_restored_when_the_recorder_is_killed() {
    let terminal = Terminal::script(
        "echo a=$(stty -g); $RELAY sh -c 'echo pid=$PPID; echo child=$$; cat'; \
         sleep 0.5; echo b=$(stty -g)",
    );
    let before = terminal.value("a");
    let pid = terminal.value("pid").parse().unwrap();
    let child = terminal.value("child").parse().unwrap();
    kill(pid, libc::SIGKILL);
    assert_eq!(before, terminal.value("b"));
    gone(child);
    terminal.rest();
}

fn an_interactive_shell_has_its_terminal_back_when_the_recorder_is_killed() {
    let terminal = Terminal::interactive();
    terminal.enter("echo mod''es=$(stty -g)\n");
    let before = terminal.value("modes");
    terminal.enter("$RELAY sh -c 'echo pi\"\"d=$PPID; cat'\n");
    kill(terminal.value("pid").parse().unwrap(), libc::SIGKILL);
    terminal.expect("Killed");
    terminal.expect("ready> ");
    terminal.enter("echo mod''es=$(stty -g)\n");
    assert_eq!(before, terminal.value("modes"));
    terminal.leave();
}

fn a_session_without_a_guard_is_hung_up_when_its_server_is_killed() {
    let terminal = Terminal::script(
        "AUDITTY_TEST_SERVED=1 $RELAY sh -c 'echo pid=$PPID; echo child=$$; cat'; echo end",
    );
    let pid = terminal.value("pid").parse().unwrap();
    let child = terminal.value("child").parse().unwrap();
    kill(pid, libc::SIGKILL);
    terminal.expect("end");
    gone(child);
}

fn the_child_has_a_terminal_of_its_own() {
    let terminal = Terminal::script("echo a=$(tty); $RELAY sh -c 'echo b=$(tty)'");
    let (outer, inner) = (terminal.value("a"), terminal.value("b"));
    assert!(outer.starts_with("/dev/pts/") && inner.starts_with("/dev/pts/"));
    assert_ne!(outer, inner);
}

fn a_pipe_into_and_out_of_the_session_stays_unchanged() {
    let terminal = Terminal::script("echo hello world | $RELAY grep -o hello | od -c");
    terminal.expect("h   e   l   l   o  \\n\r\n");
    let terminal = Terminal::script("$RELAY echo hello | od -c");
    terminal.expect("h   e   l   l   o  \\n\r\n");
    let terminal = Terminal::script("$RELAY wc -c </dev/null; $RELAY wc -l </etc/passwd");
    terminal.expect("0\r\n");
}

fn standard_error_in_a_file_stays_apart() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("errors");
    let script = format!("$RELAY sh -c 'echo out; echo err >&2' 2>>{}; echo end", file.display());
    let terminal = Terminal::script(&script);
    assert_eq!(terminal.expect("end"), "out\r\n");
    terminal.rest();
    assert_eq!(std::fs::read_to_string(file).unwrap(), "err\n");
}

fn the_exit_status_is_the_childs() {
    for (script, status) in [("exit 42", "42"), ("exit 127", "127"), ("kill -TERM $$", "143")] {
        let terminal = Terminal::script(&format!("$RELAY sh -c '{script}'; echo status=$?"));
        assert_eq!(terminal.value("status"), status);
    }
}

fn a_command_that_is_not_there_ends_with_127() {
    let terminal = Terminal::script(
        "$RELAY no-such-command; echo status=$?; $RELAY /etc/passwd; echo status=$?",
    );
    assert_eq!(terminal.value("status"), "127");
    assert_eq!(terminal.value("status"), "126");
}

fn a_signal_is_forwarded_once() {
    for (name, signal) in [("TERM", libc::SIGTERM), ("HUP", libc::SIGHUP), ("USR1", libc::SIGUSR1)]
    {
        let terminal = Terminal::script(&format!(
            "$RELAY sh -c 'n=0; trap \"n=\\$((n+1))\" {name}; echo pid=$PPID; \
             while [ $n = 0 ]; do sleep 0.01; done; sleep 0.3; echo fired=$n; exit 5'; echo status=$?"
        ));
        kill(terminal.value("pid").parse().unwrap(), signal);
        assert_eq!(terminal.value("fired"), "1");
        assert_eq!(terminal.value("status"), "5");
    }
}

fn a_signal_of_the_child_is_ignored() {
    let terminal =
        Terminal::script("$RELAY sh -c 'kill -TERM $PPID; sleep 0.1; echo survived'; echo end");
    terminal.expect("survived");
    terminal.expect("end");
}

fn suspend_and_resume() {
    let terminal = Terminal::interactive();
    let modes = || {
        terminal.enter("echo mod''es=$(stty -g)\n");
        let modes = terminal.value("modes");
        terminal.expect("ready> ");
        modes
    };
    let before = modes();
    // As an editor does: it leaves its screen, and only then stops.
    terminal.enter(
        "$RELAY sh -c 'trap \"echo leav\"\"ing; kill -STOP \\$\\$\" TSTP; trap \"echo ba\"\"ck\" CONT; \
         echo u\"\"p; until read x; do :; done; echo got $x'\n",
    );
    terminal.expect("up");
    for _ in 0..3 {
        terminal.enter("\x1a");
        assert!(terminal.expect("Stopped").contains("leaving"), "shown before it stops");
        terminal.expect("ready> ");
        assert_eq!(before, modes());
        terminal.enter("fg\n");
        terminal.expect("back");
    }
    terminal.enter("hello\n");
    terminal.expect("got hello");
    terminal.leave();
}

fn a_recorder_stopped_from_outside_has_the_terminal_again_when_it_goes_on() {
    let terminal = Terminal::interactive();
    terminal.enter("$RELAY sh -c 'echo pi\"\"d=$PPID; read x; echo got $x'\n");
    let pid = terminal.value("pid").parse().unwrap();
    assert!(!terminal.pty.line_state().unwrap().canonical);
    kill(pid, libc::SIGSTOP);
    terminal.expect("Stopped");
    terminal.expect("ready> ");
    assert!(terminal.pty.line_state().unwrap().canonical);
    terminal.enter("fg\n");
    terminal.expect("got $x'\r\n");
    while terminal.pty.line_state().unwrap().canonical {
        std::thread::yield_now();
    }
    terminal.enter("hello\n");
    assert_eq!(terminal.expect("got hello"), "hello\r\n");
    terminal.leave();
}

fn a_pipeline_without_a_terminal_stops_once_and_goes_on() {
    let terminal = Terminal::interactive();
    terminal.enter("(read x; echo $x) | $RELAY sh -c 'echo u\"\"p; cat' | cat\n");
    // Not up yet; the first of the pipeline reads the terminal.
    terminal.expect("up");
    terminal.enter("\x1a");
    terminal.expect("Stopped");
    terminal.expect("ready> ");
    terminal.enter("fg\n");
    terminal.expect("cat\r\n");
    terminal.enter("hello\n");
    let shown = terminal.expect("hello\r\nhello\r\n");
    assert!(!shown.contains("Stopped"), "{shown:?}");
    terminal.leave();
}

fn an_interrupt_reaches_a_command_on_pipes_once() {
    let terminal = Terminal::script(
        "trap : INT; $RELAY sh -c 'n=0; trap \"n=\\$((n+1))\" INT; echo up; \
         while [ $n = 0 ]; do sleep 0.01; done; sleep 0.3; echo fired=$n' </dev/null",
    );
    terminal.expect("up");
    terminal.enter("\x03");
    assert_eq!(terminal.value("fired"), "1");
}

fn a_session_started_in_the_background_leaves_the_terminal_alone() {
    let terminal = Terminal::interactive();
    terminal.enter("echo mod''es=$(stty -g)\n");
    let before = terminal.value("modes");
    terminal.enter("$RELAY sh -c 'echo u\"\"p; sleep 0.4; echo en\"\"d' &\n");
    terminal.expect("up");
    terminal.enter("echo mod''es=$(stty -g)\n");
    assert_eq!(before, terminal.value("modes"));
    terminal.expect("end");
    terminal.enter("wait; echo mod''es=$(stty -g)\n");
    assert_eq!(before, terminal.value("modes"));
    terminal.leave();
}

fn a_background_session_takes_the_terminal_when_it_is_brought_back() {
    let terminal = Terminal::interactive();
    terminal.enter(
        "$RELAY sh -c 'echo u\"\"p; sleep 1; stty -echo; echo re\"\"ad; read x; echo got $x' &\n",
    );
    terminal.expect("up");
    terminal.enter("fg\n");
    terminal.expect("read");
    terminal.enter("hello\n");
    terminal.expect("got hello");
    terminal.leave();
}

fn a_background_session_that_reads_is_stopped_until_it_is_brought_back() {
    let terminal = Terminal::interactive();
    terminal.enter("$RELAY sh -c 'read x; echo got $x' &\n");
    terminal.expect("ready> ");
    // A shell tells of stopped jobs before its next prompt.
    loop {
        terminal.enter("jobs; echo ju''st asked\n");
        if terminal.expect("just asked").contains("Stopped") {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    terminal.enter("fg\n");
    terminal.expect("fg\r\n");
    terminal.enter("hello\n");
    terminal.expect("got hello");
    terminal.leave();
}

fn asking_for_the_terminal_in_the_foreground_does_not_deadlock() {
    for signal in ["TTOU", "TTIN"] {
        let terminal = Terminal::script(&format!(
            "set -m; $RELAY sh -c 'for i in 1 2 3 4; do kill -{signal} $$; done; echo ok' | cat"
        ));
        terminal.expect("ok");
        let terminal = Terminal::script(&format!(
            "set -m; $RELAY sh -c 'for i in 1 2 3 4; do kill -{signal} $$; done; echo ok'"
        ));
        terminal.expect("ok");
    }
}

fn a_session_in_a_pipeline_leaves_the_terminal_to_others() {
    let terminal = Terminal::interactive();
    terminal.enter("echo mod''es=$(stty -g); $RELAY sh -c 'sleep 0.5; echo end' | \
                    sh -c 'sleep 0.2; echo mod\"\"es=$(stty -g </dev/tty); read x </dev/tty; echo got $x; cat'\n");
    let before = terminal.value("modes");
    let mut cooked = terminal.value("modes");
    // Interactive bash without line editing leaves the terminal as it was.
    assert_eq!(before, std::mem::take(&mut cooked));
    terminal.enter("to the pager\n");
    terminal.expect("got to the pager");
    terminal.leave();
}

fn a_session_in_a_pipeline_takes_the_terminal_when_it_reads() {
    let terminal = Terminal::script("$RELAY sh -c 'read x; echo got $x' | cat; echo end");
    terminal.enter("hello\n");
    terminal.expect("got hello");
    terminal.expect("end");
}

fn a_resize_is_passed_on() {
    let terminal = Terminal::script(
        "$RELAY sh -c 'n=0; trap \"echo size=\\$(stty size)\" WINCH; echo up; \
         while [ ! \"$(stty size)\" = \"50 100\" ]; do sleep 0.02; done'",
    );
    terminal.expect("up");
    terminal.pty.set_winsize(Winsize::new(33, 111)).unwrap();
    assert_eq!(terminal.value("size"), "33 111");
    terminal.pty.set_winsize(Winsize::new(33, 111)).unwrap();
    terminal.pty.set_winsize(Winsize::new(50, 100)).unwrap();
    assert_eq!(terminal.value("size"), "50 100");
    assert!(!terminal.rest().contains("size"));
}

fn a_hang_up_reaches_the_child() {
    let terminal = Terminal::script(
        "$RELAY sh -c 'trap \"echo hung up; exit 3\" HUP; echo pid=$PPID; while :; do sleep 0.01; done'; \
         echo status=$?",
    );
    kill(terminal.value("pid").parse().unwrap(), libc::SIGHUP);
    terminal.expect("hung up");
    assert_eq!(terminal.value("status"), "3");
}

fn a_closed_terminal_leaves_nothing_behind() {
    let terminal =
        Terminal::script("$RELAY sh -c 'echo pid=$PPID; echo child=$$; tail -f /dev/null; true'");
    let pid = terminal.value("pid").parse().unwrap();
    let child = terminal.value("child").parse().unwrap();
    terminal.close();
    gone(child);
    gone(pid);
}

fn a_last_line_is_not_lost() {
    for _ in 0..50 {
        let terminal = Terminal::script("$RELAY printf 'Bingo\\n'");
        assert_eq!(terminal.rest(), "Bingo\r\n");
    }
}

fn a_background_process_does_not_keep_the_session() {
    let terminal = Terminal::script(
        "$RELAY sh -c 'trap \"\" HUP; sleep 1000 & echo pid=$!; echo end'; echo status=$?",
    );
    let left: i32 = terminal.value("pid").parse().unwrap();
    assert_eq!(terminal.value("status"), "0");
    kill(left, libc::SIGKILL);
}
