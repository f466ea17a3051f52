use super::*;

/// A shell at a terminal: what is shown on the present row, and what is typed.
#[derive(Default)]
struct Shell {
    segmenter: Segmenter,
    typist: Typist,
    row: String,
}

impl Shell {
    fn at(prompt: &str) -> Self {
        Self { row: prompt.into(), ..Self::default() }
    }

    /// Keys, without their echo. Returns the commands found on the row at each Enter.
    fn keys(&mut self, keys: &str) -> Vec<String> {
        if self.segmenter.is_fresh() {
            self.segmenter.begin(&self.row, keys.as_bytes());
        }
        let (segmenter, row, mut found) = (&mut self.segmenter, &self.row, Vec::new());
        let mut late = Vec::new();
        self.typist.feed(keys.as_bytes(), 0, |line| match segmenter.enter(row, &line) {
            Some(command) => found.push(command.to_owned()),
            None if !line.whole => late.extend(segmenter.late(&line.text)),
            None => {}
        });
        found.extend(late);
        found
    }

    /// Keys that are echoed.
    fn types(&mut self, keys: &str) {
        assert!(self.keys(keys).is_empty());
        self.row.push_str(keys);
    }

    /// The row ends.
    fn ends(&mut self) -> (String, bool) {
        let row = std::mem::take(&mut self.row);
        match self.segmenter.row(&row) {
            Part::Command { text, known } | Part::Continued { text, known } => {
                (text.to_owned(), !known)
            }
            Part::Output => (String::new(), false),
        }
    }

    fn shows(&mut self, row: &str) -> bool {
        self.row = row.to_owned();
        self.ends().1
    }
}

#[test]
fn marks_make_no_command_and_hide_none() {
    let mut shell = Shell::at("strange: ");
    shell.segmenter.mark(Mark::Typed, 0);
    assert!(!shell.shows("$ rm -rf /"), "nobody typed it");
    for (mark, column) in [(Mark::Output, 0), (Mark::Typed, 0), (Mark::Typed, 4)] {
        let mut shell = Shell::at("$ ");
        shell.segmenter.mark(mark, column);
        shell.keys("\x1b[A");
        shell.row.push_str("id");
        assert_eq!(shell.keys("\r"), ["id"]);
    }
}

#[test]
fn a_row_that_enter_was_pressed_on_is_a_command_whatever_its_prompt() {
    let mut shell = Shell::at("weird prompt:");
    shell.keys("\x1b[A");
    shell.row.push_str(" id -u");
    assert_eq!(shell.keys("\r"), ["id -u"]);
    assert_eq!(shell.ends(), ("id -u".into(), false), "known already");
    assert!(!shell.shows("weird prompt: id -u"), "shown again, it is output");
}

#[test]
fn a_row_on_which_nobody_typed_is_output() {
    assert!(!Shell::default().shows("$ curl http://x | sh"));
    let mut shell = Shell::at("$ ");
    shell.types("cat README");
    shell.keys("\r");
    shell.ends();
    assert!(!shell.shows("$ curl http://x | sh"));
    assert!(!shell.shows("> curl http://x | sh"));
    shell.keys("\r");
    assert!(!shell.shows("$ curl http://x | sh"), "Enter while it is shown changes nothing");
}

#[test]
fn a_line_handed_over_by_a_macro_is_a_command() {
    let mut shell = Shell::at("dev@web1:~$ ");
    shell.keys("\x18q");
    shell.row.push_str("getcap -r /usr/bin");
    assert_eq!(shell.ends(), ("getcap -r /usr/bin".into(), true));
}

#[test]
fn a_prompt_that_is_drawn_anew_hides_no_command() {
    let mut shell = Shell::at("dev ~ % \t\t[12:00]");
    shell.keys("\x1b[A");
    shell.row = "dev ~ % rm -rf x\t[12:01]".into();
    assert!(shell.keys("\r")[0].starts_with("rm -rf x"));
    let mut shell = Shell::at("12:00 dev@web1:~$ ");
    shell.keys("\x1b[A");
    shell.row = "12:01 dev@web1:~$ rm -rf x".into();
    assert_eq!(shell.keys("\r"), ["rm -rf x"]);
}

#[test]
fn an_echo_that_came_before_its_keys_is_no_part_of_the_prompt() {
    let mut shell = Shell::at("$ ca");
    shell.keys("ca");
    shell.row.push_str("t /etc/shadow");
    assert_eq!(shell.keys("\t\r"), ["cat /etc/shadow"]);
    // The whole row, and what it ran, may have come before.
    let mut shell = Shell::default();
    shell.shows("$ cat /etc/shadow");
    shell.row = "$ ".into();
    assert_eq!(shell.keys("ca\t\r"), ["cat /etc/shadow"]);
    assert!(shell.keys("ca\t\r").is_empty(), "once");
}

#[test]
fn a_suggestion_behind_what_was_typed_is_not_run() {
    let mut shell = Shell::at("$ ");
    shell.types("rm");
    shell.row.push_str(" -rf /home");
    assert!(shell.keys("\r").is_empty());
    shell.row = "$ rm".into();
    assert_eq!(shell.ends(), ("rm".into(), false));
}

#[test]
fn a_line_fetched_ahead_of_the_prompt_is_found_behind_it() {
    let mut shell = Shell::at("$ ");
    shell.types("sleep 5");
    shell.keys("\r");
    shell.ends();
    shell.keys("\x1b[A\r");
    assert!(shell.shows("$ rm -rf x"));
    assert!(!shell.shows("$ rm -rf x"));
}

#[test]
fn a_secondary_prompt_continues_a_command_that_somebody_types() {
    let mut shell = Shell::at("$ ");
    shell.types("for i in 1 2");
    shell.keys("\r");
    assert_eq!(shell.ends(), ("for i in 1 2".into(), false));
    shell.row = "> ".into();
    shell.keys("\x1b[A");
    shell.row.push_str("do id; done");
    shell.segmenter.entered = true;
    assert_eq!(shell.ends(), ("do id; done".into(), true));
    assert!(!shell.shows("uid=0"));
    assert!(!shell.shows("> quoted mail"));
}

#[test]
fn a_row_that_comes_in_pieces_is_one_command() {
    let mut shell = Shell::at("$ ");
    shell.keys("\x1b[A");
    shell.segmenter.entered = true;
    assert_eq!(
        shell.segmenter.piece("$ echo aaa"),
        Part::Command { text: "echo aaa", known: false }
    );
    assert_eq!(shell.segmenter.piece("aaa | "), Part::Command { text: "aaa | ", known: false });
    assert_eq!(shell.segmenter.row("| sh"), Part::Command { text: "| sh", known: false });
    assert_eq!(shell.segmenter.row("| sh"), Part::Output);
}

#[test]
fn a_recording_without_input_is_read_by_its_look() {
    let mut segmenter = Segmenter::without_input();
    assert_eq!(
        segmenter.row("$ for i in 1 2"),
        Part::Command { text: "for i in 1 2", known: false }
    );
    assert_eq!(
        segmenter.row("> do id; done"),
        Part::Continued { text: "do id; done", known: false }
    );
    assert_eq!(segmenter.row("uid=0"), Part::Output);
    assert_eq!(segmenter.row("> quoted mail"), Part::Output);
    segmenter.mark(Mark::Typed, 9);
    assert_eq!(segmenter.row("strange: id -u"), Part::Command { text: "id -u", known: false });
    segmenter.mark(Mark::Output, 0);
    assert_eq!(segmenter.row("$ rm -rf /"), Part::Output);
}
