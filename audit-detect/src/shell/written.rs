//! Which text goes into which file.

use super::command::{HERE_DOCUMENT, HERE_STRING, Pipeline, Simple};
use super::{expand, resolve, wrap};

/// Text that a command line puts into a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// The file, as it was named; absolute when the directory is known.
    pub path: String,
    /// The text.
    pub text: String,
    /// Whether the same line runs the file.
    pub run: bool,
}

/// What a pipeline puts into files: `echo TEXT > FILE`, `cat > FILE <<E`, `… | tee FILE`.
pub(super) fn by(pipeline: &Pipeline, directory: Option<&str>) -> Vec<Written> {
    let files: Vec<String> = pipeline.commands.iter().flat_map(files).collect();
    if files.is_empty() {
        return Vec::new();
    }
    let Some(text) = text(&pipeline.commands) else { return Vec::new() };
    let whole = |path: String| match directory {
        Some(directory) if !path.starts_with(['/', '~', '$']) => {
            expand::path(format!("{}/{path}", directory.trim_end_matches('/')))
        }
        _ => path,
    };
    files
        .into_iter()
        .map(|path| Written { path: whole(path), text: text.clone(), run: false })
        .collect()
}

/// Whether a command only looks at files, moves them or hands them to a program that runs none.
fn handles(words: &[String]) -> bool {
    const PROGRAMS: [&str; 62] = [
        "cat",
        "less",
        "more",
        "head",
        "tail",
        "ls",
        "stat",
        "file",
        "grep",
        "rg",
        "wc",
        "diff",
        "git",
        "vim",
        "vi",
        "nano",
        "code",
        "sed",
        "jq",
        "yq",
        "chown",
        "rm",
        "mv",
        "cp",
        "scp",
        "rsync",
        "tar",
        "zip",
        "touch",
        "mkdir",
        "test",
        "[",
        "echo",
        "tee",
        "kubectl",
        "docker",
        "docker-compose",
        "podman",
        "helm",
        "terraform",
        "psql",
        "mysql",
        "curl",
        "wget",
        "sort",
        "uniq",
        "cut",
        "nginx",
        "pandoc",
        "markdown",
        "sha256sum",
        "md5sum",
        "gpg",
        "base64",
        "xxd",
        "shellcheck",
        "gh",
        "ansible-playbook",
        "visudo",
        "systemd-analyze",
        "install",
        "ln",
    ];
    let Some(name) = words.first().map(|w| wrap::base(w)) else { return true };
    let opens = || {
        let mode = words.get(1).map_or("", String::as_str);
        mode.contains('x') || mode.bytes().any(|b| matches!(b, b'1' | b'3' | b'5' | b'7'))
    };
    PROGRAMS.contains(&name) || (name == "chmod" && !opens())
}

/// Marks the files a pipeline runs or hands to an interpreter.
pub(super) fn mark_run(written: &mut [Written], pipeline: &Pipeline) {
    for command in &pipeline.commands {
        let bare = wrap::bare(command);
        let Some(name) = bare.words.first() else { continue };
        if handles(&bare.words) {
            continue;
        }
        let fed = bare.redirects.iter().filter(|(o, _)| o == "<").map(|(_, t)| t);
        let named: Vec<&String> = bare.words.iter().chain(fed).collect();
        for one in written.iter_mut() {
            one.run |= same(name, &one.path) || named.iter().any(|n| same(n, &one.path));
        }
    }
}

/// Whether two spellings can name one file.
pub(crate) fn same(a: &str, b: &str) -> bool {
    let (a, b) = (a.trim_start_matches("./"), b.trim_start_matches("./"));
    let tail =
        |long: &str, short: &str| !short.contains('/') && long.rsplit('/').next() == Some(short);
    !a.is_empty() && (a == b || tail(a, b) || tail(b, a))
}

/// Files a command writes its input or output to.
fn files(command: &Simple) -> Vec<String> {
    let bare = wrap::bare(command);
    let to_file = |o: &str| matches!(o, ">" | ">>" | "1>" | "1>>" | "&>" | ">|");
    let mut files: Vec<String> = bare
        .redirects
        .iter()
        .filter(|(o, t)| to_file(o) && !t.starts_with("/dev/"))
        .map(|(_, t)| t.clone())
        .collect();
    match bare.words.first().map(String::as_str) {
        Some("tee" | "sponge") => {
            files.extend(bare.words.iter().skip(1).filter(|w| !w.starts_with('-')).cloned());
        }
        Some("dd") => {
            files
                .extend(bare.words.iter().filter_map(|w| w.strip_prefix("of=")).map(str::to_owned));
        }
        _ => {}
    }
    files
}

/// The text a pipeline makes, if it can be foreseen.
fn text(commands: &[Simple]) -> Option<String> {
    let mut plain: Vec<Simple> = commands.to_vec();
    for command in &mut plain {
        command.redirects.retain(|(o, _)| o == HERE_DOCUMENT || o == HERE_STRING);
        let bare = wrap::bare(command);
        if matches!(bare.words.first().map(String::as_str), Some("tee" | "sponge" | "dd")) {
            command.words = vec!["cat".into()];
        }
    }
    let (bytes, _) = resolve::output(&plain)?;
    String::from_utf8(bytes).ok()
}
