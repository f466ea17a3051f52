//! Finds the few places in much text where one of many words may be, whatever its case.
//!
//! Every word is known by four bytes of it. A table tells for each four bytes of the text, at once
//! and without a branch, whether they can be among those; the words themselves are compared only
//! where they can. That is what makes it fast for a few hundred words that look like ordinary text,
//! of which vectorised searches find a trace everywhere.

/// Slots of the table, a power of two. With a few hundred words some slots in a hundred are taken.
const SLOTS: usize = 1 << 15;
/// Bytes a word is known by.
const GRAM: usize = 4;
/// Places looked at together: those whose four bytes are in eight.
const STEP: usize = 5;
/// Sets bit 5 of each byte: letters lose their case. Some other characters fall together too, which
/// costs a comparison now and then and finds nothing wrong.
const FOLD: u32 = 0x2020_2020;

/// What may follow a word of three bytes beside letters and digits.
const FOLLOWERS: &[u8] = b" \t\r\n_-.=:;\"'/$&|()[{@%+<>";

/// What is looked for.
#[derive(Debug)]
pub(crate) struct Sieve {
    /// For each slot 0, or which bucket holds the words that may be meant.
    table: Box<[u8]>,
    buckets: Vec<Vec<Word>>,
}

#[derive(Clone, Debug)]
struct Word {
    /// Folded.
    text: Box<[u8]>,
    /// Where in it the bytes are that it is known by.
    at: usize,
    tag: u64,
}

/// Where a word is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    /// First byte of the word.
    pub(crate) at: usize,
    /// The tag the word was given.
    tag: u64,
}

impl Sieve {
    /// A sieve for words of ASCII, each with a tag. A word of three bytes is found where a letter, a
    /// digit or one of [`FOLLOWERS`] follows.
    ///
    /// # Panics
    /// A word is shorter than three bytes.
    pub(crate) fn new<'a>(words: impl IntoIterator<Item = (&'a str, u64)>) -> Self {
        let mut sieve = Self { table: vec![0; SLOTS].into(), buckets: vec![Vec::new()] };
        for (text, tag) in words {
            let text: Box<[u8]> = text.bytes().map(|byte| byte | 0x20).collect();
            let at = rarest(&text);
            sieve.add(Word { text, at, tag });
        }
        sieve
    }

    fn add(&mut self, word: Word) {
        let known = &word.text[word.at..];
        let slots: Vec<usize> = match known.first_chunk::<GRAM>() {
            Some(gram) => vec![slot(u32::from_le_bytes(*gram))],
            None => {
                let [a, b, c] = *known.first_chunk().expect("a word has three bytes");
                let next = FOLLOWERS.iter().chain(b"abcdefghijklmnopqrstuvwxyz0123456789");
                next.map(|d| slot(u32::from_le_bytes([a, b, c, *d]) | FOLD)).collect()
            }
        };
        // All words that share a slot share a bucket.
        let taken = slots.iter().map(|slot| self.table[*slot]).find(|bucket| *bucket != 0);
        let bucket = match taken {
            Some(bucket) => bucket,
            None if self.buckets.len() <= usize::from(u8::MAX) => {
                self.buckets.push(Vec::new());
                (self.buckets.len() - 1) as u8
            }
            None => (word.text[0] % u8::MAX) + 1,
        };
        for slot in slots {
            let other = std::mem::replace(&mut self.table[slot], bucket);
            if other != 0 && other != bucket {
                let moved = std::mem::take(&mut self.buckets[usize::from(other)]);
                self.buckets[usize::from(bucket)].extend(moved);
                self.table.iter_mut().filter(|b| **b == other).for_each(|b| *b = bucket);
            }
        }
        self.buckets[usize::from(bucket)].push(word);
    }

    /// The first place from `from` on where a word is.
    pub(crate) fn next(&self, text: &[u8], from: usize) -> Option<Found> {
        // A word that began before may be known by bytes behind `from`, and is of no interest.
        let mut at = from;
        let table: &[u8; SLOTS] = self.table.first_chunk().expect("the table has all its slots");
        while at + GRAM <= text.len() {
            while let Some(bytes) = text[at..].first_chunk() {
                let bytes = u64::from_le_bytes(*bytes);
                let look = |place: usize| table[slot((bytes >> (8 * place)) as u32 | FOLD)];
                // One branch for all of them.
                if look(0) | look(1) | look(2) | look(3) | look(4) != 0 {
                    break;
                }
                at += STEP;
            }
            let end = (at + STEP).min(text.len().saturating_sub(GRAM - 1));
            for place in at..end {
                let Some(gram) = text[place..].first_chunk() else { break };
                let bucket = table[slot(u32::from_le_bytes(*gram) | FOLD)];
                if bucket != 0
                    && let Some(found) = self.check(bucket, text, place, from)
                {
                    return Some(found);
                }
            }
            at = end.max(at + 1);
        }
        None
    }

    /// The tags of all words in `text`, as one.
    pub(crate) fn tags(&self, text: &[u8]) -> u64 {
        let grams = text.windows(GRAM).enumerate().filter_map(|(place, gram)| {
            let gram = u32::from_le_bytes(*gram.first_chunk()?);
            let bucket = self.table[slot(gram | FOLD)];
            (bucket != 0).then_some((place, bucket))
        });
        grams
            .flat_map(|(place, bucket)| self.words(bucket, text, place))
            .fold(0, |all, found| all | found.tag)
    }

    fn check(&self, bucket: u8, text: &[u8], place: usize, from: usize) -> Option<Found> {
        self.words(bucket, text, place).find(|found| found.at >= from)
    }

    /// Words of a bucket that are in `text` with the bytes they are known by at `place`.
    fn words(&self, bucket: u8, text: &[u8], place: usize) -> impl Iterator<Item = Found> {
        self.buckets[usize::from(bucket)].iter().filter_map(move |word| {
            let at = place.checked_sub(word.at)?;
            let there = text.get(at..at + word.text.len())?;
            let same = there.iter().zip(&word.text).all(|(a, b)| a | 0x20 == *b);
            same.then_some(Found { at, tag: word.tag })
        })
    }
}

