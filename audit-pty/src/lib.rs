//! The system-call corner of auditty.
//!
//! Three layers. Small pieces, each of use alone: [`Pty`], [`Child`], [`RawTerminal`], [`Signals`].
//! [`Ends`]: everything outside of one session. And [`Driver`], which turns a session's
//! core with its ends and lanes, so that an engine only waits.
//!
//! What to do is never decided here; the session core decides it and [`Ends::apply`] does it.
//! Linux only; nearly all `unsafe` of the workspace is in this crate.

mod channel;
mod driver;
mod ends;
mod error;
mod memory;
mod process;
mod pty;
mod signals;
mod spawn;
mod sys;
mod terminal;

pub use channel::{Intake, Read, Write, read_once};
pub use driver::{Driver, Progress, Readers, Wants};
pub use ends::{Ends, Side};
pub use error::PtyError;
pub use memory::give_back;
pub use process::Change;
pub use pty::Pty;
pub use signals::{Caught, Signals, block_signals};
pub use spawn::{Child, Guarding, Wiring};
pub use terminal::{RawTerminal, restore_on_exit};
