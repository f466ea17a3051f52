//! An analyser server: the far end of the [`link`](crate::link).
//!
//! It answers questions about command lines, with the local rules and model or with a language
//! model behind an HTTP interface. What it is asked about is hostile text: it is only ever data.

mod llm;
mod local;
mod server;
mod thrift;

pub use llm::{Interface, LlmBackend, LlmSettings};
pub use local::LocalBackend;
pub use server::{Server, ServerSettings};
pub use thrift::Thrifty;

use crate::link::Analyze;

/// What a back end makes of a question.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Judgement {
    /// How dangerous, `0.0..=1.0`.
    pub score: f32,
    /// Category, such as `reverse_shell`.
    pub label: String,
    /// Why, as a short code.
    pub rationale_code: String,
    /// What judged.
    pub model: String,
}

/// Judges command lines for a server.
pub trait Backend: Send + Sync {
    /// Judges one question.
    ///
    /// # Errors
    /// Why it could not be judged, one line; the asker gets no answer.
    fn judge(&self, question: &Analyze) -> Result<Judgement, String>;
}
