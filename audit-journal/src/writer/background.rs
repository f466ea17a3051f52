//! What the disk does while the session goes on.
//!
//! Writing to a file costs microseconds, waiting for the disk tens of milliseconds, which nobody
//! at a keyboard should feel. The thread lives only while there is something to do: an idle
//! session has none.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use crate::error::{JournalError, Result};

/// Holds the signing of a leaf of the host log, in a debug build too.
const STACK: usize = 512 << 10;

/// So many works may wait. Each holds a descriptor or two.
const WAITING: usize = 8;

type Work = Box<dyn FnOnce() -> Result<()> + Send>;

/// Does what it is given, one after the other. Dropping it waits for what is not done.
#[derive(Default)]
pub(super) struct Background {
    shared: Arc<Mutex<Shared>>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    works: VecDeque<Work>,
    running: bool,
    failure: Option<JournalError>,
}

impl Background {
    /// Has this done after what was given before; at once where no thread can be had.
    pub(super) fn start(&mut self, work: impl FnOnce() -> Result<()> + Send + 'static) {
        let mut shared = lock(&self.shared);
        shared.works.push_back(Box::new(work));
        if std::mem::replace(&mut shared.running, true) {
            return;
        }
        drop(shared);
        self.join();
        let shared = Arc::clone(&self.shared);
        let thread = std::thread::Builder::new().name("journal disk".into()).stack_size(STACK);
        match thread.spawn(move || run(&shared)) {
            Ok(thread) => self.thread = Some(thread),
            Err(_) => run(&self.shared),
        }
    }

    /// Whether the disk is so slow that nothing more should be given to it for now.
    pub(super) fn is_behind(&self) -> bool {
        lock(&self.shared).works.len() >= WAITING
    }

    /// The first failure that was not told yet.
    pub(super) fn check(&mut self) -> Result<()> {
        lock(&self.shared).failure.take().map_or(Ok(()), Err)
    }

    /// Waits until all is done.
    pub(super) fn wait(&mut self) -> Result<()> {
        self.join();
        self.check()
    }

    fn join(&mut self) {
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        self.join();
    }
}

impl std::fmt::Debug for Background {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Background").field("thread", &self.thread).finish_non_exhaustive()
    }
}

fn run(shared: &Mutex<Shared>) {
    loop {
        let work = {
            let mut shared = lock(shared);
            let work = shared.works.pop_front();
            shared.running = work.is_some();
            work
        };
        let Some(work) = work else { return };
        if let Err(failure) = work() {
            lock(shared).failure.get_or_insert(failure);
        }
    }
}

fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    fn failed(operation: &'static str) -> JournalError {
        let error = std::io::Error::other("on purpose");
        JournalError::io(operation, std::path::Path::new("x"), error)
    }

    #[test]
    fn work_is_done_in_turn_while_its_giver_goes_on() {
        let mut background = Background::default();
        let (go, gate) = channel();
        let (done, order) = channel();
        background.start(move || {
            gate.recv().unwrap();
            Ok(())
        });
        for n in 0..3 {
            let done = done.clone();
            background.start(move || {
                done.send(n).unwrap();
                Ok(())
            });
        }
        assert!(order.try_recv().is_err());
        assert!(!background.is_behind());
        (0..WAITING).for_each(|_| background.start(|| Ok(())));
        assert!(background.is_behind());
        go.send(()).unwrap();
        background.wait().unwrap();
        assert!(!background.is_behind());
        drop(done);
        assert_eq!(order.iter().collect::<Vec<_>>(), [0, 1, 2]);
        // And again, with a thread of its own.
        let (done, order) = channel();
        background.start(move || {
            done.send(std::thread::current().id()).unwrap();
            Ok(())
        });
        assert_ne!(order.recv().unwrap(), std::thread::current().id());
    }

    #[test]
    fn the_first_failure_is_told_once_and_the_rest_is_done() {
        let mut background = Background::default();
        let (done, order) = channel();
        background.start(|| Err(failed("first")));
        background.start(|| Err(failed("second")));
        background.start(move || {
            done.send(()).unwrap();
            Ok(())
        });
        let told = background.wait().unwrap_err().to_string();
        assert!(told.contains("first"), "{told}");
        assert_eq!(order.recv(), Ok(()));
        background.check().unwrap();
        background.wait().unwrap();
    }
}
