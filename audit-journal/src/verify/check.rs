//! Going through one journal: chain, epochs and heads, frame by frame.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use audit_core::{SessionId, Stream};
use ed25519_dalek::VerifyingKey;

use super::{Believed, KeySource, LateSigned, Progress, Report, Status};
use crate::chain::{Chain, Hash};
use crate::error::Result;
use crate::facts::{CertifiedBy, Ended, Epoch, EpochReason, Header, Sealing};
use crate::head::{self, Head};
use crate::heads::{Heads, Next, SignedHead};
use crate::hostlog::{HostLogView, Leaf};
use crate::keys::{certifies, epoch_name, fingerprint};
use crate::layout;
use crate::note::Verifier;
use crate::walk::{Met, Step, Tail, Walk, What};

/// What was found, and why.
pub(crate) type Found = (Status, String);

/// A journal being checked.
pub(crate) struct Check {
    believed: Believed,
    /// The session its directory is named after.
    pub(super) named: Option<SessionId>,
    helpers: usize,
    key: Option<VerifyingKey>,
    source: KeySource,
    pub(super) header: Option<Header>,
    epoch: Option<(u32, VerifyingKey)>,
    /// Links of the frames which the host log knows.
    pub(super) known: BTreeMap<u64, Option<Hash>>,
    pub(super) first_link: Option<Hash>,
    pub(super) frame: Option<u64>,
    pub(super) last_link: Hash,
    records: u64,
    bytes: u64,
    pub(super) sealed_record: u64,
    sealed_frame: Option<u64>,
    /// Whether a block lies behind the last head.
    unsealed_block: bool,
    /// Phase of the last head.
    phase: head::Phase,
    /// The journal is closed, and its end is not signed.
    pub(super) end_unsigned: bool,
    /// Why what lies behind the last frame is no frame, if something does.
    torn: &'static str,
    late: Vec<LateSigned>,
    /// What torn tails that were mended looked like.
    recovered: Vec<String>,
}

impl Check {
    /// A check of the journal in `dir`, against the leaves of `log`.
    pub(crate) fn new(
        dir: &Path,
        believed: Believed,
        log: Option<&HostLogView>,
        helpers: usize,
    ) -> Self {
        let named = layout::named(dir);
        let leaves = named.zip(log).map_or(&[][..], |(named, log)| log.of(named));
        let frames = leaves.iter().filter_map(|leaf| match leaf {
            Leaf::Head { frame, .. } | Leaf::End { frame, .. } => Some((*frame, None)),
            Leaf::Start { .. } | Leaf::Expired { .. } => None,
        });
        Self {
            believed,
            named,
            helpers,
            key: None,
            source: KeySource::None,
            header: None,
            epoch: None,
            known: frames.collect(),
            first_link: None,
            frame: None,
            last_link: [0; 32],
            records: 0,
            bytes: 0,
            sealed_record: 0,
            sealed_frame: None,
            unsealed_block: false,
            phase: head::Phase::Running,
            end_unsigned: false,
            torn: "",
            late: Vec::new(),
            recovered: Vec::new(),
        }
    }

