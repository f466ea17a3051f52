//! Beginning a journal, and going on with one whose writer died.

use std::collections::VecDeque;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use audit_core::{OnFailure, PartError, Recorder, SessionSpec};

use super::awaited::Awaited;
use super::background::Background;
use super::seal::{Signer, unless_damaged};
use super::{ChainBox, Writer};
use crate::block::Builder;
use crate::chain::{Chain, Hash};
use crate::disk::{GrowingFile, Need, create_dirs, sync_dir};
use crate::error::{JournalError, Result};
use crate::facts::{EpochReason, Header, Key32, Recovered, Sealing};
use crate::frame::kind;
use crate::head::Phase;
use crate::hostlog::{self, HostLog, Leaf};
use crate::keys::HostKey;
use crate::layout::{self, HEADS, Lock, SESSION_JSON};
use crate::recover::{self, Standing};
use crate::settings::JournalSettings;

/// Disk space kept free for heads, in bytes.
const HEADS_RESERVE: u64 = 16 << 10;

/// Builds the journal that `spec` names: the recorder part of a toolkit. A session that has a
/// journal already, because its recorder died, goes on with it. Where there is no room for a
/// journal, one that its session can do without is begun as soon as there is.
///
/// # Errors
/// The settings are wrong, or the journal cannot be created, or another process writes it.
pub fn recorder(spec: &SessionSpec) -> Result<Box<dyn Recorder>, PartError> {
    let settings: JournalSettings = spec.recorder.settings()?;
    match Writer::open(spec, settings.clone()) {
        Ok(writer) => Ok(Box::new(writer)),
        Err(e) if e.is_no_space() && spec.policy.recording.on_failure != OnFailure::Closed => {
            Ok(Box::new(Awaited::new(spec.clone(), settings)))
        }
        Err(e) => Err(PartError { part: spec.recorder.name.clone(), reason: e.to_string() }),
    }
}

impl Writer {
    /// Begins the journal of a session, or goes on with it where its writer died.
    ///
    /// # Errors
    /// The journal cannot be created or read, it is closed, or another process writes it.
    pub fn open(spec: &SessionSpec, settings: JournalSettings) -> Result<Self> {
        let dir = layout::session_dir(&settings.root, spec.id);
        create_dirs(&dir)?;
        let lock = Lock::take(&dir)?;
        if layout::segments(&dir)?.is_empty() {
            clear(&dir)?;
            return Self::begin(Header::of(spec), settings, dir, lock, true);
        }
        match recover::stand(&dir, &settings, false)? {
            Some(standing) => Self::resume(settings, dir, lock, standing, EpochReason::Restarted),
            None => {
                // Its writer died before the first frame was whole: nothing is lost.
                clear(&dir)?;
                Self::begin(Header::of(spec), settings, dir, lock, true)
            }
        }
    }

    /// Begins a journal that nobody signs.
    pub(crate) fn unsigned(header: Header, settings: JournalSettings) -> Result<Self> {
        let dir = layout::session_dir(&settings.root, header.session);
        create_dirs(&dir)?;
        let lock = Lock::take(&dir)?;
        if !layout::segments(&dir)?.is_empty() {
            return Err(JournalError::io("create", &dir, std::io::ErrorKind::AlreadyExists.into()));
        }
        Self::begin(header, settings, dir, lock, false)
    }

    /// Begins a journal. Where that fails before the host log knows of it, nothing is left behind.
    fn begin(
        header: Header,
        settings: JournalSettings,
        dir: PathBuf,
        lock: Lock,
        sign: bool,
    ) -> Result<Self> {
        // Nobody else may begin here before what is left is gone.
        let (place, _kept) = (dir.clone(), lock.again()?);
        let made = Self::make(header, settings, dir, lock, sign);
        let (mut writer, host) = made.inspect_err(|_| {
            // What cannot be removed is what `verify` finds.
            let _ = clear(&place).map(|()| std::fs::remove_dir(&place));
        })?;
        if let Some((host, first)) = host {
            writer.log_start(&host, first)?;
            writer.sign_head(Phase::Running)?;
        }
        Ok(writer)
    }

