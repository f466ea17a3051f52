//! The canonical text of a command line.

use std::collections::HashSet;

pub use super::command::Variables;
use super::command::{Parsed, Pipeline, Simple, Stretch};
use super::flow::Flow;
use super::inert::{self, RawPart};
use super::written::{self, Written};
use super::{
    AMPLE, COMMAND_LIMIT, DEPTH_LIMIT, LINE_LIMIT, NEST_LIMIT, OUTPUT_LIMIT, SWELL, decode, lex,
    scripts, wrap,
};

/// What a command line means, as far as it can be told without running it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resolved {
    /// The line as typed; of one longer than [`LINE_LIMIT`] bytes its head and its tail.
    pub raw: String,
    /// Every simple command, wrappers and nested ones included: words and redirections joined by
    /// single spaces, quotes gone, the program without a system directory before it.
    pub commands: Vec<String>,
    /// Every pipeline, its commands joined by ` | `.
    pub pipelines: Vec<String>,
    /// All pipelines, joined by what stood between them.
    pub line: String,
    /// What was noticed while resolving: `@decoded` (something was decoded), `@decoded-exec` (and
    /// handed to an interpreter), `@disguised` (a program's name is spelt so that it is not
    /// recognised), `@fetched-run-…` (a file that the line fetches is run: from a bare `address`,
    /// over a `plain` connection, from a `site`, or `hidden`), `@sudo`, `@truncated` (there was more
    /// than is looked at).
    pub facts: Vec<&'static str>,
    /// Texts that were decoded, outermost first.
    pub decoded: Vec<String>,
    /// Text known to go into files.
    pub written: Vec<Written>,
    /// Simple commands in the order in which they are run, with `./` before programs named so.
    pub(crate) steps: Vec<String>,
    /// Where each simple command stands in `line`.
    pub(crate) line_parts: Vec<Stretch>,
    /// Where each simple command stands, for every pipeline.
    pub(crate) pipeline_parts: Vec<Vec<Stretch>>,
    /// What stands where in `raw`, and in each of `decoded`.
    pub(crate) raw_parts: Vec<Vec<RawPart>>,
}

/// Resolves a command line. Assignments on it are remembered in `variables`, for this line and
/// those after it.
pub fn resolve(text: &str, variables: &mut Variables) -> Resolved {
    let (raw, whole) = bounded(text);
    let out = Resolved { raw: raw.clone(), raw_parts: vec![Vec::new()], ..Resolved::default() };
    let limit = (AMPLE + SWELL * raw.len()).min(OUTPUT_LIMIT);
    let mut work = Work { out, variables, bytes: 0, limit, known: HashSet::new() };
    if !whole {
        work.fact(TRUNCATED);
    }
    work.out.raw_parts[0] = work.script(&raw, 0, 0);
    for hidden in decode::hidden_texts(&inert::live(&raw, &work.out.raw_parts[0])) {
        work.decoded(hidden, 1, 1, false);
    }
    work.follow();
    work.out
}

/// More was given than is looked at.
const TRUNCATED: &str = "@truncated";

/// The text, or its head and its tail when it is too long.
fn bounded(text: &str) -> (String, bool) {
    if text.len() <= LINE_LIMIT {
        return (text.to_owned(), true);
    }
    let (mut head, mut tail) = (LINE_LIMIT / 2, text.len() - LINE_LIMIT / 2);
    while !text.is_char_boundary(head) {
        head -= 1;
    }
    while !text.is_char_boundary(tail) {
        tail += 1;
    }
    (format!("{}\n{}", &text[..head], &text[tail..]), false)
}

/// What a pipeline of harmless text tools prints, such as `echo aWQ= | base64 -d`.
pub(super) fn evaluate(
    text: &str,
    variables: &mut Variables,
    nest: usize,
) -> Option<(String, bool)> {
    if nest >= NEST_LIMIT || !scripts::may_print(text) {
        return None;
    }
    let parsed = lex::peek(text, variables, nest + 1);
    let [pipeline] = parsed.pipelines.as_slice() else { return None };
    let (mut bytes, decoded) = output(&pipeline.commands)?;
    // a shell drops these too
    bytes.retain(|b| *b != 0);
    let text = String::from_utf8(bytes).ok()?;
    Some((text.trim_end_matches('\n').to_owned(), decoded))
}

