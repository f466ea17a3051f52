//! The server's side of the protocol.

use std::collections::BTreeMap;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tungstenite::http::{HeaderValue, StatusCode};
use tungstenite::protocol::WebSocketConfig;
use tungstenite::{Message, WebSocket};

use super::Backend;
use crate::link::{
    Analysis, Evidence, MESSAGE_LIMIT, PATH, SUBPROTOCOL, Timed, VERSION, read_analyze,
};

/// How a server behaves.
#[derive(Clone, Debug)]
pub struct ServerSettings {
    /// No more connections at a time than this. A further one takes the place of the one that has
    /// asked nothing for longest, or is closed when all are new.
    pub connections: usize,
    /// A handshake takes no longer than this.
    pub handshake: Duration,
    /// A connection on which no whole question comes for this long is closed.
    pub idle: Duration,
}

impl Default for ServerSettings {
    fn default() -> Self {
        Self { connections: 256, handshake: Duration::from_secs(5), idle: Duration::from_secs(900) }
    }
}

/// How long the listening socket is left alone after it failed, such as for want of descriptors.
const PAUSE: Duration = Duration::from_millis(50);

/// An analyser server on a listening socket: a thread for each connection.
pub struct Server {
    listener: TcpListener,
    backend: Arc<dyn Backend>,
    settings: ServerSettings,
    stopped: Arc<AtomicBool>,
}

/// The connections there are, by their number, each with the time of its last question.
#[derive(Default)]
struct Places {
    next: u64,
    taken: BTreeMap<u64, (Arc<TcpStream>, Instant)>,
}

/// The place of one connection, given up with it.
struct Place(Arc<Mutex<Places>>, u64);

impl Place {
    /// A place for a connection, if there is one or can be made.
    fn take(
        places: &Arc<Mutex<Places>>,
        stream: &Timed,
        settings: &ServerSettings,
    ) -> Option<Self> {
        let now = Instant::now();
        let mut all = lock(places);
        if all.taken.len() >= settings.connections {
            let (oldest, (idle, since)) = all.taken.iter().min_by_key(|(_, (_, since))| *since)?;
            if now.duration_since(*since) < settings.handshake {
                return None;
            }
            let oldest = *oldest;
            // Whoever reads there finds its end; its next question makes a new connection.
            let _ = idle.shutdown(Shutdown::Both);
            all.taken.remove(&oldest);
        }
        all.next += 1;
        let number = all.next;
        all.taken.insert(number, (stream.inner(), now));
        Some(Self(Arc::clone(places), number))
    }

    /// A question came.
    fn asked(&self) {
        if let Some((_, since)) = lock(&self.0).taken.get_mut(&self.1) {
            *since = Instant::now();
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        lock(&self.0).taken.remove(&self.1);
    }
}

fn lock(places: &Mutex<Places>) -> MutexGuard<'_, Places> {
    places.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Server {
    /// A server on `listener`.
    pub fn new(listener: TcpListener, backend: Arc<dyn Backend>, settings: ServerSettings) -> Self {
        Self { listener, backend, settings, stopped: Arc::default() }
    }

    /// What stops [`Server::run`] from another thread.
    pub fn stopper(&self) -> impl Fn() + Send + Sync + use<> {
        let stopped = Arc::clone(&self.stopped);
        let address = self.listener.local_addr();
        move || {
            stopped.store(true, Ordering::Release);
            // whoever waits in accept is woken by a connection
            if let Ok(address) = address.as_ref().copied().map(reachable) {
                let _ = TcpStream::connect_timeout(&address, Duration::from_secs(1));
            }
        }
    }

    /// Serves until stopped. A listening socket that fails, for want of descriptors or memory, is
    /// tried again until it works.
    pub fn run(&self) {
        let places = Arc::new(Mutex::new(Places::default()));
        while !self.stopped.load(Ordering::Acquire) {
            let Ok((stream, _)) = self.listener.accept() else {
                std::thread::sleep(PAUSE);
                continue;
            };
            let stream = Timed::new(stream, Instant::now() + self.settings.handshake);
            let Some(place) = Place::take(&places, &stream, &self.settings) else { continue };
            let (backend, settings) = (Arc::clone(&self.backend), self.settings.clone());
            let started = std::thread::Builder::new().name("analyser".into()).spawn(move || {
                // a connection that fails is its own affair: the asker tries again
                let _ = connection(stream, backend.as_ref(), &settings, &place);
            });
            drop(started);
        }
    }
}

/// An address a connection can be made to, for one that was listened on.
fn reachable(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(match address {
            SocketAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
            SocketAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
        });
    }
    address
}

