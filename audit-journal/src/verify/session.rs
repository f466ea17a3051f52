//! Checking one session.

use std::collections::BTreeMap;
use std::path::Path;

use audit_core::{SessionId, Stream};
use ed25519_dalek::VerifyingKey;

use super::{KeySource, Progress, Report, Status, Trust};
use crate::chain::Chain;
use crate::error::Result;
use crate::facts::{CertifiedBy, Ended, Epoch, EpochReason, Header, Sealing};
use crate::head::{self, Head};
use crate::heads::{Heads, Next, SignedHead};
use crate::hostlog::{HostLogView, Leaf};
use crate::keys::{certifies, epoch_name, fingerprint, host_verifier};
use crate::layout;
use crate::note::Verifier;
use crate::walk::{Met, Step, Tail, Walk, What};

/// Verifies the session in `dir`, and what the host log of its root says about it. Safe while the
/// session is being recorded.
pub fn verify(dir: &Path, trust: &Trust, progress: Option<Progress<'_>>) -> Report {
    let root = layout::root_of(dir);
    let known = root.as_deref().and_then(super::root::key_of);
    // The log is read before the journal, so that it is never ahead of it.
    let log = root.as_deref().and_then(|root| {
        let key = match trust {
            Trust::Key(key) => Some(key.0),
            Trust::FirstUse => known,
        };
        HostLogView::read(root, key.map(host_verifier).as_ref()).ok().flatten()
    });
    verify_with(dir, trust, known, log.as_ref(), super::helpers(), progress)
}

/// Verifies a session of a root whose key and log are read already.
pub(super) fn verify_with(
    dir: &Path,
    trust: &Trust,
    root_key: Option<VerifyingKey>,
    log: Option<&HostLogView>,
    helpers: usize,
    progress: Option<Progress<'_>>,
) -> Report {
    let mut check = Check::new(trust, root_key);
    check.helpers = helpers;
    check.named = dir.file_name().and_then(|n| n.to_str()).and_then(|n| n.parse().ok());
    let outcome = check.run(dir, progress);
    let (mut status, mut reason) = match outcome {
        Ok(found) => found,
        Err(e) => (Status::Unreadable, e.to_string()),
    };
    let against = match log {
        _ if !matches!(status, Status::Intact | Status::Truncated) => None,
        Some(log) => check.against(log, status),
        None => check.misses_log(dir),
    };
    if let Some(why) = against {
        (status, reason) = (Status::HostLogMismatch, why);
    }
    check.report(status, reason)
}

/// A verification under way.
struct Check<'a> {
    trust: &'a Trust,
    /// Session whose name the directory bears.
    named: Option<SessionId>,
    root_key: Option<VerifyingKey>,
    /// Threads that unpack ahead.
    helpers: usize,
    key: Option<VerifyingKey>,
    source: KeySource,
    header: Option<Header>,
    /// Present epoch: its number, key, and the frame it begins with.
    epoch: Option<(u32, VerifyingKey, u64)>,
    /// Links that leaves of the host log may speak of.
    links: BTreeMap<u64, [u8; 32]>,
    frame: Option<u64>,
    records: u64,
    bytes: u64,
    sealed_record: u64,
    sealed_frame: Option<u64>,
    /// What torn tails that were mended looked like.
    recovered: Vec<String>,
    first_link: [u8; 32],
    last_link: [u8; 32],
}

type Found = (Status, String);

impl<'a> Check<'a> {
    fn new(trust: &'a Trust, root_key: Option<VerifyingKey>) -> Self {
        Self {
            trust,
            named: None,
            root_key,
            helpers: 0,
            key: None,
            source: KeySource::None,
            header: None,
            epoch: None,
            links: BTreeMap::new(),
            frame: None,
            records: 0,
            bytes: 0,
            sealed_record: 0,
            sealed_frame: None,
            recovered: Vec::new(),
            first_link: [0; 32],
            last_link: [0; 32],
        }
    }

