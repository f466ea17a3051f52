//! Whether a command takes what is piped in for commands of its own.

use audit_core::CommandSpec;

use crate::shell::{Variables, resolve};

/// Shells, and interpreters of other languages.
const INTERPRETERS: [&str; 22] = [
    "sh", "bash", "dash", "zsh", "ksh", "mksh", "ash", "fish", "csh", "tcsh", "rbash", "python",
    "python2", "python3", "perl", "ruby", "node", "php", "lua", "tclsh", "pwsh", "at",
];
/// Programs that run another program somewhere else, with our standard input.
const RUNNERS: [&str; 18] = [
    "ssh",
    "docker",
    "podman",
    "nerdctl",
    "kubectl",
    "oc",
    "crictl",
    "lxc",
    "incus",
    "nsenter",
    "unshare",
    "chroot",
    "machinectl",
    "flatpak",
    "toolbox",
    "distrobox",
    "runuser",
    "su",
];
/// Programs that run a shell when they are told nothing else.
const LOGINS: [&str; 3] = ["ssh", "su", "login"];
/// Options of shells that take a value.
const VALUED: [&str; 5] = ["-o", "+o", "-O", "--rcfile", "--init-file"];
/// Options of ssh(1) that take one.
const OF_SSH: &str = "BbcDEeFIiJLlmOopQRSWw";

/// Whether `command` is a shell or an interpreter that is told neither a script nor a command, or
/// runs one.
pub(super) fn reads_commands(command: &CommandSpec) -> bool {
    let words = std::iter::once(&command.program).chain(&command.args);
    let line: Vec<String> = words.map(|word| quoted(&word.to_string_lossy())).collect();
    let resolved = resolve(&line.join(" "), &mut Variables::new());
    resolved.commands.iter().any(|command| reads(command))
}

fn reads(command: &str) -> bool {
    let words: Vec<&str> = command.split(' ').collect();
    let Some((program, arguments)) = words.split_first() else { return false };
    let program = base(program);
    if INTERPRETERS.contains(&program) {
        return is_told_nothing(arguments);
    }
    if !RUNNERS.contains(&program) && !LOGINS.contains(&program) {
        return false;
    }
    let inner = arguments.iter().position(|word| INTERPRETERS.contains(&base(word)));
    match inner {
        Some(at) => is_told_nothing(&arguments[at + 1..]),
        None if program == "ssh" => hosts(arguments) == 1,
        None => LOGINS.contains(&program) && !arguments.iter().any(|word| is_command(word)),
    }
}

/// How many arguments of ssh(1) are neither options nor their values: a host, and a command.
fn hosts(arguments: &[&str]) -> usize {
    let (mut count, mut words) = (0, arguments.iter());
    while let Some(word) = words.next() {
        match word.strip_prefix('-') {
            Some(option) if option.len() == 1 && OF_SSH.contains(option) => drop(words.next()),
            Some(_) => {}
            None => count += 1,
        }
    }
    count
}

/// Whether arguments of an interpreter name neither a script nor a command.
fn is_told_nothing(arguments: &[&str]) -> bool {
    let mut words = arguments.iter();
    while let Some(word) = words.next() {
        match *word {
            "-" | "-s" | "<" => return true,
            "-e" | "-E" | "-m" | "-r" => return false,
            word if VALUED.contains(&word) => {
                words.next();
            }
            word if is_command(word) => return false,
            word if word.starts_with('-') => {}
            _ => return false,
        }
    }
    true
}

/// Whether an option says that a command follows, such as `-c` or `-lc`.
fn is_command(word: &str) -> bool {
    word == "--command" || (word.starts_with('-') && !word.starts_with("--") && word.contains('c'))
}

fn base(word: &str) -> &str {
    let name = word.rsplit('/').next().unwrap_or(word);
    // python3.12, lua5.4
    match name.split_once('.') {
        Some((name, version)) if version.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => name,
    }
}

/// A word as a shell would have to read it.
fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is(line: &str) -> bool {
        let mut words = line.split(' ').map(|word| word.replace('_', " "));
        let program = words.next().expect("a program");
        reads_commands(&CommandSpec::new(program, words))
    }

    #[test]
    fn shells_and_interpreters_without_a_script_read_commands() {
        for line in [
            "bash",
            "/bin/sh",
            "/usr/bin/python3.12 -u -",
            "bash -s one two",
            "bash -o pipefail",
            "sudo -u bob bash",
            "env A=1 timeout 5 sh",
            "sh -c cd_/tmp;_exec_bash",
            "ssh host",
            "ssh -p 22 host bash -s",
            "docker exec -i web sh",
            "kubectl exec -i web -- bash",
            "su - bob",
        ] {
            assert!(is(line), "{line}");
        }
    }

    #[test]
    fn other_programs_read_data() {
        for line in [
            "wc -c",
            "sh -c wc_-l",
            "bash script.sh",
            "bash -lc cat",
            "python3 -c print(1)",
            "python3 tool.py",
            "grep bash",
            "man sh",
            "ssh host wc -l",
            "docker exec -i web cat",
            "su -c cat bob",
            "tee bash",
            "cat",
        ] {
            assert!(!is(line), "{line}");
        }
    }
}
