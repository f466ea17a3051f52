//! Finds the few places in much text where one of many words may be, whatever its case; a word with
//! capitals only as it is written.
//!
//! Every word is known by four bytes of it. The text is looked at in every second place only: of the
//! two triples in those four bytes one begins there. A table tells for three triples at once, with
//! one branch, whether they can be of a word; the words themselves are compared only where they can.
//! That is what makes it fast for a few hundred words that look like ordinary text, of which
//! vectorised searches find a trace everywhere.

/// Bits a byte is told by: letters lose their case. Other characters fall together too, which costs
/// a comparison now and then and finds nothing wrong.
const BITS: usize = 5;
/// Bytes looked up together.
const TRIPLE: usize = 3;
/// Slots of the table: one for each triple.
const SLOTS: usize = 1 << (BITS * TRIPLE);
/// Places that eight bytes go on by: three triples lie in them, each two bytes behind the last.
const STEP: usize = 6;
/// Sets bit 5 of a byte: letters lose their case.
const FOLD: u8 = 0x20;

/// What is looked for.
#[derive(Debug)]
pub(crate) struct Sieve {
    /// For each slot 0, or which bucket holds the words that may be meant.
    table: Box<[u8]>,
    buckets: Vec<Vec<Known>>,
    words: Vec<Word>,
}

#[derive(Debug)]
struct Word {
    /// Folded, unless it has capitals.
    text: Box<[u8]>,
    exact: bool,
    tag: u64,
}

impl Word {
    fn is(&self, there: &[u8]) -> bool {
        let fold = if self.exact { 0 } else { FOLD };
        there.iter().zip(&self.text).all(|(a, b)| a | fold == *b)
    }
}

/// A triple that a word is known by.
#[derive(Clone, Copy, Debug)]
struct Known {
    slot: u16,
    word: u16,
    /// Where the word begins, seen from the triple: behind it for -1.
    at: i8,
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
    /// A sieve for words, each with a tag.
    ///
    /// # Panics
    /// A word is shorter than three bytes or longer than 127.
    pub(crate) fn new<'a>(words: impl IntoIterator<Item = (&'a str, u64)>) -> Self {
        let buckets = vec![Vec::new(); usize::from(u8::MAX) + 1];
        let mut sieve = Self { table: vec![0; SLOTS].into(), buckets, words: Vec::new() };
        for (text, tag) in words {
            let exact = text.bytes().any(|byte| byte.is_ascii_uppercase());
            let fold = if exact { 0 } else { FOLD };
            let text: Box<[u8]> = text.bytes().map(|byte| byte | fold).collect();
            assert!((TRIPLE..=127).contains(&text.len()), "a word of {} bytes", text.len());
            let at = rarest(&text);
            sieve.know(&text[at..], at as i8);
            match text.len() {
                // Its second triple is not all its own.
                TRIPLE => (0..1 << BITS).for_each(|any| sieve.know(&[any, text[0], text[1]], -1)),
                _ => sieve.know(&text[at + 1..], at as i8 + 1),
            }
            sieve.words.push(Word { text, exact, tag });
        }
        sieve
    }

    /// The next word will be known by the triple that `bytes` begin with.
    fn know(&mut self, bytes: &[u8], at: i8) {
        let mut eight = [0; 8];
        eight[..TRIPLE].copy_from_slice(&bytes[..TRIPLE]);
        let slot = pack(u64::from_le_bytes(eight)) as usize % SLOTS;
        let bucket = slot % usize::from(u8::MAX) + 1;
        self.table[slot] = bucket as u8;
        self.buckets[bucket].push(Known { slot: slot as u16, word: self.words.len() as u16, at });
    }

    /// A place from `from` on where a word is: of those in a row one, and none in a row before.
    pub(crate) fn next(&self, text: &[u8], from: usize) -> Option<Found> {
        self.each(text, from, |found| (found.at >= from).then_some(found))
    }

    /// The tags of all words in `text`, as one.
    pub(crate) fn tags(&self, text: &[u8]) -> u64 {
        let mut tags = 0;
        self.each(text, 0, |found| {
            tags |= found.tag;
            None::<()>
        });
        tags
    }

    /// Calls `take` with words in `text` until that returns something. One that begins before
    /// `from` may be among them.
    fn each<T>(
        &self,
        text: &[u8],
        from: usize,
        mut take: impl FnMut(Found) -> Option<T>,
    ) -> Option<T> {
        let table: &[u8; SLOTS] = self.table.first_chunk().expect("the table has all its slots");
        let look = |packed: u64, place: usize| table[(packed >> (BITS * place)) as usize % SLOTS];
        let mut at = from;
        loop {
            let mut packed = 0;
            while let Some(bytes) = text.get(at..).and_then(<[u8]>::first_chunk) {
                packed = pack(u64::from_le_bytes(*bytes));
                // One branch for all of them.
                if look(packed, 0) | look(packed, 2) | look(packed, 4) != 0 {
                    break;
                }
                at += STEP;
            }
            let rest = text.get(at..).filter(|rest| rest.len() >= TRIPLE)?;
            if rest.len() < 8 {
                let mut bytes = [0; 8];
                bytes[..rest.len()].copy_from_slice(rest);
                packed = pack(u64::from_le_bytes(bytes));
            }
            for place in [0, 2, 4] {
                let bucket = look(packed, place);
                if bucket != 0 && place + TRIPLE <= rest.len() {
                    let slot = (packed >> (BITS * place)) as usize % SLOTS;
                    let found = self.words(bucket, slot, text, at + place).find_map(&mut take);
                    if found.is_some() {
                        return found;
                    }
                }
            }
            at += STEP;
        }
    }

    /// Words known by the triple at `place`, which has this slot, that are there.
    fn words(
        &self,
        bucket: u8,
        slot: usize,
        text: &[u8],
        place: usize,
    ) -> impl Iterator<Item = Found> {
        let known = self.buckets[usize::from(bucket)].iter();
        known.filter(move |known| usize::from(known.slot) == slot).filter_map(move |known| {
            let word = &self.words[usize::from(known.word)];
            let at = place.checked_add_signed(-isize::from(known.at))?;
            let there = text.get(at..at + word.text.len())?;
            word.is(there).then_some(Found { at, tag: word.tag })
        })
    }
}

/// Five bits of each of eight bytes, the first lowest.
const fn pack(bytes: u64) -> u64 {
    let pairs = bytes & 0x001f_001f_001f_001f | (bytes & 0x1f00_1f00_1f00_1f00) >> 3;
    let fours = pairs & 0x0000_03ff_0000_03ff | (pairs & 0x03ff_0000_03ff_0000) >> 6;
    fours & 0x000f_ffff | (fours & 0x000f_ffff_0000_0000) >> 12
}

/// Where in a word the four bytes are that are seen least in ordinary text, together with those
/// that are told by the same bits.
fn rarest(text: &[u8]) -> usize {
    // How usual a byte is: the letters of English by their frequency, digits and signs between.
    const USUAL: &[u8] = b"qjxz$'!~&@^*+<>[]()|v=k_-:/.bgpwfymucld0123456789hrnisoate \t";
    let usual = |byte: &u8| USUAL.iter().rposition(|b| (b ^ byte) & 0x1f == 0).unwrap_or(0);
    let parts = text.windows(TRIPLE + 1).enumerate();
    parts.min_by_key(|(_, part)| part.iter().map(usual).sum::<usize>()).map_or(0, |(at, _)| at)
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
        assert_eq!(all(&sieve, "sk- SK-"), [(0, 3), (4, 3)]);
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
