//! Secrets in what a session shows: found in normalised text, reported as places in the raw
//! stream.
//!
//! A pass over the folded text looks for the literals ("anchors") of the families of
//! `families.rs`; a row is searched only by those whose anchors are in it. Values that are no secrets are left alone: placeholders,
//! references to variables, masks, checksums, words. A private key may run over many rows; the
//! state for it is kept between chunks.

mod entropy;
mod families;
mod redact;
mod scan;

pub(crate) use redact::{Redacted, values};
pub use redact::{conceal, redact};
pub use scan::{Found, RowScanner, find_in, has_anchor};

#[cfg(test)]
mod tests;