const fn slot(gram: u32) -> usize {
    // Fibonacci hashing: the upper bits of the product depend on all bytes.
    (gram.wrapping_mul(0x9e37_79b1) >> (32 - SLOTS.trailing_zeros())) as usize
}

/// Where in a word the four bytes are that are seen least in ordinary text.
fn rarest(text: &[u8]) -> usize {
    // How usual a byte is: the letters of English by their frequency, digits and signs between.
    const USUAL: &[u8] = b"qjxz$'!~&@^*+<>[]()|v=k_-:/.bgpwfymucld0123456789hrnisoate \t";
    let usual = |byte: &u8| USUAL.iter().position(|b| b == byte).unwrap_or(0);
    let grams = text.windows(GRAM).enumerate();
    grams.min_by_key(|(_, gram)| gram.iter().map(usual).sum::<usize>()).map_or(0, |(at, _)| at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(sieve: &Sieve, text: &str) -> Vec<(usize, u64)> {
        let mut found = Vec::new();
        let mut from = 0;
        while let Some(Found { at, tag }) = sieve.next(text.as_bytes(), from) {
            found.push((at, tag));
            from = at + 1;
        }
        found
    }

    #[test]
    fn words_are_found_whatever_their_case_and_nothing_else_is() {
        let sieve = Sieve::new([("password", 1), ("ghp_", 2), ("sk-", 3)]);
        assert_eq!(all(&sieve, "PassWord=1 ghp_ GHP_x sk-y"), [(0, 1), (11, 2), (16, 2), (22, 3)]);
        assert_eq!(all(&sieve, "passwor ghp- sk_ pass"), []);
        assert_eq!(all(&sieve, ""), []);
        assert_eq!(all(&sieve, "sk- SK-"), [(0, 3)], "nothing follows the second");
    }

    #[test]
    fn words_in_words_are_told_too() {
        let sieve = Sieve::new([("pass", 1), ("password", 2), ("swo", 4), ("ssw", 8)]);
        assert_eq!(sieve.tags(b"a PASSWORD= b"), 15);
        assert_eq!(sieve.tags(b"a PASS b"), 1);
        assert_eq!(sieve.tags(b"pas"), 0);
    }

    #[test]
    fn every_place_is_looked_at() {
        let sieve = Sieve::new([("needle", 1), ("pin", 2)]);
        for before in 0..40 {
            for after in 1..20 {
                let text = format!(
                    "{}needle{}pin{}",
                    "h".repeat(before),
                    "h".repeat(after),
                    "h".repeat(after)
                );
                assert_eq!(all(&sieve, &text), [(before, 1), (before + 6 + after, 2)], "{text}");
            }
        }
    }

    #[test]
    fn many_words_share_the_table() {
        let words: Vec<String> = (0..600)
            .map(|n| format!("w{:x}-{}", n * 7919 % 4096, (b'a' + n as u8 % 26) as char))
            .collect();
        let sieve = Sieve::new(words.iter().map(|word| (word.as_str(), 1)));
        for word in &words {
            let text = format!("..{word}..");
            assert!(sieve.next(text.as_bytes(), 0).is_some_and(|found| found.at == 2), "{word}");
        }
    }
}
