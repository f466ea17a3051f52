//! The controller's process: tells notices and waits for orders.

use std::io;
use std::sync::mpsc::{self, RecvTimeoutError, TryRecvError};
use std::time::Duration;

use audit_core::{Controller, ControllerError, Notice};

use super::home::Home;
use crate::message::{FromWorker, ToWorker};

/// How long a controller that fails is left alone before it is asked again.
const PAUSE: Duration = Duration::from_secs(1);
/// How long a controller may take to tell the last notices once the relay has no more.
const FAREWELL: Duration = Duration::from_secs(10);

/// Serves until the relay has no more and everything is told.
pub(super) fn serve(controller: Box<dyn Controller>, home: Home) -> io::Result<()> {
    let (notices, queue) = mpsc::channel();
    let wake = controller.wake();
    let mut inbound = home.share()?;
    audit_core::lanes::spawn_thread(
        "relay",
        Box::new(move || {
            while let Ok(Some(ToWorker::Tell(notice))) = inbound.read() {
                if notices.send(notice).is_err() {
                    return;
                }
                wake();
            }
            drop(notices);
            wake();
            std::thread::sleep(FAREWELL);
            std::process::exit(1);
        }),
    )?;
    Link { controller, home, failing: false }.work(&queue);
    Ok(())
}

struct Link {
    controller: Box<dyn Controller>,
    home: Home,
    /// Whether the trouble was told; it is told once.
    failing: bool,
}

impl Link {
    fn work(mut self, queue: &mpsc::Receiver<Notice>) {
        loop {
            loop {
                match queue.try_recv() {
                    Ok(notice) => self.tell(&notice),
                    Err(TryRecvError::Empty) => break,
                    Err(TryRecvError::Disconnected) => return,
                }
            }
            match self.controller.receive(Duration::MAX) {
                Ok(Some(command)) => self.say(&FromWorker::Command(command)),
                Ok(None) => {}
                Err(error) => {
                    self.trouble(error);
                    match queue.recv_timeout(PAUSE) {
                        Ok(notice) => self.tell(&notice),
                        Err(RecvTimeoutError::Timeout) => {}
                        Err(RecvTimeoutError::Disconnected) => return,
                    }
                }
            }
        }
    }

    fn tell(&mut self, notice: &Notice) {
        if let Err(error) = self.controller.publish(notice) {
            self.trouble(error);
        }
        self.say(&FromWorker::Told { notice: notice.id });
    }

    fn trouble(&mut self, error: ControllerError) {
        if !std::mem::replace(&mut self.failing, true) {
            self.say(&FromWorker::Trouble { name: "link.failed".into(), text: error.reason });
        }
    }

    /// Nobody may hear it: a session that is over does not wait for its last notices to be told.
    fn say(&self, message: &FromWorker) {
        let _ = self.home.send(message);
    }
}
