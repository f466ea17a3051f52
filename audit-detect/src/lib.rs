//! Threats and secrets in what a terminal session types and shows.
//!
//! Raw terminal bytes are turned into the text a reader saw ([`normalise`]), command lines are
//! found in it ([`segment`]), taken apart and deobfuscated ([`shell`]), and judged by rules
//! ([`rules`]), a small linear model ([`model`]) and what the session did before ([`session`]).
//! Secrets in output are found with their place in the raw stream ([`secrets`]). [`LocalMonitor`]
//! does all of it behind [`audit_core::Monitor`]; [`link`] asks an analyser server about what
//! stays doubtful, and [`analyse`] is such a server.
//!
//! What it is not: a security boundary. A program that wants to hide from a reader of its terminal
//! can; see the command guard for what is enforced.
#![forbid(unsafe_code)]

mod content;
mod detector;
mod error;
mod monitor;
mod sieve;
mod skim;
mod tools;

pub mod analyse;
pub mod link;
pub mod model;
pub mod normalise;
pub mod rules;
pub mod secrets;
pub mod segment;
pub mod session;
pub mod shell;

pub use detector::{Assessment, Detector, MODEL_CEILING, combine};
pub use error::DetectError;
pub use monitor::{LocalMonitor, NAME, Settings, monitor};
pub use tools::{explain, explain_with, score_jsonl, score_left_out, score_with, train_file};
