//! The link and the analyser over loopback, with good servers and bad ones.

mod answers;
mod server;
mod slow;
#[path = "../common/tls.rs"]
mod tls;
mod wss;

use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use audit_core::{Span, Stream};
use audit_detect::analyse::{Backend, Judgement, LocalBackend, Server, ServerSettings};
use audit_detect::link::{Analyze, Answer, Link, LinkSettings, Question, SUBPROTOCOL};
use tungstenite::handshake::server::{ErrorResponse, Request, Response};
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
            let Ok(mut socket) = tungstenite::accept_hdr(stream, admit) else { continue };
            while let Ok(message) = socket.read() {
                if let Message::Text(text) = message {
                    reply(&mut socket, serde_json::from_str(&text).expect("a question"));
                }
            }
        }
    });
    url
}

/// Chooses the protocol, as a server that speaks it does.
#[expect(clippy::result_large_err, clippy::unnecessary_wraps, reason = "the handshake's own type")]
fn admit(_: &Request, mut response: Response) -> Result<Response, ErrorResponse> {
    let name = SUBPROTOCOL.parse().expect("a header");
    response.headers_mut().insert("Sec-WebSocket-Protocol", name);
    Ok(response)
}

fn answering(change: impl Fn(&mut serde_json::Value) + Send + 'static) -> String {
    scripted(move |socket, question| {
        let mut value = answer_to(&question);
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

/// A good answer to a question.
fn answer_to(question: &Analyze) -> serde_json::Value {
    serde_json::json!({
        "t": "analysis", "v": 1, "req_id": question.req_id, "session": question.session,
        "score": 0.9, "label": "reverse_shell", "rationale_code": "r", "model": "m",
    })
}
