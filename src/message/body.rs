//! Where the header ends; what is behind it is looked at while it passes.

use std::borrow::Cow;

use super::guess::Guess;
use super::header::begins_field;
use super::parts::{Found, Scanner};
use super::{BodyFacts, ContentFields, HeaderBlock, Measure, Repair, Repairs};

/// Octets of header we take, with the line that ends it. Real ones have up to 10,000; Exchange's own limit is 256 KB.
const HEADER_LIMIT: usize = 256 * 1024;

/// Splits a message into header block and body as it passes, in chunks of any size, and notes the facts.
/// Its input has CRLF line ends only.
///
/// The header ends at the first empty line, or before the first line that is neither a field nor the
/// continuation of one: devices leave out the empty line, or the header altogether. An mbox `From ` line at
/// the very start, also with the `>` that quotes it, is dropped; so is white space before the first field.
#[derive(Debug, Default)]
pub struct Splitter {
    header: Vec<u8>,
    /// Octets at the end of `header` that belong to a line whose end has not come.
    partial: usize,
    /// There once the header has ended.
    body: Option<Noting>,
    repairs: Repairs,
}

/// What looks at the body.
#[derive(Debug)]
struct Noting {
    size: u64,
    scanner: Scanner,
    /// There when the body is text.
    guess: Option<Guess>,
}

/// A message in its parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Split {
    /// The header block.
    pub header: HeaderBlock,
    /// What was noted about the body.
    pub facts: BodyFacts,
    /// What was wrong with its shape.
    pub repairs: Repairs,
}

/// The header block is larger than we take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the header is larger than {HEADER_LIMIT} octets")]
pub struct HeaderTooLarge;

impl Splitter {
    /// A splitter at the start of a message.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next octets of the message and gives those of them, and of what was held back, that
    /// belong to the body.
    pub fn push<'a>(&mut self, chunk: &'a [u8]) -> Result<Cow<'a, [u8]>, HeaderTooLarge> {
        if let Some(body) = &mut self.body {
            body.note(chunk);
            return Ok(Cow::Borrowed(chunk));
        }
        let mut rest = chunk;
        while let Some(end) = memchr::memchr(b'\n', rest) {
            let (line, behind) = rest.split_at(end + 1);
            self.hold(line)?;
            rest = behind;
            if self.header_ended(line.len()) {
                return Ok(self.begin_body(rest));
            }
        }
        self.hold(rest)?;
        self.partial += rest.len();
        Ok(Cow::Borrowed(&[]))
    }

    /// Takes octets for header. The limit counts every octet before it is known what it is, so that chunks make no difference.
    fn hold(&mut self, octets: &[u8]) -> Result<(), HeaderTooLarge> {
        if self.header.len() + octets.len() > HEADER_LIMIT {
            return Err(HeaderTooLarge);
        }
        self.header.extend_from_slice(octets);
        Ok(())
    }

    /// Judges the line whose end has just come, of which the last chunk brought `length` octets.
    fn header_ended(&mut self, length: usize) -> bool {
        let start = self.header.len() - self.partial - length;
        self.partial = 0;
        let line = self.header[start..].strip_suffix(b"\r\n").unwrap_or(&self.header[start..]);
        if line.is_empty() {
            self.header.truncate(start);
            self.partial = 0;
            return true;
        }
        if start == 0 && begins_mbox(line) {
            self.header.clear();
            self.repairs.note(Repair::MboxLine);
            return false;
        }
        if start == 0 && begins_field(line.trim_ascii_start()) {
            self.header.drain(..self.header.len() - self.header.trim_ascii_start().len());
            return false;
        }
        let continues = start > 0 && matches!(line[0], b' ' | b'\t');
        if continues || begins_field(line) {
            return false;
        }
        self.repairs.note(Repair::NoSeparator);
        self.partial = self.header.len() - start;
        true
    }

    /// The body begins with the last `partial` octets of what was taken for header, and then `rest`.
    fn begin_body<'a>(&mut self, rest: &'a [u8]) -> Cow<'a, [u8]> {
        let held = self.header.split_off(self.header.len() - std::mem::take(&mut self.partial));
        let body = match held.is_empty() {
            true => Cow::Borrowed(rest),
            false => Cow::Owned([&held[..], rest].concat()),
        };
        self.body.insert(Noting::begin(&ContentFields::of_message(&self.header))).note(&body);
        body
    }

    /// Octets of memory that are held for the header.
    pub fn held(&self) -> usize {
        self.header.capacity()
    }

    /// The parts, once the whole message has passed.
    pub fn finish(self) -> Split {
        let header = HeaderBlock::new(self.header);
        let mut facts = self.body.map(Noting::finish).unwrap_or_default();
        if header.first("From").is_some() {
            facts.inner_from = None;
        }
        Split { header, facts, repairs: self.repairs }
    }
}

impl Noting {
    /// At the start of a body whose header says this.
    fn begin(header: &ContentFields) -> Self {
        Self { size: 0, scanner: Scanner::new(header), guess: header.is_text().then(Guess::default) }
    }

    fn note(&mut self, body: &[u8]) {
        self.size += body.len() as u64;
        self.scanner.push(body);
        if let Some(guess) = &mut self.guess {
            guess.note(body);
        }
    }

