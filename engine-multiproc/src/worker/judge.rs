//! The monitor's process: one window or request after the other.

use std::io;
use std::time::Duration;

use audit_core::Monitor;

use super::home::Home;
use crate::message::{FromWorker, ToWorker};

/// How long a late answer is waited for before the relay is listened to again.
const SLICE: Duration = Duration::from_millis(5);

/// Judges until the relay is gone.
pub(super) fn serve(mut monitor: Box<dyn Monitor>, mut home: Home) -> io::Result<()> {
    let relay = home.share()?;
    // A judgement that never ends must not outlive the session.
    audit_core::lanes::spawn_thread(
        "relay",
        Box::new(move || {
            relay.wait_for_hang_up();
            std::process::exit(0);
        }),
    )?;
    let (mut judged, mut open) = (0, false);
    loop {
        while monitor.awaits() && !home.is_called() {
            if let Some(verdict) = monitor.late(SLICE) {
                home.send(&FromWorker::Late { window: judged, verdict })?;
            }
        }
        if open && !monitor.awaits() {
            open = false;
            home.send(&FromWorker::Settled)?;
        }
        let Some(message) = home.read()? else { return Ok(()) };
        if let ToWorker::Inspect(window) = &message {
            judged = window.id;
        }
        let answer = match message {
            ToWorker::Inspect(window) => {
                let verdict = monitor.inspect(&window).map_err(|error| error.reason);
                open = monitor.awaits();
                FromWorker::Verdict { window: window.id, verdict, open }
            }
            ToWorker::Judge(request) => FromWorker::Ruling {
                request: request.id,
                ruling: monitor.judge(&request).map_err(|error| error.reason),
            },
            ToWorker::Hello(_) | ToWorker::Tell(_) => return Err(io::ErrorKind::InvalidData.into()),
        };
        home.send(&answer)?;
    }
}
