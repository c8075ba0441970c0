//! Walks through the parts of a body while it passes, and notes what each of them holds (RFC 2046 section 5.1).
//!
//! Only parts that have to be mended are kept, with the places where that is done. What one reader could take apart in
//! another way than the next is left alone: parts that are signed or encrypted, whole messages inside, headers that are
//! broken, boundaries that cannot be told from one another.
//!
//! Always true:
//! - Chunks make no difference.
//! - Memory is bounded, whatever comes: one line that may be a delimiter, one header of a part, some open multiparts and
//!   some parts. Time grows with the octets and not faster.
//! - Between the places of two parts stands a delimiter that every reader sees.

use std::ops::Range;

use super::author;
use super::facts::{Measure, PartFacts};
use super::header::{begins_field, fields};
use super::media::{ContentFields, Media, TransferEncoding};
use super::multiparts::{Entered, LONGEST_DELIMITER, Line, Multiparts};

/// Octets of a part's header. Real ones have some hundred.
const LONGEST_HEADER: usize = 16 * 1024;

/// Parts that are mended in one message; each is kept in the entry's row.
const MOST_PARTS: usize = 64;

/// Octets of a From field that is kept; more is a list.
const LONGEST_FROM: usize = 1024;

/// What the octets belong to that come next.
#[derive(Debug)]
enum Place {
    /// A body that is not in parts. Special octets are counted when it is text that is not encoded.
    Whole { count: bool },
    /// Nothing: before the first part of a multipart, or behind the last.
    Between,
    /// The header of a part.
    Header(Header),
    /// Content that is left alone.
    Sealed,
    /// Content that can be mended.
    Content(Content),
}

#[derive(Debug)]
struct Header {
    start: u64,
    /// Complete lines.
    lines: Vec<u8>,
}

#[derive(Debug)]
struct Content {
    start: u64,
    field: Range<u64>,
    text: bool,
    encoding: Option<TransferEncoding>,
}

/// Walks through a body as it passes.
#[derive(Debug)]
pub(super) struct Scanner {
    open: Multiparts,
    place: Place,
    /// Octets that were looked at, those in `held` not counted.
    passed: u64,
    /// Octets of the present line so far.
    line: u64,
    /// Those octets, when the line is watched: it can be a delimiter, or belongs to a header.
    held: Vec<u8>,
    /// What the present place holds so far.
    measure: Measure,
    /// What all places held that were left, the kept parts not counted.
    rest: Measure,
    parts: Vec<PartFacts>,
    /// A part's header was read.
    seen_header: bool,
    inner_from: Option<String>,
}

/// What was found in a body.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) whole: Measure,
    pub(super) parts: Vec<PartFacts>,
    pub(super) unended: Vec<String>,
    pub(super) rest: Measure,
    pub(super) inner_from: Option<String>,
}

impl Scanner {
    /// A scanner at the start of a body whose header says this.
    pub(super) fn new(header: &ContentFields) -> Self {
        let mut scanner = Self {
            open: Multiparts::default(),
            place: Place::Whole { count: header.is_text() && header.is_plain() },
            passed: 0,
            line: 0,
            held: Vec::new(),
            measure: Measure::default(),
            rest: Measure::default(),
            parts: Vec::new(),
            seen_header: false,
            inner_from: None,
        };
        if let Some(Media::Multipart { .. }) = header.media {
            scanner.place = scanner.enter(header, false);
        }
        scanner
    }

    /// Looks at the next octets.
    pub(super) fn push(&mut self, chunk: &[u8]) {
        let (mut from, mut noted) = (0, 0);
        for end in memchr::memchr_iter(b'\n', chunk) {
            if self.is_watched(chunk[from]) {
                self.note(&chunk[noted..from]);
                noted = end + 1;
                self.held.extend_from_slice(&chunk[from..noted]);
                self.end_held();
            } else {
                // The CR is not part of the line; it may have come with the chunk before.
                self.measure.note_line((self.line + (end - from) as u64).saturating_sub(1));
            }
            self.line = 0;
            from = end + 1;
        }
        if let Some(&next) = chunk.get(from)
            && self.is_watched(next)
        {
            self.note(&chunk[noted..from]);
            noted = chunk.len();
            self.hold(&chunk[from..]);
        }
        self.line += (chunk.len() - from) as u64;
        self.note(&chunk[noted..]);
    }

    /// What was found, once the whole body has passed.
    pub(super) fn finish(mut self) -> Found {
        if self.held.is_empty() {
            self.measure.note_line(self.line);
        } else {
            self.end_held();
        }
        self.leave(self.passed);
        let whole = self.parts.iter().fold(self.rest, |whole, part| whole.and(Measure { special: 0, ..part.measure }));
        let rest = if self.parts.is_empty() { Measure::default() } else { self.rest };
        let unended = match self.parts.last() {
            Some(last) if last.content.end == self.passed => self.open.into_boundaries(),
            Some(_) | None => Vec::new(),
        };
        Found { whole, parts: self.parts, unended, rest, inner_from: self.inner_from }
    }

    /// Whether the line is watched whose next octet this is.
    fn is_watched(&self, next: u8) -> bool {
        if self.line > 0 {
            return !self.held.is_empty();
        }
        match self.place {
            Place::Header(_) => true,
            Place::Whole { .. } | Place::Between | Place::Sealed | Place::Content(_) => next == b'-' && !self.open.is_empty(),
        }
    }

    /// Looks at octets of the present place.
    fn note(&mut self, octets: &[u8]) {
        let count = match &self.place {
            Place::Whole { count } => *count,
            Place::Content(content) => content.text && content.encoding.is_none_or(TransferEncoding::is_plain),
            Place::Between | Place::Header(_) | Place::Sealed => false,
        };
        self.measure.note(octets, count);
        self.passed += octets.len() as u64;
    }

