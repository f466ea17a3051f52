//! The server's side of the protocol.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tungstenite::http::{HeaderValue, StatusCode};
use tungstenite::protocol::WebSocketConfig;
use tungstenite::{Message, WebSocket};

use super::Backend;
use crate::link::{Analysis, MESSAGE_LIMIT, PATH, SUBPROTOCOL, VERSION, read_analyze};

/// How a server behaves.
#[derive(Clone, Debug)]
pub struct ServerSettings {
    /// No more connections at a time than this; further ones are closed.
    pub connections: usize,
    /// A connection that says nothing for this long is closed; a handshake takes no longer.
    pub idle: Duration,
}

impl Default for ServerSettings {
    fn default() -> Self {
        Self { connections: 256, idle: Duration::from_secs(900) }
    }
}

/// An analyser server on a listening socket: a thread for each connection.
pub struct Server {
    listener: TcpListener,
    backend: Arc<dyn Backend>,
    settings: ServerSettings,
    stopped: Arc<AtomicBool>,
}

/// Counts a connection for as long as it lives.
struct Place(Arc<AtomicUsize>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
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

    /// Serves until stopped.
    ///
    /// # Errors
    /// The listening socket failed.
    pub fn run(&self) -> std::io::Result<()> {
        let busy = Arc::new(AtomicUsize::new(0));
        loop {
            let stream = match self.listener.accept() {
                Ok((stream, _)) => stream,
                Err(error)
                    if matches!(
                        error.kind(),
                        std::io::ErrorKind::ConnectionAborted | std::io::ErrorKind::Interrupted
                    ) =>
                {
                    continue;
                }
                Err(error) => return Err(error),
            };
            if self.stopped.load(Ordering::Acquire) {
                return Ok(());
            }
            let place = Place(Arc::clone(&busy));
            if busy.fetch_add(1, Ordering::AcqRel) >= self.settings.connections {
                continue;
            }
            let (backend, settings) = (Arc::clone(&self.backend), self.settings.clone());
            let started = std::thread::Builder::new().name("analyser".into()).spawn(move || {
                let _place = place;
                // a connection that fails is its own affair: the asker tries again
                let _ = connection(stream, backend.as_ref(), &settings);
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
    stream: TcpStream,
    backend: &dyn Backend,
    settings: &ServerSettings,
) -> Result<(), String> {
    let failed = |e: std::io::Error| e.to_string();
    stream.set_read_timeout(Some(settings.idle)).map_err(failed)?;
    stream.set_write_timeout(Some(settings.idle)).map_err(failed)?;
    stream.set_nodelay(true).map_err(failed)?;
    let config = WebSocketConfig::default()
        .max_message_size(Some(MESSAGE_LIMIT))
        .max_frame_size(Some(MESSAGE_LIMIT));
    let mut socket = tungstenite::accept_hdr_with_config(stream, admit, Some(config))
        .map_err(|e| e.to_string())?;
    loop {
        match socket.read().map_err(|e| e.to_string())? {
            Message::Text(text) => answer(&mut socket, &text, backend)?,
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

fn answer(
    socket: &mut WebSocket<TcpStream>,
    text: &str,
    backend: &dyn Backend,
) -> Result<(), String> {
    let question = match read_analyze(text) {
        Ok(question) => question,
        Err(reason) => return close(socket, &reason),
    };
    let reply = match backend.judge(&question) {
        Ok(judgement) => {
            let action = if judgement.score >= 0.7 { "block" } else { "allow" };
            serde_json::to_string(&Analysis {
                t: "analysis".into(),
                v: VERSION,
                req_id: question.req_id,
                session: question.session,
                score: f64::from(judgement.score),
                label: judgement.label,
                rationale_code: judgement.rationale_code,
                model: judgement.model,
                suggested_action: action.into(),
            })
        }
        Err(reason) => serde_json::to_string(&serde_json::json!({
            "t": "error", "v": VERSION, "req_id": question.req_id, "session": question.session, "reason": reason,
        })),
    };
    let reply = reply.map_err(|e| e.to_string())?;
    socket.send(Message::text(reply)).map_err(|e| e.to_string())
}

fn close(socket: &mut WebSocket<TcpStream>, reason: &str) -> Result<(), String> {
    use tungstenite::protocol::CloseFrame;
    use tungstenite::protocol::frame::coding::CloseCode;
    // a close frame has room for 123 bytes of reason
    let reason: String = reason.chars().filter(char::is_ascii).take(100).collect();
    let frame = CloseFrame { code: CloseCode::Policy, reason: reason.clone().into() };
    socket.close(Some(frame)).and_then(|()| socket.flush()).map_err(|e| e.to_string())?;
    Err(reason)
}
