//! The session's end of its socket: one thread, no client can hold it up.

use std::collections::VecDeque;
use std::io::{self, Read as _, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use audit_core::{Action, BlockId, Command, News, Notice, SessionId, Wake};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::eventfd::{EfdFlags, EventFd};

use super::peer::Peer;
use super::place;
use super::protocol::{Answer, LONGEST_LINE, LONGEST_TEXT, Request};
use super::snapshot::Snapshot;

/// How many clients are served at once; a newcomer takes the place of the oldest idle one.
const MOST_CLIENTS: usize = 16;

/// How long a client may stay silent.
const PATIENCE: Duration = Duration::from_secs(30);

/// The listening socket and its clients.
pub(super) struct SocketServer {
    /// `None` when the socket could not be made.
    listener: Option<(UnixListener, PathBuf)>,
    wake: Arc<EventFd>,
    clients: Vec<Client>,
    orders: VecDeque<Command>,
    next_order: u64,
}

impl SocketServer {
    /// The server of session `id` with its socket in `dir`. When there can be no socket, the
    /// second value says why, one line.
    ///
    /// # Errors
    /// The system has no descriptor left.
    pub(super) fn new(dir: &Path, id: SessionId) -> io::Result<(Self, Option<String>)> {
        let path = place::socket_path(dir, &id.to_string());
        let made = place::prepare(dir).and_then(|()| place::listen(&path));
        let (listener, trouble) = match made {
            Ok(listener) => (Some((listener, path)), None),
            Err(error) => (None, Some(format!("no control socket: {}: {error}", path.display()))),
        };
        let wake = EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)?;
        let server = Self {
            listener,
            wake: Arc::new(wake),
            clients: Vec::new(),
            orders: VecDeque::new(),
            next_order: 1,
        };
        Ok((server, trouble))
    }

    /// What interrupts [`SocketServer::receive`].
    pub(super) fn wake(&self) -> Wake {
        let wake = Arc::clone(&self.wake);
        Arc::new(move || {
            // The counter can only be full when a wake-up is pending already.
            let _ = wake.write(1);
        })
    }

    /// Passes answers on to whoever waits for them.
    pub(super) fn publish(&mut self, notice: &Notice) {
        match &notice.news {
            News::Answer { command, result } => {
                let waiting = self.clients.iter_mut().find(|c| c.waits_for == Some(*command));
                if let Some(client) = waiting {
                    client.waits_for = None;
                    client.answer(&match result {
                        Ok(()) => Answer::done(),
                        Err(reason) => Answer::refused(reason.clone()),
                    });
                }
            }
            News::Finished(_) => {
                for client in self.clients.iter_mut().filter(|c| c.waits_for.is_some()) {
                    client.waits_for = None;
                    client.answer(&Answer::refused("the session is over"));
                }
            }
            _ => {}
        }
    }

    /// Serves clients until one gives an order, `wait` is over or somebody wakes it.
    pub(super) fn receive(&mut self, snapshot: &mut Snapshot, wait: Duration) -> Option<Command> {
        let until = Instant::now().checked_add(wait);
        loop {
            if let Some(order) = self.orders.pop_front() {
                return Some(order);
            }
            let now = Instant::now();
            self.clients.retain(|c| c.alive && c.deadline() > now);
            if until.is_some_and(|until| until <= now) || self.wait(until, now) {
                return None;
            }
            self.accept();
            for index in 0..self.clients.len() {
                self.serve(index, snapshot);
            }
        }
    }

    /// Waits for something to do, at most until `until` or the first deadline of a client. Returns
    /// whether somebody woke us.
    fn wait(&mut self, until: Option<Instant>, now: Instant) -> bool {
        let first = self.clients.iter().map(Client::deadline).chain(until).min();
        let timeout = first.map_or(PollTimeout::NONE, |first| {
            // Rounded up, so that a deadline is over when we come back.
            let left = first.saturating_duration_since(now) + Duration::from_millis(1);
            PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX)
        });
        let mut fds = vec![PollFd::new(self.wake.as_fd(), PollFlags::POLLIN)];
        fds.extend(self.listener.iter().map(|(l, _)| PollFd::new(l.as_fd(), PollFlags::POLLIN)));
        fds.extend(self.clients.iter().map(|c| PollFd::new(c.stream.as_fd(), c.interest())));
        // An interrupted wait is as good as a spurious one.
        let _ = poll(&mut fds, timeout);
        let woken = fds.first().and_then(PollFd::any).unwrap_or(false);
        let clients = fds.iter().skip(1 + usize::from(self.listener.is_some()));
        let gone: Vec<bool> = clients.map(|fd| fd.revents().is_some_and(is_gone)).collect();
        drop(fds);
        for (client, gone) in self.clients.iter_mut().zip(gone) {
            // One that waits is not read from, so that nothing else would tell.
            client.alive &= !(gone && client.waits_for.is_some());
        }
        if woken {
            let _ = self.wake.read();
        }
        woken
    }

    fn accept(&mut self) {
        let Some((listener, _)) = &self.listener else { return };
        loop {
            let stream = match listener.accept() {
                Ok((stream, _)) => stream,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(_) => {
                    // No descriptor is left: the newcomer stays in the queue. Do not spin on it.
                    std::thread::sleep(Duration::from_millis(50));
                    return;
                }
            };
            let Ok(peer) = Peer::of(&stream) else { continue };
            if !peer.is_welcome() || stream.set_nonblocking(true).is_err() {
                continue;
            }
            if self.clients.len() >= MOST_CLIENTS {
                let idle = self.clients.iter().position(|c| c.waits_for.is_none()).unwrap_or(0);
                self.clients.remove(idle);
            }
            self.clients.push(Client::new(stream, peer));
        }
    }

    fn serve(&mut self, index: usize, snapshot: &Snapshot) {
        let Some(client) = self.clients.get_mut(index) else { return };
        client.flush();
        while let Some(line) = client.next_line() {
            let request = match parse(&line) {
                Ok(request) => request,
                Err(reason) => {
                    client.answer(&Answer::refused(reason));
                    continue;
                }
            };
            if request == Request::Status {
                client.answer(&Answer::status(snapshot.to_json()));
                continue;
            }
            if request.decides() && client.peer.is_inside(snapshot) {
                let reason = "a process of the blocked session cannot decide its block";
                client.answer(&Answer::refused(reason));
                continue;
            }
            let id = self.next_order;
            self.next_order += 1;
            client.waits_for = Some(id);
            let action = action(request);
            self.orders.push_back(Command { id, by: client.peer.identity(), action });
        }
    }
}