    fn finish(self) -> BodyFacts {
        let Found { whole, parts, unended, rest, inner_from } = self.scanner.finish();
        let Measure { eight_bit, nul, longest_line, special } = whole;
        let charset = self.guess.and_then(Guess::finish);
        BodyFacts { size: self.size, eight_bit, nul, longest_line, special, charset, parts, unended, rest, inner_from }
    }
}

/// `From root Mon Nov 21 10:00:00 2026` begins an mbox, `From : x` and `From :x` are fields.
fn begins_mbox(line: &[u8]) -> bool {
    let line = line.strip_prefix(b">").unwrap_or(line);
    line.strip_prefix(b"From ").is_some_and(|rest| !rest.trim_ascii_start().starts_with(b":"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Charset;

    fn split(message: &str, chunk: usize) -> (String, String, Split) {
        let (mut splitter, mut body) = (Splitter::new(), Vec::new());
        for piece in message.as_bytes().chunks(chunk) {
            body.extend_from_slice(&splitter.push(piece).unwrap());
        }
        let split = splitter.finish();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (text(split.header.as_bytes()), text(&body), split)
    }

    #[track_caller]
    fn check(message: &str, header: &str, body: &str) {
        for chunk in [1, 2, 3, 5, 4096] {
            let (found_header, found_body, Split { facts, .. }) = split(message, chunk);
            assert_eq!((found_header.as_str(), found_body.as_str()), (header, body), "in chunks of {chunk}");
            assert_eq!(facts.size, body.len() as u64);
        }
    }

    #[test]
    fn splits_where_the_header_really_ends() {
        check("A: b\r\nC: d\r\n e\r\n\r\nbody\r\n\r\nmore\r\n", "A: b\r\nC: d\r\n e\r\n", "body\r\n\r\nmore\r\n");
        check("\r\nbody\r\n", "", "body\r\n");
        check("A: b\r\n\r\n", "A: b\r\n", "");
        check("A: b\r\n", "A: b\r\n", "");
        check("", "", "");
    }

    #[test]
    fn splits_without_an_empty_line_and_without_header() {
        check("Subject: x\r\nThe disk is full.\r\nReally: yes\r\n", "Subject: x\r\n", "The disk is full.\r\nReally: yes\r\n");
        check("Just text\r\n", "", "Just text\r\n");
        check(" indented\r\n", "", " indented\r\n");
        assert!(split("Just text\r\n", 4096).2.repairs.contains(Repair::NoSeparator));
        assert!(split("A: b\r\n\r\nx\r\n", 4096).2.repairs.is_empty());
    }

    #[test]
    fn drops_an_mbox_line_but_not_a_sloppy_from() {
        check("From root Mon Nov 21 10:00:00 2026\r\nA: b\r\n\r\nx\r\n", "A: b\r\n", "x\r\n");
        check(">From root Mon Nov 21 10:00:00 2026\r\nA: b\r\n\r\nx\r\n", "A: b\r\n", "x\r\n");
        check("From : a@b\r\n\r\nx\r\n", "From : a@b\r\n", "x\r\n");
    }

    #[test]
    fn drops_white_space_before_the_first_field_only() {
        check(" X: 1\r\nFrom: a@b\r\n\r\nx\r\n", "X: 1\r\nFrom: a@b\r\n", "x\r\n");
        check("From x\r\n\t A: b\r\n c\r\n\r\n Y: z\r\n", "A: b\r\n c\r\n", " Y: z\r\n");
        check("\r\n X: 1\r\n", "", " X: 1\r\n");
    }

    #[test]
    fn notes_in_which_charset_a_text_is_written() {
        let charset = |message: &str| split(message, 2).2.facts.charset.map(Charset::name);
        assert_eq!(charset("A: b\r\n\r\nB\u{fc}ro\r\n"), Some("UTF-8"));
        assert_eq!(charset("B\u{fc}ro\r\n"), Some("UTF-8"));
        assert_eq!(charset("A: B\u{fc}ro\r\n\r\nx\r\n"), None);
        assert_eq!(charset("Content-Type: image/png\r\n\r\nB\u{fc}ro\r\n"), None);
    }

    #[test]
    fn notes_what_the_body_holds() {
        for chunk in [1, 3, 4096] {
            let (_, _, Split { facts, .. }) = split("A: b\r\n\r\n12345\r\n\u{e9}\0\r\n123\r\n", chunk);
            assert_eq!((facts.longest_line, facts.eight_bit, facts.nul), (5, true, true));
            let (_, _, Split { facts, .. }) = split("A: \u{e9}\r\n\r\nplain\r\n", chunk);
            assert!(!facts.eight_bit && !facts.nul);
        }
    }

    #[test]
    fn a_header_without_end_is_refused() {
        let mut splitter = Splitter::new();
        let line = [b'x'; 64 * 1024];
        assert!((0..5).any(|_| splitter.push(&line).is_err()));
    }

    #[test]
    fn the_limit_is_the_same_however_the_message_is_cut() {
        let is_taken = |octets: usize, chunk: usize| {
            let message = [b"A: ", &b"x\r\n "[..].repeat(octets)[..octets - 7], b"\r\n\r\nbody\r\n"].concat();
            let mut splitter = Splitter::new();
            message.chunks(chunk).all(|piece| splitter.push(piece).is_ok())
        };
        for chunk in [1, 1000, 64 * 1024, usize::MAX] {
            assert!(is_taken(HEADER_LIMIT, chunk), "in chunks of {chunk}");
            assert!(!is_taken(HEADER_LIMIT + 1, chunk), "in chunks of {chunk}");
        }
    }
}
