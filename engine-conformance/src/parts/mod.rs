//! The recorder, monitor and controller of the scenarios, and the switches that make them fail.

mod controller;
mod monitor;
mod recorder;

use std::path::{Path, PathBuf};
use std::time::Duration;

use audit_core::{Part, SessionSpec, Toolkit};
use serde::{Deserialize, Serialize};

pub(crate) use controller::make_fifo;
pub(crate) use monitor::{CRASH, SECOND, STALL, Seen, THREAT};

/// File of the records, frames of `Record`.
pub(crate) const JOURNAL: &str = "journal";
/// File of the notices, frames of `Notice`.
pub(crate) const NOTICES: &str = "notices";
/// File of the windows a monitor saw, frames of [`Seen`].
pub(crate) const WINDOWS: &str = "windows";

/// A fault that holds while a file of its name exists in the scene's directory.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Switch {
    /// The recorder fails.
    RecorderFails,
    /// The recorder panics; turned off by the recorder, which panics once.
    RecorderPanics,
    /// The recorder does not return from a sync.
    RecorderStalls,
    /// The recorder is held up by its stall; set by the recorder.
    RecorderIsStalled,
    /// The monitor does not answer windows that hold [`STALL`].
    MonitorStalls,
    /// The monitor crashed on [`CRASH`]; set by the monitor, which crashes once.
    MonitorHasCrashed,
    /// The controller's link is down.
    LinkIsDown,
    /// The controller does not return.
    LinkStalls,
    /// The controller panics; turned off by the controller, which panics once.
    LinkPanics,
}

impl Switch {
    fn path(self, dir: &Path) -> PathBuf {
        dir.join(match self {
            Self::RecorderFails => "recorder.fails",
            Self::RecorderPanics => "recorder.panics",
            Self::RecorderStalls => "recorder.stalls",
            Self::RecorderIsStalled => "recorder.stalled",
            Self::MonitorStalls => "monitor.stalls",
            Self::MonitorHasCrashed => "monitor.crashed",
            Self::LinkIsDown => "link.down",
            Self::LinkStalls => "link.stalls",
            Self::LinkPanics => "link.panics",
        })
    }

    /// Whether it is on.
    pub(crate) fn is_on(self, dir: &Path) -> bool {
        self.path(dir).exists()
    }

    /// Turns it on.
    pub(crate) fn on(self, dir: &Path) {
        std::fs::write(self.path(dir), "").expect("the scene's directory takes files");
    }

    /// Turns it off.
    pub(crate) fn off(self, dir: &Path) {
        std::fs::remove_file(self.path(dir)).expect("a switch that is on");
    }

    /// Panics if it is on, and turns it off.
    fn panic_once(self, dir: &Path) {
        if self.is_on(dir) {
            self.off(dir);
            panic!("as it was told: {self:?}");
        }
    }

    /// Waits while it is on. The wait ends when the scene's directory is gone, so that no worker
    /// outlives its scenario.
    fn wait_while_on(self, dir: &Path) {
        while self.is_on(dir) {
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

/// The table of parts, the same in every process.
pub(crate) fn toolkit() -> Toolkit {
    Toolkit::new()
        .with_recorder("file", recorder::build)
        .with_monitor("script", monitor::build)
        .with_controller("fifo", controller::build)
}

/// The recorder that keeps its records in this directory.
pub(crate) fn recorder(dir: &Path) -> Part {
    part("file", dir)
}

/// The monitor that obeys the words [`THREAT`], [`SECOND`], [`STALL`] and [`CRASH`].
pub(crate) fn monitor(dir: &Path) -> Part {
    part("script", dir)
}

/// The controller that takes orders from a FIFO in this directory and keeps notices there.
pub(crate) fn controller(dir: &Path) -> Part {
    part("fifo", dir)
}

#[derive(Serialize, Deserialize)]
struct Settings {
    dir: PathBuf,
}

fn part(name: &str, dir: &Path) -> Part {
    Part::new(name, serde_json::json!({ "dir": dir }))
}

/// The directory a part's settings name.
fn directory(part: Option<&Part>, spec: &SessionSpec) -> Result<PathBuf, audit_core::PartError> {
    let part = part.unwrap_or(&spec.recorder);
    part.settings::<Settings>().map(|settings| settings.dir)
}
