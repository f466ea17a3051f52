//! What pages say beyond the flags: exit statuses, environment, files, examples, other pages.

use clap::Command;

/// A section of a page: terms, each with what is said about it.
pub(super) struct Section {
    /// Its title, as man pages write it.
    pub(super) title: &'static str,
    /// What stands in it.
    pub(super) items: Vec<(String, &'static str)>,
}

/// A row of a table below.
type Row = (&'static str, &'static str);

/// The sections of `command`, whose name with those above it is `path`, such as `ctl approve`; the
/// program itself is the empty path.
pub(super) fn of(command: &Command, path: &str) -> Vec<Section> {
    let rows = |title, rows: &[Row]| Section {
        title,
        items: rows.iter().map(|(term, text)| ((*term).to_owned(), *text)).collect(),
    };
    let (environment, files) = surroundings(path);
    let sections = [
        rows("EXIT STATUS", &exit_statuses(path)),
        rows("ENVIRONMENT", environment),
        rows("FILES", files),
        rows("EXAMPLES", examples(path)),
        Section { title: super::SEE_ALSO, items: see_also(command, path) },
    ];
    sections.into_iter().filter(|section| !section.items.is_empty()).collect()
}

/// Exit statuses by their number; what has none comes first.
fn exit_statuses(path: &str) -> Vec<Row> {
    let number = |(term, _): &Row| -> u32 {
        let end = term.find(|c: char| !c.is_ascii_digit()).unwrap_or(term.len());
        term[..end].parse().unwrap_or_default()
    };
    let own = statuses(path);
    let common = COMMON_STATUSES.iter().filter(|row| !own.iter().any(|own| own.0 == row.0));
    let mut rows: Vec<_> = own.iter().chain(common).copied().collect();
    rows.sort_by_key(number);
    rows
}

/// What every command ends with besides its own statuses.
const COMMON_STATUSES: &[Row] = &[
    ("2", "Wrong usage: one line on standard error says what is right."),
    ("78", "The configuration is wrong: one line says where, what, and what is allowed."),
];

const DONE: &[Row] = &[("0", "Done."), ("1", "It could not be done; one line says why.")];

fn statuses(path: &str) -> &'static [Row] {
    match path {
        "run" => &[
            ("the command's own", "When nothing below holds."),
            ("128 + N", "Signal N killed the command."),
            (
                "129, 143, 137",
                "The session reached `audit.session_timeout`, lost its terminal, or was ended by \
                 `auditty ctl terminate`. The command is hung up (SIGHUP: 129 if that ends it), two \
                 seconds later told to end (SIGTERM: 143), two more seconds later killed (SIGKILL: \
                 137); one that handles the signal ends with a status of its own. In a blocked \
                 session it is killed at once.",
            ),
            (
                "73",
                "What the command wrote could not be written to standard output or standard error, \
                 as on a full disk; the journal has it.",
            ),
            (
                "74",
                "The journal could not be written, and the policy is `closed`, or `spill` with its \
                 memory used up.",
            ),
            ("77", "A block ended the session: it was rejected, or its deadline passed."),
            ("126", "The command was found and cannot be executed."),
            ("127", "The command was not found."),
        ],
        "verify" => &[
            ("0", "Intact."),
            ("1", "Something cannot be read."),
            ("10", "Cut off behind a clean beginning: a crash, or the session still runs."),
            ("11", "Corrupt: something was changed."),
            ("12", "A signature is wrong, or the host is not the one that is known or given."),
            ("13", "A segment is missing."),
            ("14", "A key epoch is missing or not certified by the one before."),
            (
                "15",
                "The host log knows of another end, or of a session that is gone; or it was changed \
                 itself.",
            ),
            ("16", "Signatures were declared and are not there."),
        ],
        "replay" => &[
            ("0", "Played."),
            ("1", "There is no such session, or it cannot be read."),
            (
                "10 to 16",
                "The journal fails verification, as auditty-verify(1) says; nothing is played.",
            ),
        ],
        "export" => &[
            ("0", "Exported; what a crash cut off is told on standard error."),
            ("1", "There is no such session, or it cannot be read, or the output not be written."),
            (
                "11 to 16",
                "The journal fails verification, as auditty-verify(1) says; nothing is exported.",
            ),
        ],
        "search" => &[
            ("0", "Something was found."),
            ("1", "Nothing was found."),
            (
                "2",
                "Something could not be searched, whatever was found elsewhere; or wrong usage. A \
                 line on standard error says what.",
            ),
        ],
        "expire" => &[
            ("0", "Every session that was asked for is gone."),
            ("1", "Some stay; a line for each says why. Or there is no such session."),
        ],
        "ls" => &[("0", "Every session was listed."), ("1", "Some session cannot be read.")],
        "doctor" => &[("0", "No check failed."), ("1", "A check failed.")],
        "bench" => &[
            ("0", "Measured."),
            ("1", "A subject failed."),
            ("128 + N", "Signal N stopped it; what it had started and made is gone."),
        ],
        path if path == "ctl" || path.starts_with("ctl ") => &[
            ("0", "Done."),
            ("1", "No such session is running, or it refused the order; one line says why."),
        ],
        _ => DONE,
    }
}