    /// Keeps what has come of a watched line, as long as it can matter.
    fn hold(&mut self, octets: &[u8]) {
        self.held.extend_from_slice(octets);
        let most = match &self.place {
            Place::Header(header) => LONGEST_DELIMITER.max(LONGEST_HEADER - header.lines.len()),
            Place::Whole { .. } | Place::Between | Place::Sealed | Place::Content(_) => LONGEST_DELIMITER,
        };
        if self.held.len() <= most {
            return;
        }
        let line = std::mem::take(&mut self.held);
        match (self.open.judge(&line), &self.place) {
            (Line::Unclear, _) => self.lose_track(),
            (_, Place::Header(_)) => self.seal(),
            (_, Place::Whole { .. } | Place::Between | Place::Sealed | Place::Content(_)) => {}
        }
        self.note(&line);
    }

    /// Takes a watched line whose end has come.
    fn end_held(&mut self) {
        let mut line = std::mem::take(&mut self.held);
        let start = self.passed;
        match self.open.judge(&line) {
            Line::Text => self.take_text(&line),
            Line::Delimiter(at) => {
                self.leave(start.saturating_sub(2));
                self.open.leave_all_but(at + 1);
                self.note(&line);
                self.place = Place::Header(Header { start: self.passed, lines: Vec::new() });
            }
            Line::Close(at) => {
                self.leave(start.saturating_sub(2));
                self.open.leave_all_but(at);
                self.place = Place::Between;
                self.note(&line);
            }
            Line::Unclear => {
                self.lose_track();
                self.take_text(&line);
            }
        }
        line.clear();
        self.held = line;
    }

    /// Takes a watched line that is no delimiter. Delimiters are never so long that their length would matter.
    fn take_text(&mut self, line: &[u8]) {
        self.note(line);
        self.measure.note_line(line.len().saturating_sub(2) as u64);
        let Place::Header(header) = &mut self.place else { return };
        let text = line.strip_suffix(b"\r\n").unwrap_or(line);
        if text.is_empty() {
            let header = Header { start: header.start, lines: std::mem::take(&mut header.lines) };
            self.leave(self.passed);
            self.place = self.content(&header);
            return;
        }
        // A line of white space is the end of a header to some, and a continuation to others.
        let continues = !header.lines.is_empty() && matches!(text[0], b' ' | b'\t') && !text.trim_ascii().is_empty();
        if header.lines.len() + line.len() <= LONGEST_HEADER && (continues || begins_field(text)) {
            header.lines.extend_from_slice(line);
        } else {
            self.seal();
        }
    }

    /// Leaves the present place, whose octets end here.
    fn leave(&mut self, end: u64) {
        let measure = std::mem::take(&mut self.measure);
        match std::mem::replace(&mut self.place, Place::Sealed) {
            Place::Content(Content { start, field, text, encoding })
                if measure.must_be_mended() && end > start && self.parts.len() < MOST_PARTS =>
            {
                self.parts.push(PartFacts { field, content: start..end, text, encoding, measure });
            }
            Place::Whole { .. } => self.rest = self.rest.and(measure),
            Place::Between | Place::Header(_) | Place::Sealed | Place::Content(_) => {
                self.rest = self.rest.and(Measure { special: 0, ..measure });
            }
        }
    }

    /// The present place turns out to be nothing that may be changed.
    fn seal(&mut self) {
        self.place = Place::Sealed;
    }

    /// From here on nobody can be sure what belongs to which part.
    fn lose_track(&mut self) {
        self.seal();
        self.open.leave_all_but(0);
    }

    /// What comes behind this header of a part.
    fn content(&mut self, header: &Header) -> Place {
        let said = ContentFields::of_part(&header.lines);
        if !std::mem::replace(&mut self.seen_header, true) {
            self.inner_from = from_field(&header.lines);
        }
        let (sealed, digest) = self.open.innermost().map_or((true, false), |open| (open.sealed, open.digest));
        let encoding = said.encoding;
        match said.media {
            Some(Media::Multipart { .. }) => self.enter(&said, sealed),
            Some(Media::Message) => Place::Sealed,
            None if digest => Place::Sealed,
            None | Some(Media::Text | Media::Other) if sealed || said.repeated || encoding == Some(TransferEncoding::Unknown) => {
                Place::Sealed
            }
            None | Some(Media::Text | Media::Other) => {
                Place::Content(Content { start: self.passed, field: encoding_field(header), text: said.is_text(), encoding })
            }
        }
    }

    /// Goes into a multipart whose header says this, if it can be told where its parts begin.
    fn enter(&mut self, header: &ContentFields, sealed: bool) -> Place {
        match self.open.enter(header, sealed) {
            Entered::Open => Place::Between,
            Entered::Closed => Place::Sealed,
            Entered::Unclear => {
                self.lose_track();
                Place::Sealed
            }
        }
    }
}

/// Where the field stands that says how a part is encoded, or could stand.
fn encoding_field(header: &Header) -> Range<u64> {
    let mut start = header.start;
    for field in fields(&header.lines) {
        let end = start + field.raw.len() as u64;
        if field.is("Content-Transfer-Encoding") {
            return start..end;
        }
        start = end;
    }
    start..start
}

/// What From says, as text, if anything.
fn from_field(lines: &[u8]) -> Option<String> {
    let value = fields(lines).find(|field| field.is("From"))?.value;
    let text = (value.len() <= LONGEST_FROM).then(|| author::decode(value))?;
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

#[cfg(test)]
mod tests;