/// Output of commands that only make or change text, and whether they decoded something.
pub(super) fn output(commands: &[Simple]) -> Option<(Vec<u8>, bool)> {
    let (first, rest) = commands.split_first()?;
    if rest.len() > FILTER_LIMIT {
        return None;
    }
    let (mut bytes, mut decoded) = match first.here() {
        Some(text) => scripts::filter(&wrap::bare(first), text.as_bytes())?,
        None => scripts::produce(&wrap::bare(first))?,
    };
    for command in rest {
        let (next, decodes) = scripts::filter(&wrap::bare(command), &bytes)?;
        bytes = next;
        decoded |= decodes;
    }
    (bytes.len() <= OUTPUT_LIMIT).then_some((bytes, decoded))
}

struct Work<'a> {
    out: Resolved,
    variables: &'a mut Variables,
    bytes: usize,
    /// No more bytes than this.
    limit: usize,
    /// Commands and pipelines there are already.
    known: HashSet<String>,
}

impl Work<'_> {
    /// Takes a script apart; what stands where in it.
    fn script(&mut self, text: &str, nest: usize, layer: usize) -> Vec<RawPart> {
        if nest > NEST_LIMIT || self.bytes > self.limit {
            self.fact(TRUNCATED);
            return Vec::new();
        }
        let Parsed { pipelines, substitutions, decoded, comments, cut } =
            lex::parse(text, self.variables, nest);
        if cut {
            self.fact(TRUNCATED);
        }
        let run = text.starts_with(['$', '`'])
            || pipelines.iter().flat_map(|p| &p.commands).any(|c| {
                let bare = wrap::bare(c);
                let name = bare.words.first().map_or("", |w| wrap::base(w));
                wrap::SHELLS.contains(&name) || matches!(name, "eval" | "source" | ".")
            });
        let parts = inert::parts(&pipelines, &comments);
        for text in decoded {
            self.decoded(text, nest + 1, layer + 1, run);
        }
        let mut directory = Directory::new(self.variables.get(DIRECTORY).cloned());
        for pipeline in pipelines {
            directory.enter(pipeline.depth);
            self.pipeline(&pipeline, &mut directory, nest, layer);
        }
        if nest == 0
            && let Some(now) = directory.now()
        {
            self.variables.insert(DIRECTORY.to_owned(), now.to_owned());
        }
        for inner in substitutions {
            self.script(&inner, nest + 1, layer);
        }
        parts
    }

    fn pipeline(
        &mut self,
        pipeline: &Pipeline,
        directory: &mut Directory,
        nest: usize,
        layer: usize,
    ) {
        if pipeline.commands.len() > FILTER_LIMIT {
            self.fact(TRUNCATED);
        }
        let (mut text, mut line) = (String::new(), String::new());
        let (mut text_parts, mut line_parts) = (Vec::new(), Vec::new());
        let mut nested = Vec::new();
        for command in &pipeline.commands {
            let peeled = wrap::peel(command.clone());
            if peeled.elevated {
                self.fact("@sudo");
            }
            if command.disguised && layer == 0 {
                self.fact("@disguised");
            }
            if peeled.deep {
                self.fact(TRUNCATED);
            }
            for outer in peeled.outer {
                if outer.starts_with("LD_") && self.out.steps.len() < COMMAND_LIMIT {
                    self.out.steps.push(outer.clone());
                }
                self.command(outer);
            }
            for head in peeled.heads {
                line.push_str(&head);
                line.push(' ');
            }
            if !peeled.simple.is_empty() {
                if !text.is_empty() {
                    text.push_str(" | ");
                    line.push_str(" | ");
                }
                let part = peeled.simple.part();
                text_parts.push((text.len(), text.len() + part.len()));
                text.push_str(&part);
                let start = line.len();
                if peeled.local {
                    line.push_str("./");
                }
                line.push_str(&part);
                line_parts.push((start, line.len()));
                let whole = peeled.simple.text();
                if self.out.steps.len() < COMMAND_LIMIT {
                    self.out.steps.push(if peeled.local {
                        format!("./{whole}")
                    } else {
                        whole.clone()
                    });
                }
                self.command(whole);
                if let Some(there) = directory.applied(&peeled.simple) {
                    self.command(there);
                }
            }
            nested.extend(peeled.scripts);
        }
        let first = self.known.insert(format!("|{text}"));
        if !line.is_empty() && (first || nest == 0) {
            self.bytes += text.len() + line.len();
            if self.bytes > self.limit || self.out.pipelines.len() >= COMMAND_LIMIT {
                self.fact(TRUNCATED);
                return;
            }
            if !self.out.line.is_empty() {
                if !self.out.line.ends_with([';', '&', '|']) {
                    self.out.line.push_str(" ;");
                }
                self.out.line.push(' ');
            }
            let base = self.out.line.len();
            self.out.line.push_str(line.trim_end());
            self.out.line_parts.extend(line_parts.iter().map(|(a, b)| (a + base, b + base)));
            if !pipeline.joint.is_empty() {
                self.out.line.push(' ');
                self.out.line.push_str(pipeline.joint);
            }
            if !text.is_empty() && first {
                self.out.pipelines.push(text);
                self.out.pipeline_parts.push(text_parts);
            }
        }
        for script in nested {
            // a substitution inside was looked at with the outer line
            self.script(&script, nest + 1, layer);
        }
        self.fed(&pipeline.commands, nest, layer);
        for new in written::by(pipeline, directory.now()) {
            self.bytes += new.text.len();
            match self.out.written.iter().position(|w| w.path == new.path) {
                Some(known) => self.out.written[known].text.push_str(&new.text),
                None if self.out.written.len() < WRITTEN_LIMIT => self.out.written.push(new),
                None => self.fact(TRUNCATED),
            }
        }
        written::mark_run(&mut self.out.written, pipeline);
    }

    /// Text that a pipeline makes and an interpreter reads, or that a decoder prints.
    fn fed(&mut self, commands: &[Simple], nest: usize, layer: usize) {
        for (index, command) in commands.iter().enumerate() {
            let reader = wrap::bare(command);
            let Some(kind) = scripts::reads_script(&reader) else { continue };
            let made = match command.here() {
                Some(text) => Some((text.as_bytes().to_vec(), false)),
                None if index > 0 => output(&commands[..index]),
                None => None,
            };
            if let Some((bytes, decodes)) = made
                && let Some(text) = decode::readable(bytes)
            {
                if decodes {
                    self.decoded(text, nest + 1, layer + 1, true);
                    return;
                }
                match kind {
                    scripts::Reader::Shell => drop(self.script(&text, nest + 1, layer)),
                    scripts::Reader::Crontab => {
                        self.script(&scripts::jobs(&text), nest + 1, layer);
                    }
                    scripts::Reader::Language => {
                        for call in scripts::calls_in(&text) {
                            self.script(&call, nest + 1, layer);
                        }
                    }
                }
            }
            return;
        }
        if let Some((bytes, true)) = output(commands)
            && let Some(text) = decode::readable(bytes)
        {
            self.decoded(text, nest + 1, layer + 1, false);
        }
    }

    fn decoded(&mut self, text: String, nest: usize, layer: usize, executed: bool) {
        if executed {
            self.fact("@decoded-exec");
        }
        if layer > DEPTH_LIMIT || self.out.decoded.contains(&text) {
            return;
        }
        if self.bytes > self.limit || self.out.decoded.len() >= DECODED_LIMIT {
            self.fact(TRUNCATED);
            return;
        }
        if !executed {
            self.fact("@decoded");
        }
        self.bytes += text.len();
        self.out.decoded.push(text.clone());
        let at = self.out.decoded.len();
        self.out.raw_parts.push(Vec::new());
        let parts = self.script(&text, nest, layer);
        self.out.raw_parts[at] = parts;
        for hidden in decode::hidden_texts(&text) {
            // what was reversed twice is what it was
            if !self.out.raw.contains(&hidden) {
                self.decoded(hidden, nest + 1, layer + 1, false);
            }
        }
    }

    /// Notices files that the line fetches and runs.
    fn follow(&mut self) {
        let mut flow = Flow::default();
        for command in &self.out.steps {
            let fact = flow.step(command).and_then(|(origin, hidden)| origin.fact(hidden));
            if let Some(fact) = fact.filter(|f| !self.out.facts.contains(f)) {
                self.out.facts.push(fact);
            }
        }
    }

    fn command(&mut self, text: String) {
        if self.known.contains(&text) {
            return;
        }
        if self.out.commands.len() >= COMMAND_LIMIT || self.bytes + text.len() > self.limit {
            self.fact(TRUNCATED);
            return;
        }
        self.bytes += text.len();
        self.known.insert(text.clone());
        self.out.commands.push(text);
    }

    fn fact(&mut self, fact: &'static str) {
        if !self.out.facts.contains(&fact) {
            self.out.facts.push(fact);
        }
    }
}

