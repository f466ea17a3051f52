//! The asking side.

use std::collections::VecDeque;
use std::net::{TcpStream, ToSocketAddrs};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use tungstenite::client::IntoClientRequest;
use tungstenite::http::Uri;
use tungstenite::protocol::WebSocketConfig;
use tungstenite::{Message, WebSocket};

use super::breaker::Breaker;
use super::protocol::{
    Analyze, Answer, Context, MESSAGE_LIMIT, SUBPROTOCOL, VERSION, read_analysis,
};
use crate::DetectError;

/// Where the analyser is and how long to wait for it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LinkSettings {
    /// Its address, `ws://HOST:PORT/ai`.
    pub url: String,
    /// How long an answer may take, in seconds.
    #[serde(default = "five")]
    pub timeout: f64,
    /// No more questions a minute than this.
    #[serde(default = "thirty")]
    pub questions_per_minute: u32,
}

fn five() -> f64 {
    5.0
}

fn thirty() -> u32 {
    30
}

/// Questions that wait at most.
const QUEUE: usize = 8;
/// Answers that are remembered by their text.
const REMEMBERED: usize = 64;
/// Texts are cut to this many bytes before they are sent.
const TEXT_LIMIT: usize = 8 << 10;

/// What is asked.
#[derive(Clone, Debug)]
pub struct Question {
    /// The command line, secrets redacted.
    pub text: String,
    /// What is made of it so far.
    pub score: f32,
    /// Rules that fired.
    pub rules: Vec<String>,
}

/// A question with its number and the time after which an answer is of no use.
type Asked = (u64, Question, Instant);
/// To and from the thread that asks.
type Lines = (SyncSender<Asked>, Receiver<Reply>);

struct Reply {
    number: u64,
    text: String,
    outcome: Result<Answer, String>,
}

/// The way to an analyser server. Questions are put and answers read on a thread of its own, which
/// starts with the first question and ends with the link.
#[derive(Debug)]
pub struct Link {
    settings: LinkSettings,
    timeout: Duration,
    address: (String, u16),
    session: String,
    context: Context,
    worker: Option<Lines>,
    breaker: Arc<Mutex<Breaker>>,
    next: u64,
    known: VecDeque<(String, Answer)>,
    /// Questions without an answer so far, with the time when none is waited for any more.
    outstanding: VecDeque<(u64, Instant)>,
    troubles: Vec<String>,
    asked: VecDeque<Instant>,
}

impl Link {
    /// A link; nothing is connected yet.
    ///
    /// # Errors
    /// The address is not `ws://HOST[:PORT][/PATH]`, or the timeout is not a positive number.
    pub fn open(
        settings: &LinkSettings,
        session: String,
        user: String,
        host: String,
    ) -> Result<Self, DetectError> {
        let wrong = |reason: &str| DetectError::Analyser {
            url: settings.url.clone(),
            reason: reason.into(),
        };
        let uri: Uri = settings.url.parse().map_err(|_| wrong("not an address"))?;
        if uri.scheme_str() != Some("ws") {
            return Err(wrong(
                "only ws:// is understood; for other hosts put a TLS tunnel before it",
            ));
        }
        let name = uri.host().ok_or_else(|| wrong("no host in it"))?;
        let address = (name.trim_matches(['[', ']']).to_owned(), uri.port_u16().unwrap_or(80));
        if !(settings.timeout > 0.0 && settings.timeout <= 3600.0) {
            return Err(wrong("the timeout is not a number of seconds"));
        }
        Ok(Self {
            settings: settings.clone(),
            timeout: Duration::from_secs_f64(settings.timeout),
            address,
            session,
            context: Context { user, host },
            worker: None,
            breaker: Arc::default(),
            next: 1,
            known: VecDeque::new(),
            outstanding: VecDeque::new(),
            troubles: Vec::new(),
            asked: VecDeque::new(),
        })
    }

    /// Puts a question. An answer known already comes back at once; another one comes through
    /// [`Link::late`], so that nothing else waits for it. Nothing is asked while the circuit is
    /// open.
    pub fn ask(&mut self, mut question: Question) -> Option<Answer> {
        cut(&mut question.text);
        if let Some((_, answer)) = self.known.iter().find(|(text, _)| *text == question.text) {
            return Some(answer.clone());
        }
        let now = Instant::now();
        if !self.within_budget(now) || !lock(&self.breaker).allows(now) {
            return None;
        }
        let (number, deadline) = (self.next, now + self.timeout);
        self.next += 1;
        self.asked.push_back(now);
        if self.worker.is_none() {
            self.worker = Some(self.start());
        }
        let (sender, _) = self.worker.as_ref()?;
        if sender.try_send((number, question, deadline)).is_err() {
            self.trouble("too many questions wait; one was dropped".into());
            return None;
        }
        self.outstanding.push_back((number, deadline));
        None
    }

    /// Whether answers are still to come.
    pub fn awaits(&self) -> bool {
        !self.outstanding.is_empty()
    }

    /// Waits up to `wait` for an answer to a question put before; with it comes the text that was
    /// asked about.
    pub fn late(&mut self, wait: Duration) -> Option<(String, Answer)> {
        let now = Instant::now();
        let reply = match self.outstanding.front() {
            None => return None,
            Some((_, deadline)) if *deadline <= now => {
                self.outstanding.pop_front();
                self.trouble("no answer in time; the local stages decide".into());
                return None;
            }
            Some((_, deadline)) => {
                let (_, replies) = self.worker.as_ref()?;
                replies.recv_timeout(wait.min(*deadline - now)).ok()?
            }
        };
        self.outstanding.retain(|(number, _)| *number != reply.number);
        self.accept(reply)
    }

