//! Who did something.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Somebody who opens a session, gives a command or decides an approval.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Identity {
    /// What kind of somebody this is.
    pub kind: IdentityKind,
    /// Login or service name, as its own authority knows it.
    pub name: String,
    /// Numeric user of the operating system, where there is one.
    #[serde(default)]
    pub uid: Option<u32>,
}

/// What kind of somebody an [`Identity`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum IdentityKind {
    /// A person at a terminal.
    Person,
    /// An AI agent.
    Agent,
    /// A program that acts by itself: a monitor, a timer, alert response.
    Service,
}

impl Identity {
    /// A person known to the operating system.
    pub fn person(name: impl Into<String>, uid: u32) -> Self {
        Self { kind: IdentityKind::Person, name: name.into(), uid: Some(uid) }
    }

    /// A program acting by itself.
    pub fn service(name: impl Into<String>) -> Self {
        Self { kind: IdentityKind::Service, name: name.into(), uid: None }
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}
