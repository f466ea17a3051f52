//! Which stretches of a text are data and nothing runs them.

use super::command::{Pipeline, Simple, Stretch};
use super::{scripts, wrap};

/// A stretch of a text as it was typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RawPart {
    /// Where it begins, in bytes.
    pub(crate) start: usize,
    /// Where it ends.
    pub(crate) end: usize,
    /// Whether it is only data: the text of a comment, of a here document that goes into a file, or
    /// of a command that prints or looks for text.
    pub(crate) inert: bool,
}

/// What stands where in a text, in order.
pub(super) fn parts(pipelines: &[Pipeline], comments: &[Stretch]) -> Vec<RawPart> {
    let mut parts: Vec<RawPart> = comments
        .iter()
        .map(|(start, end)| RawPart { start: *start, end: *end, inert: true })
        .collect();
    for pipeline in pipelines {
        let quiet = pipeline.commands.iter().all(talks);
        let read =
            pipeline.commands.iter().any(|c| scripts::reads_script(&wrap::bare(c)).is_some());
        for command in &pipeline.commands {
            let (start, end) = command.place;
            parts.push(RawPart { start, end, inert: quiet });
            for (start, end) in &command.bodies {
                let inert = !read && !command.substitutes;
                parts.push(RawPart { start: *start, end: *end, inert });
            }
        }
    }
    parts.sort_by_key(|p| p.start);
    parts
}

/// A text without those of its parts that are only data.
pub(super) fn live<'t>(text: &'t str, parts: &[RawPart]) -> std::borrow::Cow<'t, str> {
    if parts.iter().all(|p| !p.inert) {
        return text.into();
    }
    let mut out = String::with_capacity(text.len());
    for part in parts.iter().filter(|p| !p.inert) {
        out.push_str(text.get(part.start..part.end).unwrap_or_default());
        out.push('\n');
    }
    out.into()
}

/// Whether a command only prints text, looks for it or passes it on, to a terminal or a file.
fn talks(command: &Simple) -> bool {
    let bare = wrap::bare(command);
    let mut words = bare.words.iter().map(String::as_str);
    let Some(name) = words.next() else { return false };
    let second = words.find(|w| !w.starts_with('-')).unwrap_or("");
    let known = match wrap::base(name) {
        "echo" | "printf" | "grep" | "egrep" | "fgrep" | "rg" | "ag" | "ack" | "ugrep"
        | "zgrep" | "cat" | "tee" | "head" | "tail" | "wc" | "sort" | "uniq" | "cut" | "tr"
        | "fold" | "nl" | "column" | "jq" | "yq" | "logger" | "figlet" | "cowsay" | "apropos"
        | "whatis" | "tldr" | "banner" | "wall" | "notify-send" | "say" | "pbcopy"
        | "sha256sum" | "md5sum" | "base64" | "rev" | "xxd" | "diff" | "cmp" => true,
        "git" => matches!(
            second,
            "commit" | "tag" | "log" | "grep" | "notes" | "show" | "diff" | "blame" | "stash"
        ),
        "gh" => matches!(second, "pr" | "issue" | "release" | "gist"),
        _ => false,
    };
    let outside = |target: &str| target.starts_with("/dev/tcp") || target.starts_with("/dev/udp");
    known && !command.substitutes && !bare.redirects.iter().any(|(_, t)| outside(t))
}
