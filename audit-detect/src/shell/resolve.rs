//! The canonical text of a command line.

pub use super::lex::Variables;
use super::lex::{self, Pipeline, Simple};
use super::{
    COMMAND_LIMIT, DEPTH_LIMIT, LINE_LIMIT, NEST_LIMIT, OUTPUT_LIMIT, decode, scripts, wrap,
};

/// What a command line means, as far as it can be told without running it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resolved {
    /// The line as typed, cut to [`LINE_LIMIT`] bytes.
    pub raw: String,
    /// Every simple command, wrappers and nested ones included: words and redirections joined by
    /// single spaces, quotes gone, the program without a system directory before it.
    pub commands: Vec<String>,
    /// Every pipeline, its commands joined by ` | `.
    pub pipelines: Vec<String>,
    /// All pipelines, joined by what stood between them.
    pub line: String,
    /// What was noticed while resolving: `@decoded` (something was decoded), `@decoded-exec` (and
    /// handed to an interpreter), `@sudo`.
    pub facts: Vec<&'static str>,
    /// Texts that were decoded, outermost first.
    pub decoded: Vec<String>,
}

/// Resolves a command line. Assignments on it are remembered in `variables`, for this line and
/// those after it.
pub fn resolve(text: &str, variables: &mut Variables) -> Resolved {
    let mut end = text.len().min(LINE_LIMIT);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let raw = &text[..end];
    let mut work =
        Work { out: Resolved { raw: raw.to_owned(), ..Resolved::default() }, variables, bytes: 0 };
    work.script(raw, 0, 0);
    for hidden in decode::hidden_texts(raw) {
        work.decoded(hidden, 1, 1, false);
    }
    work.out
}

/// What a pipeline of harmless text tools prints, such as `echo aWQ= | base64 -d`.
pub(super) fn evaluate(text: &str, variables: &Variables, nest: usize) -> Option<(String, bool)> {
    if nest >= NEST_LIMIT {
        return None;
    }
    let parsed = lex::parse(text, &mut variables.clone(), nest + 1);
    let [pipeline] = parsed.pipelines.as_slice() else { return None };
    let (bytes, decoded) = output(&pipeline.commands)?;
    let text = String::from_utf8(bytes).ok()?;
    Some((text.trim_end_matches('\n').to_owned(), decoded))
}

/// Output of commands that only make or change text, and whether they decoded something.
fn output(commands: &[Simple]) -> Option<(Vec<u8>, bool)> {
    let (first, rest) = commands.split_first()?;
    let here = first.redirects.iter().find(|(operator, _)| operator == "<<<");
    let (mut bytes, mut decoded) = match here {
        Some((_, text)) => scripts::filter(&wrap::bare(first), text.as_bytes())?,
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
}

impl Work<'_> {
    fn script(&mut self, text: &str, nest: usize, layer: usize) {
        if nest > NEST_LIMIT || self.bytes > OUTPUT_LIMIT {
            return;
        }
        let parsed = lex::parse(text, self.variables, nest);
        let run = text.starts_with(['$', '`'])
            || parsed.pipelines.iter().flat_map(|p| &p.commands).any(|c| {
                let name =
                    wrap::bare(c).words.first().map_or(String::new(), |w| wrap::base(w).to_owned());
                wrap::SHELLS.contains(&name.as_str())
                    || matches!(name.as_str(), "eval" | "source" | ".")
            });
        for text in parsed.decoded {
            self.decoded(text, nest + 1, layer + 1, run);
        }
        for pipeline in parsed.pipelines {
            self.pipeline(pipeline, nest, layer);
        }
        for inner in parsed.substitutions {
            self.script(&inner, nest + 1, layer);
        }
    }

    fn pipeline(&mut self, pipeline: Pipeline, nest: usize, layer: usize) {
        let (mut text, mut line) = (String::new(), String::new());
        let mut nested = Vec::new();
        for command in &pipeline.commands {
            let peeled = wrap::peel(command.clone());
            if peeled.elevated {
                self.fact("@sudo");
            }
            for outer in peeled.outer {
                self.command(outer);
            }
            let one = peeled.simple.text();
            for head in peeled.heads {
                line.push_str(&head);
                line.push(' ');
            }
            if !one.is_empty() {
                if !text.is_empty() {
                    text.push_str(" | ");
                    line.push_str(" | ");
                }
                text.push_str(&one);
                if peeled.local {
                    line.push_str("./");
                }
                line.push_str(&one);
                self.command(one);
            }
            nested.extend(peeled.scripts);
        }
        let known = nest > 0 && self.out.pipelines.contains(&text);
        if !line.is_empty() && !known {
            self.bytes += text.len() + line.len();
            if self.bytes > OUTPUT_LIMIT {
                return;
            }
            if !self.out.line.is_empty() {
                self.out.line.push(' ');
            }
            self.out.line.push_str(line.trim_end());
            if !pipeline.joint.is_empty() {
                self.out.line.push(' ');
                self.out.line.push_str(pipeline.joint);
            }
            if !text.is_empty() && self.out.pipelines.len() < COMMAND_LIMIT {
                self.out.pipelines.push(text);
            }
        }
        for script in nested {
            // a substitution inside was looked at with the outer line
            self.script(&script, nest + 1, layer);
        }
        self.fed(&pipeline.commands, nest, layer);
    }

    /// Text that a pipeline makes and an interpreter reads, or that a decoder prints.
    fn fed(&mut self, commands: &[Simple], nest: usize, layer: usize) {
        for (index, command) in commands.iter().enumerate() {
            let reader = wrap::bare(command);
            let Some(kind) = scripts::reads_script(&reader) else { continue };
            let here = command.redirects.iter().find(|(operator, _)| operator == "<<<");
            let made = match here {
                Some((_, text)) => Some((text.clone().into_bytes(), false)),
                None if index > 0 => output(&commands[..index]),
                None => None,
            };
            if let Some((bytes, decodes)) = made
                && let Some(text) = decode::readable(bytes)
            {
                let text =
                    if kind == scripts::Reader::Crontab { scripts::jobs(&text) } else { text };
                if decodes {
                    self.decoded(text, nest + 1, layer + 1, true);
                } else {
                    self.script(&text, nest + 1, layer);
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
        if layer > DEPTH_LIMIT || self.bytes > OUTPUT_LIMIT || self.out.decoded.contains(&text) {
            if executed {
                self.fact("@decoded-exec");
            }
            return;
        }
        self.fact(if executed { "@decoded-exec" } else { "@decoded" });
        self.bytes += text.len();
        self.out.decoded.push(text.clone());
        self.script(&text, nest, layer);
        for hidden in decode::hidden_texts(&text) {
            self.decoded(hidden, nest + 1, layer + 1, false);
        }
    }

    fn command(&mut self, text: String) {
        if self.out.commands.len() < COMMAND_LIMIT
            && self.bytes + text.len() <= OUTPUT_LIMIT
            && !self.out.commands.contains(&text)
        {
            self.bytes += text.len();
            self.out.commands.push(text);
        }
    }

    fn fact(&mut self, fact: &'static str) {
        if !self.out.facts.contains(&fact) {
            self.out.facts.push(fact);
        }
    }
}
