//! The asking side.

use std::collections::VecDeque;
use std::fmt;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, SyncSender, channel, sync_channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use audit_core::Span;
use rustls::ClientConfig;
use serde::{Deserialize, Serialize};
use tungstenite::http::Uri;

use super::breaker::Breaker;
use super::protocol::{Answer, Context};
use super::tls;
use super::worker::{Asked, Reply, Worker, lock};
use crate::DetectError;

/// Where the analyser is and how long to wait for it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LinkSettings {
    /// Its address, `ws://HOST:PORT/ai` or `wss://HOST:PORT/ai`.
    pub url: String,
    /// Certificates (PEM) that are trusted with `wss://`, in place of those this system trusts.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// The directory the session starts in, where it is known.
    #[serde(default)]
    pub cwd: Option<String>,
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
/// Texts are cut to this many bytes before they are sent, in their middle.
const TEXT_LIMIT: usize = 8 << 10;
/// What stands where a text was cut.
const CUT: &str = " [...] ";

/// What is asked.
#[derive(Clone, Debug)]
pub struct Question {
    /// The command line, secrets redacted.
    pub text: String,
    /// What is made of it so far.
    pub score: f32,
    /// Rules that fired.
    pub rules: Vec<String>,
    /// Where it lies in what was typed or shown, where that is known.
    pub place: Option<Span>,
    /// Which command line of the session it is, from 1.
    pub command: u64,
}

/// To and from the thread that asks.
type Lines = (SyncSender<Asked>, Receiver<Reply>);

/// The way to an analyser server. Questions are put and answers read on a thread of its own, which
/// starts with the first question and ends with the link.
pub struct Link {
    settings: LinkSettings,
    timeout: Duration,
    address: (String, u16),
    tls: Option<Arc<ClientConfig>>,
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
    /// The address is not `ws://HOST[:PORT][/PATH]` or `wss://…`, no certificate is trusted, or the
    /// timeout is not a positive number.
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
        let (encrypted, port) = match uri.scheme_str() {
            Some("ws") => (false, 80),
            Some("wss") => (true, 443),
            _ => return Err(wrong("it must begin with ws:// or wss://")),
        };
        let name = uri.host().ok_or_else(|| wrong("no host in it"))?;
        let address = (name.trim_matches(['[', ']']).to_owned(), uri.port_u16().unwrap_or(port));
        if !(settings.timeout > 0.0 && settings.timeout <= 3600.0) {
            return Err(wrong("the timeout is not a number of seconds"));
        }
        let client = || tls::trusted(settings.ca_file.as_deref()).and_then(tls::client);
        let tls = encrypted.then(client).transpose().map_err(|reason| wrong(&reason))?;
        let context = Context { user, host, cwd: settings.cwd.clone(), cmd_id: None };
        Ok(Self {
            settings: settings.clone(),
            timeout: Duration::from_secs_f64(settings.timeout),
            address,
            tls,
            session,
            context,
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
            tls: self.tls.clone(),
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

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").field("settings", &self.settings).finish_non_exhaustive()
    }
}

/// Cuts a long text, and keeps its beginning and its end.
fn cut(text: &mut String) {
    if text.len() <= TEXT_LIMIT {
        return;
    }
    let half = (TEXT_LIMIT - CUT.len()) / 2;
    let (mut head, mut tail) = (half, text.len() - half);
    while !text.is_char_boundary(head) {
        head -= 1;
    }
    while !text.is_char_boundary(tail) {
        tail += 1;
    }
    text.replace_range(head..tail, CUT);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_keeps_its_beginning_and_its_end() {
        let mut text = format!("head{}tail", "é".repeat(TEXT_LIMIT));
        cut(&mut text);
        assert!(text.len() <= TEXT_LIMIT && text.len() > TEXT_LIMIT - 8);
        assert!(text.starts_with("headé") && text.ends_with("étail") && text.contains(CUT));
        let mut short = "x".repeat(TEXT_LIMIT);
        cut(&mut short);
        assert_eq!(short.len(), TEXT_LIMIT);
    }
}