/// A text is followed through no more filters than this.
const FILTER_LIMIT: usize = 64;
/// A line writes to no more files than this.
const WRITTEN_LIMIT: usize = 256;
/// No more texts than this are decoded from one line.
const DECODED_LIMIT: usize = 256;
/// The variable that names the working directory.
const DIRECTORY: &str = "PWD";

/// The working directory, as far as it is known: one for each group of brackets.
#[derive(Debug)]
struct Directory(Vec<Option<String>>);

impl Directory {
    fn new(outer: Option<String>) -> Self {
        Self(vec![outer])
    }

    /// Goes to the group `depth` brackets deep.
    fn enter(&mut self, depth: usize) {
        let outer = self.now().map(str::to_owned);
        self.0.truncate(depth + 1);
        self.0.resize(depth + 1, outer);
    }

    fn now(&self) -> Option<&str> {
        self.0.last()?.as_deref()
    }

    /// Follows a change of directory; the command with its relative paths made whole, where that
    /// shows what it is about.
    fn applied(&mut self, command: &Simple) -> Option<String> {
        let words = &command.words;
        match words.first()?.as_str() {
            "cd" | "chdir" => {
                let target = words.iter().skip(1).find(|w| !w.starts_with('-'));
                let next = target.map_or("~".to_owned(), |t| joined(self.now(), t));
                *self.0.last_mut()? = next.starts_with(['/', '~']).then_some(next);
                return None;
            }
            "pushd" | "popd" => {
                *self.0.last_mut()? = None;
                return None;
            }
            _ => {}
        }
        let now = self.now().filter(|d| telling(d))?;
        let relative = |w: &String| {
            w.starts_with(|c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '*' | '_'))
                && !w.contains([':', '=', ' ', '$'])
        };
        let mut whole = command.clone();
        let targets = whole.redirects.iter_mut().filter(|(o, _)| o.ends_with(['>', '<']));
        for word in whole.words.iter_mut().skip(1).chain(targets.map(|(_, t)| t)) {
            if relative(word) {
                *word = joined(Some(now), word);
            }
        }
        Some(whole.text())
    }
}

/// Directories in which a relative path means something of the system or of a person.
fn telling(directory: &str) -> bool {
    const PLACES: [&str; 14] = [
        "/etc",
        "/root",
        "/boot",
        "/usr",
        "/bin",
        "/sbin",
        "/lib",
        "/var/log",
        "/var/spool",
        "/dev",
        "/proc",
        "/home",
        "~/.ssh",
        "~/.aws",
    ];
    matches!(directory, "/" | "~" | "/var" | "/opt" | "/srv")
        || PLACES
            .iter()
            .any(|p| directory.strip_prefix(p).is_some_and(|r| r.is_empty() || r.starts_with('/')))
            && directory.matches('/').count() <= 4
}

fn joined(directory: Option<&str>, path: &str) -> String {
    if path.starts_with(['/', '~', '$']) {
        return path.to_owned();
    }
    match directory {
        Some(directory) => {
            let path = path.strip_prefix("./").unwrap_or(path);
            super::expand::path(format!("{}/{path}", directory.trim_end_matches('/')))
        }
        None => path.to_owned(),
    }
}