    /// Why replies were refused or questions not answered, since last asked.
    pub fn troubles(&mut self) -> Vec<String> {
        std::mem::take(&mut self.troubles)
    }

    fn accept(&mut self, reply: Reply) -> Option<(String, Answer)> {
        match reply.outcome {
            Ok(answer) => {
                self.known.push_back((reply.text.clone(), answer.clone()));
                if self.known.len() > REMEMBERED {
                    self.known.pop_front();
                }
                Some((reply.text, answer))
            }
            Err(reason) => {
                self.trouble(reason);
                None
            }
        }
    }

    fn trouble(&mut self, reason: String) {
        if self.troubles.len() < 16 {
            self.troubles.push(reason);
        }
    }

    fn within_budget(&mut self, now: Instant) -> bool {
        while self.asked.front().is_some_and(|at| now.duration_since(*at) > Duration::from_secs(60))
        {
            self.asked.pop_front();
        }
        self.asked.len() < self.settings.questions_per_minute as usize
    }

    fn start(&self) -> Lines {
        let (questions, waiting) = sync_channel(QUEUE);
        let (replies, answers) = channel();
        let worker = Worker {
            url: self.settings.url.clone(),
            address: self.address.clone(),
            session: self.session.clone(),
            context: self.context.clone(),
            breaker: Arc::clone(&self.breaker),
            socket: None,
        };
        let started = std::thread::Builder::new()
            .name("analyser".into())
            .stack_size(256 << 10)
            .spawn(move || worker.run(waiting, replies));
        // without a thread the channel is closed and every question goes unanswered
        drop(started);
        (questions, answers)
    }
}

fn lock(breaker: &Mutex<Breaker>) -> std::sync::MutexGuard<'_, Breaker> {
    breaker.lock().unwrap_or_else(PoisonError::into_inner)
}

fn cut(text: &mut String) {
    let mut end = text.len().min(TEXT_LIMIT);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.truncate(end);
}

struct Worker {
    url: String,
    address: (String, u16),
    session: String,
    context: Context,
    breaker: Arc<Mutex<Breaker>>,
    socket: Option<WebSocket<TcpStream>>,
}

impl Worker {
    fn run(mut self, waiting: Receiver<Asked>, replies: Sender<Reply>) {
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
                return;
            }
        }
        if let Some(mut socket) = self.socket {
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
        let socket = self.socket.as_mut().ok_or("not connected")?;
        let message = Analyze {
            t: "analyze".into(),
            v: VERSION,
            req_id: number,
            session: self.session.clone(),
            text: question.text.clone(),
            score: question.score,
            rules: question.rules.clone(),
            context: self.context.clone(),
            deadline_ms: left(deadline)?.as_millis() as u64,
        };
        let text = serde_json::to_string(&message).map_err(|e| e.to_string())?;
        wait(socket.get_ref(), deadline)?;
        socket.send(Message::text(text)).map_err(|e| e.to_string())?;
        loop {
            wait(socket.get_ref(), deadline)?;
            match socket.read().map_err(|e| e.to_string())? {
                Message::Text(text) => {
                    // a reply to a question given up before may still come in
                    match read_analysis(&text, number, &self.session) {
                        Err(reason)
                            if reason.starts_with("answer to question") && older(&text, number) => {
                        }
                        other => return other,
                    }
                }
                Message::Binary(_) => return Err("binary message".into()),
                Message::Close(_) => return Err("the analyser closed the connection".into()),
                _ => {}
            }
        }
    }

    fn connect(&self, deadline: Instant) -> Result<WebSocket<TcpStream>, String> {
        let (host, port) = (self.address.0.as_str(), self.address.1);
        let addresses = (host, port).to_socket_addrs().map_err(|e| format!("{host}: {e}"))?;
        let mut failure = format!("{host}: no address");
        for address in addresses {
            let stream = match TcpStream::connect_timeout(&address, left(deadline)?) {
                Ok(stream) => stream,
                Err(error) => {
                    failure = format!("{address}: {error}");
                    continue;
                }
            };
            wait(&stream, deadline)?;
            stream.set_nodelay(true).map_err(|e| e.to_string())?;
            let mut request = self.url.as_str().into_client_request().map_err(|e| e.to_string())?;
            let name = tungstenite::http::HeaderValue::from_static(SUBPROTOCOL);
            request.headers_mut().insert("Sec-WebSocket-Protocol", name);
            let config = WebSocketConfig::default()
                .max_message_size(Some(MESSAGE_LIMIT))
                .max_frame_size(Some(MESSAGE_LIMIT));
            let (socket, response) =
                tungstenite::client::client_with_config(request, stream, Some(config))
                    .map_err(|e| e.to_string())?;
            let spoken = response.headers().get("Sec-WebSocket-Protocol");
            if spoken.is_none_or(|name| name != SUBPROTOCOL) {
                return Err(format!("the server does not speak {SUBPROTOCOL}"));
            }
            return Ok(socket);
        }
        Err(failure)
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

/// No read or write takes longer than is left.
fn wait(stream: &TcpStream, deadline: Instant) -> Result<(), String> {
    let left = Some(left(deadline)?);
    stream
        .set_read_timeout(left)
        .and_then(|()| stream.set_write_timeout(left))
        .map_err(|e| e.to_string())
}
