//! The monitor's lane: windows and requests of one session, one at a time and in order, wherever
//! they run.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::Duration;

use crate::engine::Mailbox;
use crate::event::Mail;
use crate::interfaces::Monitor;
use crate::monitor::{Request, Window};

/// Runs a job soon, somewhere it may block: in a pool, or on a thread.
pub type Schedule = Arc<dyn Fn(Work) + Send + Sync>;

/// What a [`Schedule`] runs.
pub type Work = Box<dyn FnOnce() + Send>;

/// A queue of judgements that a pool works off, never two of a session at once.
#[derive(Clone)]
pub struct JudgeLane {
    shared: Arc<Mutex<Shared>>,
    schedule: Schedule,
    mailbox: Mailbox,
}

struct Shared {
    /// The monitor; taken out while a job runs.
    monitor: Option<Box<dyn Monitor>>,
    queue: VecDeque<Job>,
    running: bool,
    /// The window judged last: late answers are told under its number.
    window: u64,
}

/// How long a job waits for a late answer before another session has its turn.
const SLICE: Duration = Duration::from_millis(5);

enum Job {
    Inspect(Window),
    Judge(Request),
}

impl JudgeLane {
    /// A lane for this monitor whose jobs `schedule` runs.
    pub fn new(monitor: Box<dyn Monitor>, mailbox: Mailbox, schedule: Schedule) -> Self {
        let shared =
            Shared { monitor: Some(monitor), queue: VecDeque::new(), running: false, window: 0 };
        Self { shared: Arc::new(Mutex::new(shared)), schedule, mailbox }
    }

    /// A lane on a thread of its own, started with the first judgement.
    pub fn thread(monitor: Box<dyn Monitor>, mailbox: Mailbox) -> Self {
        let worker = Mutex::new(None);
        let schedule = move |job: Work| {
            let mut worker = worker.lock().unwrap_or_else(PoisonError::into_inner);
            let jobs = worker.get_or_insert_with(|| {
                let (jobs, queue) = mpsc::channel::<Work>();
                // Without a thread the jobs stay unanswered, which the core's patience finds.
                let _ = super::spawn_thread(
                    "monitor",
                    Box::new(move || queue.into_iter().for_each(|job| job())),
                );
                jobs
            });
            let _ = jobs.send(job);
        };
        Self::new(monitor, mailbox, Arc::new(schedule))
    }

    pub(super) fn inspect(&mut self, window: Window) {
        self.push(Job::Inspect(window));
    }

    pub(super) fn judge(&mut self, request: Request) {
        self.push(Job::Judge(request));
    }

    fn push(&mut self, job: Job) {
        let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        shared.queue.push_back(job);
        if !std::mem::replace(&mut shared.running, true) {
            drop(shared);
            let lane = self.clone();
            (self.schedule)(Box::new(move || lane.work()));
        }
    }

    /// Works the queue off, then waits for late answers in slices. A monitor that panics is not
    /// asked again; what it was to judge is answered as failed, so that the session knows.
    fn work(&self) {
        while let Some((job, monitor)) = self.next() {
            let (mail, monitor) = answer(job, monitor);
            let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
            shared.monitor = monitor;
            if let Mail::Verdict { window, .. } = &mail {
                shared.window = *window;
            }
            drop(shared);
            self.mailbox.send(mail);
        }
    }

    /// The next job, with the monitor that is to do it. Without one the lane rests, or comes back
    /// for late answers.
    fn next(&self) -> Option<(Job, Option<Box<dyn Monitor>>)> {
        let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(job) = shared.queue.pop_front() {
            return Some((job, shared.monitor.take()));
        }
        if !shared.monitor.as_ref().is_some_and(|monitor| monitor.awaits()) {
            shared.running = false;
            return None;
        }
        let (monitor, window) = (shared.monitor.take(), shared.window);
        drop(shared);
        self.await_late(monitor, window);
        None
    }

    fn await_late(&self, monitor: Option<Box<dyn Monitor>>, window: u64) {
        let waited = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            monitor.map(|mut monitor| (monitor.late(SLICE), monitor))
        }));
        let (verdict, monitor) = waited.ok().flatten().unzip();
        self.shared.lock().unwrap_or_else(PoisonError::into_inner).monitor = monitor;
        if let Some(verdict) = verdict.flatten() {
            self.mailbox.send(Mail::Verdict { window, verdict: Ok(verdict) });
        }
        let lane = self.clone();
        (self.schedule)(Box::new(move || lane.work()));
    }
}

fn answer(job: Job, monitor: Option<Box<dyn Monitor>>) -> (Mail, Option<Box<dyn Monitor>>) {
    let crashed = || "the monitor has crashed".to_owned();
    let Some(mut monitor) = monitor else {
        return (failure(&job, crashed()), None);
    };
    let mail = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| match &job {
        Job::Inspect(window) => Mail::Verdict {
            window: window.id,
            verdict: monitor.inspect(window).map_err(|error| error.reason),
        },
        Job::Judge(request) => Mail::Ruling {
            request: request.id,
            ruling: monitor.judge(request).map_err(|error| error.reason),
        },
    }));
    match mail {
        Ok(mail) => (mail, Some(monitor)),
        Err(_) => (failure(&job, crashed()), None),
    }
}

fn failure(job: &Job, reason: String) -> Mail {
    match job {
        Job::Inspect(window) => Mail::Verdict { window: window.id, verdict: Err(reason) },
        Job::Judge(request) => Mail::Ruling { request: request.id, ruling: Err(reason) },
    }
}

impl fmt::Debug for JudgeLane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JudgeLane")
    }
}