impl Drop for SocketServer {
    fn drop(&mut self) {
        for client in &mut self.clients {
            client.flush();
        }
        if let Some((_, path)) = &self.listener {
            // Whoever finds it after us sees that nobody listens.
            let _ = std::fs::remove_file(path);
        }
    }
}

/// One connection.
struct Client {
    stream: UnixStream,
    peer: Peer,
    /// Bytes of lines that are not complete; never more than [`LONGEST_LINE`].
    input: Vec<u8>,
    /// Bytes not written yet; never more than one answer beyond [`LONGEST_LINE`].
    output: Vec<u8>,
    /// Number of the order whose answer it waits for. Nothing is read from it meanwhile.
    waits_for: Option<u64>,
    last_heard: Instant,
    alive: bool,
}

impl Client {
    fn new(stream: UnixStream, peer: Peer) -> Self {
        Self {
            stream,
            peer,
            input: Vec::new(),
            output: Vec::new(),
            waits_for: None,
            last_heard: Instant::now(),
            alive: true,
        }
    }

    fn deadline(&self) -> Instant {
        self.last_heard + PATIENCE
    }

    fn interest(&self) -> PollFlags {
        let mut flags = PollFlags::empty();
        flags.set(PollFlags::POLLIN, self.waits_for.is_none());
        flags.set(PollFlags::POLLOUT, !self.output.is_empty());
        flags
    }

    /// The next complete line, if one has come and no answer is owed.
    fn next_line(&mut self) -> Option<Vec<u8>> {
        if self.waits_for.is_some() || !self.alive || self.output.len() > LONGEST_LINE {
            return None;
        }
        loop {
            if let Some(end) = self.input.iter().position(|b| *b == b'\n') {
                return Some(self.input.drain(..=end).collect());
            }
            if self.input.len() >= LONGEST_LINE {
                self.alive = false;
                return None;
            }
            let mut chunk = [0; 4096];
            match self.stream.read(&mut chunk) {
                Ok(0) => self.alive = false,
                Ok(count) => {
                    self.input.extend_from_slice(&chunk[..count]);
                    self.last_heard = Instant::now();
                    continue;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => self.alive = false,
            }
            return None;
        }
    }

    fn answer(&mut self, answer: &Answer) {
        let mut line = serde_json::to_vec(answer).unwrap_or_default();
        line.push(b'\n');
        self.output.extend(line);
        self.last_heard = Instant::now();
        self.flush();
    }

    fn flush(&mut self) {
        while !self.output.is_empty() {
            match self.stream.write(&self.output) {
                Ok(count) => drop(self.output.drain(..count)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(_) => {
                    self.alive = false;
                    return;
                }
            }
        }
    }
}

const fn is_gone(events: PollFlags) -> bool {
    events.intersects(PollFlags::POLLHUP.union(PollFlags::POLLERR).union(PollFlags::POLLNVAL))
}

fn parse(line: &[u8]) -> Result<Request, String> {
    let request: Request =
        serde_json::from_slice(line).map_err(|e| format!("not a request: {e}"))?;
    if request.text().len() > LONGEST_TEXT {
        return Err(format!("the text is longer than {LONGEST_TEXT} bytes"));
    }
    Ok(request)
}

fn action(request: Request) -> Action {
    match request {
        Request::Block { reason } => Action::Block { reason },
        Request::Approve { block, comment } => {
            Action::Approve { block: block.map(BlockId), comment }
        }
        Request::Reject { block, comment } => Action::Reject { block: block.map(BlockId), comment },
        // A status never gets here: it is answered at once.
        Request::Status | Request::Terminate => Action::Terminate,
    }
}