    /// Goes through the journal. `visit` is shown every frame that fits; the walk that is given
    /// back stands where the check ended.
    pub(crate) fn run(
        &mut self,
        dir: &Path,
        progress: Option<Progress<'_>>,
        visit: &mut dyn FnMut(&Walk, &Met),
    ) -> Result<(Found, Walk)> {
        // Heads first: what they cover is then in the journal, even while somebody writes.
        let mut heads = Heads::open(dir)?;
        let mut walk = Walk::with_helpers(dir, self.helpers)?;
        let total: u64 = walk.segments().iter().map(|(_, len)| len).sum();
        let mut next = next_head(&mut heads)?;
        let tail = loop {
            let met = match walk.next()? {
                Step::Frame(met) => met,
                Step::End(tail) => break tail,
            };
            let Some(chain) = walk.chain() else { continue };
            self.records = walk.records;
            if let Err(found) = self.meet(&met, chain) {
                return Ok((found, walk));
            }
            loop {
                match &next {
                    Next::Head(signed) if signed.head.frame == met.frame.seq => {
                        if let Err(found) = self.head(signed, chain) {
                            return Ok((found, walk));
                        }
                        self.sealed_record = signed.head.record;
                        self.sealed_frame = Some(signed.head.frame);
                        self.phase = signed.head.phase;
                        self.unsealed_block = false;
                    }
                    Next::Head(signed) if signed.head.frame < met.frame.seq => {
                        return Ok((corrupt("heads are out of order"), walk));
                    }
                    Next::Bad => {
                        return Ok((corrupt("heads.note holds what is no head"), walk));
                    }
                    _ => break,
                }
                next = next_head(&mut heads)?;
            }
            visit(&walk, &met);
            if let Some(progress) = progress {
                progress(walk.bytes, total);
            }
        };
        let found = self.conclude(dir, &walk, tail, &next);
        Ok((found, walk))
    }

    /// Takes a frame that fits the chain.
    fn meet(&mut self, met: &Met, chain: &Chain) -> Result<(), Found> {
        self.frame = Some(met.frame.seq);
        self.last_link = met.frame.link;
        if let Some(known) = self.known.get_mut(&met.frame.seq) {
            *known = Some(met.frame.link);
        }
        match &met.what {
            What::Header(header) => {
                self.first_link = Some(met.frame.link);
                if let Some(named) = self.named.filter(|named| *named != header.session) {
                    let found = header.session;
                    return Err((
                        Status::HostLogMismatch,
                        format!("holds the journal of {found} in the place of {named}"),
                    ));
                }
                self.trust_header(header)?;
                self.header = Some((**header).clone());
            }
            What::Epoch(epoch) => self.take_epoch(epoch, met)?,
            What::End(end) => {
                let sums = end.streams.iter().map(|s| (s.stream, s.len, s.sha256.0));
                if !sums.eq(head::streams(chain)) || end.records != self.records {
                    return Err(corrupt("the end does not fit the streams"));
                }
            }
            What::Recovered(recovered) => self.recovered.push(recovered.reason.clone()),
            What::Block { .. } => self.unsealed_block = true,
            What::Rotate(_) | What::Segment | What::Unknown => {}
        }
        self.bytes = Stream::ALL.into_iter().map(|s| chain.streams.of(s).0).sum();
        Ok(())
    }

    fn trust_header(&mut self, header: &Header) -> Result<(), Found> {
        let named = header.host_key.and_then(|k| VerifyingKey::from_bytes(&k.0).ok());
        (self.key, self.source) = match (self.believed.key, named) {
            (Some(key), _) => (Some(key), self.believed.source),
            (None, Some(key)) => (Some(key), KeySource::Session),
            (None, None) => (None, KeySource::None),
        };
        if header.sealing == Sealing::None {
            self.source = KeySource::None;
            // A host that signs does not write unsigned journals, but it may import them.
            let wanted = self.believed.demanded
                || (self.believed.key.is_some() && header.imported.is_none());
            return if wanted {
                Err((Status::Unsealed, "nothing is signed".to_owned()))
            } else {
                Ok(())
            };
        }
        if named != self.key || named.is_none() {
            let named = named.map_or_else(|| "none".to_owned(), |k| fingerprint(&k));
            return Err((
                Status::BadSignature,
                format!("the session names host key {named}, which is not the trusted one"),
            ));
        }
        Ok(())
    }

