//! A person's shell inside auditty inside a person's shell: job control, interrupts, statuses and
//! modes are as without it.

use crate::on_every_engine;
use crate::sandbox::{Sandbox, until};
use crate::terminal::Terminal;

on_every_engine![a_shell_is_a_shell, a_flood_is_interrupted, the_status_is_the_commands];

/// What a flood shows in a fifth of a second where it is fastest, in bytes. An engine that puts
/// reading before typing goes beyond it, however slow the machine is.
const PROMPTLY: usize = 32 << 20;

/// A job that answers lines, whether or not they are typed before it has its terminal.
const JOB: &str = "sed -u s/^/got-/\r";

/// An interactive shell with the binary as `$A`, and its terminal.
fn outer(sandbox: &Sandbox) -> Terminal {
    let mut shell = sandbox.program("bash");
    shell.args(["--norc", "--noprofile", "-i"]);
    // A terminal that readline does not decorate.
    shell.env("TERM", "dumb").env("PS1", "outer> ").env("A", env!("CARGO_BIN_EXE_auditty"));
    let mut terminal = Terminal::start(shell);
    terminal.expect("outer> ");
    terminal
}

/// Has the shell print the modes of its terminal as it gives them to a command.
fn modes(terminal: &mut Terminal) -> String {
    terminal.type_in("echo \"[$(stty -g </dev/tty)]\"\r");
    terminal.expect("\r\n[");
    let shown = terminal.shown();
    terminal.expect("outer> ");
    let line = terminal.shown()[shown.rfind("\r\n[").unwrap_or_default() + 3..].to_owned();
    line.split(']').next().unwrap().to_owned()
}

fn a_shell_is_a_shell(engine: &str) {
    let sandbox = Sandbox::new();
    let mut terminal = outer(&sandbox);
    let before = modes(&mut terminal);
    assert!(before.contains(':'), "{before}");
    terminal.type_in(&format!(
        "PS1='inner> ' $A run --engine {engine} -- bash --norc --noprofile -i\r"
    ));
    terminal.expect("\r\ninner> ");
    // A job of the inner shell is stopped and brought back; the outer shell notices nothing.
    terminal.type_in(JOB);
    terminal.type_in("one\n");
    terminal.expect("got-one\r\n");
    terminal.type_in("\x1a");
    terminal.expect("Stopped");
    terminal.expect("inner> ");
    terminal.type_in("fg\r");
    terminal.expect("sed");
    terminal.type_in("two\n");
    terminal.expect("got-two\r\n");
    terminal.type_in("\x03");
    terminal.expect("inner> ");
    terminal.type_in("exit 42\r");
    terminal.expect("outer> ");
    terminal.type_in("echo \"status <$?>\"\r");
    terminal.expect("status <42>");
    terminal.expect("outer> ");
    assert_eq!(modes(&mut terminal), before);

    // What has no shell around it inside is stopped as a job of the outer shell.
    terminal.type_in(&format!("$A run --engine {engine} -- {JOB}"));
    terminal.type_in("three\n");
    terminal.expect("got-three\r\n");
    terminal.type_in("\x1a");
    terminal.expect("Stopped");
    terminal.expect("outer> ");
    assert_eq!(modes(&mut terminal), before, "stopped");
    terminal.type_in("fg\r");
    terminal.expect("sed");
    terminal.type_in("four\n");
    terminal.expect("got-four\r\n");
    terminal.type_in("\x04");
    terminal.expect("outer> ");
    assert_eq!(modes(&mut terminal), before, "ended");

    // A command that is not there, and a recorder that is killed.
    terminal.type_in(&format!("$A run --engine {engine} -- ./no-such-command\r"));
    terminal.expect("outer> ");
    assert_eq!(modes(&mut terminal), before, "not found");
    terminal.type_in(&format!(
        "$A run --engine {engine} -- sh -c 'echo up; kill -KILL $PPID; sleep 600'\r"
    ));
    terminal.expect("outer> ");
    // The guard puts the modes back beside the shell, which does not wait for it.
    until("the modes are back", || modes(&mut terminal) == before);
    terminal.type_in("exit 0\r");
    assert_eq!(terminal.finish().0, 0);
}

fn a_flood_is_interrupted(engine: &str) {
    let sandbox = Sandbox::new();
    let script = "trap 'echo interrupted; exit 9' INT; yes 'a flood of lines'; exit 1";
    let mut terminal =
        Terminal::start(sandbox.command(["run", "--engine", engine, "--", "bash", "-c", script]));
    until("the flood runs", || terminal.shown_len() > 1 << 20);
    let before = terminal.shown_len();
    terminal.type_in("\x03");
    terminal.expect("interrupted");
    let after = terminal.shown_len() - before;
    assert!(after < PROMPTLY, "{after} bytes were shown behind the interrupt");
    assert_eq!(terminal.finish().0, 9);
    let id = sandbox.sessions().remove(0);
    assert_eq!(sandbox.run(["verify", &id]).status, 0);
}

fn the_status_is_the_commands(engine: &str) {
    let sandbox = Sandbox::new();
    sandbox.file("home/text", "no program");
    for (command, status) in [
        ("exit 0", 0),
        ("exit 42", 42),
        ("exit 126", 126),
        ("exit 127", 127),
        ("exit 255", 255),
        ("kill -TERM $$", 143),
        ("kill -KILL $$", 137),
        ("kill -HUP $$", 129),
    ] {
        let args = ["run", "--engine", engine, "--", "sh", "-c", command];
        let terminal = Terminal::start(sandbox.command(args));
        let before = terminal.modes_before();
        assert_eq!(terminal.modes_after_end(), (status, before), "{command}");
    }
    for (program, status) in [("./text", 126), ("./missing", 127)] {
        let terminal = Terminal::start(sandbox.command(["run", "--engine", engine, "--", program]));
        let (ended, shown) = terminal.finish();
        assert_eq!(ended, status, "{program}");
        assert_eq!(shown.lines().count(), 1, "{shown}");
        assert!(shown.starts_with("auditty: ") && shown.contains(program), "{shown}");
    }
    let verified = sandbox.run(["verify"]);
    assert_eq!(verified.status, 0, "{verified:?}");
}
