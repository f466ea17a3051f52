//! The sans-I/O session core of auditty.
//!
//! [`SessionCore`] is one state machine: [`Event`]s in, [`Effect`]s out, time as an argument. It
//! decides everything about a session: what is recorded, what is masked, when to block, how a
//! session ends. It has no clock, no thread, no file and no socket. An [`Engine`] waits, reads,
//! writes and hands over; its [`Lanes`] decide where recorders, monitors and controllers run.
//!
//! Words: a *record* is one thing that happened; the *journal* keeps records; a *window* is a
//! stretch of a stream a monitor inspects; a *verdict* is what it found; a *block* stops a session
//! until somebody decides; *credit* is how far the screen may run ahead of the journal.
#![forbid(unsafe_code)]

pub mod lanes;

mod approval;
mod control;
mod engine;
mod event;
mod identity;
mod ids;
mod interfaces;
mod moment;
mod monitor;
mod outcome;
mod policy;
mod record;
mod seal;
mod secrets;
mod session;
mod spec;
mod stream;
mod terminal;

pub use approval::{Answer, Approval, Decision};
pub use control::{Action, Command, News, Notice};
pub use engine::{
    Engine, EngineEntry, EngineError, EngineSettings, Mailbox, Registry, Session, SessionHandle,
    UserEnd,
};
pub use event::{Effect, Event, Interest, Mail, Step};
pub use identity::{Identity, IdentityKind};
pub use ids::{BlockId, IdError, SessionId};
pub use interfaces::{
    Controller, ControllerError, Durability, Monitor, MonitorError, Recorder, RecorderError, Wake,
};
pub use lanes::Lanes;
pub use moment::Moment;
pub use monitor::{Finding, Request, Ruling, Score, ScoreError, Span, Verdict, Window};
pub use outcome::{End, Exit, Loss, Outcome};
pub use policy::{
    Blocking, DEFAULT_PROMPTS, Ending, Language, OnFailure, OnStall, OnTimeout, Policy, Recording,
    Secrets, SelfApproval,
};
pub use record::{Body, Record, SecretRule};
pub use seal::{Ratchet, SealId, SealKey};
pub use session::{SessionCore, State};
pub use spec::{CommandSpec, Part, PartError, SessionSpec, Toolkit};
pub use stream::{Port, Stream};
pub use terminal::{LineState, Winsize};