    fn take_epoch(&mut self, epoch: &Epoch, met: &Met) -> Result<(), Found> {
        let broken =
            |why: &str| Err((Status::BrokenEpoch, format!("epoch {}: {why}", epoch.epoch)));
        let Some(session) = self.session() else { return broken("no session") };
        let expected = self.epoch.map_or(Some(0), |(n, _)| n.checked_add(1));
        if Some(epoch.epoch) != expected {
            return match expected {
                Some(expected) => broken(&format!("epoch {expected} is missing")),
                None => broken("there can be no more"),
            };
        }
        let by = match (epoch.by, epoch.reason, self.epoch) {
            (CertifiedBy::Host, EpochReason::Start, None) => self.key,
            (CertifiedBy::Host, EpochReason::Restarted | EpochReason::Recovered, Some(_)) => {
                self.key
            }
            (CertifiedBy::Previous, EpochReason::Age, Some((_, key))) => Some(key),
            _ => return broken("its reason does not fit"),
        };
        let Some(by) = by else { return broken("no key is known that could certify it") };
        if !certifies(&by, epoch, session, met.frame.seq, &met.previous) {
            return broken("its certificate is not valid");
        }
        let Ok(key) = VerifyingKey::from_bytes(&epoch.key.0) else { return broken("no key") };
        if epoch.by == CertifiedBy::Host && self.unsealed_block {
            // Nobody can tell any more who wrote what lay there unsigned.
            let first = self.sealed_record.saturating_add(1);
            let at_recovery = epoch.reason == EpochReason::Recovered;
            self.late.push(LateSigned { first, last: self.records.max(first), at_recovery });
            self.unsealed_block = false;
        }
        self.epoch = Some((epoch.epoch, key));
        Ok(())
    }

    /// Takes a head at the place where the chain stands.
    fn head(&self, signed: &SignedHead, chain: &Chain) -> Result<(), Found> {
        let head = &signed.head;
        let bad = |status, why: &str| Err((status, format!("head of frame {}: {why}", head.frame)));
        let Some(session) = self.session() else { return bad(Status::Corrupt, "no session") };
        // A head may only be signed by the key of the epoch it lies in.
        let Some((epoch, key)) = self.epoch else {
            return bad(Status::BrokenEpoch, "no epoch has begun");
        };
        if head.epoch != epoch {
            return bad(Status::BrokenEpoch, "it is of another epoch");
        }
        let verifier = Verifier::new(epoch_name(session, epoch), key);
        if !signed.note().is_some_and(|note| verifier.accepts(&note)) {
            return bad(Status::BadSignature, "it is not signed by the key of its epoch");
        }
        let here = Head::of(session, chain, self.records, 0, head::Phase::Running, epoch);
        let expected = Head { unix_millis: head.unix_millis, phase: head.phase, ..here };
        if *head != expected {
            return bad(Status::Corrupt, "it does not fit the journal");
        }
        Ok(())
    }

    fn conclude(&mut self, dir: &Path, walk: &Walk, tail: Tail, next: &Next) -> Found {
        let sealed = self.header.as_ref().is_some_and(|h| h.sealing == Sealing::Epochs);
        let nothing_signed = sealed && self.sealed_frame.is_none() && self.records > 0;
        match tail {
            Tail::Corrupt { place, reason } => {
                let at = place.offset;
                let segment = place.segment;
                return (Status::Corrupt, format!("segment {segment} at {at}: {reason}"));
            }
            Tail::Missing { segment } => {
                return (Status::MissingSegment, format!("segment {segment} is missing"));
            }
            Tail::Torn(fault) => {
                self.torn = fault.reason;
                if let Next::Head(signed) = next
                    && !fault.short
                    && self.frame.is_none_or(|f| signed.head.frame > f)
                {
                    let at = fault.place.offset;
                    return (
                        Status::Corrupt,
                        format!("{} at {at}, in a signed part", fault.reason),
                    );
                }
                if nothing_signed {
                    return (Status::Unsealed, format!("no head is signed, {}", fault.reason));
                }
                return (Status::Truncated, self.truncated(dir, next, fault.reason));
            }
            Tail::Clean => {}
        }
        if *next == Next::Bad {
            return corrupt("heads.note holds what is no head");
        }
        if nothing_signed {
            return (Status::Unsealed, "no head is signed".to_owned());
        }
        let behind = self.unsealed_frames();
        let Some(how) = walk.closed() else {
            let what = if matches!(next, Next::Head(_)) { "cut" } else { "no end" };
            return (Status::Truncated, self.truncated(dir, next, what));
        };
        // A writer that died between the end and its head leaves it unsigned.
        if sealed && behind > 0 && matches!(next, Next::End | Next::Torn) {
            self.end_unsigned = true;
            return (
                Status::Truncated,
                format!("the end, frame {}, is not signed", self.frame.unwrap_or_default()),
            );
        }
        if *next != Next::End {
            return corrupt("heads.note goes on behind the end");
        }
        (Status::Intact, self.praise(how, sealed))
    }

