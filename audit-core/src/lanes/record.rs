//! The recorder's lane: on the loop, or on a thread of its own.

use std::collections::VecDeque;
use std::sync::mpsc::{self, RecvTimeoutError, TryRecvError};
use std::time::Duration;

use super::Spawn;
use super::desk::Desk;
use super::guarded::Guarded;
use crate::engine::Mailbox;
use crate::event::Mail;
use crate::interfaces::{Durability, Recorder};
use crate::record::Record;

/// Where records are written.
#[derive(Debug)]
pub enum RecordLane {
    /// On the loop itself: no wake-up, smallest footprint.
    Inline {
        /// The recorder.
        desk: Desk,
        /// Its answers.
        mail: VecDeque<Mail>,
    },
    /// On a thread: hashing and compression run beside the terminal.
    Thread {
        /// Records since the last flush; handed over as a whole, so that a flush costs one
        /// wake-up however many records it holds.
        staged: Vec<Record>,
        /// The thread's jobs.
        jobs: mpsc::Sender<Job>,
        /// Closed when the thread is done.
        done: mpsc::Receiver<()>,
    },
}

/// A job of a recorder's thread.
#[derive(Debug)]
pub enum Job {
    /// Write these records and make them durable.
    Write(Vec<Record>, Durability),
    /// Answer that everything before it is done.
    CatchUp(mpsc::SyncSender<()>),
    /// End the recording.
    Close,
}

impl RecordLane {
    /// A lane on the loop itself.
    pub fn inline(recorder: Box<dyn Recorder>) -> Self {
        Self::Inline { desk: Desk::new(Guarded::boxed(recorder)), mail: VecDeque::new() }
    }

    /// A lane on a thread that `spawn` starts.
    ///
    /// # Errors
    /// The thread cannot be started.
    pub fn thread(
        recorder: Box<dyn Recorder>,
        mailbox: Mailbox,
        spawn: Spawn<'_>,
    ) -> std::io::Result<Self> {
        let (jobs, queue) = mpsc::channel();
        let (finished, done) = mpsc::channel();
        let recorder = Guarded::boxed(recorder);
        spawn(
            "recorder",
            Box::new(move || {
                write_all(Desk::new(recorder), &queue, &mailbox);
                drop(finished);
            }),
        )?;
        Ok(Self::Thread { staged: Vec::new(), jobs, done })
    }

    pub(super) fn record(&mut self, record: Record) {
        match self {
            Self::Inline { desk, .. } => desk.record(&record),
            Self::Thread { staged, .. } => staged.push(record),
        }
    }

    pub(super) fn flush(&mut self, durability: Durability) {
        match self {
            Self::Inline { desk, mail } => desk.flush(durability, &mut |m| mail.push_back(m)),
            Self::Thread { staged, jobs, .. } => {
                // The thread ends only after `end`: a failed send is a session that is over.
                let _ = jobs.send(Job::Write(std::mem::take(staged), durability));
            }
        }
    }

    pub(super) fn catch_up(&mut self, wait: Duration) {
        if let Self::Thread { jobs, .. } = self {
            let (done, caught_up) = mpsc::sync_channel(1);
            if jobs.send(Job::CatchUp(done)).is_ok() {
                let _ = caught_up.recv_timeout(wait);
            }
        }
    }

    pub(super) fn close(&mut self) {
        match self {
            Self::Inline { desk, mail } => desk.close(&mut |m| mail.push_back(m)),
            Self::Thread { jobs, .. } => {
                let _ = jobs.send(Job::Close);
            }
        }
    }

    pub(super) fn take_mail(&mut self) -> Option<Mail> {
        match self {
            Self::Inline { mail, .. } => mail.pop_front(),
            Self::Thread { .. } => None,
        }
    }

    pub(super) fn idle(&mut self) -> bool {
        match self {
            Self::Inline { desk, .. } => desk.idle(),
            Self::Thread { .. } => false,
        }
    }

    pub(super) fn end(&mut self, wait: Duration) {
        if let Self::Thread { jobs, done, .. } = self {
            *jobs = mpsc::channel().0;
            let _ = done.recv_timeout(wait);
        }
    }
}

/// The thread: writes what comes, and does put-off work only in quiet times.
fn write_all(mut desk: Desk, queue: &mpsc::Receiver<Job>, mailbox: &Mailbox) {
    let mut answer = |mail| mailbox.send(mail);
    let mut put_off = false;
    while let Some(job) = next_job(&mut desk, queue, put_off) {
        match job {
            Job::Write(records, durability) => {
                for record in &records {
                    desk.record(record);
                }
                desk.flush(durability, &mut answer);
                put_off = true;
            }
            Job::CatchUp(done) => drop(done.send(())),
            Job::Close => {
                desk.close(&mut answer);
                put_off = false;
            }
        }
    }
}

/// Waits for the next job, catching up on put-off work once it has been quiet for a while.
fn next_job(desk: &mut Desk, queue: &mpsc::Receiver<Job>, put_off: bool) -> Option<Job> {
    if put_off {
        match queue.recv_timeout(super::QUIET) {
            Ok(job) => return Some(job),
            Err(RecvTimeoutError::Disconnected) => return None,
            Err(RecvTimeoutError::Timeout) => {}
        }
        while desk.idle() {
            match queue.try_recv() {
                Ok(job) => return Some(job),
                Err(TryRecvError::Disconnected) => return None,
                Err(TryRecvError::Empty) => {}
            }
        }
    }
    queue.recv().ok()
}
