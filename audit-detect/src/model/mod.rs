//! A small linear model over what a command line looks like.
//!
//! Hashed features of what a line does to what (`features.rs`), 2^16 weights of one byte and a
//! calibration: 64 KiB in all. It is trained by [`train`](fn@train) without the lines of one
//! source at a time, and without lines of others that are the same in disguise, so that its figures
//! say how it does on sources it has not seen. It lifts or
//! lowers within a band; it never blocks alone.

mod features;
mod file;
mod kin;
mod train;

pub use train::{Example, Report, Trained, read_examples, train};

use std::sync::OnceLock;

use crate::shell::Resolved;

/// How many weights there are.
pub(crate) const SIZE: usize = 1 << 16;

/// A trained model.
#[derive(Clone, Debug, PartialEq)]
pub struct Model {
    /// One byte per hashed feature.
    weights: std::borrow::Cow<'static, [i8]>,
    /// What one unit of a weight is worth.
    scale: f32,
    /// Added to every sum.
    bias: f32,
    /// Calibration: the chance is `sigmoid(slope * sum + offset)`.
    slope: f32,
    offset: f32,
}

impl Model {
    /// The model inside the program.
    pub fn embedded() -> &'static Self {
        static SHARED: OnceLock<Model> = OnceLock::new();
        SHARED.get_or_init(|| {
            Self::read(include_bytes!("../../model.bin")).unwrap_or_else(|_| Self::blank())
        })
    }

    /// A model that knows nothing.
    pub(crate) fn blank() -> Self {
        Self { weights: vec![0; SIZE].into(), scale: 0.0, bias: 0.0, slope: 1.0, offset: -6.0 }
    }

    /// How likely the line is part of an attack, `0.0..=1.0`.
    pub fn predict(&self, resolved: &Resolved) -> f32 {
        let found = features::of(resolved);
        let sum: i64 = found.iter().map(|f| i64::from(self.weights[usize::from(*f)])).sum();
        let sum = sum as f32 * self.scale / (found.len().max(1) as f32).sqrt() + self.bias;
        sigmoid(self.slope * sum + self.offset)
    }
}

pub(crate) fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + (-x).exp())
}

#[cfg(test)]
mod tests;
