//! What a command line that is not followed is answered with.

use clap::CommandFactory as _;
use clap::error::ErrorKind;

use super::Cli;
use crate::failure::Failure;

/// Prints the help or the version that was asked for; of a wrong command line makes one line.
///
/// # Errors
/// The command line is wrong, or nobody reads what is printed.
pub(crate) fn answer(error: &clap::Error) -> anyhow::Result<u8> {
    match error.kind() {
        ErrorKind::MissingSubcommand | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            Err(Failure::usage(missing(&error.render().to_string())).into())
        }
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            error.print()?;
            Ok(u8::try_from(error.exit_code()).unwrap_or(1))
        }
        _ => Err(Failure::usage(one_line(&error.render().to_string())).into()),
    }
}

/// What to say where a command is missing behind the names in the usage of clap's message.
fn missing(message: &str) -> String {
    let usage = message.split_once("Usage: ").map_or("", |(_, usage)| usage);
    let path: Vec<_> = usage.split_whitespace().take_while(is_name).collect();
    let mut command = Cli::command();
    for name in path.iter().skip(1) {
        let inner = command.get_subcommands().find(|inner| inner.get_name() == *name).cloned();
        command = inner.unwrap_or(command);
    }
    let there = command.get_subcommands().filter(|command| !command.is_hide_set());
    let names: Vec<_> = there.map(clap::Command::get_name).collect();
    let see = path.join(" ");
    format!("a command is missing; allowed: {}; see `{see} --help`", names.join(", "))
}

fn is_name(word: &&str) -> bool {
    word.starts_with(|c: char| c.is_ascii_lowercase())
}

/// The paragraphs of clap's message up to the usage: what is wrong, with what is allowed, then the
/// tips, then where to read on.
fn one_line(message: &str) -> String {
    let (what, usage) = message.split_once("\nUsage: ").unwrap_or((message, ""));
    let what = what.split("\nFor more information").next().unwrap_or(what);
    let mut line = String::new();
    for part in what.lines().map(str::trim).filter(|part| !part.is_empty()) {
        let values = part.strip_prefix("[possible values: ").and_then(|v| v.strip_suffix(']'));
        match (values, part.strip_prefix("tip: ")) {
            (Some(values), _) => line += &format!("; allowed: {values}"),
            (None, Some(tip)) => line += &format!("; {tip}"),
            (None, None) if line.is_empty() => line += part.trim_start_matches("error: "),
            (None, None) => line += &format!(" {part}"),
        }
    }
    let path: Vec<_> = usage.split_whitespace().take_while(is_name).collect();
    if !path.is_empty() {
        line += &format!("; see `{} --help`", path.join(" "));
    }
    line
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    #[test]
    fn a_missing_command_is_told_in_one_line_with_those_there_are() {
        let line = refused(&["ctl"]);
        assert!(line.starts_with("a command is missing; allowed: status, "), "{line}");
        assert!(line.ends_with("; see `auditty ctl --help`") && !line.contains('\n'), "{line}");
        let line = refused(&[]);
        assert!(line.contains("run, ") && !line.contains("docgen"), "{line}");
    }

    fn refused(words: &[&str]) -> String {
        let words = std::iter::once("auditty").chain(words.iter().copied());
        let error = Cli::try_parse_from(words).expect_err("wrong");
        answer(&error).expect_err("a failure").to_string()
    }

    #[test]
    fn a_wrong_command_line_is_answered_in_one_line_that_says_what_is_right() {
        for (words, parts) in [
            (
                &["run", "--engin", "poll"][..],
                &["--engin", "'--engine'", "`auditty run --help`"][..],
            ),
            (&["verfy"], &["'verfy'", "'verify'", "`auditty --help`"]),
            (&["show"], &["not provided: <SESSION>", "`auditty show --help`"]),
            (&["ls", "--color", "red"], &["'red'", "allowed: auto, always, never"]),
            (&["bench", "--size", "1B"], &["'1B'", "--size", "64KiB to 1GiB"]),
            (&["run", "--session-id", "x"], &["'x'", "--session-id"]),
            (&["replay", "x", "--follow", "--no-timing"], &["--follow", "--no-timing"]),
        ] {
            let line = refused(words);
            assert!(!line.contains('\n'), "{line}");
            assert!(!line.contains("error: ") && !line.contains("Usage"), "{line}");
            for part in parts {
                assert!(line.contains(part), "{words:?}: no {part:?} in {line}");
            }
        }
    }
}
