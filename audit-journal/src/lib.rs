//! The tamper-evident journal of auditty: writer, reader, verifier, export and import.
//!
//! A session's journal is a directory: segments (`000000.atj`, …) which are rows of *frames*, and
//! `heads.note`, signed statements of where the chain of frames stood. Beside all sessions of a
//! root lies the *host log*, a Merkle tree that misses a session which is gone as a whole. The book
//! (`docs/src/journal-format.md`) describes every byte, so that a stranger can write a verifier.
//!
//! - [`recorder`] is the part of a toolkit that writes: a [`Writer`], an [`audit_core::Recorder`].
//! - [`Journal`] reads back: [`Journal::entries`], [`Journal::follow`]; [`export()`], [`search()`].
//! - [`verify()`] and [`verify_root`] check; [`recover()`] mends a torn tail.
//! - [`sessions`], [`summary`] and [`resolve`] find sessions without reading their journals.
//! - [`import()`] takes recordings of other tools into unsigned journals.
//!
//! Words: a *record* is what the session core hands over; a *frame* is what the chain links; a
//! *block* is a frame full of records; a *head* is a signed statement about the chain; an *epoch*
//! is the life of a signing key; a *leaf* is a line of the host log.
//!
//! # What this crate decides, and why
//!
//! - **Every recorded byte is hashed once.** The link of a block covers its entries and the
//!   *running* SHA-256 of each stream, instead of the block's bytes again. The digest of a stream
//!   is thus proved by every link, `sha256sum` of an export checks it, and writer and verifier pay
//!   0.57 ns per byte, not twice that. The price: a block is checked together with those before it,
//!   never alone, and a redaction after the fact would have to carry the hash's inner state.
//! - **No digest of the stored bytes** (design question 4.7a). Compression is outside the chain, so
//!   that a flood can be stored as it comes and compressed later. A signed digest of stored bytes
//!   would have to be signed anew then, with a key that is wiped by design; an unsigned one proves
//!   nothing that the checksum does not. The verifier decompresses, bounded by the length that the
//!   link covers.
//! - **Certificates of epoch keys are frames**, not files: their place in the chain is what says
//!   which frames a key may cover, and they cannot be lost without being missed.
//! - **No clock.** Times are those of the records; wall-clock time is the session's beginning plus
//!   the moment of the last record.
//! - **A full disk is told apart.** 1 MiB per session is promised by the file system in advance, and
//!   only gaps, blocks, decisions and the end may use it.
//!
//! # What it does not do
//!
//! It keeps no secret: payloads are not encrypted, apart from seals (see [`audit_core::Body`]). It
//! cannot know what was never recorded. And whoever holds the host key can begin another history;
//! what an old checkpoint of the host log, kept elsewhere, then shows ([`HostLogProofs`]).
#![forbid(unsafe_code)]

mod ahead;
mod block;
mod chain;
mod conceal;
mod disk;
mod entries;
mod error;
mod events;
mod export;
mod facts;
mod follow;
mod frame;
mod frames;
mod head;
mod heads;
mod hostlog;
mod import;
mod keys;
mod layout;
mod list;
mod note;
mod pack;
mod recover;
mod retention;
mod search;
mod settings;
mod slot;
mod text;
mod varint;
#[cfg(test)]
mod vector;
mod verify;
mod walk;
mod writer;

pub use entries::{Entries, Entry, Journal, Reading};
pub use error::{JournalError, Result};
pub use export::{Format, Side, export, export_script};
pub use facts::{EndSeal, Ended, Header, Key32, OsText, Sealing, StreamSum};
pub use follow::{Follow, Polled};
pub use hostlog::{
    HostLogFault, HostLogProofs, Leaf, check_host_log, leaf_hash, node_hash, verify_checkpoint,
    verify_consistency, verify_inclusion,
};
pub use import::{ImportFacts, ImportFormat, import};
pub use list::{Place, SessionState, SessionSummary, place, resolve, root_of, sessions, summary};
pub use recover::{Recovery, recover};
pub use retention::expire;
pub use search::{Line, Lines, Pattern, lines, search};
pub use settings::JournalSettings;
pub use text::{TextLines, json_line};
pub use verify::{
    KeySource, LateSigned, Progress, Report, RootReport, Status, Trust, TrustedKey, verify,
    verify_root,
};
pub use writer::{Writer, recorder};