    /// Makes the files of a journal, with its header. Returns, if it is to be signed, the host's
    /// key and the link of the first frame.
    fn make(
        mut header: Header,
        settings: JournalSettings,
        dir: PathBuf,
        lock: Lock,
        sign: bool,
    ) -> Result<(Self, Option<(HostKey, Hash)>)> {
        let host = sign.then(|| HostKey::open_or_create(&settings)).transpose()?;
        if let Some(host) = &host {
            hostlog::publish(&settings.root, host)?;
            header.sealing = Sealing::Epochs;
            header.host_key = Some(Key32(host.public().to_bytes()));
            header.host_log = settings.host_log;
        }
        header.strict |= settings.write_strict;
        // First, so that a crash leaves a journal without a frame and not one without its segment.
        let segment = GrowingFile::create(&layout::segment(&dir, 0), settings.reserve)?;
        write_json(&dir, &header)?;
        let chain = Chain::start(header.session);
        let mut writer = Self::over(header, settings, dir, lock, chain, segment);
        let header = writer.header.clone();
        writer.put(kind::HEADER, &header, Need::Vital)?;
        let Some(host) = host else { return Ok((writer, None)) };
        let first = writer.chain.0.link;
        writer.sign_with(&host, 0, EpochReason::Start, None)?;
        Ok((writer, Some((host, first))))
    }

    fn over(
        header: Header,
        settings: JournalSettings,
        dir: PathBuf,
        lock: Lock,
        chain: Chain,
        segment: GrowingFile,
    ) -> Self {
        Self {
            block: Builder::new(settings.block_size, 1),
            dir,
            settings,
            header,
            chain: ChainBox(chain),
            partial: None,
            segment,
            number: 0,
            segment_since: 0,
            closed_segments: Vec::new(),
            leaves: Vec::new(),
            background: Background::default(),
            later: 0,
            uncompressed: VecDeque::new(),
            compaction: None,
            signer: None,
            taken: 0,
            written: 0,
            now: 0,
            block_before: 0,
            vital: false,
            phase: Phase::Running,
            sealed: Vec::new(),
            new_names: true,
            ended: false,
            closed: false,
            _lock: lock,
        }
    }

    /// Goes on where a journal stands.
    pub(crate) fn resume(
        settings: JournalSettings,
        dir: PathBuf,
        lock: Lock,
        standing: Standing,
        reason: EpochReason,
    ) -> Result<Self> {
        if standing.closed {
            return Err(JournalError::Closed { path: dir.display().to_string() });
        }
        recover::cut(&dir, &standing)?;
        let reserve = settings.reserve;
        let path = layout::segment(&dir, standing.segment);
        let segment = match GrowingFile::reopen(&path, standing.len, reserve) {
            Err(JournalError::Io { source, .. })
                if standing.len == 0 && source.kind() == std::io::ErrorKind::NotFound =>
            {
                GrowingFile::create(&path, reserve)?
            }
            opened => opened?,
        };
        let mut writer = Self::over(standing.header, settings, dir, lock, standing.chain, segment);
        writer.number = standing.segment;
        writer.block.restart(standing.records + 1);
        (writer.taken, writer.written) = (standing.records, standing.records);
        (writer.now, writer.segment_since) = (standing.time, standing.time);
        writer.block_before = standing.time;
        writer.partial = standing.partial;
        writer.sealed = standing.sealed;
        writer.phase = standing.phase;
        for (number, bytes) in standing.uncompressed {
            if number == writer.number {
                writer.later = bytes;
            } else {
                writer.uncompressed.push_back(number);
            }
        }
        writer.make_segment(Need::Vital)?;
        if standing.torn > 0 || standing.heads.beyond > 0 {
            let frame = Recovered {
                cut: standing.torn,
                old_len: standing.len + standing.torn,
                reason: standing.torn_reason,
            };
            writer.put(kind::RECOVERED, &frame, Need::Vital)?;
        }
        if writer.header.sealing == Sealing::Epochs {
            let host = HostKey::open(&writer.settings.host_key_path())?;
            let (epoch, reason) = match standing.epoch {
                Some(epoch) => (epoch.checked_add(1), reason),
                None => (Some(0), EpochReason::Start),
            };
            let epoch =
                epoch.ok_or_else(|| JournalError::corrupt(path.display(), "no epoch left"))?;
            writer.sign_with(&host, epoch, reason, Some(standing.heads.len))?;
            // Its writer may have died before the log knew of it. Where a record was signed, it did.
            if standing.sealed_record == 0 {
                writer.log_start_again(&host, standing.first_link)?;
            }
            writer.sign_head(writer.phase)?;
        }
        Ok(writer)
    }

