//! The recorder's process: records what is staged, whatever becomes of the relay.

use std::io;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use audit_core::lanes::{Desk, QUIET};
use audit_core::{Body, Durability, Mail, Record, Recorder};

use super::home::{Home, Woken};
use crate::frame::{self, Frame};
use crate::message::{FromWorker, Staged, Stamp};
use crate::staging::Reader;

/// How often a recorder that has caught up gives back the code that took: what packs and hashes a
/// flood is not needed for a prompt.
const SLIM: Duration = Duration::from_secs(10);

/// Records until the recording is closed and the relay is gone.
pub(super) fn serve(
    recorder: Box<dyn Recorder>,
    home: Home,
    memory: &OwnedFd,
    staged: Staged,
) -> io::Result<()> {
    let reader = Reader::open(memory, staged.from)?;
    let desk = Desk::new(recorder);
    let Staged { last, missing, .. } = staged;
    let (closed, relay_gone, slimmed) = (false, false, Instant::now());
    Clerk { desk, reader, home, last, missing, closed, relay_gone, slimmed }.work()
}

struct Clerk {
    desk: Desk,
    reader: Reader,
    home: Home,
    /// The last record taken.
    last: Stamp,
    /// Whether the session counts as missing what is staged here.
    missing: bool,
    closed: bool,
    relay_gone: bool,
    /// When code was given back last.
    slimmed: Instant,
}

impl Clerk {
    fn work(mut self) -> io::Result<()> {
        let mut put_off = false;
        loop {
            let mut moved = false;
            while let Some(frame) = self.reader.next().map_err(io::Error::other)? {
                self.take(frame::decode(frame).map_err(io::Error::other)?);
                moved = true;
            }
            if self.relay_gone {
                self.seal();
                return Ok(());
            }
            put_off = (put_off || moved) && !self.closed;
            match self.home.wait(put_off.then_some(QUIET.as_millis() as u16))? {
                Woken::Call => {}
                // What was staged before the end may have come after the last look.
                Woken::Gone => self.relay_gone = true,
                Woken::Late => {
                    put_off = self.catch_up()?;
                    if !put_off && self.slimmed.elapsed() >= SLIM {
                        audit_pty::give_back();
                        self.slimmed = Instant::now();
                    }
                }
            }
        }
    }

    /// Does put-off work until there is no more or the relay calls. Returns whether more remains.
    fn catch_up(&mut self) -> io::Result<bool> {
        while self.desk.idle() {
            match self.home.wait(Some(0))? {
                Woken::Late => {}
                Woken::Gone => {
                    self.relay_gone = true;
                    return Ok(true);
                }
                Woken::Call => return Ok(true),
            }
        }
        Ok(false)
    }

    fn take(&mut self, frame: Frame) {
        match frame {
            Frame::Record(record) => {
                self.last = Stamp { seq: record.seq.max(self.last.seq), at: record.at };
                if !self.missing {
                    self.desk.record(&record);
                }
            }
            Frame::Resume => self.missing = false,
            Frame::Flush { number, .. } if self.missing => {
                self.answer(&FromWorker::Flushed { number, recorded: None, failure: None });
            }
            Frame::Flush { number, durability } => {
                let (mut recorded, mut failure) = (None, None);
                self.desk.flush(durability, &mut |mail| match mail {
                    Mail::Recorded { through } => recorded = Some(through),
                    Mail::RecorderFailed { reason } => failure = Some(reason),
                    _ => {}
                });
                self.missing = failure.is_some();
                self.answer(&FromWorker::Flushed { number, recorded, failure });
            }
            Frame::Close { number } => {
                let failure = self.close();
                self.answer(&FromWorker::Closed { number, failure });
            }
        }
    }

    fn close(&mut self) -> Option<String> {
        let mut failure = None;
        self.closed = true;
        self.desk.close(&mut |mail| {
            if let Mail::RecorderClosed { failure: reason } = mail {
                failure = reason;
            }
        });
        failure
    }

    fn answer(&mut self, message: &FromWorker) {
        // Nobody to answer: what is staged is recorded all the same.
        self.relay_gone |= self.home.send(message).is_err();
    }

    /// The relay has died with the recording open: everything it handed over is in, and the
    /// recording says why it ends here. How the session ended nobody knows, so there is no
    /// [`Body::End`].
    fn seal(&mut self) {
        if self.closed || self.last.seq == 0 {
            return;
        }
        // A failure ends with the flush, so that what follows is not passed over.
        self.desk.flush(Durability::Process, &mut |_| {});
        let text = "the process that served the terminal has died".to_owned();
        let body = Body::Marker { name: "session.interrupted".into(), text };
        self.desk.record(&Record { seq: self.last.seq + 1, at: self.last.at, body });
        self.desk.flush(Durability::Machine, &mut |_| {});
        self.close();
    }
}
