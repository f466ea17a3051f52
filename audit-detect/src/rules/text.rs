//! A text that rules look at, and what stands where in it.

use crate::shell::{RawPart, Resolved};

/// Long texts are looked at in stretches of this many bytes ...
const WINDOW: usize = 8 << 10;
/// ... that overlap by this many.
const OVERLAP: usize = 2 << 10;

/// A text, or a stretch of one.
#[derive(Debug)]
pub(super) struct Text<'t> {
    pub(super) whole: &'t str,
    /// The stretch that is looked at.
    pub(super) window: (usize, usize),
    /// Literals that are in it, as bits.
    pub(super) literals: Vec<u64>,
    parts: Parts<'t>,
}

#[derive(Clone, Copy, Debug)]
enum Parts<'t> {
    /// All of it is one command.
    One,
    /// Simple commands.
    Commands(&'t [(usize, usize)]),
    /// As typed.
    Raw(&'t [RawPart]),
}

impl<'t> Text<'t> {
    /// The whole line with the facts behind it.
    pub(super) fn line(whole: &'t str, resolved: &'t Resolved) -> Vec<Self> {
        windows(whole, Parts::Commands(&resolved.line_parts))
    }

    pub(super) fn commands(resolved: &'t Resolved) -> Vec<Self> {
        resolved.commands.iter().flat_map(|c| windows(c, Parts::One)).collect()
    }

    pub(super) fn pipelines(resolved: &'t Resolved) -> Vec<Self> {
        let each = resolved.pipelines.iter().zip(&resolved.pipeline_parts);
        each.flat_map(|(text, parts)| windows(text, Parts::Commands(parts))).collect()
    }

    /// The line as typed and the texts decoded from it.
    pub(super) fn raws(resolved: &'t Resolved) -> Vec<Self> {
        let texts = std::iter::once(&resolved.raw).chain(&resolved.decoded);
        texts
            .zip(&resolved.raw_parts)
            .flat_map(|(t, parts)| windows(t, Parts::Raw(parts)))
            .collect()
    }

    /// A text without commands.
    pub(super) fn plain(whole: &'t str) -> Vec<Self> {
        windows(whole, Parts::One)
    }

    /// The stretch that is looked at.
    pub(super) fn seen(&self) -> &'t str {
        &self.whole[self.window.0..self.window.1]
    }

    pub(super) fn holds(&self, literal: u16) -> bool {
        self.literals[usize::from(literal) / 64] >> (literal % 64) & 1 == 1
    }

    /// The stretch from the first to the last command that `span` touches.
    pub(super) fn around(&self, span: (usize, usize)) -> (usize, usize) {
        let bounds = |each: &mut dyn Iterator<Item = (usize, usize)>| {
            let touched =
                each.filter(|(start, end)| *start < span.1.max(span.0 + 1) && span.0 < *end);
            touched.fold(None, |all: Option<(usize, usize)>, (start, end)| {
                Some(all.map_or((start, end), |(a, b)| (a.min(start), b.max(end))))
            })
        };
        let found = match self.parts {
            Parts::One => return (0, self.whole.len()),
            Parts::Commands(parts) => bounds(&mut parts.iter().copied()),
            Parts::Raw(parts) => bounds(&mut parts.iter().map(|p| (p.start, p.end))),
        };
        let (start, end) = found.unwrap_or(span);
        // the parts were measured in bytes of text that may have been changed since
        let length = self.whole.len();
        let fits =
            |at: usize| self.whole.is_char_boundary(at.min(length)).then_some(at.min(length));
        match (fits(start), fits(end)) {
            (Some(start), Some(end)) if start <= end => (start, end),
            _ => span,
        }
    }

    /// Where the first command behind `at` begins; the end of the text when there is none.
    pub(super) fn next_part(&self, at: usize) -> usize {
        let next = match self.parts {
            Parts::One => None,
            Parts::Commands(parts) => parts.iter().map(|p| p.0).filter(|s| *s > at).min(),
            Parts::Raw(parts) => parts.iter().map(|p| p.start).filter(|s| *s > at).min(),
        };
        next.unwrap_or(self.whole.len())
    }

    /// Whether all that `span` touches is data.
    pub(super) fn inert(&self, span: (usize, usize)) -> bool {
        let Parts::Raw(parts) = self.parts else { return false };
        let mut touched = parts.iter().filter(|p| p.start < span.1 && span.0 < p.end).peekable();
        touched.peek().is_some() && touched.all(|p| p.inert)
    }
}

fn windows<'t>(whole: &'t str, parts: Parts<'t>) -> Vec<Text<'t>> {
    let one = |window| Text { whole, window, literals: Vec::new(), parts };
    if whole.len() <= WINDOW + OVERLAP {
        return vec![one((0, whole.len()))];
    }
    let boundary = |mut at: usize| {
        while !whole.is_char_boundary(at) {
            at -= 1;
        }
        at
    };
    (0..whole.len())
        .step_by(WINDOW - OVERLAP)
        .map(|start| one((boundary(start), boundary((start + WINDOW).min(whole.len())))))
        .collect()
}
