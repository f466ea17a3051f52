//! The crew of one session: the relay's side of its workers.
//!
//! Everything here runs on the relay's own loop and never waits: the sockets of all workers and
//! the timer of their restarts sit in one epoll instance, whose descriptor the loop watches. Between
//! flushes the crew costs the loop nothing.

mod backlog;
mod judge;
mod lane;
mod link;
mod post;
mod process;
mod recorder;

use std::collections::VecDeque;
use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use audit_core::lanes::Lanes;
use audit_core::{Durability, EngineError, Mail, Notice, Record, Request, SessionSpec, Window};
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};

use crate::message::{FromWorker, Hello, Role};
use backlog::Backlog;
use judge::JudgeLane;
use lane::{Lane, attend};
use link::LinkLane;
use post::Post;
use recorder::RecorderLane;

/// How long a worker may take to build its part when a session opens: a model is read from disk.
const BUILD: Duration = Duration::from_secs(60);

/// So often in a row workers are attended to before the terminal has its turn.
const ROUNDS: usize = 64;

/// The timer's token; a worker's token is its role's number.
const TIMER: u64 = u64::MAX;

/// The workers of one session.
#[derive(Debug)]
pub struct Crew {
    epoll: Epoll,
    timer: TimerFd,
    /// When the timer rings.
    alarm: Option<Instant>,
    recorder: RecorderLane,
    judge: Option<JudgeLane>,
    link: Option<LinkLane>,
    mail: VecDeque<Mail>,
}

impl Crew {
    /// Starts the workers of a session and waits until their parts are built; the recorder's last,
    /// which leaves a journal behind.
    ///
    /// # Errors
    /// A process cannot be started, or a part cannot be built.
    pub(crate) fn hire(program: &Arc<[OsString]>, spec: &SessionSpec) -> Result<Self, EngineError> {
        let mut spec = spec.clone();
        // Only a path that is text can be written down, and workers do not go there.
        spec.command.cwd = spec.command.cwd.filter(|path| path.to_str().is_some());
        let failed = |error: io::Error| EngineError::new("staging records", error);
        let backlog = Backlog::new(&spec).map_err(failed)?;
        let post = |role: Role| {
            let staged = (role == Role::Recorder).then(|| backlog.settled());
            let memory = (role == Role::Recorder).then(|| backlog.memory());
            let hello = Hello { spec: spec.clone(), staged };
            Post::new(role, program.clone(), memory, &hello).map_err(|error| {
                EngineError::new(format!("starting the {}'s process", role.name()), error)
            })
        };
        let mut monitor = spec.monitor.as_ref().map(|_| post(Role::Monitor)).transpose()?;
        let mut controller = spec.controller.as_ref().map(|_| post(Role::Link)).transpose()?;
        let deadline = Instant::now() + BUILD;
        monitor.as_mut().map(|post| wait_until_ready(post, deadline)).transpose()?;
        let early = controller.as_mut().map(|post| wait_until_ready(post, deadline)).transpose()?;
        let mut recorder = post(Role::Recorder)?;
        wait_until_ready(&mut recorder, deadline)?;
        let recorder = RecorderLane::new(recorder, backlog, spec.clone());
        let judge = monitor.map(|post| JudgeLane::new(post, spec.clone()));
        let link = controller.map(|post| LinkLane::new(post, spec));
        let mut crew = Self::watch(recorder, judge, link)
            .map_err(|error| EngineError::new("watching the workers", error))?;
        // A controller may have an order already.
        if let (Some(link), Some(early)) = (&mut crew.link, early) {
            for message in early {
                let taken = link.heard(message, &mut crew.mail);
                taken.map_err(|error| EngineError::new("starting the link's process", error))?;
            }
        }
        Ok(crew)
    }

