//! Signals to the recorder, and its sudden death.

use nix::sys::signal::{Signal, kill};

use crate::sandbox::{Sandbox, until};
use crate::terminal::Terminal;

#[test]
fn a_terminated_recorder_passes_the_signal_on_and_seals_the_journal() {
    let sandbox = Sandbox::new();
    let mut command = sandbox.command(["run", "--", "sh", "-c"]);
    command.arg("trap 'echo got it; exit 5' TERM; echo up; while :; do sleep 0.1; done");
    let mut terminal = Terminal::start(command);
    terminal.expect("up");
    kill(terminal.pid(), Signal::SIGTERM).unwrap();
    let (status, shown) = terminal.finish();
    assert_eq!(status, 5, "{shown}");
    assert_eq!(shown.matches("got it").count(), 1, "{shown}");
    let id = sandbox.sessions().remove(0);
    assert_eq!(sandbox.run(["verify", &id]).status, 0);
}

#[test]
fn a_hang_up_reaches_the_command_and_the_journal_is_closed() {
    let sandbox = Sandbox::new();
    let mut command = sandbox.command(["run", "--", "sh", "-c"]);
    command.arg("trap 'echo hung up > hup; exit 3' HUP; echo up; while :; do sleep 0.05; done");
    let mut terminal = Terminal::start(command);
    terminal.expect("up");
    terminal.hang_up();
    until("the session is over", || sandbox.run(["ls", "--state", "complete"]).lines().len() == 1);
    assert!(sandbox.path("home/hup").exists());
    let id = sandbox.sessions().remove(0);
    let shown = sandbox.run(["show", "--json", &id]);
    let shown: serde_json::Value = serde_json::from_slice(&shown.stdout).unwrap();
    assert_eq!(shown["outcome"]["end"], "hang_up", "{shown}");
}

#[test]
fn a_killed_recorder_leaves_the_terminal_as_it_was_and_a_clean_prefix() {
    for engine in ["hybrid", "threaded", "poll", "multiproc"] {
        let sandbox = Sandbox::new();
        let mut command = sandbox.command(["run", "--engine", engine, "--", "sh", "-c"]);
        command.arg("echo $$ > pid; echo up; while :; do sleep 0.05; done");
        let mut terminal = Terminal::start(command);
        let before = terminal.modes_before();
        terminal.expect("up");
        until("it is raw", || terminal.modes() != before);
        let recorded = || {
            let id = sandbox.sessions().into_iter().next();
            id.map(|id| sandbox.run(["export", &id, "--format", "raw"]).text())
        };
        until("what was shown is written", || recorded().is_some_and(|text| text == "up\r\n"));
        kill(terminal.pid(), Signal::SIGKILL).unwrap();
        until("the terminal is put back", || terminal.modes() == before);
        let child = std::fs::read_to_string(sandbox.path("home/pid")).unwrap();
        let child = format!("/proc/{}", child.trim());
        until("the command is gone", || !std::path::Path::new(&child).exists());
        assert_eq!(terminal.finish().0, 137);
        let id = sandbox.sessions().remove(0);
        let mut status = 0;
        until("nobody writes the journal any more", || {
            status = sandbox.run(["recover", &id]).status;
            status == 0
        });
        let verified = sandbox.run(["verify", &id]);
        assert!([0, 10].contains(&verified.status), "{engine}: {verified:?}");
        let text = sandbox.run(["export", &id, "--format", "raw"]).text();
        assert_eq!(text, "up\r\n", "{engine}");
    }
}

#[test]
fn stopped_and_continued_the_session_goes_on() {
    let sandbox = Sandbox::new();
    // A shell with job control around the recorder, as a person has.
    let binary = env!("CARGO_BIN_EXE_auditty");
    let script = format!(
        "set -m; {binary} run -- sh -c 'echo up; read x; echo got $x'; \
         echo stopped; stty -a | grep -o ' -*icanon'; fg; echo over"
    );
    let mut shell = sandbox.program("bash");
    shell.args(["-c", &script]);
    let mut terminal = Terminal::start(shell);
    terminal.expect("up");
    // The suspend character stops the foreground job of the inner terminal, and then us.
    kill(nix::unistd::Pid::from_raw(recorder_of(&terminal)), Signal::SIGTSTP).unwrap();
    terminal.expect("stopped");
    terminal.expect(" icanon");
    terminal.type_in("word\r");
    terminal.expect("got word");
    terminal.expect("over");
    terminal.finish();
    let id = sandbox.sessions().remove(0);
    let shown = sandbox.run(["show", "--json", &id]);
    let shown: serde_json::Value = serde_json::from_slice(&shown.stdout).unwrap();
    assert_eq!(shown["counts"]["suspended"], 1, "{shown}");
    assert_eq!(shown["counts"]["continued"], 1, "{shown}");
}

/// The recorder that the shell in `terminal` started.
fn recorder_of(terminal: &Terminal) -> i32 {
    let children = format!("/proc/{0}/task/{0}/children", terminal.pid());
    let children = std::fs::read_to_string(children).unwrap();
    children.split_whitespace().next().unwrap().parse().unwrap()
}
