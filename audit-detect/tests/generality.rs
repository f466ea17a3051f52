//! What the detector makes of lines its rules were not written for: attacks of all techniques, and
//! work that resembles them. A change of rules that fits some lines and breaks others is seen here.

use audit_detect::Detector;
use audit_detect::shell::{LINE_LIMIT, Variables};

/// The threshold a session blocks at unless it is told otherwise.
const THRESHOLD: f32 = 0.7;

struct Record {
    category: &'static str,
    text: &'static str,
}

/// Records of a file: a blank line ends one, `%%` begins a category.
fn records(file: &'static str) -> Vec<Record> {
    let mut category = "";
    let mut found = Vec::new();
    for block in file.split("\n\n").map(str::trim) {
        match block.strip_prefix("%%") {
            Some(name) => category = name.trim(),
            None if !block.is_empty() => found.push(Record { category, text: block }),
            None => {}
        }
    }
    found
}

fn attacks() -> Vec<Record> {
    records(include_str!("generality/attacks.txt"))
}

fn work() -> Vec<Record> {
    records(include_str!("generality/work.txt"))
}

fn score(text: &str) -> f32 {
    Detector::embedded().line(text, &mut Variables::new(), false).score
}

fn missed<'r>(
    records: impl IntoIterator<Item = &'r Record>,
    disguise: impl Fn(&str) -> String,
) -> Vec<&'r Record> {
    records.into_iter().filter(|r| score(&disguise(r.text)) < THRESHOLD).collect()
}

fn list(records: &[&Record]) -> String {
    records.iter().map(|r| format!("{}: {}\n", r.category, r.text)).collect()
}

#[test]
fn attacks_of_every_kind_are_found() {
    let all = attacks();
    assert!(all.len() >= 200, "{} attacks", all.len());
    let missed = missed(&all, str::to_owned);
    assert!(missed.len() * 10 <= all.len(), "{} missed:\n{}", missed.len(), list(&missed));
    for record in &all {
        let of_kind = |r: &&Record| r.category == record.category;
        let (lost, there) = (
            missed.iter().filter(|r| r.category == record.category).count(),
            all.iter().filter(|r| of_kind(r)).count(),
        );
        assert!(lost * 4 <= there, "{}: {lost} of {there} missed", record.category);
    }
}

#[test]
fn work_that_looks_like_an_attack_is_let_through() {
    let all = work();
    assert!(all.len() >= 400, "{} records", all.len());
    let flagged: Vec<&Record> = all.iter().filter(|r| score(r.text) >= THRESHOLD).collect();
    assert!(flagged.len() * 200 <= all.len(), "{} flagged:\n{}", flagged.len(), list(&flagged));
    let agent = flagged.iter().filter(|r| r.category == "agent").count();
    assert_eq!(agent, 0, "work of agents:\n{}", list(&flagged));
}

#[test]
fn harmless_commands_around_an_attack_do_not_excuse_it() {
    let all = attacks();
    let plain = missed(&all, str::to_owned).len();
    let around = |text: &str| {
        format!(
            "echo > /dev/tcp/localhost/1 && echo up; curl -sSf https://sh.rustup.rs | sh -s -- -y; \
             {text}\ngit commit -m 'backup, notify, deploy, test'; grep -rn x src/ # certbot"
        )
    };
    // a script behind `sudo less` must be the line behind it
    let alone = |r: &&&Record| !r.text.contains('\n') || r.text.contains("<<");
    let missed = missed(&all, around);
    let lost = missed.iter().filter(alone).count();
    assert!(lost <= plain + all.len() / 50, "{lost} missed, alone {plain}:\n{}", list(&missed));
}

#[test]
fn many_trivial_commands_before_an_attack_do_not_hide_it() {
    let all = attacks();
    for (turn, prefix) in
        [":;".repeat(300), "true; ".repeat(300), "echo a; echo b; ".repeat(200)].iter().enumerate()
    {
        let third = || all.iter().skip(turn).step_by(3);
        let plain = missed(third(), str::to_owned).len();
        let missed = missed(third(), |text| format!("{prefix}{text}"));
        assert!(missed.len() <= plain + 1, "{} missed:\n{}", missed.len(), list(&missed));
    }
}

#[test]
fn a_long_argument_before_an_attack_does_not_hide_it() {
    let all = attacks();
    let third = || all.iter().step_by(3);
    let plain = missed(third(), str::to_owned).len();
    let long = format!(": {}; ", "A".repeat(20 << 10));
    let missed = missed(third(), |text| format!("{long}{text}"));
    assert!(missed.len() <= plain + 1, "{} missed:\n{}", missed.len(), list(&missed));
}

#[test]
fn what_is_too_much_to_judge_is_told_to_be() {
    let different: String = (0..5000).map(|i| format!("echo {i}; ")).collect();
    for text in [
        different,
        format!("echo {}", "A".repeat(LINE_LIMIT + 1)),
        "eval ".repeat(30) + "id",
        "echo ".to_owned() + &"$(echo ".repeat(30) + "id" + &")".repeat(30),
        "nohup ".repeat(100) + "id",
    ] {
        assert!(score(&text) >= THRESHOLD, "{}…", &text[..40]);
    }
}
