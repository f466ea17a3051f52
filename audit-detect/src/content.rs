//! Text that is put into files: what it would be as a script, and what that counts.

use crate::shell::{Written, jobs};

/// The part of a file that would be run: commands of job tables and units, everything of others.
pub(crate) fn script(written: &Written) -> String {
    let path = written.path.as_str();
    if path.contains("/cron") || path.ends_with("/anacrontab") {
        return jobs(&written.text);
    }
    let unit = [".service", ".timer", ".socket", ".desktop", ".path"];
    if unit.iter().any(|u| path.ends_with(u)) {
        let lines = written.text.lines().filter_map(|l| {
            let (key, value) = l.trim().split_once('=')?;
            let value = value.trim_start_matches(['-', '+', '!', '@', ':']);
            (key.starts_with("Exec") || key == "TryExec").then_some(value)
        });
        return lines.collect::<Vec<_>>().join("\n");
    }
    written.text.clone()
}

/// What a finding in a file's text counts for its being written there.
pub(crate) fn weighed(score: f32, written: &Written) -> f32 {
    match place(written) {
        Place::Run => score,
        Place::Waiting => (score - 0.2).max(0.0),
        Place::Elsewhere => score.min(0.5),
    }
}

/// What becomes of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// It is run at once, or by the system by itself.
    Run,
    /// It lies where scripts of strangers do: waiting to be run.
    Waiting,
    /// A document, a source file, a script of a project.
    Elsewhere,
}

fn place(written: &Written) -> Place {
    let path = written.path.as_str();
    let within = |places: &[&str]| places.iter().any(|p| path.contains(p));
    let by_itself = [
        "/etc/cron",
        "/var/spool/cron",
        "/etc/anacrontab",
        "/etc/profile",
        "/etc/bash.bashrc",
        "/etc/rc.",
        "/etc/init.d/",
        "/etc/update-motd.d/",
        "/etc/systemd/",
        "/lib/systemd/",
        "/run/systemd/",
        "/.config/systemd/",
        "/.config/autostart/",
        "/etc/xdg/autostart/",
        "/.bashrc",
        "/.bash_profile",
        "/.bash_login",
        "/.bash_logout",
        "/.bash_aliases",
        "/.profile",
        "/.zshrc",
        "/.zprofile",
        "/.zshenv",
        "/.xprofile",
        "/.xinitrc",
        "/.ssh/rc",
        "/.git/hooks/",
    ];
    if written.run || within(&by_itself) {
        return Place::Run;
    }
    let name = path.rsplit('/').next().unwrap_or(path);
    let document = [".md", ".txt", ".rst", ".adoc", ".html", ".json", ".yml", ".yaml", ".log"];
    if document.iter().any(|d| name.ends_with(d)) {
        return Place::Elsewhere;
    }
    let hidden = name.starts_with('.') && path.starts_with(['/', '~']);
    let system =
        ["/tmp/", "/var/tmp/", "/dev/shm/", "/usr/", "/bin/", "/sbin/", "/lib", "/var/www/"];
    if hidden || system.iter().any(|s| path.starts_with(s)) {
        return Place::Waiting;
    }
    Place::Elsewhere
}
