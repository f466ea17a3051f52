//! What stands in the staging memory: records, and the points up to which they are to be durable.
//!
//! Bytes of a stream, nearly all there is, follow a fixed head as they are, so that each side
//! copies them once. Every other record is rare and small, and postcard writes it.

use audit_core::{Body, Durability, Moment, Record, Stream};
use bytes::Bytes;

/// First byte of a frame: bytes of a stream. Then the stream's number, the record's number and its
/// moment (64 bits each, little-endian), and the bytes.
const DATA: u8 = 0;
/// Any other record, in postcard.
const RECORD: u8 = 1;
/// A point: make all records before it durable. Then the kind of durability and the point's number.
const FLUSH: u8 = 2;
/// A point: finish the recording. Then a zero and the point's number.
const CLOSE: u8 = 3;
/// The relay knows of the failure: what follows is to be recorded again.
const RESUME: u8 = 4;

/// Bytes before the bytes of a stream.
const DATA_HEAD: usize = 18;
/// Bytes of a point.
const POINT: usize = 10;
/// Room a point needs in staging at most, wherever it falls.
pub(crate) const POINT_ROOM: usize = 64;

/// A decoded frame.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Frame {
    /// A record.
    Record(Record),
    /// Make all records before this durable.
    Flush {
        /// Number of the point.
        number: u64,
        /// How durable.
        durability: Durability,
    },
    /// Finish the recording.
    Close {
        /// Number of the point.
        number: u64,
    },
    /// After a flush that failed the session counts everything as missing that was staged before
    /// it knew: it is passed over up to here.
    Resume,
}

/// A frame that no relay writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a staged frame cannot be read")]
pub(crate) struct FrameError;

/// Passes a record's frame to `write`, in two parts.
///
/// # Errors
/// The record cannot be written down: a kind of body that postcard has no form for.
pub(crate) fn encode_record<R>(
    record: &Record,
    write: impl FnOnce([&[u8]; 2]) -> R,
) -> Result<R, FrameError> {
    if let Body::Data { stream, bytes } = &record.body {
        let mut head = [0; DATA_HEAD];
        head[0] = DATA;
        head[1] = stream.number();
        head[2..10].copy_from_slice(&record.seq.to_le_bytes());
        head[10..].copy_from_slice(&record.at.as_nanos().to_le_bytes());
        return Ok(write([&head, bytes]));
    }
    let body = postcard::to_stdvec(record).map_err(|_| FrameError)?;
    Ok(write([&[RECORD], &body]))
}

/// The frame of a flush.
pub(crate) fn encode_flush(number: u64, durability: Durability) -> [u8; POINT] {
    let durability = match durability {
        Durability::Process => 0,
        Durability::Writeback => 1,
        Durability::Machine => 2,
    };
    point(FLUSH, durability, number)
}

/// The frame of a close.
pub(crate) fn encode_close(number: u64) -> [u8; POINT] {
    point(CLOSE, 0, number)
}

/// The frame behind what a failure made missing.
pub(crate) fn encode_resume() -> [u8; POINT] {
    point(RESUME, 0, 0)
}

fn point(kind: u8, detail: u8, number: u64) -> [u8; POINT] {
    let mut frame = [0; POINT];
    frame[0] = kind;
    frame[1] = detail;
    frame[2..].copy_from_slice(&number.to_le_bytes());
    frame
}

/// Reads a frame.
///
/// # Errors
/// It is none.
pub(crate) fn decode(frame: Vec<u8>) -> Result<Frame, FrameError> {
    let frame = Bytes::from(frame);
    match *frame.first().ok_or(FrameError)? {
        DATA if frame.len() >= DATA_HEAD => {
            let stream = Stream::from_number(frame[1]).ok_or(FrameError)?;
            let at = Moment::from_nanos(number(&frame[10..DATA_HEAD])?);
            let body = Body::Data { stream, bytes: frame.slice(DATA_HEAD..) };
            Ok(Frame::Record(Record { seq: number(&frame[2..10])?, at, body }))
        }
        RECORD => postcard::from_bytes(&frame[1..]).map(Frame::Record).map_err(|_| FrameError),
        FLUSH if frame.len() == POINT => {
            let durability = match frame[1] {
                0 => Durability::Process,
                1 => Durability::Writeback,
                2 => Durability::Machine,
                _ => return Err(FrameError),
            };
            Ok(Frame::Flush { number: number(&frame[2..])?, durability })
        }
        CLOSE if frame.len() == POINT => Ok(Frame::Close { number: number(&frame[2..])? }),
        RESUME if frame.len() == POINT => Ok(Frame::Resume),
        _ => Err(FrameError),
    }
}

