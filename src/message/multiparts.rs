//! The multiparts that are open at some place of a body, and which line is whose delimiter (RFC 2046 section 5.1).
//!
//! Only what every reader takes for the same counts: a boundary that cannot be told from another, or that has text behind
//! it, makes the rest of the body unclear.

use super::media::{ContentFields, Media};

/// Multiparts within each other that are looked into. Real ones have three or four.
pub(super) const DEEPEST: usize = 16;

/// Octets of a boundary. RFC 2046 section 5.1.1 allows 70.
pub(super) const LONGEST_BOUNDARY: usize = 200;

/// Octets of a line that may be a delimiter, white space behind the boundary included.
pub(super) const LONGEST_DELIMITER: usize = 512;

/// The open multiparts, from the outermost to the innermost.
#[derive(Debug, Default)]
pub(super) struct Multiparts(Vec<Multipart>);

/// A multipart whose end has not come.
#[derive(Debug)]
pub(super) struct Multipart {
    boundary: String,
    /// Nothing in it may change: that would break a signature.
    pub(super) sealed: bool,
    /// Its parts are messages when they do not say otherwise (RFC 2046 section 5.1.5).
    pub(super) digest: bool,
}

/// What became of a multipart that begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Entered {
    /// Its parts can be found.
    Open,
    /// They cannot; what is around it still can.
    Closed,
    /// Nothing can be found any more.
    Unclear,
}

/// What a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// Text like any other.
    Text,
    /// A part of this multipart begins.
    Delimiter(usize),
    /// The last part of this multipart has ended.
    Close(usize),
    /// Readers will not agree on it.
    Unclear,
}

impl Multiparts {
    /// Whether none is open.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The one that the present part belongs to.
    pub(super) fn innermost(&self) -> Option<&Multipart> {
        self.0.last()
    }

    /// Goes into a multipart whose header says this; `sealed` when it stands in one that is.
    pub(super) fn enter(&mut self, header: &ContentFields, sealed: bool) -> Entered {
        let Some(Media::Multipart { subtype, boundary: Some(boundary) }) = &header.media else { return Entered::Closed };
        let Some(boundary) = usable(boundary).filter(|_| self.0.len() < DEEPEST) else { return Entered::Closed };
        if self.0.iter().any(|open| open.boundary == boundary) {
            return Entered::Unclear;
        }
        // RFC 1847: not an octet may change in the parts of these two.
        let secured = matches!(&subtype[..], "signed" | "encrypted");
        // RFC 2045 section 6.4: a multipart must not be encoded. Some decode it all the same.
        let sealed = sealed || secured || header.repeated || !header.is_plain();
        self.0.push(Multipart { boundary, sealed, digest: subtype == "digest" });
        Entered::Open
    }

    /// Leaves all that stand within the first so many.
    pub(super) fn leave_all_but(&mut self, first: usize) {
        self.0.truncate(first);
    }

    /// The boundaries, from the innermost outwards.
    pub(super) fn into_boundaries(self) -> Vec<String> {
        self.0.into_iter().rev().map(|open| open.boundary).collect()
    }

    /// What a line is, as far as it is there. Boundaries are compared as RFC 2046 section 5.1.1 asks: what begins with one
    /// is a delimiter, and where one boundary begins with another the longer one is meant. What not all readers take for
    /// the same is unclear: a boundary with text behind it, or a line that is the delimiter of two multiparts.
    pub(super) fn judge(&self, line: &[u8]) -> Line {
        let Some(text) = line.strip_prefix(b"--") else { return Line::Text };
        let (mut found, mut length) = (Line::Text, 0);
        for (at, open) in self.0.iter().enumerate() {
            let Some(behind) = text.strip_prefix(open.boundary.as_bytes()) else { continue };
            let this = match behind.strip_prefix(b"--") {
                _ if line.len() > LONGEST_DELIMITER => Line::Unclear,
                Some(behind) if is_padding(behind) => Line::Close(at),
                _ if is_padding(behind) => Line::Delimiter(at),
                Some(_) | None => Line::Unclear,
            };
            found = match (found, this) {
                (Line::Text, _) => this,
                (Line::Unclear, _) if open.boundary.len() > length => this,
                (Line::Unclear | Line::Delimiter(_) | Line::Close(_), Line::Unclear) if open.boundary.len() < length => found,
                (Line::Unclear | Line::Delimiter(_) | Line::Close(_), Line::Unclear | Line::Delimiter(_) | Line::Close(_) | Line::Text) => {
                    return Line::Unclear;
                }
            };
            length = length.max(open.boundary.len());
        }
        found
    }
}

/// A boundary that all readers find: of characters that a line may have, and not too many.
fn usable(boundary: &[u8]) -> Option<String> {
    let printable = boundary.iter().all(|octet| matches!(octet, b' '..=b'~'));
    (printable && boundary.len() <= LONGEST_BOUNDARY).then(|| String::from_utf8_lossy(boundary).into_owned())
}

/// What may stand behind a delimiter (RFC 2046 section 5.1.1), its line end among it.
fn is_padding(text: &[u8]) -> bool {
    text.iter().all(|octet| matches!(octet, b' ' | b'\t' | b'\r' | b'\n'))
}
