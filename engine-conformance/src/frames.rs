//! Files of frames: a length in four bytes, little endian, and a value as postcard.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;

/// A value as a frame.
pub(crate) fn frame<T: Serialize>(value: &T) -> Vec<u8> {
    let body = postcard::to_stdvec(value).expect("every value of ours has a frame");
    let length = u32::try_from(body.len()).expect("a frame is short");
    [&length.to_le_bytes()[..], &body].concat()
}

/// Appends frames with one `write(2)`.
pub(crate) fn append(file: &mut File, frames: &[u8]) -> io::Result<()> {
    file.write_all(frames)
}

/// Opens a file of frames for appending.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).open(path)
}

/// The whole frames of a file and how many bytes they fill; none if there is no file.
pub(crate) fn read<T: DeserializeOwned>(path: &Path) -> (Vec<T>, usize) {
    parse(&std::fs::read(path).unwrap_or_default())
}

/// The whole frames at the beginning of `bytes`, and how many bytes they fill. What follows is the
/// beginning of a frame whose writer died or is still writing.
pub(crate) fn parse<T: DeserializeOwned>(bytes: &[u8]) -> (Vec<T>, usize) {
    let (mut values, mut at) = (Vec::new(), 0);
    while let Some((head, rest)) = bytes[at..].split_first_chunk::<4>() {
        let length = u32::from_le_bytes(*head) as usize;
        let Some(body) = rest.get(..length) else { break };
        values.push(postcard::from_bytes(body).expect("a whole frame holds a value"));
        at += 4 + length;
    }
    (values, at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_torn_frame_is_left_out() {
        let whole = [frame(&"one"), frame(&"two")].concat();
        for cut in 0..=whole.len() {
            let (values, used) = parse::<String>(&whole[..cut]);
            assert_eq!(used, [0, 8, 16][values.len()]);
            assert!(used <= cut);
        }
        assert_eq!(parse::<String>(&whole).0, ["one", "two"]);
    }
}