fn connection(
    stream: Timed,
    backend: &dyn Backend,
    settings: &ServerSettings,
    place: &Place,
) -> Result<(), String> {
    stream.inner().set_nodelay(true).map_err(|e| e.to_string())?;
    let config = WebSocketConfig::default()
        .max_message_size(Some(MESSAGE_LIMIT))
        .max_frame_size(Some(MESSAGE_LIMIT));
    let mut socket = tungstenite::accept_hdr_with_config(stream, admit, Some(config))
        .map_err(|e| e.to_string())?;
    socket.get_mut().limit(Instant::now() + settings.idle);
    loop {
        match socket.read().map_err(|e| e.to_string())? {
            Message::Text(text) => {
                place.asked();
                let question = match read_analyze(&text) {
                    Ok(question) => question,
                    Err(reason) => return close(&mut socket, &reason),
                };
                let reply = answer(question, backend)?;
                socket.get_mut().limit(Instant::now() + settings.idle);
                socket.send(Message::text(reply)).map_err(|e| e.to_string())?;
            }
            Message::Binary(_) => return close(&mut socket, "text messages only"),
            Message::Close(_) => return Ok(()),
            _ => {}
        }
    }
}

/// Admits the right path and subprotocol, and nobody a browser sent: an analyser has no pages, so
/// a request with an origin comes from somebody else's.
#[expect(clippy::result_large_err, reason = "the handshake's own type")]
fn admit(request: &Request, mut response: Response) -> Result<Response, ErrorResponse> {
    let offered = request
        .headers()
        .get_all("Sec-WebSocket-Protocol")
        .iter()
        .filter_map(|v| v.to_str().ok())
        .flat_map(|v| v.split(','))
        .any(|v| v.trim() == SUBPROTOCOL);
    if request.uri().path() != PATH {
        return Err(refusal(StatusCode::NOT_FOUND, "no such path"));
    }
    if request.headers().contains_key("Origin") {
        return Err(refusal(StatusCode::FORBIDDEN, "not for browsers"));
    }
    if !offered {
        return Err(refusal(StatusCode::BAD_REQUEST, "subprotocol missing"));
    }
    response.headers_mut().insert("Sec-WebSocket-Protocol", HeaderValue::from_static(SUBPROTOCOL));
    Ok(response)
}

fn refusal(status: StatusCode, reason: &str) -> ErrorResponse {
    let mut refusal = ErrorResponse::new(Some(reason.to_owned()));
    *refusal.status_mut() = status;
    refusal
}

/// The reply to a question, as text.
fn answer(question: crate::link::Analyze, backend: &dyn Backend) -> Result<String, String> {
    let reply = match backend.judge(&question) {
        Ok(judgement) => {
            let action = if judgement.score >= 0.7 { "block" } else { "allow" };
            // Nobody here knows a part of the line that tells more than the rest.
            let whole = question.range.filter(|[from, to]| from < to && judgement.score >= 0.35);
            let evidence = whole.map(|[from_seq, to_seq]| Evidence { from_seq, to_seq });
            serde_json::to_string(&Analysis {
                t: "analysis".into(),
                v: VERSION,
                req_id: question.req_id,
                session: question.session,
                score: f64::from(judgement.score),
                label: judgement.label,
                rationale_code: judgement.rationale_code,
                evidence: evidence.into_iter().collect(),
                model: judgement.model,
                suggested_action: action.into(),
            })
        }
        Err(reason) => serde_json::to_string(&serde_json::json!({
            "t": "error", "v": VERSION, "req_id": question.req_id, "session": question.session, "reason": reason,
        })),
    };
    reply.map_err(|e| e.to_string())
}

fn close(socket: &mut WebSocket<Timed>, reason: &str) -> Result<(), String> {
    use tungstenite::protocol::CloseFrame;
    use tungstenite::protocol::frame::coding::CloseCode;
    // a close frame has room for 123 bytes of reason
    let reason: String = reason.chars().filter(char::is_ascii).take(100).collect();
    let frame = CloseFrame { code: CloseCode::Policy, reason: reason.clone().into() };
    socket.close(Some(frame)).and_then(|()| socket.flush()).map_err(|e| e.to_string())?;
    Err(reason)
}
