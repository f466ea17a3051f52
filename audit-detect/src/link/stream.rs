//! A TCP stream that keeps to a deadline.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A stream on which everything fails that is not done by a set moment, however many reads and
/// writes it takes. A peer that sends a byte now and then gains nothing by it.
#[derive(Clone, Debug)]
pub(crate) struct Timed {
    stream: Arc<TcpStream>,
    until: Instant,
}

impl Timed {
    /// This stream; nothing may take longer than to `until`.
    pub(crate) fn new(stream: TcpStream, until: Instant) -> Self {
        Self { stream: Arc::new(stream), until }
    }

    /// From now on nothing may take longer than to `until`.
    pub(crate) fn limit(&mut self, until: Instant) {
        self.until = until;
    }

    /// The stream itself, such as to shut it down from another thread.
    pub(crate) fn inner(&self) -> Arc<TcpStream> {
        Arc::clone(&self.stream)
    }

    fn left(&self) -> io::Result<Option<Duration>> {
        let left = self.until.saturating_duration_since(Instant::now());
        if left.is_zero() { Err(late()) } else { Ok(Some(left)) }
    }
}

fn late() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, "not done in time")
}

/// A timeout of the socket may come a little early, and by another name.
fn named(error: io::Error) -> io::Error {
    if error.kind() == io::ErrorKind::WouldBlock { late() } else { error }
}

impl Read for Timed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stream.set_read_timeout(self.left()?)?;
        (&*self.stream).read(buffer).map_err(named)
    }
}

impl Write for Timed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.set_write_timeout(self.left()?)?;
        (&*self.stream).write(bytes).map_err(named)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
