//! A search for many literals at once, ready without being built.
//!
//! Texts are short (a command, a line) and sessions many, so an automaton would take longer to
//! build, and more memory, than all its searches save. Here the literals are sorted, so that those
//! that begin with the same two bytes stand together; a bit for every two bytes tells whether there
//! are any, which is rare, and the bits before it which they are.

use std::borrow::Cow;
use std::cmp::Ordering;

use serde::{Deserialize, Serialize};

/// Literals, sorted and without doubles; each is known by its place among them.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Words {
    /// One behind the other.
    #[serde(borrow)]
    text: Cow<'static, [u8]>,
    /// Where each ends in `text`.
    ends: Vec<u32>,
}

impl Words {
    /// Sorts `words` and drops doubles.
    pub(super) fn new(mut words: Vec<&[u8]>) -> Self {
        words.sort_unstable();
        words.dedup();
        let mut made = Self::default();
        for word in words {
            made.text.to_mut().extend_from_slice(word);
            made.ends.push(made.text.len() as u32);
        }
        made
    }

    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    /// The literal at a place, which must be one of them.
    pub(super) fn get(&self, place: usize) -> &[u8] {
        let start = place.checked_sub(1).map_or(0, |before| self.ends[before] as usize);
        &self.text[start..self.ends[place] as usize]
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        (0..self.len()).map(|place| self.get(place))
    }

    /// The place of a literal, if it is one of them.
    pub(super) fn place(&self, word: &[u8]) -> Option<usize> {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = low.midpoint(high);
            match self.get(middle).cmp(word) {
                Ordering::Less => low = middle + 1,
                Ordering::Equal => return Some(middle),
                Ordering::Greater => high = middle,
            }
        }
        None
    }
}

/// [`Words`] with what makes searching for them quick.
#[derive(Debug)]
pub(super) struct Search {
    words: Words,
    /// The place of each word of one byte.
    single: [Option<u16>; 256],
    /// A bit for every two bytes that longer words begin with.
    pairs: Box<[u64; 1 << 10]>,
    /// How many bits are set in front of each entry of `pairs`.
    before: Box<[u16; 1 << 10]>,
    /// Where the words of each set bit start; one more for their end.
    starts: Vec<u16>,
}

impl Default for Search {
    fn default() -> Self {
        Self::new(Words::default())
    }
}

impl Search {
    /// For words of one byte or more, and no more than 65,535 of them.
    pub(super) fn new(words: Words) -> Self {
        let mut single = [None; 256];
        let (mut pairs, mut before) = (Box::new([0u64; 1 << 10]), Box::new([0; 1 << 10]));
        let mut starts = Vec::new();
        for (word, place) in words.iter().zip(0..) {
            match word {
                [] => {}
                [byte] => single[usize::from(*byte)] = Some(place),
                [first, second, ..] => {
                    let (entry, bit) = pair(*first, *second);
                    if pairs[entry] & bit == 0 {
                        pairs[entry] |= bit;
                        starts.push(place);
                    }
                }
            }
        }
        starts.push(words.len() as u16);
        let mut count = 0;
        for (before, pairs) in before.iter_mut().zip(pairs.iter()) {
            *before = count;
            count += pairs.count_ones() as u16;
        }
        Self { words, single, pairs, before, starts }
    }

    pub(super) fn words(&self) -> &Words {
        &self.words
    }

    /// Calls `found` with the place of every word at every place of `text`.
    pub(super) fn each(&self, text: &[u8], mut found: impl FnMut(usize)) {
        for (at, first) in text.iter().enumerate() {
            if let Some(place) = self.single[usize::from(*first)] {
                found(place.into());
            }
            let Some(second) = text.get(at + 1) else { continue };
            let (entry, bit) = pair(*first, *second);
            if self.pairs[entry] & bit == 0 {
                continue;
            }
            let below = (self.pairs[entry] & (bit - 1)).count_ones() as usize;
            let bounds = &self.starts[usize::from(self.before[entry]) + below..];
            for place in bounds[0]..bounds[1] {
                // a word of one byte may stand behind them
                let rest = self.words.get(place.into()).get(2..);
                if rest.is_some_and(|rest| text[at + 2..].starts_with(rest)) {
                    found(place.into());
                }
            }
        }
    }
}

/// Where in a table of bits the one for two bytes is.
fn pair(first: u8, second: u8) -> (usize, u64) {
    let number = usize::from(first) << 8 | usize::from(second);
    (number / 64, 1 << (number % 64))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_word_is_known_by_its_place() {
        let words = Words::new(vec![b"sh", b"bash", b"sh", b"$", b"shell"]);
        assert_eq!(words.iter().collect::<Vec<_>>(), [&b"$"[..], b"bash", b"sh", b"shell"]);
        assert_eq!(words.place(b"sh"), Some(2));
        assert_eq!(words.place(b"she"), None);
    }

    proptest! {
        #[test]
        fn every_word_is_found_wherever_it_stands(
            words in prop::collection::vec("[ab$]{1,4}", 0..20),
            text in "[ab$x]{0,60}",
        ) {
            let search = Search::new(Words::new(words.iter().map(|w| w.as_bytes()).collect()));
            let mut found = Vec::new();
            search.each(text.as_bytes(), |place| found.push(place));
            found.sort_unstable();
            let mut expected = Vec::new();
            for (place, word) in search.words().iter().enumerate() {
                let windows = text.as_bytes().windows(word.len());
                expected.extend(windows.filter(|w| *w == word).map(|_| place));
            }
            prop_assert_eq!(found, expected);
        }
    }
}
