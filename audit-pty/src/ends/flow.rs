//! Bytes in and out.

use std::io;
use std::os::fd::AsRawFd;
use std::time::Duration;

use audit_core::{LineState, Port, Stream};

use super::Ends;
use crate::channel::{Intake, Read, Write};
use crate::sys;

impl Ends {
    /// One read from a stream, of at most the session's buffer size. `buffer` is the engine's to
    /// keep; small reads share its allocation.
    ///
    /// After [`Read::Closed`] and [`Read::HungUp`] the stream is gone.
    pub fn read(&mut self, stream: Stream, buffer: &mut Intake) -> Read {
        if stream == Stream::Input && !self.may_read_user() {
            return Read::WouldBlock;
        }
        let Some(source) = self.source(stream) else { return Read::Closed };
        let read = match source.read(buffer, self.buffer_size) {
            Ok(Some(bytes)) => return Read::Data(bytes),
            Ok(None) if stream == Stream::Input && source.is_terminal() => self.terminal_ended(),
            Ok(None) => Read::Closed,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Read::WouldBlock,
            Err(_) if stream == Stream::Input => self.terminal_ended(),
            // EIO on a PTY master is the end: the last process has closed its slave.
            Err(_) => Read::Closed,
        };
        if read != Read::WouldBlock {
            self.close_source(stream);
        }
        read
    }

    /// One write to a port. After [`Write::Closed`] and [`Write::Failed`] the port is gone. A child
    /// that takes no more input is gone for whatever reason.
    pub fn write(&mut self, port: Port, bytes: &[u8]) -> Write {
        let Some(sink) = self.sink(port) else { return Write::Closed };
        let written = match sink.write(bytes) {
            Write::Failed(_) if port == Port::Child => Write::Closed,
            written => written,
        };
        match written {
            Write::Wrote(count) if port == Port::Child => self.last_byte = bytes[count - 1],
            Write::Closed | Write::Failed(_) => self.close_sink(port),
            Write::Wrote(_) | Write::WouldBlock => {}
        }
        written
    }

    /// Waits until a port has room, for at most `wait`; whether it has.
    pub(crate) fn await_room(&self, port: Port, wait: Duration) -> bool {
        let millis = i32::try_from(wait.as_millis()).unwrap_or(i32::MAX);
        self.sink(port).is_some_and(|sink| {
            millis > 0 && sys::poll(sink.fd().as_raw_fd(), libc::POLLOUT, millis) != 0
        })
    }

    /// Whether the user may be read now: a terminal only while it is ours, for in the background
    /// what is typed is for somebody else.
    pub fn may_read_user(&self) -> bool {
        self.terminal.as_ref().is_none_or(|outer| !outer.typed || outer.lost || outer.raw.is_raw())
    }

    /// The flags of the child's line discipline now; `None` in pipe mode. One system call, for
    /// every read of the user's input.
    pub fn line_state(&self) -> Option<LineState> {
        self.pty.as_ref()?.line_state().ok()
    }

    /// As [`Ends::line_state`], and while the child runs also what it has not read yet.
    pub fn sample(&self) -> Option<LineState> {
        let pty = self.pty.as_ref()?;
        Some(LineState { unread: pty.unread(), ..pty.line_state().ok()? })
    }

    /// Whether the child's terminal is still to be told that input has ended: then the port of
    /// the child is to be waited for, and [`Ends::tell_end`] called.
    pub fn end_due(&self) -> bool {
        self.ends_due > 0
    }

    /// Tells the child's terminal that input has ended, as far as it takes it now.
    pub fn tell_end(&mut self) {
        let character = self.pty.as_ref().and_then(|pty| pty.end_of_file().ok()).unwrap_or(0);
        while self.ends_due > 0 {
            match character {
                0 => self.ends_due = 0,
                _ => match self.write(Port::Child, &[character]) {
                    Write::Wrote(_) => self.ends_due -= 1,
                    Write::WouldBlock => return,
                    Write::Closed | Write::Failed(_) => self.ends_due = 0,
                },
            }
        }
    }

    /// The end of the child's input: the pipe is closed; a terminal gets its end-of-file character,
    /// twice after an unfinished line, which the first one only hands over (`termios(3)`, `VEOF`).
    pub(super) fn close_input(&mut self) {
        if self.pty.is_none() {
            self.close_sink(Port::Child);
            return;
        }
        self.ends_due = if self.last_byte == b'\n' { 1 } else { 2 };
        self.tell_end();
    }

    pub(super) fn close_source(&mut self, stream: Stream) {
        self.sources[usize::from(stream.number())] = None;
    }

    pub(super) fn close_sink(&mut self, port: Port) {
        self.sinks[port.index()] = None;
    }

    /// What the end of a terminal that is the user's input, or an error, means. A hung-up terminal
    /// refuses every request; one in the background only reading.
    fn terminal_ended(&self) -> Read {
        let Some(source) = self.source(Stream::Input) else { return Read::Closed };
        if !source.is_terminal() {
            return if source.is_socket() { Read::HungUp } else { Read::Closed };
        }
        if sys::tcgetattr(source.fd().as_raw_fd()).is_err() {
            return Read::HungUp;
        }
        match &self.terminal {
            // Somebody else's now, or a raw terminal made to report "nothing yet" as an end.
            Some(outer) if outer.raw.is_raw() || !outer.raw.in_foreground() => Read::WouldBlock,
            _ => Read::Closed,
        }
    }
}
