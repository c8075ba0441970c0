//! Fields of any text: words that must be encoded are, with what stands between them.

use super::pen::{BEHIND, LONGEST_TOKEN, Pen};
use super::{Raw, Text};

/// Writes a text. A word that no line has room for is encoded too: whoever decodes it gets it back as it was, which no
/// fold within it would do.
pub(super) fn write(pen: &mut Pen<'_>, text: &Text) {
    write_words(pen, b"", &text.octets, text.raw, 0, |word| text.raw.is_in(word) || word.len() > LONGEST_TOKEN);
}

/// Writes a text of which every word is encoded, but those that are already.
pub(super) fn write_phrase(pen: &mut Pen<'_>, space: &[u8], text: &[u8], raw: Raw) {
    write_words(pen, space, text, raw, BEHIND, |_| true);
}

fn write_words(pen: &mut Pen<'_>, space: &[u8], text: &[u8], raw: Raw, behind: usize, must: impl Fn(&[u8]) -> bool) {
    let words = Word::all(text);
    let must = |word: &Word| !word.is_encoded(text) && must(&text[word.start..word.end]);
    let mut at = 0;
    while at < words.len() {
        let word = words[at];
        let space = if at == 0 { space } else { &text[word.space..word.start] };
        if !must(&word) {
            pen.put(space, &text[word.start..word.end]);
            at += 1;
            continue;
        }
        let run = words[at..].iter().take_while(|word| !word.is_encoded(text));
        let last = at + run.enumerate().filter(|(_, word)| must(word)).last().map_or(0, |(number, _)| number);
        // White space between two encoded words is not shown (RFC 2047 section 6.2), so it moves into ours.
        let follows = at > 0 && words[at - 1].is_encoded(text);
        let precedes = words.get(last + 1).is_some_and(|next| next.is_encoded(text));
        let start = if follows { word.space } else { word.start };
        let end = if precedes { words[last + 1].start } else { words[last].end };
        pen.encode(if follows { b" " } else { space }, &text[start..end], raw, behind);
        at = last + 1;
    }
}

/// A word of a text, and the white space before it.
#[derive(Clone, Copy)]
struct Word {
    space: usize,
    start: usize,
    end: usize,
}

impl Word {
    fn all(text: &[u8]) -> Vec<Self> {
        let mut words = Vec::new();
        let mut space = 0;
        while space < text.len() {
            let is_space = |octet: &u8| matches!(octet, b' ' | b'\t');
            let start = text[space..].iter().position(|octet| !is_space(octet)).map_or(text.len(), |found| space + found);
            let end = text[start..].iter().position(is_space).map_or(text.len(), |found| start + found);
            if start < end {
                words.push(Self { space, start, end });
            }
            space = end;
        }
        words
    }

    fn is_encoded(&self, text: &[u8]) -> bool {
        let word = &text[self.start..self.end];
        let inside = word.strip_prefix(b"=?").and_then(|rest| rest.strip_suffix(b"?="));
        word.len() <= LONGEST_TOKEN
            && word.is_ascii()
            && inside.is_some_and(|inside| inside.iter().filter(|octet| **octet == b'?').count() == 2)
    }
}