    fn run(&mut self, dir: &Path, progress: Option<Progress<'_>>) -> Result<Found> {
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
            if let Err(found) = self.meet(&met, chain) {
                return Ok(found);
            }
            self.records = walk.records;
            loop {
                match &next {
                    Next::Head(signed) if signed.head.frame == met.frame.seq => {
                        if let Err(found) = self.head(signed, chain) {
                            return Ok(found);
                        }
                        self.sealed_record = signed.head.record;
                        self.sealed_frame = Some(signed.head.frame);
                    }
                    Next::Head(signed) if signed.head.frame < met.frame.seq => {
                        return Ok((Status::Corrupt, "heads are out of order".to_owned()));
                    }
                    Next::Bad => {
                        return Ok((
                            Status::Corrupt,
                            "heads.note holds what is no head".to_owned(),
                        ));
                    }
                    _ => break,
                }
                next = next_head(&mut heads)?;
            }
            if let Some(progress) = progress {
                progress(walk.bytes, total);
            }
        };
        Ok(self.conclude(dir, &walk, tail, &next))
    }

    /// Takes a frame that fits the chain.
    fn meet(&mut self, met: &Met, chain: &Chain) -> Result<(), Found> {
        self.frame = Some(met.frame.seq);
        self.last_link = met.frame.link;
        match &met.what {
            What::Header(header) => {
                self.first_link = met.frame.link;
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
            What::Rotate | What::Segment => {
                self.links.insert(met.frame.seq, met.frame.link);
            }
            What::End(end) => {
                let sums = end.streams.iter().map(|s| (s.stream, s.len, s.sha256.0));
                if !sums.eq(head::streams(chain)) || end.records != self.records {
                    return Err((Status::Corrupt, "the end does not fit the streams".to_owned()));
                }
                self.links.insert(met.frame.seq, met.frame.link);
            }
            What::Recovered(recovered) => self.recovered.push(recovered.reason.clone()),
            What::Block { .. } | What::Unknown => {}
        }
        self.bytes = Stream::ALL.into_iter().map(|s| chain.streams.of(s).0).sum();
        Ok(())
    }

    fn trust_header(&mut self, header: &Header) -> Result<(), Found> {
        let named = header.host_key.and_then(|k| VerifyingKey::from_bytes(&k.0).ok());
        (self.key, self.source) = match (self.trust, self.root_key, named) {
            (Trust::Key(key), ..) => (Some(key.0), KeySource::Given),
            (Trust::FirstUse, Some(key), _) => (Some(key), KeySource::Root),
            (Trust::FirstUse, None, Some(key)) => (Some(key), KeySource::Session),
            (Trust::FirstUse, None, None) => (None, KeySource::None),
        };
        if header.sealing == Sealing::None {
            self.source = KeySource::None;
            // A host that signs does not write unsigned journals, but it may import them.
            let wanted = match self.trust {
                Trust::Key(_) => true,
                Trust::FirstUse => self.root_key.is_some() && header.imported.is_none(),
            };
            return if wanted {
                Err((Status::Unsealed, "nothing is signed".to_owned()))
            } else {
                Ok(())
            };
        }
        if named != self.key {
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
        let expected = self.epoch.map_or(0, |(n, ..)| n + 1);
        if epoch.epoch != expected {
            return broken(&format!("epoch {expected} is missing"));
        }
        let by = match (epoch.by, epoch.reason, self.epoch) {
            (CertifiedBy::Host, EpochReason::Start, None) => self.key,
            (CertifiedBy::Host, EpochReason::Restarted | EpochReason::Recovered, Some(_)) => {
                self.key
            }
            (CertifiedBy::Previous, EpochReason::Age, Some((_, key, _))) => Some(key),
            _ => return broken("its reason does not fit"),
        };
        let Some(by) = by else { return broken("no key is known that could certify it") };
        if !certifies(&by, epoch, session, met.frame.seq, &met.previous) {
            return broken("its certificate is not valid");
        }
        let Ok(key) = VerifyingKey::from_bytes(&epoch.key.0) else { return broken("no key") };
        self.epoch = Some((epoch.epoch, key, met.frame.seq));
        Ok(())
    }

    /// Takes a head at the place where the chain stands.
    fn head(&self, signed: &SignedHead, chain: &Chain) -> Result<(), Found> {
        let head = &signed.head;
        let bad = |status, why: &str| Err((status, format!("head of frame {}: {why}", head.frame)));
        let Some(session) = self.session() else { return bad(Status::Corrupt, "no session") };
        // A head may only be signed by the key of the epoch it lies in.
        let Some((epoch, key, _)) = self.epoch else {
            return bad(Status::BrokenEpoch, "no epoch has begun");
        };
        if head.epoch != epoch {
            return bad(Status::BrokenEpoch, "it is of another epoch");
        }
        let verifier = Verifier::new(epoch_name(session, epoch), key);
        if !signed.note().is_some_and(|note| verifier.accepts(&note)) {
            return bad(Status::BadSignature, "it is not signed by the key of its epoch");
        }
        let expected = Head {
            unix_millis: head.unix_millis,
            phase: head.phase,
            ..self.here(chain, epoch, session)
        };
        if *head != expected {
            return bad(Status::Corrupt, "it does not fit the journal");
        }
        Ok(())
    }

    fn here(&self, chain: &Chain, epoch: u32, session: SessionId) -> Head {
        Head::of(session, chain, self.records, 0, head::Phase::Running, epoch)
    }

    fn conclude(&mut self, dir: &Path, walk: &Walk, tail: Tail, next: &Next) -> Found {
        let sealed = self.header.as_ref().is_some_and(|h| h.sealing == Sealing::Epochs);
        let behind = match (self.frame, self.sealed_frame) {
            (Some(last), Some(sealed)) => last - sealed,
            (Some(last), None) => last + 1,
            (None, _) => 0,
        };
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
                if sealed && self.sealed_frame.is_none() && self.records > 0 {
                    return (Status::Unsealed, format!("no head is signed, {}", fault.reason));
                }
                return (Status::Truncated, self.truncated(dir, next, fault.reason));
            }
            Tail::Clean => {}
        }
        match next {
            Next::Bad => return (Status::Corrupt, "heads.note holds what is no head".to_owned()),
            Next::Head(_) => return (Status::Truncated, self.truncated(dir, next, "cut")),
            Next::End | Next::Torn => {}
        }
        let Some(how) = walk.closed() else {
            if self.frame.is_none() {
                return (Status::Truncated, "nothing is recorded".to_owned());
            }
            if sealed && self.sealed_frame.is_none() && self.records > 0 {
                return (Status::Unsealed, "no head is signed".to_owned());
            }
            return (Status::Truncated, self.truncated(dir, next, "no end"));
        };
        if sealed && behind > 0 {
            return (Status::Unsealed, format!("the last {behind} frames are not signed"));
        }
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
        if self.source == KeySource::Session {
            reason.push_str(", by a key nobody vouches for");
        }
        (Status::Intact, reason)
    }

    fn truncated(&self, dir: &Path, next: &Next, what: &str) -> String {
        let frame = self.frame.map_or_else(|| "no frame".to_owned(), |f| format!("frame {f}"));
        if let Next::Head(signed) = next {
            let signed = signed.head.frame;
            return format!("ends behind {frame} ({what}), but frame {signed} was signed");
        }
        if layout::Lock::is_taken(dir) {
            return format!("running, whole up to {frame}");
        }
        format!("ends behind {frame} ({what})")
    }

    /// What the host log says against this session, if anything.
    fn against(&self, log: &HostLogView, status: Status) -> Option<String> {
        let header = self.header.as_ref()?;
        let mut started = false;
        for leaf in log.leaves.iter().filter(|l| l.session() == header.session) {
            match leaf {
                Leaf::Start { link, .. } => {
                    started = true;
                    if *link != self.first_link {
                        return Some("the host log knows another beginning".to_owned());
                    }
                }
                Leaf::Head { frame, link, .. } => {
                    if self.links.get(frame).is_some_and(|l| l != link) {
                        return Some(format!("the host log knows another frame {frame}"));
                    }
                }
                Leaf::End { frame, link, .. } => {
                    let differs = Some(*frame) != self.frame || *link != self.last_link;
                    if status == Status::Intact && differs {
                        return Some("the host log knows another end".to_owned());
                    }
                }
                Leaf::Expired { .. } => {}
            }
        }
        if let Err(reason) = &log.sound {
            return Some(reason.clone());
        }
        (header.host_log && !started && self.sealed_frame.is_some())
            .then(|| "the host log does not know the session".to_owned())
    }

    /// A session in a root whose host log should know it, and there is no host log.
    fn misses_log(&self, dir: &Path) -> Option<String> {
        let logged = self.header.as_ref().is_some_and(|h| h.host_log);
        (logged && self.sealed_frame.is_some() && layout::root_of(dir).is_some())
            .then(|| "the host log is not there".to_owned())
    }

    fn session(&self) -> Option<SessionId> {
        self.header.as_ref().map(|h| h.session)
    }

    fn report(&self, status: Status, reason: String) -> Report {
        let unsealed_frames = match (self.frame, self.sealed_frame) {
            (Some(last), Some(sealed)) => last - sealed,
            (Some(last), None) => last + 1,
            (None, _) => 0,
        };
        Report {
            session: self.named.or_else(|| self.session()),
            status,
            records: self.records,
            sealed: self.sealed_record,
            frame: self.frame,
            unsealed_frames,
            bytes: self.bytes,
            key: self.source,
            fingerprint: self.key.as_ref().map(fingerprint),
            reason,
        }
    }
}

fn next_head(heads: &mut Option<Heads>) -> Result<Next> {
    heads.as_mut().map_or(Ok(Next::End), Heads::next)
}
