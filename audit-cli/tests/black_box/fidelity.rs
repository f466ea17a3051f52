//! Every byte: on the screen, in the export of the output, in the export of the input.

use sha2::{Digest as _, Sha256};

use crate::chance::Chance;
use crate::on_every_engine;
use crate::sandbox::Sandbox;
use crate::terminal::Terminal;

on_every_engine![ten_random_megabytes, what_breaks_terminals, typed_bytes];

fn digest(bytes: &[u8]) -> String {
    format!("{} bytes, {:02x?}", bytes.len(), Sha256::digest(bytes))
}

/// The exported bytes of the only session.
fn exported(sandbox: &Sandbox, stream: &str) -> Vec<u8> {
    let id = sandbox.sessions().remove(0);
    let ran = sandbox.run(["export", &id, "--format", "raw", "--stream", stream]);
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    assert_eq!(sandbox.run(["verify", &id]).status, 0);
    ran.stdout
}

/// Shows `file` on a terminal that changes nothing, and compares screen and export with it.
fn show(engine: &str, bytes: &[u8], judged: bool) {
    let sandbox = Sandbox::new();
    std::fs::write(sandbox.path("home/bytes"), bytes).unwrap();
    let script = "stty raw -echo; cat bytes";
    let mut command = sandbox.command(["run", "--engine", engine, "--", "sh", "-c", script]);
    command.env("AUDITTY_DETECT__ENABLED", judged.to_string());
    let (status, shown) = Terminal::start(command).finish_bytes();
    assert_eq!(status, 0);
    assert_eq!(digest(&shown), digest(bytes), "what is shown");
    assert_eq!(digest(&exported(&sandbox, "output")), digest(bytes), "what is recorded");
}

fn ten_random_megabytes(engine: &str) {
    // Whether it is judged changes no byte, but takes the rules minutes without optimisation.
    show(engine, &Chance::new(1).bytes(10 << 20), false);
}

/// All byte values, a line of a megabyte, text that is cut and text that is wrong.
fn what_breaks_terminals(engine: &str) {
    let mut bytes: Vec<u8> = (0..=255).cycle().take(4096).collect();
    bytes.extend(std::iter::repeat_n(b'x', 1 << 20));
    bytes.push(b'\n');
    for text in
        ["ぱすわーど", "密码🎉", "\u{1b}[38;2;1;2;3m\u{1b}]0;title\u{7}", "\u{1b}P+q\u{1b}\\"]
    {
        for end in 1..text.len() {
            bytes.extend(&text.as_bytes()[..end]);
            bytes.extend(b"\r\n");
        }
    }
    show(engine, &bytes, true);
}

/// Every byte value, half a megabyte of it, typed at a program that has its terminal raw and
/// echoes nothing: it must arrive and be recorded as it was typed.
fn typed_bytes(engine: &str) {
    let sandbox = Sandbox::new();
    let typed: Vec<u8> = (0..=255).cycle().take(512 << 10).collect();
    std::fs::write(sandbox.path("home/typed"), &typed).unwrap();
    // A terminal that feeds a file: the outer side is typed into as fast as it takes it.
    let script = format!(
        "stty raw -echo; echo up; head -c {} > got; cmp got typed && echo same",
        typed.len()
    );
    let mut command = sandbox.command(["run", "--engine", engine, "--", "sh", "-c", &script]);
    command.env("AUDITTY_SECRETS__MASK_INPUT", "false");
    let mut terminal = Terminal::start(command);
    terminal.expect("up");
    terminal.type_bytes(&typed);
    terminal.expect("same");
    assert_eq!(terminal.finish().0, 0);
    assert_eq!(digest(&exported(&sandbox, "input")), digest(&typed));
}
