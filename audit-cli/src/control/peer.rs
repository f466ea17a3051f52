//! Who is at the other end of a socket, and whether that is a process of the session itself.

use std::fs;
use std::io;
use std::os::unix::net::UnixStream;

use audit_core::{Identity, SessionId};
use nix::sys::socket::{getsockopt, sockopt};
use nix::unistd::{Uid, User};

use super::snapshot::Snapshot;

/// Name of the environment variable that tells a session's processes which session they are in.
pub(crate) const SESSION_VARIABLE: &str = "AUDITTY_SESSION";

/// How many parents of a process are looked at.
const MOST_PARENTS: usize = 128;

/// The process at the other end, as the kernel knows it (`SO_PEERCRED` of `unix(7)`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Peer {
    uid: u32,
    pid: i32,
}

impl Peer {
    /// The peer of `stream`.
    ///
    /// # Errors
    /// The system does not tell.
    pub(super) fn of(stream: &UnixStream) -> io::Result<Self> {
        let who = getsockopt(stream, sockopt::PeerCredentials)?;
        Ok(Self { uid: who.uid(), pid: who.pid() })
    }

    /// Whether it may talk to a session of this process's user.
    pub(super) fn is_welcome(self) -> bool {
        self.uid == 0 || self.uid == Uid::effective().as_raw()
    }

    /// It as somebody who gives orders: the login of its user.
    pub(super) fn identity(self) -> Identity {
        let user = User::from_uid(Uid::from_raw(self.uid)).ok().flatten();
        Identity::person(user.map_or_else(|| self.uid.to_string(), |u| u.name), self.uid)
    }

    /// Whether it belongs to the session: it descends from the process that holds it, shares the
    /// child's terminal, or was started with the session's environment. A process that cannot be
    /// looked at counts as one that does.
    ///
    /// A process that took care to leave its parents, its terminal and its environment is not
    /// recognised; it decides as the user then, which the journal tells.
    pub(super) fn is_inside(self, session: &Snapshot) -> bool {
        let Some(place) = ProcessPlace::of(self.pid) else { return true };
        let mut parents = std::iter::successors(Some(place.parent), |pid| {
            ProcessPlace::of(*pid).map(|p| p.parent).filter(|parent| *parent > 1)
        });
        // Only a child that leads a session has a terminal of its own; in pipe mode it shares the
        // user's.
        let child =
            session.pid().and_then(|pid| ProcessPlace::of(pid).filter(|c| c.session == pid));
        let near = |child: ProcessPlace| {
            child.session == place.session || (child.tty != 0 && child.tty == place.tty)
        };
        carries(self.pid, session.id())
            || child.is_some_and(near)
            || parents.by_ref().take(MOST_PARENTS).any(|pid| pid == session.owner())
    }
}

/// Where a process stands among the others (`proc_pid_stat(5)`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct ProcessPlace {
    parent: i32,
    session: i32,
    tty: i32,
}

impl ProcessPlace {
    fn of(pid: i32) -> Option<Self> {
        Self::parse(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
    }

    /// The name of the program stands in parentheses and may hold anything, parentheses included.
    fn parse(stat: &str) -> Option<Self> {
        let fields = stat.get(stat.rfind(')')? + 1..)?;
        let mut fields = fields.split_ascii_whitespace().skip(1).map(str::parse);
        let parent = fields.next()?.ok()?;
        let session = fields.nth(1)?.ok()?;
        let tty = fields.next()?.ok()?;
        Some(Self { parent, session, tty })
    }
}

fn carries(pid: i32, id: SessionId) -> bool {
    let wanted = format!("{SESSION_VARIABLE}={id}");
    let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
    environment.split(|b| *b == 0).any(|variable| variable == wanted.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_name_with_parentheses_does_not_confuse() {
        let place = ProcessPlace::parse("42 (a) b (c)) S 7 42 40 34816 42 4194304 1 2");
        assert_eq!(place, Some(ProcessPlace { parent: 7, session: 40, tty: 34816 }));
        assert_eq!(ProcessPlace::parse("42 (sh"), None);
    }

    #[test]
    fn a_descendant_is_inside_and_its_parent_is_not() {
        let me = i32::try_from(std::process::id()).unwrap();
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let peer = Peer { uid: 0, pid: i32::try_from(child.id()).unwrap() };
        assert!(peer.is_inside(&session(1, me)));
        assert!(!peer.is_inside(&session(1, peer.pid)));
        assert!(!Peer { uid: 0, pid: me }.is_inside(&session(1, peer.pid)));
        child.kill().unwrap();
        child.wait().unwrap();
    }

    #[test]
    fn the_session_variable_gives_a_process_away() {
        let wanted = session(2, 0);
        let mut child = std::process::Command::new("sleep")
            .arg("60")
            .env(SESSION_VARIABLE, wanted.id().to_string())
            .spawn()
            .unwrap();
        let peer = Peer { uid: 0, pid: i32::try_from(child.id()).unwrap() };
        // The kernel shows the environment a moment after the program was started.
        while fs::read(format!("/proc/{}/environ", peer.pid)).unwrap().is_empty() {
            std::thread::yield_now();
        }
        assert!(peer.is_inside(&wanted));
        assert!(!peer.is_inside(&session(3, 0)));
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// A session held by the process `owner`.
    fn session(number: u64, owner: i32) -> Snapshot {
        let mut spec = crate::log::tests::spec();
        spec.id = SessionId::new(number, [7; 10]);
        Snapshot::new(&spec, owner)
    }
}
