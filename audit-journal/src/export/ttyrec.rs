//! ttyrec: `struct timeval` of 32 bits each and a length, little-endian, then the bytes.

use std::io::Write;

use audit_core::Body;

use super::write_error;
use crate::entries::{Entries, Journal};
use crate::error::Result;

/// Writes the data of `entries` as ttyrec.
pub(super) fn write(journal: &Journal, entries: Entries, out: &mut dyn Write) -> Result<()> {
    let opened = journal.header().opened_unix_millis.saturating_mul(1000);
    for entry in entries {
        let entry = entry?;
        let Body::Data { bytes, .. } = &entry.body else { continue };
        let micros = opened.saturating_add(entry.at.as_nanos() / 1000);
        let mut header = [0; 12];
        header[..4].copy_from_slice(&((micros / 1_000_000) as u32).to_le_bytes());
        header[4..8].copy_from_slice(&((micros % 1_000_000) as u32).to_le_bytes());
        header[8..].copy_from_slice(&(bytes.len() as u32).to_le_bytes());
        out.write_all(&header).map_err(write_error)?;
        out.write_all(bytes).map_err(write_error)?;
    }
    Ok(())
}
