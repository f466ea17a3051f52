//! The loop: one task a session.

use std::future::poll_fn;
use std::task::{Context, Poll};
use std::time::Instant;

use audit_core::lanes::{Lanes, MakeLanes, QUIET};
use audit_core::{EngineError, Mail, Mailbox, Outcome, Session};
use audit_pty::{Driver, Progress, Side, Wants};
use tokio::sync::mpsc;

use crate::watch::Watch;

/// Opens a session and turns it until it is over; then [`Driver::finish`] is left to do, which may
/// wait for a lane that hangs.
pub(crate) async fn drive<M: MakeLanes>(
    session: Session,
    lanes: &M,
    mailbox: Mailbox,
    mut mail: mpsc::UnboundedReceiver<Mail>,
) -> Result<Driver<M::Lanes>, EngineError> {
    let driver = Driver::open(session, lanes, mailbox)?;
    let watch =
        Watch::new(&driver).map_err(|error| EngineError::new("registering a session", error))?;
    let mut task = Task { driver, watch, idle_at: None };
    while !task.driver.is_over() {
        task.watch.follow(&task.driver);
        let wants = task.driver.wants();
        let wake_at = wants.deadline.into_iter().chain(task.idle_at).min();
        let turn = poll_fn(|cx| task.turn(&wants, &mut mail, cx));
        let moved = match wake_at {
            Some(at) => tokio::time::timeout_at(at.into(), turn).await.is_ok(),
            None => {
                turn.await;
                true
            }
        };
        if moved {
            // The reactor must see the other descriptors and the other sessions theirs.
            tokio::task::yield_now().await;
        } else {
            task.time_passes(&wants);
        }
    }
    Ok(task.driver)
}

/// Ends a session that is over.
pub(crate) fn finish<L: Lanes>(driver: Driver<L>) -> Result<Outcome, EngineError> {
    driver.finish().ok_or_else(|| EngineError::new("session", "it ended without an outcome"))
}

struct Task<L> {
    driver: Driver<L>,
    watch: Watch,
    /// When put-off work begins unless something moves before.
    idle_at: Option<Instant>,
}

impl<L: Lanes> Task<L> {
    /// Does everything that is ready, once. Pending when nothing was.
    fn turn(
        &mut self,
        wants: &Wants,
        mail: &mut mpsc::UnboundedReceiver<Mail>,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        let mut moved = false;
        while let Poll::Ready(Some(letter)) = mail.poll_recv(cx) {
            self.driver.mail(letter);
            moved = true;
        }
        for (index, side) in Side::ALL.into_iter().enumerate() {
            let wanted = match side {
                Side::From(stream) => wants.read.wants(stream),
                Side::To(port) => wants.write[port.index()],
                Side::Child | Side::Signals => true,
            };
            if wanted && self.watch.poll_ready(index, cx) {
                moved |= self.act(index, side, cx);
            }
        }
        if moved { Poll::Ready(()) } else { Poll::Pending }
    }

    /// Acts on a ready side; whether anything came of it.
    fn act(&mut self, index: usize, side: Side, cx: &mut Context<'_>) -> bool {
        match side {
            Side::From(stream) => match self.driver.read(stream) {
                Progress::Made => {
                    self.idle_at = Some(Instant::now() + QUIET);
                    true
                }
                Progress::Unwanted => false,
                Progress::Blocked => {
                    self.watch.clear(index, cx);
                    // Registers the waker; a readiness of meanwhile counts as progress.
                    self.watch.poll_ready(index, cx)
                        && !self.driver.ends().always_ready(Side::From(stream))
                }
            },
            Side::To(port) => {
                self.watch.clear(index, cx);
                self.driver.writable(port);
                true
            }
            Side::Child => {
                self.watch.clear(index, cx);
                self.driver.child_ready();
                true
            }
            Side::Signals => {
                self.watch.clear(index, cx);
                self.driver.signals_ready();
                true
            }
        }
    }

    fn time_passes(&mut self, wants: &Wants) {
        let now = Instant::now();
        if wants.deadline.is_some_and(|at| at <= now) {
            self.driver.timeout();
        }
        if self.idle_at.is_some_and(|at| at <= now) {
            self.idle_at = self.driver.idle().then_some(now);
        }
    }
}