    /// Tells the host log that the session begins, with the link of its first frame. A log that
    /// somebody damaged stays as it is, and keeps nobody from recording.
    fn log_start(&mut self, host: &HostKey, link: Hash) -> Result<()> {
        if !self.header.host_log {
            return Ok(());
        }
        // The log must not know a session that the machine may forget.
        self.segment.sync()?;
        for dir in self.dir.ancestors().take(4) {
            sync_dir(dir)?;
        }
        let leaf = Leaf::Start {
            session: self.header.session,
            link,
            unix_millis: self.header.opened_unix_millis,
        };
        let logged = HostLog::open(&self.settings.root, host).and_then(|mut log| log.append(&leaf));
        unless_damaged(logged)
    }

    /// [`Writer::log_start`], unless the log knows the session.
    fn log_start_again(&mut self, host: &HostKey, link: Hash) -> Result<()> {
        if self.header.host_log {
            let session = self.header.session;
            match HostLog::open(&self.settings.root, host).and_then(|mut log| log.of(session)) {
                Ok(leaves) if leaves.is_empty() => {}
                Ok(_) | Err(JournalError::HostLog { .. }) => return Ok(()),
                Err(e) => return Err(e),
            }
        }
        self.log_start(host, link)
    }

    /// Starts signing with a fresh key that the host certifies. `heads` is where `heads.note` goes
    /// on, `None` where it begins.
    fn sign_with(
        &mut self,
        host: &HostKey,
        epoch: u32,
        reason: EpochReason,
        heads: Option<u64>,
    ) -> Result<()> {
        let path = self.dir.join(HEADS);
        let reserve = HEADS_RESERVE.min(self.settings.reserve);
        let heads = match heads {
            Some(len) if path.exists() => GrowingFile::reopen(&path, len, reserve)?,
            _ => GrowingFile::create(&path, reserve)?,
        };
        let key = self.host_epoch(host, epoch, reason)?;
        self.signer = Some(Signer {
            key,
            since: self.now,
            heads,
            head_time: self.now,
            unsealed: 0,
            due: false,
        });
        Ok(())
    }
}

fn write_json(dir: &Path, header: &Header) -> Result<()> {
    let path = dir.join(SESSION_JSON);
    let io = |e| JournalError::io("create", &path, e);
    let mut text = serde_json::to_string_pretty(header).unwrap_or_default();
    text.push('\n');
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .custom_flags(nix::libc::O_NOFOLLOW)
        .open(&path)
        .map_err(io)?;
    file.write_all(text.as_bytes()).map_err(io)
}

/// Removes what a writer left that died before the first frame was whole.
fn clear(dir: &Path) -> Result<()> {
    for path in [layout::segment(dir, 0), dir.join(HEADS), dir.join(SESSION_JSON)] {
        match std::fs::remove_file(&path) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                return Err(JournalError::io("remove", &path, e));
            }
            _ => {}
        }
    }
    Ok(())
}
