//! The controller's lane: tells notices and waits for orders, on a thread of its own.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{self, TryRecvError};
use std::time::Duration;

use super::Spawn;
use crate::control::Notice;
use crate::engine::Mailbox;
use crate::event::Mail;
use crate::interfaces::{Controller, Wake};

/// How long a link whose controller fails is left alone before it is asked again.
const PAUSE: Duration = Duration::from_secs(1);

/// The lane of one session's controller.
pub struct LinkLane {
    notices: mpsc::Sender<Notice>,
    wake: Wake,
    done: mpsc::Receiver<()>,
}

impl LinkLane {
    /// Starts the lane with `spawn`.
    ///
    /// # Errors
    /// The thread cannot be started.
    pub fn start(
        controller: Box<dyn Controller>,
        mailbox: Mailbox,
        spawn: Spawn<'_>,
    ) -> std::io::Result<Self> {
        let (notices, queue) = mpsc::channel();
        let (finished, done) = mpsc::channel();
        let wake = controller.wake();
        spawn(
            "link",
            Box::new(move || {
                let serve = AssertUnwindSafe(|| serve(controller, &queue, &mailbox));
                if catch_unwind(serve).is_err() {
                    let text = "the link has crashed; nobody is told any more".to_owned();
                    mailbox.send(Mail::Trouble { name: "link.failed".into(), text });
                }
                drop(finished);
            }),
        )?;
        Ok(Self { notices, wake, done })
    }

    pub(super) fn publish(&mut self, notice: Notice) {
        // The thread ends before `end` only by a panic of the controller, which has been reported.
        let _ = self.notices.send(notice);
        (self.wake)();
    }

    pub(super) fn end(self, wait: Duration) {
        let Self { notices, wake, done } = self;
        drop(notices);
        wake();
        let _ = done.recv_timeout(wait);
    }
}

fn serve(mut controller: Box<dyn Controller>, queue: &mpsc::Receiver<Notice>, mailbox: &Mailbox) {
    let mut quiet = false;
    let mut trouble = |error: crate::interfaces::ControllerError| {
        if !std::mem::replace(&mut quiet, true) {
            mailbox.send(Mail::Trouble { name: "link.failed".into(), text: error.reason });
        }
    };
    loop {
        loop {
            match queue.try_recv() {
                Ok(notice) => {
                    if let Err(error) = controller.publish(&notice) {
                        trouble(error);
                    }
                }
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => return,
            }
        }
        match controller.receive(Duration::MAX) {
            Ok(Some(command)) => mailbox.send(Mail::Command(command)),
            Ok(None) => {}
            Err(error) => {
                trouble(error);
                match queue.recv_timeout(PAUSE) {
                    Ok(notice) => drop(controller.publish(&notice)),
                    Err(mpsc::RecvTimeoutError::Timeout) => {}
                    Err(mpsc::RecvTimeoutError::Disconnected) => return,
                }
            }
        }
    }
}

impl fmt::Debug for LinkLane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LinkLane")
    }
}