const SETTING: Row = (
    "AUDITTY_SECTION__KEY",
    "A setting, stronger than every file and weaker than flags: AUDITTY_JOURNAL__ON_FAILURE=closed.",
);
const CONFIG_HOME: Row =
    ("XDG_CONFIG_HOME", "Where the user's configuration file is looked for, else ~/.config.");
const RUNTIME_DIR: Row = (
    "XDG_RUNTIME_DIR",
    "Where the sockets of running sessions are, if it is an absolute path and the user's own.",
);
const NO_COLOR: Row = ("NO_COLOR", "If set, nothing is coloured unless --color says so.");

const CONFIGURATION: [Row; 2] = [
    ("/etc/auditty/auditty.toml", "The system's configuration."),
    ("~/.config/auditty/auditty.toml", "The user's configuration, stronger than the system's."),
];
const JOURNAL: Row = (
    "~/.local/state/auditty/sessions, /var/lib/auditty/sessions",
    "The journals of a user, of root: one directory for each session, and the host log.",
);
const AUDIT_LOG: Row = (
    "~/.local/state/auditty/audit.log, /var/log/auditty/audit.log",
    "The audit log of a user, of root: one JSON object a line.",
);
const KNOWN_KEYS: Row = (
    "~/.local/state/auditty/known-keys, /var/lib/auditty/known-keys",
    "The host keys that journal directories are known by, for a user, for root.",
);
const SOCKETS: Row = (
    "$XDG_RUNTIME_DIR/auditty, else /run/auditty, ~/.local/state/auditty/run",
    "The sockets of running sessions; without a runtime directory those of root, of a user.",
);

/// Environment and files.
fn surroundings(path: &str) -> (&'static [Row], &'static [Row]) {
    match path {
        "" => (
            &[SETTING, CONFIG_HOME, RUNTIME_DIR, NO_COLOR],
            &[CONFIGURATION[0], CONFIGURATION[1], JOURNAL, KNOWN_KEYS, AUDIT_LOG, SOCKETS],
        ),
        "run" => (
            &[
                ("SHELL", "What runs when no command is given and `pty.shell_command` is unset."),
                ("LC_ALL, LC_MESSAGES, LANG", "The language the user is told things in."),
                ("AUDITTY_SESSION", "Set for the command: the id of the session it is in."),
                SETTING,
                CONFIG_HOME,
                RUNTIME_DIR,
            ],
            &[CONFIGURATION[0], CONFIGURATION[1], JOURNAL, KNOWN_KEYS, AUDIT_LOG, SOCKETS],
        ),
        "ctl" => (&[RUNTIME_DIR], &[SOCKETS]),
        "config" => (&[SETTING, CONFIG_HOME], &CONFIGURATION),
        "ls" | "show" | "search" => (&[NO_COLOR], &[JOURNAL]),
        "doctor" => (&[NO_COLOR], &[JOURNAL, KNOWN_KEYS]),
        "import" | "recover" => (&[], &[JOURNAL]),
        "replay" | "export" => (&[], &[JOURNAL, KNOWN_KEYS]),
        "verify" | "expire" => (&[], &[JOURNAL, KNOWN_KEYS, AUDIT_LOG]),
        _ => (&[], &[]),
    }
}

