//! What the leaves of a host log say.

use std::fmt;

use audit_core::SessionId;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use super::Hash;

/// A leaf of a host log. As text it is one line: the kind, the session, then the rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Leaf {
    /// A session began.
    Start {
        /// Which session.
        session: SessionId,
        /// Link of its first frame.
        link: Hash,
        /// When, milliseconds since the Unix epoch.
        unix_millis: u64,
    },
    /// A segment of a session ended.
    Head {
        /// Which session.
        session: SessionId,
        /// Number of a frame.
        frame: u64,
        /// Link of that frame.
        link: Hash,
    },
    /// A session ended.
    End {
        /// Which session.
        session: SessionId,
        /// Number of its last frame.
        frame: u64,
        /// Link of that frame.
        link: Hash,
        /// When, milliseconds since the Unix epoch.
        unix_millis: u64,
    },
    /// The journal of a session was deleted because its time was up.
    Expired {
        /// Which session.
        session: SessionId,
        /// When, milliseconds since the Unix epoch.
        unix_millis: u64,
    },
}

impl Leaf {
    /// The session a leaf is about.
    pub fn session(&self) -> SessionId {
        match self {
            Self::Start { session, .. }
            | Self::Head { session, .. }
            | Self::End { session, .. }
            | Self::Expired { session, .. } => *session,
        }
    }

    /// Reads a leaf; only what [`fmt::Display`] writes is accepted.
    pub fn parse(line: &str) -> Option<Self> {
        let mut words = line.split(' ');
        let kind = words.next()?;
        let session = words.next()?.parse().ok()?;
        let mut number = || words.next()?.parse::<u64>().ok();
        let leaf = match kind {
            "start" => {
                let unix_millis = number()?;
                Self::Start { session, link: hash(words.next()?)?, unix_millis }
            }
            "head" => {
                let frame = number()?;
                Self::Head { session, frame, link: hash(words.next()?)? }
            }
            "end" => {
                let (unix_millis, frame) = (number()?, number()?);
                Self::End { session, frame, link: hash(words.next()?)?, unix_millis }
            }
            "expired" => Self::Expired { session, unix_millis: number()? },
            _ => return None,
        };
        (leaf.to_string() == line).then_some(leaf)
    }
}

impl fmt::Display for Leaf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Start { session, link, unix_millis } => {
                write!(f, "start {session} {unix_millis} {}", BASE64.encode(link))
            }
            Self::Head { session, frame, link } => {
                write!(f, "head {session} {frame} {}", BASE64.encode(link))
            }
            Self::End { session, frame, link, unix_millis } => {
                write!(f, "end {session} {unix_millis} {frame} {}", BASE64.encode(link))
            }
            Self::Expired { session, unix_millis } => write!(f, "expired {session} {unix_millis}"),
        }
    }
}

fn hash(text: &str) -> Option<Hash> {
    BASE64.decode(text).ok()?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_leaf_comes_back() {
        let session = SessionId::new(1_700_000_000_000, [5; 10]);
        for leaf in [
            Leaf::Start { session, link: [1; 32], unix_millis: 7 },
            Leaf::Head { session, frame: 9, link: [2; 32] },
            Leaf::End { session, frame: 10, link: [3; 32], unix_millis: 8 },
            Leaf::Expired { session, unix_millis: 11 },
        ] {
            assert_eq!(Leaf::parse(&leaf.to_string()), Some(leaf));
            assert_eq!(Leaf::parse(&format!("{leaf} ")), None);
        }
    }
}