fn number(bytes: &[u8]) -> Result<u64, FrameError> {
    bytes.try_into().map(u64::from_le_bytes).map_err(|_| FrameError)
}

#[cfg(test)]
mod tests {
    use audit_core::{
        Answer, Approval, BlockId, Decision, End, Exit, Finding, Identity, Loss, Outcome, Score,
        SealId, SealKey, SecretRule, Span, Verdict, Winsize,
    };
    use proptest::prelude::*;

    use super::*;

    fn verdict() -> Verdict {
        let score = Score::new(0.75).unwrap();
        let finding = Finding {
            rule: "reverse_shell.bash".into(),
            title: "a shell on a socket".into(),
            category: "reverse_shell".into(),
            mitre: vec!["T1059.004".into()],
            score,
            excerpt: "bash -i >& /dev/tcp/…".into(),
        };
        let span = Span { stream: Stream::Tty, start: 3, end: 90 };
        Verdict { score, findings: vec![finding], secrets: vec![span] }
    }

    fn bodies() -> impl Strategy<Value = Body> {
        let bytes = || proptest::collection::vec(any::<u8>(), 0..300).prop_map(Bytes::from);
        let stream = || (0_u8..4).prop_map(|n| Stream::from_number(n).unwrap());
        prop_oneof![
            (stream(), bytes()).prop_map(|(stream, bytes)| Body::Data { stream, bytes }),
            (stream(), any::<u64>(), bytes()).prop_map(|(stream, seal, cipher)| Body::Sealed {
                stream,
                seal: SealId(seal),
                cipher
            }),
            any::<[u8; 32]>().prop_map(|key| Body::Reveal {
                keys: vec![
                    (SealId(1), SealKey::from_bytes(key)),
                    (SealId(9), SealKey::from_bytes(key))
                ]
            }),
            (stream(), any::<u64>(), any::<bool>()).prop_map(|(stream, length, exact)| {
                Body::Redaction {
                    stream,
                    seals: vec![SealId(length)],
                    length,
                    exact,
                    rule: SecretRule::TypeAhead,
                }
            }),
            any::<(u16, u16)>().prop_map(|(r, c)| Body::Resize(Winsize::new(r, c))),
            any::<(i32, i32, bool)>().prop_map(|(number, sender, forwarded)| Body::Signal {
                number,
                sender,
                forwarded
            }),
            Just(Body::Suspended),
            Just(Body::Continued),
            any::<u64>().prop_map(|bytes| Body::Refused { bytes }),
            Just(Body::Verdict(verdict())),
            any::<[u8; 32]>().prop_map(|digest| Body::Blocked {
                block: BlockId(3),
                approval: Approval {
                    subject: "承認".into(),
                    digest,
                    asked_by: Identity::service("rules"),
                    needed: 2,
                    deadline: Moment::from_nanos(u64::MAX),
                }
            }),
            ".*".prop_map(|comment| Body::Decided {
                block: BlockId(3),
                decision: Decision {
                    by: Identity::person("root", 0),
                    answer: Answer::Approve,
                    comment,
                    own: true,
                }
            }),
            (".*", ".*").prop_map(|(name, text)| Body::Marker { name, text }),
            (any::<(u64, u64, u64)>(), ".*").prop_map(|((from, through, bytes), reason)| {
                Body::Gap { from, through, bytes, reason }
            }),
            any::<i32>().prop_map(|number| Body::End(Outcome {
                exit: Some(Exit::Signal { number, core: true }),
                end: End::SpawnFailed { errno: 2, message: "x".into() },
                lost: Some(Loss { from: 1, through: 2, bytes: 3, reason: "full".into() }),
            })),
            bytes().prop_map(|payload| Body::Other { kind: 64, payload }),
        ]
    }

    proptest! {
        #[test]
        fn every_record_comes_out_as_it_went_in(seq in any::<u64>(), at in any::<u64>(), body in bodies()) {
            let record = Record { seq, at: Moment::from_nanos(at), body };
            let frame = encode_record(&record, |parts| parts.concat()).unwrap();
            prop_assert_eq!(decode(frame), Ok(Frame::Record(record)));
        }

        #[test]
        fn any_bytes_make_a_frame_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = decode(bytes);
        }
    }

    #[test]
    fn points_keep_their_number() {
        let frame = encode_flush(7, Durability::Machine).to_vec();
        let flush = Frame::Flush { number: 7, durability: Durability::Machine };
        assert_eq!(decode(frame), Ok(flush));
        assert_eq!(decode(encode_close(8).to_vec()), Ok(Frame::Close { number: 8 }));
        assert_eq!(decode(encode_resume().to_vec()), Ok(Frame::Resume));
    }
}
