//! Signing: heads, epochs and the host log.

use audit_core::{Durability, Stream};

use super::{Writer, nanos};
use crate::chain::Hash;
use crate::disk::{GrowingFile, Need};
use crate::error::{JournalError, Result};
use crate::facts::{EndSeal, Ended, EpochReason, Key32, StreamSum};
use crate::frame::kind;
use crate::head::{self, Head, Phase};
use crate::hostlog::{HostLog, Leaf};
use crate::keys::{Certifier, EpochKey, HostKey};
use crate::note;
use crate::settings::JournalSettings;

/// Under flood a head is signed once so many bytes are not covered by one.
const HEAD_BYTES: u64 = 4 << 20;
/// Otherwise after so many nanoseconds.
const HEAD_TIME: u64 = 1_000_000_000;

/// What signs heads.
#[derive(Debug)]
pub(super) struct Signer {
    pub(super) key: EpochKey,
    pub(super) since: u64,
    pub(super) heads: GrowingFile,
    /// Time of the last head, and bytes since.
    pub(super) head_time: u64,
    pub(super) unsealed: u64,
    /// Something was recorded that must not wait for the next head.
    pub(super) due: bool,
}

impl Writer {
    /// Signs a head if it is time for one. A head that cannot be written is tried again at the
    /// next sync: what was recorded stays recorded.
    pub(super) fn seal_if_due(&mut self, durability: Durability) {
        let Some(signer) = &self.signer else { return };
        let vital = signer.due;
        let waited = self.now.saturating_sub(signer.head_time) >= HEAD_TIME;
        let due = vital
            || (signer.unsealed > 0
                && (durability != Durability::Process || waited || signer.unsealed >= HEAD_BYTES));
        if !due || self.sign_head(self.phase).is_err() {
            return;
        }
        let Some(signer) = &mut self.signer else { return };
        // A head that does not survive the machine leaves frames unsigned, not unrecorded: worth
        // waiting for the disk only where somebody is about to act on what was recorded.
        if vital && durability == Durability::Machine {
            let _ = signer.heads.sync();
        }
        if self.now.saturating_sub(signer.since) >= nanos(self.settings.epoch_age) {
            let _ = self.next_epoch();
        }
    }

    /// Signs a head at the place where the chain stands.
    pub(super) fn sign_head(&mut self, phase: Phase) -> Result<()> {
        let unix_millis = self.unix_millis();
        let Some(signer) = &mut self.signer else { return Ok(()) };
        let head = Head::of(
            self.header.session,
            &self.chain.0,
            self.written,
            unix_millis,
            phase,
            signer.key.epoch,
        );
        let mut text = note::sign(&head.text(), &signer.key.name, signer.key.signing());
        text.push('\n');
        signer.heads.append(&[text.as_bytes()], Need::Vital)?;
        signer.head_time = self.now;
        signer.unsealed = 0;
        signer.due = false;
        Ok(())
    }

    /// Replaces the signing key by a fresh one, which the old one certifies before it is wiped.
    fn next_epoch(&mut self) -> Result<()> {
        let Some(signer) = &self.signer else { return Ok(()) };
        let Some(epoch) = signer.key.epoch.checked_add(1) else { return Ok(()) };
        let (key, frame) = EpochKey::certified(
            self.header.session,
            epoch,
            EpochReason::Age,
            Certifier::Previous(&signer.key),
            self.chain.0.next,
            &self.chain.0.link,
        )?;
        self.put(kind::EPOCH, &frame, Need::Plain)?;
        if let Some(signer) = &mut self.signer {
            // The old secret is wiped as it is dropped.
            signer.key = key;
            signer.since = self.now;
        }
        Ok(())
    }

    /// Writes an epoch certified by the host and returns its key.
    pub(super) fn host_epoch(
        &mut self,
        host: &HostKey,
        epoch: u32,
        reason: EpochReason,
    ) -> Result<EpochKey> {
        let (key, frame) = EpochKey::certified(
            self.header.session,
            epoch,
            reason,
            Certifier::Host(host),
            self.chain.0.next,
            &self.chain.0.link,
        )?;
        self.put(kind::EPOCH, &frame, Need::Vital)?;
        Ok(key)
    }

    /// Has the host log told where the chain stands as a segment ends.
    pub(super) fn note_rotation(&mut self) {
        if self.sign_head(self.phase).is_ok() && self.header.host_log {
            self.leaves.push(Leaf::Head {
                session: self.header.session,
                frame: self.chain.0.next.saturating_sub(1),
                link: self.chain.0.link,
            });
        }
        // What cannot be begun now is begun by the next sync, which also tells of failures.
        let _ = self.sync_behind();
    }

    pub(super) fn log(&self, leaf: &Leaf) -> Result<()> {
        if !self.header.host_log {
            return Ok(());
        }
        log(&self.settings, leaf)
    }

    /// Wall-clock time of the last record, milliseconds since the Unix epoch.
    fn unix_millis(&self) -> u64 {
        self.header.opened_unix_millis.saturating_add(self.now / 1_000_000)
    }

    /// Writes the end frame, signs it and tells the host log. What was done stays done when a
    /// later step fails and all is tried again.
    pub(super) fn seal_end(&mut self, how: Ended) -> Result<()> {
        if !self.ended {
            let end = EndSeal { records: self.written, how, streams: self.sums()? };
            self.make_segment(Need::Vital)?;
            self.put(kind::END, &end, Need::Vital)?;
            self.ended = true;
        }
        self.segment.finish()?;
        self.sync_machine()?;
        let phase = if how == Ended::Closed { Phase::Ended } else { Phase::Recovered };
        if self.signer.as_ref().is_some_and(|s| s.unsealed > 0) {
            self.sign_head(phase)?;
        }
        if let Some(signer) = &mut self.signer {
            signer.heads.finish()?;
        }
        let leaf = Leaf::End {
            session: self.header.session,
            frame: self.chain.0.next - 1,
            link: self.chain.0.link,
            unix_millis: self.unix_millis(),
        };
        // A full disk must not keep a session from being closed; `verify` then finds no end leaf.
        match self.log(&leaf) {
            Err(e) if e.is_no_space() => Ok(()),
            logged => logged,
        }
    }

    /// Length and digest of each stream. Streams that had seals are read again: what an export
    /// gives of them is known only now.
    fn sums(&self) -> Result<Vec<StreamSum>> {
        let exported = match self.sealed.as_slice() {
            [] => Vec::new(),
            streams => crate::export::digests(&self.dir, streams)?,
        };
        let sum = |(stream, len, digest): (Stream, u64, Hash)| {
            let found = exported.iter().find(|(s, _)| *s == stream).map(|(_, d)| *d);
            let exported = found.filter(|d| *d != digest).map(Key32);
            StreamSum { stream, len, sha256: Key32(digest), exported }
        };
        Ok(head::streams(&self.chain.0).into_iter().map(sum).collect())
    }
}

/// Says this in the host log.
pub(super) fn log(settings: &JournalSettings, leaf: &Leaf) -> Result<()> {
    let host = HostKey::open(&settings.host_key_path())?;
    unless_damaged(HostLog::open(&settings.root, &host)?.append(leaf))
}

/// A log that somebody damaged stays as it is, for `verify` to tell of; recording goes on.
pub(super) fn unless_damaged(logged: Result<()>) -> Result<()> {
    match logged {
        Err(JournalError::HostLog { .. }) => Ok(()),
        logged => logged,
    }
}
