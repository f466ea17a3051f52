//! Signed heads: where the chain stood, said by the key of the epoch, in `heads.note`.
//!
//! A head is a C2SP signed note. The file is a row of notes, each followed by an empty line.

use audit_core::{SessionId, Stream};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use crate::chain::{Chain, Hash};
use crate::facts::{hex, unhex32};

/// First line of a head.
const TITLE: &str = "auditty/session-head/v1";

/// Where a session stands, for those who list sessions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    Running,
    Blocked,
    Ended,
    Recovered,
}

impl Phase {
    const ALL: [(Self, &str); 4] = [
        (Self::Running, "running"),
        (Self::Blocked, "blocked"),
        (Self::Ended, "ended"),
        (Self::Recovered, "recovered"),
    ];

    fn name(self) -> &'static str {
        Self::ALL.iter().find(|(p, _)| *p == self).map_or("running", |(_, n)| n)
    }
}

/// What a head says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) session: SessionId,
    /// Number and link of the last frame it covers.
    pub(crate) frame: u64,
    pub(crate) link: Hash,
    /// Number of the last record it covers.
    pub(crate) record: u64,
    /// Wall-clock time, milliseconds since the Unix epoch.
    pub(crate) unix_millis: u64,
    pub(crate) phase: Phase,
    pub(crate) epoch: u32,
    /// Length and digest of each stream that has bytes.
    pub(crate) streams: Vec<(Stream, u64, Hash)>,
}

impl Head {
    /// The head at the place where `chain` stands.
    pub(crate) fn of(
        session: SessionId,
        chain: &Chain,
        record: u64,
        unix_millis: u64,
        phase: Phase,
        epoch: u32,
    ) -> Self {
        Self {
            session,
            frame: chain.next.saturating_sub(1),
            link: chain.link,
            record,
            unix_millis,
            phase,
            epoch,
            streams: streams(chain),
        }
    }

    /// The text that is signed.
    pub(crate) fn text(&self) -> String {
        let mut text = format!(
            "{TITLE}\nsession {}\nframe {}\nlink {}\nrecord {}\ntime {}\nphase {}\nepoch {}\n",
            self.session,
            self.frame,
            BASE64.encode(self.link),
            self.record,
            self.unix_millis,
            self.phase.name(),
            self.epoch,
        );
        for (stream, len, digest) in &self.streams {
            text.push_str(&format!("stream {} {len} {}\n", stream.name(), hex(digest)));
        }
        text
    }

    /// Reads the text of a head; only what [`Head::text`] writes is accepted.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        (lines.next()? == TITLE).then_some(())?;
        let mut field = |name: &str| lines.next()?.strip_prefix(name)?.strip_prefix(' ');
        let head = Self {
            session: field("session")?.parse().ok()?,
            frame: field("frame")?.parse().ok()?,
            link: BASE64.decode(field("link")?).ok()?.try_into().ok()?,
            record: field("record")?.parse().ok()?,
            unix_millis: field("time")?.parse().ok()?,
            phase: {
                let name = field("phase")?;
                Phase::ALL.iter().find(|(_, n)| *n == name)?.0
            },
            epoch: field("epoch")?.parse().ok()?,
            streams: lines
                .map(|line| {
                    let mut words = line.strip_prefix("stream ")?.split(' ');
                    let name = words.next()?;
                    let stream = Stream::ALL.into_iter().find(|s| s.name() == name)?;
                    Some((stream, words.next()?.parse().ok()?, unhex32(words.next()?)?))
                })
                .collect::<Option<_>>()?,
        };
        (head.text() == text).then_some(head)
    }
}

/// Length and digest of each stream of `chain` that has bytes.
pub(crate) fn streams(chain: &Chain) -> Vec<(Stream, u64, Hash)> {
    Stream::ALL
        .into_iter()
        .map(|stream| {
            let (len, digest) = chain.streams.of(stream);
            (stream, len, digest)
        })
        .filter(|(_, len, _)| *len > 0)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_comes_back_and_nothing_else_does() {
        let session = SessionId::new(1, [1; 10]);
        let mut head =
            Head::of(session, &Chain::start(session), 0, 1_763_769_600_123, Phase::Blocked, 3);
        head.streams.push((Stream::Input, 7, [1; 32]));
        let text = head.text();
        assert_eq!(Head::parse(&text), Some(head));
        for bad in [text.replace("epoch 3", "epoch 03"), text.replace("input", "inputs")] {
            assert_eq!(Head::parse(&bad), None, "{bad}");
        }
        assert_eq!(Head::parse(text.trim_end()), None);
    }
}