    fn watch(
        recorder: RecorderLane,
        judge: Option<JudgeLane>,
        link: Option<LinkLane>,
    ) -> io::Result<Self> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        let flags = TimerFlags::TFD_CLOEXEC | TimerFlags::TFD_NONBLOCK;
        let timer = TimerFd::new(ClockId::CLOCK_MONOTONIC, flags)?;
        epoll.add(&timer, EpollEvent::new(EpollFlags::EPOLLIN, TIMER))?;
        let mail = VecDeque::new();
        let mut crew = Self { epoll, timer, alarm: None, recorder, judge, link, mail };
        let Self { epoll, recorder, judge, link, .. } = &mut crew;
        for post in posts(recorder, judge, link) {
            register(epoll, post)?;
        }
        Ok(crew)
    }

    fn attend(&mut self, token: u64, now: Instant) {
        let mail = &mut self.mail;
        match token {
            TIMER => {
                self.alarm = None;
                // Read, so that it is quiet until it rings again.
                let _ = self.timer.wait();
                self.restart(now);
            }
            token if token == Role::Recorder as u64 => attend(&mut self.recorder, now, mail),
            token if token == Role::Monitor as u64 => {
                self.judge.iter_mut().for_each(|lane| attend(lane, now, mail));
            }
            _ => self.link.iter_mut().for_each(|lane| attend(lane, now, mail)),
        }
    }

    fn restart(&mut self, now: Instant) {
        let Self { epoll, recorder, judge, link, .. } = self;
        let lanes: [Option<&mut dyn Lane>; 3] = [
            Some(recorder),
            judge.as_mut().map(|lane| lane as &mut dyn Lane),
            link.as_mut().map(|lane| lane as &mut dyn Lane),
        ];
        for lane in lanes.into_iter().flatten() {
            if lane.restart(now) && register(epoll, lane.post()).is_err() {
                // Nothing would ever be heard of it: try another one later.
                lane.post().bury("it cannot be watched", now);
            }
        }
    }

    /// Rings when the next worker is to be started.
    fn set_alarm(&mut self, now: Instant) {
        let Self { recorder, judge, link, .. } = self;
        let next = posts(recorder, judge, link).filter_map(|post| post.restart_at()).min();
        if next == self.alarm {
            return;
        }
        self.alarm = next;
        match next {
            // Zero would mean never.
            Some(at) => {
                self.ring_in(at.saturating_duration_since(now).max(Duration::from_micros(1)));
            }
            // A timer that exists can be set and unset.
            None => drop(self.timer.unset()),
        }
    }

    fn ring_in(&self, wait: Duration) {
        let _ = self.timer.set(Expiration::OneShot(wait.into()), TimerSetTimeFlags::empty());
    }

    /// Attends to all that is ready, waiting for it at most `millis`.
    fn turn(&mut self, millis: u16) {
        let mut events = [EpollEvent::empty(); 4];
        let mut timeout = EpollTimeout::from(millis);
        for _ in 0..ROUNDS {
            let count = self.epoll.wait(&mut events, timeout).unwrap_or(0);
            if count == 0 {
                return;
            }
            let now = Instant::now();
            for event in &events[..count] {
                self.attend(event.data(), now);
            }
            self.watch_for_room();
            self.set_alarm(now);
            timeout = EpollTimeout::ZERO;
        }
        // A worker that never falls silent must not keep the terminal from its turn. The loop may
        // count on edges, so something has to make the next one.
        self.alarm = None;
        self.ring_in(Duration::from_millis(1));
    }

    /// Watches for room exactly at those workers that took less than they were sent.
    fn watch_for_room(&mut self) {
        let Self { epoll, recorder, judge, link, .. } = self;
        for post in posts(recorder, judge, link) {
            let Some(worker) = post.worker_mut() else { continue };
            if worker.watched_for_room == worker.wire.is_flushed() {
                worker.watched_for_room = !worker.wire.is_flushed();
                let mut event = event(post);
                if let Some(worker) = post.worker() {
                    // A worker whose socket cannot be watched any more is dead.
                    let _ = epoll.modify(worker, &mut event);
                }
            }
        }
    }

    /// Waits until the link has told everything.
    fn tell_the_rest(&mut self, deadline: Instant) {
        while self.link.as_ref().is_some_and(LinkLane::is_busy) {
            let left = millis_until(deadline);
            if left == 0 {
                return;
            }
            self.turn(left);
        }
    }
}

