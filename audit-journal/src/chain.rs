//! The hash chain: what makes a journal tamper-evident.
//!
//! ```text
//! link(-1) = SHA-256("auditty/journal/start/v1\0" ‖ session id)
//! link(n)  = SHA-256("auditty/journal/link/v1\0" ‖ link(n-1) ‖ kind ‖ flags ‖ hash ‖ 0
//!                    ‖ raw_len ‖ seq ‖ time ‖ content)
//! ```
//!
//! The content digest of a block covers its entries and the *running* digest of every stream
//! through that block, instead of the block's bytes once more. So each recorded byte is hashed
//! once, by writer and verifier alike, and every link states what `sha256sum` of the streams is.

use audit_core::{SessionId, Stream};
use sha2::{Digest, Sha256};

use crate::block::{Malformed, Pieces, Raw};
use crate::frame::{Frame, SHA256};

/// A SHA-256 digest.
pub(crate) type Hash = [u8; 32];

/// Where the chain stands: behind the last frame written or read.
#[derive(Clone)]
pub(crate) struct Chain {
    /// Link of the last frame.
    pub(crate) link: Hash,
    /// Number the next frame must have.
    pub(crate) next: u64,
    /// The streams so far.
    pub(crate) streams: Streams,
}

impl Chain {
    /// The chain of a session before its first frame.
    pub(crate) fn start(session: SessionId) -> Self {
        let link = Sha256::new()
            .chain_update(b"auditty/journal/start/v1\0")
            .chain_update(session.as_bytes())
            .finalize()
            .into();
        Self { link, next: 0, streams: Streams::default() }
    }

    /// Takes a frame with this content and returns its link.
    pub(crate) fn advance(&mut self, frame: &Frame, content: &Hash) -> Hash {
        self.link = Sha256::new()
            .chain_update(b"auditty/journal/link/v1\0")
            .chain_update(self.link)
            .chain_update([frame.kind, frame.flags, SHA256, 0])
            .chain_update(frame.raw_len.to_le_bytes())
            .chain_update(frame.seq.to_le_bytes())
            .chain_update(frame.time.to_le_bytes())
            .chain_update(content)
            .finalize()
            .into();
        self.next = frame.seq + 1;
        self.link
    }

    /// Stands before the last frame again, which was no block, where the one before has the link
    /// `previous`.
    pub(crate) fn step_back(&mut self, previous: Hash) {
        self.link = previous;
        self.next = self.next.saturating_sub(1);
    }

    /// Takes the bytes of a block into the streams and returns its content digest.
    ///
    /// # Errors
    /// The block is malformed; the streams are then of no use.
    pub(crate) fn block_content(&mut self, block: &Raw<'_>) -> Result<Hash, Malformed> {
        let mut run: Option<(Stream, usize, usize)> = None;
        let mut end = 0;
        for piece in Pieces::new(block) {
            let Some((stream, len)) = piece?.1.span() else { continue };
            match &mut run {
                // Neighbouring pieces of one stream are hashed in one go.
                Some((of, _, until)) if *of == stream => *until += len,
                _ => {
                    if let Some((of, from, until)) = run.replace((stream, end, end + len)) {
                        self.streams.update(of, &block.data[from..until]);
                    }
                }
            }
            end += len;
        }
        if let Some((of, from, until)) = run {
            self.streams.update(of, &block.data[from..until]);
        }
        let mut hash = Sha256::new()
            .chain_update(b"auditty/journal/block/v1\0")
            .chain_update((block.meta.len() as u32).to_le_bytes())
            .chain_update(block.meta);
        for stream in Stream::ALL {
            let (len, digest) = self.streams.settled(stream);
            hash.update(len.to_le_bytes());
            hash.update(digest);
        }
        Ok(hash.finalize().into())
    }
}

/// Content digest of every kind of frame other than a block.
pub(crate) fn plain_content(payload: &[u8]) -> Hash {
    Sha256::digest(payload).into()
}

/// Length and digest of each stream so far, as recorded.
#[derive(Clone)]
pub(crate) struct Streams {
    states: [State; Stream::ALL.len()],
}

#[derive(Clone)]
struct State {
    hash: Sha256,
    len: u64,
    /// Digest of the first `settled_len` bytes.
    digest: Hash,
    settled_len: u64,
}

impl Default for Streams {
    fn default() -> Self {
        let empty =
            State { hash: Sha256::new(), len: 0, digest: plain_content(b""), settled_len: 0 };
        Self { states: std::array::from_fn(|_| empty.clone()) }
    }
}

impl Streams {
    fn update(&mut self, stream: Stream, bytes: &[u8]) {
        let state = &mut self.states[usize::from(stream.number())];
        state.hash.update(bytes);
        state.len += bytes.len() as u64;
    }

    fn settled(&mut self, stream: Stream) -> (u64, Hash) {
        let state = &mut self.states[usize::from(stream.number())];
        if state.settled_len != state.len {
            state.digest = state.hash.clone().finalize().into();
            state.settled_len = state.len;
        }
        (state.len, state.digest)
    }

    /// Length and digest of `stream` through the last block.
    pub(crate) fn of(&self, stream: Stream) -> (u64, Hash) {
        let state = &self.states[usize::from(stream.number())];
        (state.settled_len, state.digest)
    }
}
