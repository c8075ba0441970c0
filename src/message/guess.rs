//! In which charset a text is written, noted while it passes.
//!
//! Text whose octets above 127 are UTF-8 from first to last is UTF-8: nothing else looks like it by chance. Any other is
//! guessed at, from the first of it. Text in ASCII costs nothing, and chunks make no difference.

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};

use super::Charset;

/// Octets that a guess is made from, counted from the first above 127: enough for any language, and they bound the time
/// that is spent on text.
const SAMPLE: usize = 64 * 1024;

/// Looks at a text as it passes.
#[derive(Debug, Default)]
pub(super) struct Guess {
    /// The last octets of ASCII, at most two: a guess is better when it knows what stands before its first letter.
    before: Vec<u8>,
    seen: Option<Box<Seen>>,
}

/// What is known once an octet above 127 was there.
struct Seen {
    utf8: Utf8,
    detector: EncodingDetector,
    /// Octets that the detector may still be fed.
    left: usize,
}

impl Guess {
    /// Looks at the next octets.
    pub(super) fn note(&mut self, text: &[u8]) {
        if let Some(seen) = &mut self.seen {
            return seen.note(text);
        }
        let ascii = text.iter().position(|octet| !octet.is_ascii()).unwrap_or(text.len());
        self.before.extend_from_slice(&text[ascii.saturating_sub(2)..ascii]);
        self.before.drain(..self.before.len().saturating_sub(2));
        if ascii < text.len() {
            let mut detector = EncodingDetector::new(Iso2022JpDetection::Deny);
            detector.feed(&self.before, false);
            self.seen.insert(Box::new(Seen { utf8: Utf8::default(), detector, left: SAMPLE })).note(&text[ascii..]);
        }
    }

    /// The charset; `None` for ASCII.
    pub(super) fn finish(self) -> Option<Charset> {
        self.seen.map(|seen| seen.finish())
    }
}

impl Seen {
    fn note(&mut self, text: &[u8]) {
        self.utf8.note(text);
        let sample = &text[..text.len().min(self.left)];
        if !sample.is_empty() {
            self.detector.feed(sample, false);
            self.left -= sample.len();
        }
    }

    fn finish(mut self) -> Charset {
        if self.utf8.is_whole() {
            return Charset::UTF_8;
        }
        if self.left > 0 {
            self.detector.feed(b"", true);
        }
        Charset::found(self.detector.guess(None, Utf8Detection::Deny))
    }
}

impl std::fmt::Debug for Seen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Seen").field("utf8", &self.utf8).field("left", &self.left).finish_non_exhaustive()
    }
}

/// Whether octets are UTF-8, over the ends of chunks.
#[derive(Debug, Default)]
struct Utf8 {
    /// The octets of a character whose last one has not come; at most three.
    open: Vec<u8>,
    broken: bool,
}

impl Utf8 {
    fn note(&mut self, mut text: &[u8]) {
        while !self.broken && !self.open.is_empty() {
            let Some((&octet, rest)) = text.split_first() else { return };
            self.open.push(octet);
            text = rest;
            match std::str::from_utf8(&self.open) {
                Ok(_) => self.open.clear(),
                Err(error) => self.broken = error.error_len().is_some(),
            }
        }
        if self.broken {
            return;
        }
        if let Err(error) = std::str::from_utf8(text) {
            self.broken = error.error_len().is_some();
            if !self.broken {
                self.open.extend_from_slice(&text[error.valid_up_to()..]);
            }
        }
    }

    fn is_whole(&self) -> bool {
        !self.broken && self.open.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn guess(text: &[u8], chunk: usize) -> Option<&'static str> {
        let mut guess = Guess::default();
        text.chunks(chunk).for_each(|piece| guess.note(piece));
        guess.finish().map(Charset::name)
    }

    #[test]
    fn knows_what_devices_write() {
        assert_eq!(guess(b"plain\r\n", 3), None);
        assert_eq!(guess("Der B\u{fc}rodrucker ist leer. \u{1f5a8}\r\n".as_bytes(), 1), Some("UTF-8"));
        assert_eq!(
            guess(b"Der B\xfcrodrucker im Geb\xe4ude hat kein Papier f\xfcr gr\xf6\xdfere Auftr\xe4ge\r\n", 7),
            Some("windows-1252")
        );
        let japanese = encoding_rs::SHIFT_JIS.encode("スキャンした文書を添付します。用紙がありません。").0;
        assert_eq!(guess(&japanese, 5), Some("Shift_JIS"));
        let chinese = encoding_rs::GBK.encode("打印机没有纸了，请尽快添加纸张。").0;
        assert_eq!(guess(&chinese, 5), Some("GBK"));
    }

    #[test]
    fn text_that_ends_in_the_middle_of_a_character_is_no_utf_8() {
        assert_ne!(guess(b"B\xc3", 1), Some("UTF-8"));
        assert_eq!(guess("B\u{fc}".as_bytes(), 1), Some("UTF-8"));
    }

    #[test]
    fn what_comes_late_still_counts_for_utf_8() {
        let mut text = "\u{fc}".repeat(SAMPLE).into_bytes();
        assert_eq!(guess(&text, 4096), Some("UTF-8"));
        text.push(0xfc);
        assert_ne!(guess(&text, 4096), Some("UTF-8"));
    }

    proptest! {
        #[test]
        fn chunks_make_no_difference(text in proptest::collection::vec(prop_oneof![Just(b' '), Just(b'e'), any::<u8>()], 0..300), chunk in 1_usize..9) {
            prop_assert_eq!(guess(&text, chunk), guess(&text, usize::MAX));
        }

        #[test]
        fn utf_8_is_what_the_standard_library_says(text in proptest::collection::vec(prop_oneof![any::<u8>(), 0x80_u8..0xc4], 0..12), chunk in 1_usize..4) {
            let utf8 = !text.is_ascii() && std::str::from_utf8(&text).is_ok();
            prop_assert_eq!(guess(&text, chunk) == Some("UTF-8"), utf8);
        }
    }
}
