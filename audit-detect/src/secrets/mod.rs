//! Secrets in what a session shows: found in normalised text, reported as places in the raw
//! stream.
//!
//! A pass over the folded text looks for a few dozen literals ("anchors"); only rows with one run
//! the families of `families.rs`. Values that are no secrets are left alone: placeholders,
//! references to variables, masks, checksums, words. A private key may run over many rows; the
//! state for it is kept between chunks.

mod entropy;
mod families;
mod scan;

pub use scan::{Found, RowScanner, find_in, has_anchor, redact};

#[cfg(test)]
mod tests;