impl Lanes for Crew {
    fn record(&mut self, record: Record) {
        self.recorder.record(record);
    }

    fn flush(&mut self, durability: Durability) {
        self.recorder.flush(durability);
    }

    fn close(&mut self) {
        self.recorder.close();
    }

    fn inspect(&mut self, window: Window) {
        if let Some(judge) = &mut self.judge {
            judge.inspect(window);
            self.watch_for_room();
        }
    }

    fn judge(&mut self, request: Request) {
        if let Some(judge) = &mut self.judge {
            judge.judge(request);
            self.watch_for_room();
        }
    }

    fn publish(&mut self, notice: Notice) {
        if let Some(link) = &mut self.link {
            link.publish(notice);
            self.watch_for_room();
        }
    }

    fn take_mail(&mut self) -> Option<Mail> {
        self.mail.pop_front()
    }

    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        Some(self.epoll.0.as_fd())
    }

    fn ready(&mut self) {
        self.turn(0);
    }

    /// Waits for nothing but notices that are not told: workers end by themselves once their
    /// sockets do, a recorder that has not finished not before it has recorded all it holds.
    fn end(&mut self, wait: Duration) {
        self.tell_the_rest(Instant::now() + wait);
        let judging = self.judge.as_ref().is_some_and(JudgeLane::is_busy);
        let Self { recorder, judge, link, .. } = self;
        for post in posts(recorder, judge, link) {
            let stuck = post.role == Role::Monitor && judging;
            if let Some(worker) = post.worker_mut().filter(|_| stuck) {
                worker.kill();
            }
            post.abolish();
        }
    }
}

fn posts<'a>(
    recorder: &'a mut RecorderLane,
    judge: &'a mut Option<JudgeLane>,
    link: &'a mut Option<LinkLane>,
) -> impl Iterator<Item = &'a mut Post> {
    let (judge, link) = (judge.as_mut().map(Lane::post), link.as_mut().map(Lane::post));
    [Some(recorder.post()), judge, link].into_iter().flatten()
}

fn register(epoll: &Epoll, post: &mut Post) -> io::Result<()> {
    let event = event(post);
    match post.worker() {
        Some(worker) => Ok(epoll.add(worker, event)?),
        None => Ok(()),
    }
}

fn event(post: &Post) -> EpollEvent {
    let room = post.worker().is_some_and(|worker| worker.watched_for_room);
    let room = if room { EpollFlags::EPOLLOUT } else { EpollFlags::empty() };
    EpollEvent::new(EpollFlags::EPOLLIN | room, post.role as u64)
}

/// Waits until a worker has built its part; returns what it said after that.
fn wait_until_ready(
    post: &mut Post,
    deadline: Instant,
) -> Result<std::vec::IntoIter<FromWorker>, EngineError> {
    let operation = format!("starting the {}'s process", post.role.name());
    let failed = |reason: &str| EngineError::new(operation.as_str(), reason);
    loop {
        let news = post.listen();
        let mut messages = news.messages.into_iter();
        match messages.next() {
            Some(FromWorker::Ready) => {
                post.take_office();
                return Ok(messages);
            }
            Some(FromWorker::Refused { part, reason }) => {
                return Err(EngineError::new(part, reason));
            }
            Some(_) => return Err(failed("it says something else than its greeting first")),
            None => {}
        }
        if let Some(end) = news.end {
            return Err(failed(&post.bury(&end, deadline)));
        }
        match millis_until(deadline) {
            0 => return Err(failed("it takes too long to build its part")),
            left => post.wait(left),
        }
    }
}

fn millis_until(deadline: Instant) -> u16 {
    let left = deadline.saturating_duration_since(Instant::now());
    // Rounded up, so that the last wait does not spin.
    u16::try_from(left.as_nanos().div_ceil(1_000_000)).unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests;
