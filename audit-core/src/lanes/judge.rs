//! The monitor's lane: windows and requests of one session, one at a time and in order, wherever
//! they run.

use std::collections::VecDeque;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::time::Duration;

use crate::engine::Mailbox;
use crate::event::Mail;
use crate::interfaces::Monitor;
use crate::monitor::{Request, Window};
use crate::spec::PartError;

/// Runs a job soon, somewhere it may block: in a pool, or on a thread.
pub type Schedule = Arc<dyn Fn(Work) + Send + Sync>;

/// What a [`Schedule`] runs.
pub type Work = Box<dyn FnOnce() + Send>;

/// Builds a monitor of the session anew.
pub type Rebuild = Arc<dyn Fn() -> Result<Box<dyn Monitor>, PartError> + Send + Sync>;

/// A session's monitor, and how to build another when it crashes.
pub struct Judge {
    monitor: Box<dyn Monitor>,
    rebuild: Rebuild,
}

impl Judge {
    /// This monitor, of which `rebuild` makes others.
    pub fn new(monitor: Box<dyn Monitor>, rebuild: Rebuild) -> Self {
        Self { monitor, rebuild }
    }
}

impl fmt::Debug for Judge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Judge")
    }
}

/// A queue of judgements that a pool works off, never two of a session at once.
///
/// A monitor that panics is built anew, and judges again what it panicked over. What it remembered
/// of the session is gone, which the session is told. When several die over the same job, that job
/// is answered as failed.
#[derive(Clone)]
pub struct JudgeLane {
    shared: Arc<Mutex<Shared>>,
    rebuild: Rebuild,
    schedule: Schedule,
    mailbox: Mailbox,
}

struct Shared {
    /// The monitor; taken out while a job runs, and gone after a crash.
    monitor: Option<Box<dyn Monitor>>,
    queue: VecDeque<Job>,
    running: bool,
    /// The window judged last: late answers are told under its number.
    window: u64,
    /// How many monitors crashed in a row, without one that judged anything in between.
    crashes: u32,
    /// How long to wait before the next is built.
    pause: Duration,
}

/// How long a job waits for a late answer before another session has its turn.
const SLICE: Duration = Duration::from_millis(5);
/// When so many monitors crashed over the same job, it goes unjudged.
const CRASHES: u32 = 3;
/// The second crash in a row is followed by a pause, which doubles with each further one.
const PAUSE: Duration = Duration::from_millis(50);
const PAUSE_MAX: Duration = Duration::from_secs(5);

enum Job {
    Inspect(Window),
    Judge(Request),
}

impl JudgeLane {
    /// A lane for this monitor whose jobs `schedule` runs.
    pub fn new(judge: Judge, mailbox: Mailbox, schedule: Schedule) -> Self {
        let shared = Shared {
            monitor: Some(judge.monitor),
            queue: VecDeque::new(),
            running: false,
            window: 0,
            crashes: 0,
            pause: Duration::ZERO,
        };
        let shared = Arc::new(Mutex::new(shared));
        Self { shared, rebuild: judge.rebuild, schedule, mailbox }
    }

    /// A lane on a thread of its own, started with the first judgement.
    pub fn thread(judge: Judge, mailbox: Mailbox) -> Self {
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
        Self::new(judge, mailbox, Arc::new(schedule))
    }

    pub(super) fn inspect(&mut self, window: Window) {
        self.push(Job::Inspect(window));
    }

    pub(super) fn judge(&mut self, request: Request) {
        self.push(Job::Judge(request));
    }

    fn push(&mut self, job: Job) {
        let mut shared = self.shared();
        shared.queue.push_back(job);
        if !std::mem::replace(&mut shared.running, true) {
            drop(shared);
            self.come_back();
        }
    }

