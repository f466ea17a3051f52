//! Programs that fill the screen with text to be edited or read: what is typed there is text.

/// Editors, pagers, and what else shows documents and lists.
const PROGRAMS: [&str; 50] = [
    "vi",
    "vim",
    "nvim",
    "view",
    "vimdiff",
    "ex",
    "nano",
    "pico",
    "emacs",
    "emacsclient",
    "micro",
    "helix",
    "hx",
    "kak",
    "joe",
    "jed",
    "mcedit",
    "ne",
    "less",
    "more",
    "most",
    "man",
    "info",
    "top",
    "htop",
    "btop",
    "atop",
    "watch",
    "mutt",
    "neomutt",
    "tig",
    "lazygit",
    "gitui",
    "ranger",
    "nnn",
    "lf",
    "mc",
    "lynx",
    "w3m",
    "links",
    "elinks",
    "visudo",
    "vipw",
    "vigr",
    "sudoedit",
    "git",
    "journalctl",
    "systemctl",
    "crontab",
    "kubectl",
];

/// Whether a command, in canonical spelling, starts such a program. A multiplexer is none: what is
/// typed into it goes to a shell.
pub(super) fn fills(command: &str) -> bool {
    let program = command.split(' ').next().unwrap_or_default();
    let name = program.rsplit('/').next().unwrap_or_default();
    PROGRAMS.contains(&name)
}

/// The command in a line typed into such a program that has it run: `:!id`, `:r !id`, `!id`.
pub(super) fn command_in(line: &str) -> Option<&str> {
    let escape = line.starts_with(['!', ':']);
    line.find('!').filter(|_| escape).map(|at| line[at + 1..].trim()).filter(|c| !c.is_empty())
}

/// Whether a line typed into such a program opens a shell in it: `:terminal`, `:sh`, `!bash`.
pub(super) fn opens_shell(line: &str) -> bool {
    let Some(word) = line.strip_prefix(':').map(|l| l.split(' ').next().unwrap_or_default()) else {
        return false;
    };
    word.len() >= 2 && ["sh", "shell"].contains(&word)
        || (word.len() >= 3 && "terminal".starts_with(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn editors_and_pagers_are_told_from_multiplexers_and_shells() {
        for command in ["vim notes", "/opt/bin/nvim x", "less f", "git log", "crontab -e"] {
            assert!(fills(command), "{command}");
        }
        for command in ["tmux", "screen -r", "bash", "printf vim", "ssh host", ""] {
            assert!(!fills(command), "{command}");
        }
    }

    #[test]
    fn commands_and_shells_inside_an_editor_are_found() {
        for (line, command) in [
            (":!id", Some("id")),
            (":r !curl x", Some("curl x")),
            ("!ls -l", Some("ls -l")),
            (":w", None),
            ("hello!", None),
            (":q!", None),
        ] {
            assert_eq!(command_in(line), command, "{line}");
        }
        for line in [":sh", ":ter", ":terminal bash", ":shell"] {
            assert!(opens_shell(line), "{line}");
        }
        for line in [":s/a/b/", ":te", "sh", ":q"] {
            assert!(!opens_shell(line), "{line}");
        }
    }
}
