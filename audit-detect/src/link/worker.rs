//! The thread that asks: connects, puts one question after the other, and reads the answers.

use std::net::{TcpStream, ToSocketAddrs};
use std::sync::mpsc::{Receiver, Sender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustls::ClientConfig;
use tungstenite::client::IntoClientRequest;
use tungstenite::http::HeaderValue;
use tungstenite::protocol::WebSocketConfig;
use tungstenite::stream::MaybeTlsStream;
use tungstenite::{Connector, Message, WebSocket};

use super::breaker::Breaker;
use super::client::Question;
use super::protocol::{
    Analyze, Answer, Context, MESSAGE_LIMIT, SUBPROTOCOL, VERSION, read_analysis,
};
use super::stream::Timed;

/// A connection is closed politely if that takes no longer than this.
const FAREWELL: Duration = Duration::from_millis(200);

/// A question with its number and the time after which an answer is of no use.
pub(super) type Asked = (u64, Question, Instant);

/// What became of a question.
pub(super) struct Reply {
    pub(super) number: u64,
    pub(super) text: String,
    pub(super) outcome: Result<Answer, String>,
}

pub(super) struct Worker {
    pub(super) url: String,
    pub(super) address: (String, u16),
    pub(super) tls: Option<Arc<ClientConfig>>,
    pub(super) session: String,
    pub(super) context: Context,
    pub(super) breaker: Arc<Mutex<Breaker>>,
    pub(super) socket: Option<WebSocket<MaybeTlsStream<Timed>>>,
}

impl Worker {
    pub(super) fn run(mut self, waiting: Receiver<Asked>, replies: Sender<Reply>) {
        for (number, question, deadline) in waiting {
            let outcome = if lock(&self.breaker).allows(Instant::now()) {
                self.exchange(number, &question, deadline)
            } else {
                Err("the analyser is away; the local stages decide".into())
            };
            match &outcome {
                Ok(_) => lock(&self.breaker).succeeded(),
                Err(_) => {
                    self.socket = None;
                    lock(&self.breaker).failed(Instant::now());
                }
            }
            if replies.send(Reply { number, text: question.text, outcome }).is_err() {
                break;
            }
        }
        if let Some(mut socket) = self.socket {
            limit(&mut socket, Instant::now() + FAREWELL);
            let _ = socket.close(None);
            let _ = socket.flush();
        }
    }

    fn exchange(
        &mut self,
        number: u64,
        question: &Question,
        deadline: Instant,
    ) -> Result<Answer, String> {
        if self.socket.is_none() {
            self.socket = Some(self.connect(deadline)?);
        }
        let message = self.message(number, question, deadline)?;
        let text = serde_json::to_string(&message).map_err(|e| e.to_string())?;
        let socket = self.socket.as_mut().ok_or("not connected")?;
        limit(socket, deadline);
        socket.send(Message::text(text)).map_err(|e| e.to_string())?;
        loop {
            left(deadline)?;
            match socket.read().map_err(|e| e.to_string())? {
                Message::Text(text) => {
                    // a reply to a question given up before may still come in
                    match read_analysis(&text, number, &self.session) {
                        Err(reason)
                            if reason.starts_with("answer to question") && older(&text, number) => {
                        }
                        Ok(answer) => return answer.about(message.range),
                        refused => return refused,
                    }
                }
                Message::Binary(_) => return Err("binary message".into()),
                Message::Close(_) => return Err("the analyser closed the connection".into()),
                _ => {}
            }
        }
    }

    fn message(
        &self,
        number: u64,
        question: &Question,
        deadline: Instant,
    ) -> Result<Analyze, String> {
        let raw_ref = question.place.map(|place| {
            format!("{}/{}/{}-{}", self.session, place.stream.name(), place.start, place.end)
        });
        let mut context = self.context.clone();
        context.cmd_id = Some(question.command);
        Ok(Analyze {
            t: "analyze".into(),
            v: VERSION,
            req_id: number,
            session: self.session.clone(),
            range: question.place.map(|place| [place.start, place.end]),
            text: question.text.clone(),
            raw_ref,
            score: question.score,
            rules: question.rules.clone(),
            context,
            deadline_ms: left(deadline)?.as_millis() as u64,
        })
    }

    fn connect(&self, deadline: Instant) -> Result<WebSocket<MaybeTlsStream<Timed>>, String> {
        let (host, port) = (self.address.0.as_str(), self.address.1);
        let addresses = (host, port).to_socket_addrs().map_err(|e| format!("{host}: {e}"))?;
        let mut failure = format!("{host}: no address");
        for address in addresses {
            match TcpStream::connect_timeout(&address, left(deadline)?) {
                Ok(stream) => return self.shake_hands(Timed::new(stream, deadline)),
                Err(error) => failure = format!("{address}: {error}"),
            }
        }
        Err(failure)
    }

    fn shake_hands(&self, stream: Timed) -> Result<WebSocket<MaybeTlsStream<Timed>>, String> {
        stream.inner().set_nodelay(true).map_err(|e| e.to_string())?;
        let mut request = self.url.as_str().into_client_request().map_err(|e| e.to_string())?;
        let name = HeaderValue::from_static(SUBPROTOCOL);
        request.headers_mut().insert("Sec-WebSocket-Protocol", name);
        let config = WebSocketConfig::default()
            .max_message_size(Some(MESSAGE_LIMIT))
            .max_frame_size(Some(MESSAGE_LIMIT));
        let (socket, response) = tungstenite::client_tls_with_config(
            request,
            stream,
            Some(config),
            Some(self.tls.clone().map_or(Connector::Plain, Connector::Rustls)),
        )
        .map_err(|e| e.to_string())?;
        let spoken = response.headers().get("Sec-WebSocket-Protocol");
        if spoken.is_none_or(|name| name != SUBPROTOCOL) {
            return Err(format!("the server does not speak {SUBPROTOCOL}"));
        }
        Ok(socket)
    }
}

pub(super) fn lock(breaker: &Mutex<Breaker>) -> MutexGuard<'_, Breaker> {
    breaker.lock().unwrap_or_else(PoisonError::into_inner)
}

/// From now on nothing on the socket may take longer than to `until`.
fn limit(socket: &mut WebSocket<MaybeTlsStream<Timed>>, until: Instant) {
    match socket.get_mut() {
        MaybeTlsStream::Plain(stream) => stream.limit(until),
        MaybeTlsStream::Rustls(stream) => stream.sock.limit(until),
        _ => {}
    }
}

fn older(text: &str, number: u64) -> bool {
    let value: Result<serde_json::Value, _> = serde_json::from_str(text);
    value.is_ok_and(|v| v["req_id"].as_u64().is_some_and(|n| n < number))
}

fn left(deadline: Instant) -> Result<Duration, String> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() { Err("no answer in time".into()) } else { Ok(left) }
}