    /// What is said of a journal that is whole.
    fn praise(&self, how: Ended, sealed: bool) -> String {
        let mut reason = match (how, sealed) {
            (Ended::Closed, true) => "complete".to_owned(),
            (Ended::Recovered, true) => "complete up to a crash, recovered".to_owned(),
            (_, false) => match self.header.as_ref().and_then(|h| h.imported.as_deref()) {
                Some(from) => format!("unsigned, imported from {from}"),
                None => "unsigned".to_owned(),
            },
        };
        if !self.recovered.is_empty() {
            // Each of them may be a crash, or somebody who cut the tail off.
            reason.push_str(&format!(", a torn tail was mended ({})", self.recovered.join("; ")));
        }
        for late in &self.late {
            reason.push_str(&format!(", {late}"));
        }
        if self.source == KeySource::Session {
            reason.push_str(", by a key nobody vouches for");
        }
        reason
    }

    fn truncated(&self, dir: &Path, next: &Next, what: &str) -> String {
        let Some(frame) = self.frame else { return "nothing is recorded".to_owned() };
        if let Next::Head(signed) = next {
            let signed = signed.head.frame;
            return format!("ends behind frame {frame} ({what}), but frame {signed} was signed");
        }
        if layout::Lock::is_taken(dir) {
            return format!("running, whole up to frame {frame}");
        }
        format!("ends behind frame {frame} ({what})")
    }

    pub(super) fn session(&self) -> Option<SessionId> {
        self.header.as_ref().map(|h| h.session)
    }

    fn unsealed_frames(&self) -> u64 {
        match (self.frame, self.sealed_frame) {
            (Some(last), Some(sealed)) => last - sealed,
            (Some(last), None) => last + 1,
            (None, _) => 0,
        }
    }

    pub(super) fn report(self, dir: PathBuf, (status, reason): Found) -> Report {
        Report {
            session: self.named.or_else(|| self.session()),
            dir: Some(dir),
            status,
            records: self.records,
            sealed: self.sealed_record,
            frame: self.frame,
            unsealed_frames: self.unsealed_frames(),
            bytes: self.bytes,
            key: self.source,
            fingerprint: self.key.as_ref().map(fingerprint),
            late: self.late,
            reason,
        }
    }
}

/// What a writer that goes on must know of what was checked.
impl Check {
    pub(crate) fn header(&self) -> Option<&Header> {
        self.header.as_ref()
    }

    /// Link of the first frame.
    pub(crate) fn first_link(&self) -> Option<Hash> {
        self.first_link
    }

    /// Number of the present epoch; `None` before the first.
    pub(crate) fn epoch(&self) -> Option<u32> {
        self.epoch.map(|(number, _)| number)
    }

    /// Number of the last record a head covers.
    pub(crate) fn sealed_record(&self) -> u64 {
        self.sealed_record
    }

    /// Phase the last head states.
    pub(crate) fn phase(&self) -> head::Phase {
        self.phase
    }

    /// Whether the journal is closed without a head that says so.
    pub(crate) fn end_unsigned(&self) -> bool {
        self.end_unsigned
    }

    /// Why what lies behind the last frame is no frame; empty when nothing does.
    pub(crate) fn torn(&self) -> &'static str {
        self.torn
    }
}

fn corrupt(reason: &str) -> Found {
    (Status::Corrupt, reason.to_owned())
}

fn next_head(heads: &mut Option<Heads>) -> Result<Next> {
    heads.as_mut().map_or(Ok(Next::End), Heads::next)
}
