//! Takes a command line apart the way a shell would and undoes what hides its meaning.
//!
//! Quotes, backslashes, assignments made on the line, `${IFS}`, `$'\x41'`, brace lists and
//! wildcards that can only mean a well-known path are resolved; wrappers such as `sudo`, `env`,
//! `nohup`, `timeout`, `xargs`, `sh -c`, `ssh HOST` and `find -exec` are peeled; Base64, hex, octal,
//! reversed and rotated text is decoded up to three layers deep. What comes out is text in one
//! canonical spelling, for rules and the model to match. It is not a shell: nothing is run, the
//! work is bounded by the length of the line, and what is not understood stays as it was.

mod command;
mod decode;
mod expand;
mod flow;
mod inert;
mod lex;
mod resolve;
mod scripts;
mod wrap;
mod written;

pub use decode::{base64, hex, hidden_texts};
pub(crate) use flow::{Flow, Origin};
pub(crate) use inert::RawPart;
pub use resolve::{Resolved, Variables, resolve};
pub(crate) use scripts::jobs;
pub use written::Written;
pub(crate) use written::same as same_file;

/// Of lines longer than this many bytes the head and the tail are looked at, and the fact
/// `@truncated` tells of it.
pub const LINE_LIMIT: usize = 256 << 10;
/// How many layers of encoding or quoting are undone.
pub const DEPTH_LIMIT: usize = 3;
/// Canonical text made from one line: no more than this many bytes.
pub(crate) const OUTPUT_LIMIT: usize = 2 << 20;
/// Nor more than this many, and so many times the line's own length.
pub(crate) const AMPLE: usize = 64 << 10;
pub(crate) const SWELL: usize = 8;
/// Different commands taken from one line: no more than this many, and `@truncated` beyond.
pub(crate) const COMMAND_LIMIT: usize = 2048;
/// Layers of quoting, wrapping and encoding together; `@truncated` beyond.
pub(crate) const NEST_LIMIT: usize = 8;

#[cfg(test)]
mod tests;
