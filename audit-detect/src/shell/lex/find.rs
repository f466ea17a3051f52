//! Where something is in a text, and where a bracket closes.

/// Where `needle` is from `from` on; the end of the text when it is not there.
pub(in crate::shell) fn find(text: &[u8], from: usize, needle: &[u8]) -> usize {
    let from = from.min(text.len());
    memchr::memmem::find(&text[from..], needle).map_or(text.len(), |at| from + at)
}

/// Where the bracket opened at `open` closes; the end of the text when it does not.
pub(super) fn matching(text: &[u8], open: usize) -> usize {
    let (mut depth, mut at) = (0usize, open);
    while at < text.len() {
        match text[at] {
            b'(' => depth += 1,
            b')' => {
                depth -= 1;
                if depth == 0 {
                    return at;
                }
            }
            b'\\' => at += 1,
            b'\'' => at = find(text, at + 1, b"'"),
            b'"' => {
                at += 1;
                while at < text.len() && text[at] != b'"' {
                    at += if text[at] == b'\\' { 2 } else { 1 };
                }
            }
            _ => {}
        }
        at += 1;
    }
    text.len()
}