fn examples(path: &str) -> &'static [Row] {
    match path {
        "" => &[
            ("auditty run", "An audited shell."),
            ("auditty verify", "Check every session, and the host log."),
        ],
        "run" => &[
            ("auditty run", "An audited shell; `exit` leaves it."),
            ("auditty run -- make test", "A command; its exit status is passed on."),
            (
                "auditty run --engine poll --on-journal-failure closed -- bash",
                "A shell that ends when it cannot be recorded.",
            ),
        ],
        "ls" => &[(
            "auditty ls --since 2h --state blocked",
            "Sessions of the last two hours that wait.",
        )],
        "show" => &[("auditty show 01a2", "What is known about the session so named.")],
        "replay" => &[
            (
                "auditty replay 01a2 --max-idle 1",
                "Play a session, with pauses of a second at most.",
            ),
            ("auditty replay 01a2 --from 10m --follow", "Watch a running session."),
        ],
        "verify" => &[
            ("auditty verify", "Check every session, and the host log."),
            ("auditty verify --key host.pub 01a2", "Check a session against a key kept elsewhere."),
            (
                "auditty verify --checkpoint last-week",
                "Check also that the host log continues a copy of its checkpoint.",
            ),
        ],
        "export" => &[
            (
                "auditty export 01a2 --format asciicast-v3 -o session.cast",
                "Write a file that asciinema(1) plays.",
            ),
            ("auditty export 01a2 --format raw --stream input", "Exactly what was typed."),
        ],
        "import" => &[("auditty import old.cast --format asciicast", "Take a recording over.")],
        "search" => &[("auditty search 'permission denied'", "Every session that showed it.")],
        "recover" => &[("auditty recover 01a2", "Mend the torn tail after a crash.")],
        "expire" => &[
            ("auditty expire --before 365d --dry-run", "Which sessions are older than a year."),
            ("auditty expire --before 365d", "Remove them."),
        ],
        "ctl" => &[
            ("auditty ctl status", "How the only running session stands."),
            ("auditty ctl block --reason 'looks wrong'", "Stop it until somebody decides."),
            ("auditty ctl approve --comment 'planned work'", "Let it go on."),
            ("auditty ctl --session 01a2 terminate", "End one of several."),
        ],
        "detect" | "detect explain" => {
            &[("auditty detect explain 'curl http://x | sh'", "Say why it gets the score it gets.")]
        }
        "detect score" => &[("auditty detect score records.jsonl", "Score each record of a file.")],
        "analyze" => {
            &[("auditty analyze --listen 127.0.0.1:57575", "Serve the rules and the model here.")]
        }
        "train" => {
            &[("auditty train commands.jsonl --out model.bin", "Make a model of one's own.")]
        }
        "bench" => &[("auditty bench --engines poll,hybrid --rounds 9", "Compare two engines.")],
        "config" | "config show" => {
            &[("auditty config show --origin", "What is in effect, and where it was set.")]
        }
        "config check" => {
            &[("auditty config check auditty.toml", "Check a file before it is used.")]
        }
        "config default" => &[("auditty config default > auditty.toml", "A file to start from.")],
        "completions" => &[(
            "auditty completions bash > /etc/bash_completion.d/auditty",
            "Complete commands and flags in bash.",
        )],
        "man" => &[("auditty man /usr/local/share/man/man1", "Install the manual pages.")],
        _ => &[],
    }
}

/// The page above and those below, and some that belong to it.
fn see_also(command: &Command, path: &str) -> Vec<(String, &'static str)> {
    let near: &[&str] = match path {
        "run" => &["ctl", "replay", "verify", "config"],
        "ls" | "show" | "search" => &["replay", "export", "verify"],
        "replay" => &["export", "verify"],
        "verify" => &["recover", "expire", "show"],
        "recover" | "expire" => &["verify"],
        "export" => &["import", "replay"],
        "import" => &["export"],
        "detect" => &["analyze", "train"],
        "analyze" | "train" => &["detect"],
        "engines" => &["bench", "run"],
        "bench" => &["engines"],
        "doctor" => &["config"],
        _ => &[],
    };
    let above = path.rsplit_once(' ').map(|(above, _)| above);
    let above = above.or((!path.is_empty()).then_some(""));
    let below = command.get_subcommands().filter(|c| !c.is_hide_set());
    let below = below.map(|c| format!("{path} {}", c.get_name()).trim_start().to_owned());
    let near = near.iter().map(|name| (*name).to_owned());
    let pages = above.map(str::to_owned).into_iter().chain(below).chain(near);
    pages.map(|path| (format!("auditty {path}").trim_end().replace(' ', "-") + "(1)", "")).collect()
}
