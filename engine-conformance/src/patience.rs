//! Waiting for what must come.

use std::time::{Duration, Instant};

/// How long anything is waited for before the scenario gives up. Only a hang takes so long; no
/// scenario measures time by it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// How often a condition is looked at again.
const LOOK: Duration = Duration::from_millis(5);

/// Waits until `look` gives something.
///
/// # Panics
/// Nothing came within [`PATIENCE`].
pub(crate) fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(start.elapsed() < PATIENCE, "waited in vain: {what}");
        std::thread::sleep(LOOK);
    }
}

/// Waits until `holds` is true.
///
/// # Panics
/// It did not become true within [`PATIENCE`].
pub(crate) fn until_true(what: &str, mut holds: impl FnMut() -> bool) {
    until(what, || holds().then_some(()));
}
