//! The way to an analyser server: asks about what rules and model leave doubtful.
//!
//! A WebSocket (RFC 6455), encrypted or not, with JSON messages, the fields of which are in the book's chapter on the
//! analyser. Asking never takes longer than the timeout; a circuit breaker keeps a dead or lying
//! server from costing anything; an answer can only raise a score.

mod breaker;
mod client;
mod protocol;
mod stream;
pub(crate) mod tls;
mod worker;

pub use breaker::Breaker;
pub use client::{Link, LinkSettings, Question};
pub use protocol::{
    Analysis, Analyze, Answer, Context, Evidence, MESSAGE_LIMIT, PATH, SUBPROTOCOL, VERSION,
    read_analysis, read_analyze,
};
pub(crate) use stream::Timed;
