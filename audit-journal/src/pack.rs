//! Compression of payloads, with one context per thread however many sessions it serves.

use std::cell::RefCell;

use zstd::bulk::{Compressor, Decompressor};

/// Payloads shorter than this many bytes are stored as they are.
pub(crate) const MIN: usize = 192;

/// What compresses on this thread: some 300 KiB, built when first needed.
#[derive(Default)]
struct Packer {
    context: Option<(i32, Compressor<'static>)>,
    raw: Vec<u8>,
    packed: Vec<u8>,
}

thread_local! {
    static PACKER: RefCell<Packer> = RefCell::default();
}

/// Compresses `parts`, one behind the other, at `level` and hands the result to `then`: `None`
/// when compressing fails or saves less than a sixteenth.
pub(crate) fn packed<T>(parts: &[&[u8]], level: i32, then: impl FnOnce(Option<&[u8]>) -> T) -> T {
    let len: usize = parts.iter().map(|p| p.len()).sum();
    if len < MIN {
        return then(None);
    }
    PACKER.with_borrow_mut(|Packer { context, raw, packed }| {
        if context.as_ref().is_none_or(|(of, _)| *of != level) {
            *context = Compressor::new(level).ok().map(|c| (level, c));
        }
        let Some((_, compressor)) = context else { return then(None) };
        let raw = match parts {
            [one] => *one,
            _ => {
                raw.clear();
                parts.iter().for_each(|p| raw.extend_from_slice(p));
                raw.as_slice()
            }
        };
        packed.clear();
        // Room for no more than what is worth storing, so that noise gives up early.
        packed.reserve(len - len / 16);
        let worth =
            compressor.compress_to_buffer(raw, packed).is_ok() && packed.len() <= len - len / 16;
        then(worth.then_some(packed.as_slice()))
    })
}

/// Opens packed payloads.
pub(crate) struct Unpacker(Option<Decompressor<'static>>);

impl Unpacker {
    pub(crate) const fn new() -> Self {
        Self(None)
    }

    /// Opens `packed` into `out`, which then has exactly `raw_len` bytes; `false` when `packed` is
    /// anything but zstd of that length. Never gives out more than `raw_len` bytes.
    pub(crate) fn unpack(&mut self, packed: &[u8], raw_len: usize, out: &mut Vec<u8>) -> bool {
        if self.0.is_none() {
            self.0 = Decompressor::new().ok();
        }
        let Some(decompressor) = &mut self.0 else { return false };
        out.resize(raw_len, 0);
        decompressor.decompress_to_buffer(packed, out.as_mut_slice()).is_ok_and(|n| n == raw_len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_packed_is_unpacked() {
        let text = b"the same line again\r\n".repeat(3000);
        let small = packed(&[&text[..100], &text[100..]], 1, |p| p.map(<[u8]>::to_vec)).unwrap();
        assert!(small.len() < text.len() / 20);
        let mut out = Vec::new();
        assert!(Unpacker::new().unpack(&small, text.len(), &mut out));
        assert_eq!(out, text);
    }

    #[test]
    fn a_wrong_length_is_refused_either_way() {
        let small = packed(&[&[b'x'; 5000]], 1, |p| p.map(<[u8]>::to_vec)).unwrap();
        let mut unpacker = Unpacker::new();
        for len in [0, 1, 4999, 5001, 1 << 20] {
            assert!(!unpacker.unpack(&small, len, &mut Vec::new()), "{len}");
        }
    }

    #[test]
    fn noise_and_short_payloads_stay_as_they_are() {
        let mut noise = vec![0; 10_000];
        crate::keys::fill(&mut noise).unwrap();
        assert!(packed(&[&noise], 1, |p| p.is_none()));
        assert!(packed(&[&[0; MIN - 1]], 1, |p| p.is_none()));
    }
}
