//! Full-screen programs in a real terminal emulator: the screen is the same as without auditty.
//!
//! tmux, vim, less and top are needed; without one of them these tests fail and say so.

use std::process::Command;
use std::time::{Duration, Instant};

use crate::on_every_engine;
use crate::sandbox::{PATIENCE, Ran, Sandbox, until};

on_every_engine![the_screen_of_an_editor_is_the_same, the_screen_of_a_pager_is_the_same];

/// A terminal emulator with one window, with a server of its own.
struct Tmux<'a> {
    sandbox: &'a Sandbox,
}

impl<'a> Tmux<'a> {
    /// Runs `words` in a window of 20 rows and 70 columns.
    fn start(sandbox: &'a Sandbox, words: &[&str]) -> Self {
        let tmux = Self { sandbox };
        let options = sandbox.file("tmux.conf", "set -g status off\n");
        let mut command = tmux.command();
        command.args(["-f", options.to_str().unwrap(), "new-session", "-d", "-x70", "-y20"]);
        // tmux itself does not always learn the status of what it ran.
        command.args(["sh", "-c", "\"$@\"; echo $? > status", "sh"]);
        let ran = Ran::of(command.args(words).spawn().expect("tmux is needed"));
        assert_eq!(ran.status, 0, "{ran:?}");
        tmux
    }

    fn command(&self) -> Command {
        let mut command = self.sandbox.program("tmux");
        command.arg("-S").arg(self.sandbox.path("tmux"));
        command
    }

    fn run<const N: usize>(&self, args: [&str; N]) -> String {
        let ran = Ran::of(self.command().args(args).spawn().unwrap());
        assert_eq!(ran.status, 0, "{args:?}: {ran:?}");
        ran.text()
    }

    fn keys(&self, keys: &str) {
        self.run(["send-keys", "-l", keys]);
    }

    fn press(&self, key: &str) {
        self.run(["send-keys", key]);
    }

    /// The screen with its colours.
    fn screen(&self) -> String {
        self.run(["capture-pane", "-p", "-e"])
    }

    /// Waits until the screen holds `text` and rests, and returns it.
    fn expect(&self, text: &str) -> String {
        let start = Instant::now();
        let mut last = String::new();
        loop {
            std::thread::sleep(Duration::from_millis(200));
            let screen = self.screen();
            if screen == last && screen.contains(text) {
                return screen;
            }
            assert!(start.elapsed() < PATIENCE, "{text:?} is not on the screen, but\n{screen}");
            last = screen;
        }
    }

    /// The status of what ran in the window, once it has ended.
    fn status(&self) -> String {
        let mut status = String::new();
        until("the window's program has ended", || {
            status = std::fs::read_to_string(self.sandbox.path("home/status")).unwrap_or_default();
            status.ends_with('\n')
        });
        status
    }
}

impl Drop for Tmux<'_> {
    fn drop(&mut self) {
        // The server may be gone with its last window.
        let _ = self.command().arg("kill-server").status();
    }
}

/// Plays `play` with and without auditty around `words`; what it returns must be the same.
fn same(engine: &str, words: &[&str], play: impl Fn(&Tmux<'_>) -> Vec<String>) {
    let mut plain = Vec::new();
    for around in [&[][..], &[env!("CARGO_BIN_EXE_auditty"), "run", "--engine", engine, "--"]] {
        let sandbox = Sandbox::new();
        let lines: String = (1..=500).map(|n| format!("line {n} of many\n")).collect();
        sandbox.file("home/text", &lines);
        let tmux = Tmux::start(&sandbox, &[around, words].concat());
        let mut played = play(&tmux);
        played.push(tmux.status());
        played.push(std::fs::read_to_string(sandbox.path("home/text")).unwrap());
        if around.is_empty() {
            plain = played;
            continue;
        }
        for (with, without) in played.iter().zip(&plain) {
            assert_eq!(with, without, "with auditty, and without");
        }
        let id = sandbox.sessions().remove(0);
        assert_eq!(sandbox.run(["verify", &id]).status, 0);
    }
}

fn the_screen_of_an_editor_is_the_same(engine: &str) {
    same(engine, &["vim", "-u", "NONE", "-n", "-i", "NONE", "text"], |tmux| {
        let mut screens = vec![tmux.expect("line 1 of many")];
        tmux.keys("100Gojust written\u{65e5}\u{672c}");
        tmux.press("Escape");
        screens.push(tmux.expect("just written"));
        tmux.run(["resize-window", "-x", "60", "-y", "12"]);
        tmux.keys("gg");
        screens.push(tmux.expect("line 1 of many"));
        tmux.keys(":wq");
        tmux.press("Enter");
        screens
    });
}

fn the_screen_of_a_pager_is_the_same(engine: &str) {
    same(engine, &["less", "text"], |tmux| {
        let mut screens = vec![tmux.expect("line 1 of many")];
        tmux.keys("/line 333");
        tmux.press("Enter");
        screens.push(tmux.expect("333"));
        tmux.keys("G");
        screens.push(tmux.expect("(END)"));
        tmux.keys("q");
        screens
    });
}

#[test]
fn a_program_that_redraws_itself_runs_until_it_is_left() {
    let sandbox = Sandbox::new();
    let tmux = Tmux::start(&sandbox, &[env!("CARGO_BIN_EXE_auditty"), "run", "--", "top", "-d1"]);
    let mut last = String::new();
    until("it draws", || {
        last = tmux.screen();
        last.contains("PID")
    });
    until("it draws again", || tmux.screen() != last);
    tmux.keys("q");
    assert_eq!(tmux.status(), "0\n");
    let id = sandbox.sessions().remove(0);
    assert_eq!(sandbox.run(["verify", &id]).status, 0);
}