    fn shared(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn come_back(&self) {
        let lane = self.clone();
        (self.schedule)(Box::new(move || lane.work()));
    }

    /// Works the queue off, then waits for late answers in slices.
    fn work(&self) {
        while let Some((job, monitor)) = self.next() {
            match answer(&job, monitor) {
                Some((mail, monitor)) => self.answered(mail, monitor),
                None => self.crashed(Some(job)),
            }
        }
    }

    /// The next job, with the monitor that is to do it. Otherwise the lane rests, or comes back:
    /// for late answers, or because it is too soon for another monitor.
    fn next(&self) -> Option<(Job, Box<dyn Monitor>)> {
        let mut shared = self.shared();
        if shared.queue.is_empty() {
            if !shared.monitor.as_ref().is_some_and(|monitor| monitor.awaits()) {
                shared.running = false;
                return None;
            }
            let monitor = shared.monitor.take()?;
            let window = shared.window;
            drop(shared);
            self.await_late(monitor, window);
            return None;
        }
        if let Some(monitor) = shared.monitor.take() {
            return Some((shared.queue.pop_front()?, monitor));
        }
        let slice = shared.pause.min(SLICE);
        shared.pause -= slice;
        drop(shared);
        if slice.is_zero() {
            self.build();
        } else {
            std::thread::sleep(slice);
        }
        self.come_back();
        None
    }

    /// Builds another monitor in place of one that crashed.
    fn build(&self) {
        match catch_unwind(AssertUnwindSafe(|| (self.rebuild)())) {
            Ok(Ok(monitor)) => {
                self.shared().monitor = Some(monitor);
                self.mailbox.send(Mail::Trouble {
                    name: "monitor.restarted".into(),
                    text: "the monitor crashed and was built anew; it has forgotten what was \
                           before"
                        .into(),
                });
            }
            Ok(Err(_)) | Err(_) => self.crashed(None),
        }
    }

    fn answered(&self, mail: Mail, monitor: Box<dyn Monitor>) {
        let mut shared = self.shared();
        shared.monitor = Some(monitor);
        shared.crashes = 0;
        if let Mail::Verdict { window, .. } = &mail {
            shared.window = *window;
        }
        drop(shared);
        self.mailbox.send(mail);
    }

    /// A monitor crashed over this job, or could not be built. The job is next again, unless too
    /// many did.
    fn crashed(&self, job: Option<Job>) {
        let mut shared = self.shared();
        if let Some(job) = job {
            shared.queue.push_front(job);
        }
        shared.crashes += 1;
        if let Some(doublings) = shared.crashes.checked_sub(2) {
            shared.pause = (PAUSE * (1 << doublings.min(16))).min(PAUSE_MAX);
        }
        let hopeless = shared.crashes.is_multiple_of(CRASHES);
        let given_up = if hopeless { shared.queue.pop_front() } else { None };
        drop(shared);
        if let Some(job) = given_up {
            self.mailbox.send(failure(&job, "the monitor has crashed".to_owned()));
        }
    }

    fn await_late(&self, mut monitor: Box<dyn Monitor>, window: u64) {
        let waited = catch_unwind(AssertUnwindSafe(move || (monitor.late(SLICE), monitor)));
        match waited {
            Ok((verdict, monitor)) => {
                self.shared().monitor = Some(monitor);
                if let Some(verdict) = verdict {
                    self.mailbox.send(Mail::Verdict { window, verdict: Ok(verdict) });
                }
            }
            Err(_) => self.crashed(None),
        }
        self.come_back();
    }
}

/// The monitor's answer; `None` when it crashed.
fn answer(job: &Job, mut monitor: Box<dyn Monitor>) -> Option<(Mail, Box<dyn Monitor>)> {
    let mail = catch_unwind(AssertUnwindSafe(|| match job {
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
        Ok(mail) => Some((mail, monitor)),
        Err(_) => {
            // What it holds may be broken too.
            let _ = catch_unwind(AssertUnwindSafe(move || drop(monitor)));
            None
        }
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

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;
    use crate::interfaces::MonitorError;
    use crate::moment::Moment;
    use crate::monitor::{Ruling, Verdict};
    use crate::stream::Stream;

    /// Panics over the windows of which that many crashes are left; counts how often it was built.
    struct Crashing(Arc<Mutex<Vec<(u64, u32)>>>);

    impl Monitor for Crashing {
        fn inspect(&mut self, window: &Window) -> Result<Verdict, MonitorError> {
            let mut left = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some((_, crashes)) =
                left.iter_mut().find(|(id, crashes)| *id == window.id && *crashes > 0)
            {
                *crashes -= 1;
                drop(left);
                std::panic::resume_unwind(Box::new("on purpose"));
            }
            Ok(Verdict::default())
        }

        fn judge(&mut self, _: &Request) -> Result<Ruling, MonitorError> {
            Ok(Ruling::Allow)
        }
    }

    /// Inspects windows 1 to 3 with a monitor that crashes so often over some of them. Returns the
    /// answers, the troubles, and how many monitors were built anew.
    fn inspect(crashes: &[(u64, u32)]) -> (Vec<(u64, bool)>, usize, u32) {
        let (mails, inbox) = mpsc::channel();
        let mailbox = Mailbox::new(move |mail| drop(mails.send(mail)));
        let left = Arc::new(Mutex::new(crashes.to_vec()));
        let built = Arc::new(AtomicU32::new(0));
        let rebuild: Rebuild = {
            let (left, built) = (Arc::clone(&left), Arc::clone(&built));
            Arc::new(move || {
                built.fetch_add(1, Ordering::SeqCst);
                Ok(Box::new(Crashing(Arc::clone(&left))))
            })
        };
        let judge = Judge::new(Box::new(Crashing(left)), rebuild);
        let mut lane = JudgeLane::thread(judge, mailbox);
        for id in 1..=3 {
            let bytes = bytes::Bytes::new();
            lane.inspect(Window { id, at: Moment::START, stream: Stream::Tty, offset: 0, bytes });
        }
        let (mut answers, mut troubles) = (Vec::new(), 0);
        while answers.len() < 3 {
            match inbox.recv().expect("three answers") {
                Mail::Verdict { window, verdict } => answers.push((window, verdict.is_ok())),
                _ => troubles += 1,
            }
        }
        (answers, troubles, built.load(Ordering::SeqCst))
    }

    #[test]
    fn a_monitor_that_crashes_is_built_anew_and_judges_the_window_again() {
        let (answers, troubles, built) = inspect(&[(2, 1)]);
        assert_eq!(answers, [(1, true), (2, true), (3, true)]);
        assert_eq!((troubles, built), (1, 1), "the session is told once");
    }

    #[test]
    fn a_window_over_which_monitors_keep_crashing_goes_unjudged_and_the_next_does_not() {
        let (answers, _, built) = inspect(&[(2, CRASHES)]);
        assert_eq!(answers, [(1, true), (2, false), (3, true)]);
        assert_eq!(built, CRASHES);
    }
}
