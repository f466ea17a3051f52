//! The way to an analyser server: asks about what rules and model leave doubtful.
//!
//! A WebSocket (RFC 6455) with JSON messages, the fields of which are in the book's chapter on the
//! analyser. Asking never takes longer than the timeout; a circuit breaker keeps a dead or lying
//! server from costing anything; an answer can only raise a score.

mod breaker;
mod client;
mod protocol;

pub use breaker::Breaker;
pub use client::{Link, LinkSettings, Question};
pub use protocol::{
    Analysis, Analyze, Answer, MESSAGE_LIMIT, PATH, SUBPROTOCOL, VERSION, read_analysis,
    read_analyze,
};
