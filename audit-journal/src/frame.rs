//! The frame: what a segment is a row of.
//!
//! A frame is a header of [`HEADER`] bytes and a payload, little-endian throughout. Compression,
//! stored length and checksum are outside the chain, so that a payload can be compressed later.

/// Bytes of a frame's header.
pub(crate) const HEADER: usize = 68;
/// The first bytes of every frame: the format and its version.
pub(crate) const MAGIC: [u8; 4] = *b"ATJ1";
/// A payload is never longer than this, in bytes, compressed or not.
pub(crate) const MAX_PAYLOAD: usize = 1 << 20;
/// Hash identifier of SHA-256, the only one so far.
pub(crate) const SHA256: u8 = 1;

/// The kinds of frame. Readers pass over others and still verify them.
pub(crate) mod kind {
    /// A change of the signing key.
    pub(crate) const EPOCH: u8 = 12;
    /// First frame of a session: its facts.
    pub(crate) const HEADER: u8 = 13;
    /// Last frame of a session.
    pub(crate) const END: u8 = 14;
    /// Records.
    pub(crate) const BLOCK: u8 = 15;
    /// First frame of every segment but the first.
    pub(crate) const SEGMENT: u8 = 16;
    /// Last frame of every segment but the last.
    pub(crate) const ROTATE: u8 = 17;
    /// A torn tail was cut here.
    pub(crate) const RECOVERED: u8 = 18;
}

/// Flags of block frames: what is inside, so that readers may pass over it unopened.
pub(crate) mod flag {
    /// Holds at least one structured record.
    pub(crate) const EVENTS: u8 = 1;
    /// Holds sealed bytes.
    pub(crate) const SEALED: u8 = 2;
    /// Holds a verdict that tells where secrets were shown.
    pub(crate) const SECRET: u8 = 4;
    /// Shifted left by the number of a stream: holds bytes of that stream.
    pub(crate) const STREAM: u8 = 16;
}

/// Kinds of structured records that readers look for.
pub(crate) mod event {
    /// A verdict.
    pub(crate) const VERDICT: u8 = 6;
    /// Keys of seals.
    pub(crate) const REVEAL: u8 = 11;
    /// A verdict that tells where secrets were shown.
    pub(crate) const SECRET: u8 = 15;
}

/// How a payload is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Packing {
    /// As it is.
    Stored,
    /// One zstd frame.
    Zstd,
}

/// A frame's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    /// One of [`kind`].
    pub(crate) kind: u8,
    /// See [`flag`]; zero in other kinds.
    pub(crate) flags: u8,
    /// How the payload is stored. Not in the chain.
    pub(crate) packing: Packing,
    /// Length of the payload, unpacked.
    pub(crate) raw_len: u32,
    /// Length of the payload as stored. Not in the chain.
    pub(crate) stored_len: u32,
    /// Number of the frame: from 0, strictly +1 through all segments.
    pub(crate) seq: u64,
    /// Nanoseconds since the session opened.
    pub(crate) time: u64,
    /// The chain through this frame.
    pub(crate) link: [u8; 32],
}

impl Frame {
    /// The header's bytes, with the checksum over them and `stored`, given in pieces.
    pub(crate) fn encode(&self, stored: &[&[u8]]) -> [u8; HEADER] {
        let mut out = [0; HEADER];
        out[..4].copy_from_slice(&MAGIC);
        out[4] = self.kind;
        out[5] = self.flags;
        out[6] = match self.packing {
            Packing::Stored => 0,
            Packing::Zstd => 1,
        };
        out[7] = SHA256;
        out[8..12].copy_from_slice(&self.raw_len.to_le_bytes());
        out[12..16].copy_from_slice(&self.stored_len.to_le_bytes());
        out[16..24].copy_from_slice(&self.seq.to_le_bytes());
        out[24..32].copy_from_slice(&self.time.to_le_bytes());
        out[36..].copy_from_slice(&self.link);
        let crc = checksum(&out, stored);
        out[32..36].copy_from_slice(&crc.to_le_bytes());
        out
    }

    /// Reads a header. The checksum is not looked at, see [`intact`].
    ///
    /// # Errors
    /// What is wrong, for people.
    pub(crate) fn decode(bytes: &[u8; HEADER]) -> Result<Self, &'static str> {
        if bytes[..4] != MAGIC {
            return Err("no frame starts here");
        }
        if bytes[7] != SHA256 {
            return Err("unknown hash");
        }
        let packing = match bytes[6] {
            0 => Packing::Stored,
            1 => Packing::Zstd,
            _ => return Err("unknown compression"),
        };
        let (raw_len, stored_len) = (u32_at(bytes, 8), u32_at(bytes, 12));
        if raw_len as usize > MAX_PAYLOAD || stored_len as usize > MAX_PAYLOAD {
            return Err("payload too long");
        }
        if packing == Packing::Stored && raw_len != stored_len {
            return Err("lengths differ");
        }
        let mut link = [0; 32];
        link.copy_from_slice(&bytes[36..]);
        Ok(Self {
            kind: bytes[4],
            flags: bytes[5],
            packing,
            raw_len,
            stored_len,
            seq: u64_at(bytes, 16),
            time: u64_at(bytes, 24),
            link,
        })
    }

    /// Bytes of the whole frame in the file.
    pub(crate) const fn len(&self) -> u64 {
        HEADER as u64 + self.stored_len as u64
    }
}

/// Whether the checksum in `header` fits the header and the stored payload.
pub(crate) fn intact(header: &[u8; HEADER], stored: &[u8]) -> bool {
    u32_at(header, 32) == checksum(header, &[stored])
}

fn checksum(header: &[u8; HEADER], stored: &[&[u8]]) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    crc.update(&header[..32]);
    crc.update(&header[36..]);
    for piece in stored {
        crc.update(piece);
    }
    crc.finalize()
}

fn u32_at(bytes: &[u8; HEADER], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

fn u64_at(bytes: &[u8; HEADER], at: usize) -> u64 {
    u64::from(u32_at(bytes, at)) | u64::from(u32_at(bytes, at + 4)) << 32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame() -> Frame {
        Frame {
            kind: kind::BLOCK,
            flags: 0x13,
            packing: Packing::Zstd,
            raw_len: 70_000,
            stored_len: 5,
            seq: 0x0102_0304_0506_0708,
            time: u64::MAX - 1,
            link: [9; 32],
        }
    }

    #[test]
    fn a_header_comes_back() {
        let bytes = frame().encode(&[b"he", b"llo"]);
        assert_eq!(Frame::decode(&bytes), Ok(frame()));
        assert!(intact(&bytes, b"hello"));
    }

    #[test]
    fn every_flipped_bit_is_found_by_the_checksum() {
        let bytes = frame().encode(&[b"hello"]);
        for bit in 0..HEADER * 8 {
            let mut bad = bytes;
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(!intact(&bad, b"hello"), "bit {bit}");
        }
        assert!(!intact(&bytes, b"hellp"));
    }

    #[test]
    fn lengths_beyond_the_cap_are_refused() {
        let long = Frame { raw_len: MAX_PAYLOAD as u32 + 1, ..frame() };
        assert!(Frame::decode(&long.encode(&[])).is_err());
        let uneven = Frame { packing: Packing::Stored, ..frame() };
        assert!(Frame::decode(&uneven.encode(&[])).is_err());
    }
}
