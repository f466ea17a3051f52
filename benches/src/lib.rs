//! What the benches of auditty share: streams to push through a session, and a session core with
//! nothing around it.

mod streams;
mod turned;

pub use streams::{colour, keys, logs};
pub use turned::{Turned, spec};
