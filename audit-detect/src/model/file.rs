//! Model files: `ADM1`, scale, bias, slope and offset as little-endian `f32`, then the weights.

use std::path::Path;

use super::{Model, SIZE};
use crate::DetectError;

const MAGIC: &[u8; 4] = b"ADM1";
const HEAD: usize = 4 + 4 * 4;

impl Model {
    /// Reads a model.
    ///
    /// # Errors
    /// What is wrong with the bytes: not a model, cut off, or a number that is none.
    pub fn read(bytes: &[u8]) -> Result<Self, &'static str> {
        if bytes.len() != HEAD + SIZE {
            return Err("not the size of a model");
        }
        if &bytes[..4] != MAGIC {
            return Err("not a model of this version");
        }
        let number = |at: usize| {
            let start = 4 + at * 4;
            f32::from_le_bytes([bytes[start], bytes[start + 1], bytes[start + 2], bytes[start + 3]])
        };
        let (scale, bias, slope, offset) = (number(0), number(1), number(2), number(3));
        if ![scale, bias, slope, offset].iter().all(|n| n.is_finite()) {
            return Err("a number in it is none");
        }
        let weights = bytes[HEAD..].iter().map(|b| *b as i8).collect::<Vec<_>>();
        Ok(Self { weights: weights.into(), scale, bias, slope, offset })
    }

    /// The model as bytes.
    pub fn bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(HEAD + SIZE);
        out.extend_from_slice(MAGIC);
        for number in [self.scale, self.bias, self.slope, self.offset] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        out.extend(self.weights.iter().map(|w| *w as u8));
        out
    }

    /// Reads a model file.
    ///
    /// # Errors
    /// The file cannot be read or is no model.
    pub fn open(path: &Path) -> Result<Self, DetectError> {
        let bytes = std::fs::read(path).map_err(|source| DetectError::Io {
            operation: format!("reading {}", path.display()),
            source,
        })?;
        Self::read(&bytes)
            .map_err(|reason| DetectError::Model { path: path.to_owned(), reason: reason.into() })
    }
}
