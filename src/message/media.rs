//! What a header says about its content: media type, charset and transfer encoding (RFC 2045 sections 5 and 6).
//!
//! The same for the header of a message and for that of a part, but that a message leaves with one field of each, the first
//! that says something, and a part with all that it has. Devices leave out semicolons and quotes, write comments and fold in
//! odd places: what they mean is read, and what leaves twice is not trusted. What follows from it is decided elsewhere.
//!
//! Always true: reading never fails, takes time in proportion to the fields, and a boundary is taken octet for octet.

use super::header::fields;
use super::{Field, HeaderBlock};

/// What the Content-Type and Content-Transfer-Encoding fields of a header say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ContentFields {
    /// What kind of content it is; `None` when no Content-Type says so, and text is meant (RFC 2045 section 5.2).
    pub media: Option<Media>,
    /// The charset parameter as it is written (RFC 2046 section 4.1.2).
    pub charset: Option<String>,
    /// How the content is encoded; `None` when nothing says so, and 7bit is meant (RFC 2045 section 6.1).
    pub encoding: Option<TransferEncoding>,
    /// A field of a part stands there more than once, or the boundary of a multipart does: others may read another one than
    /// we did, which is the first.
    pub repeated: bool,
}

/// A kind of content, as far as it matters for a relay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Media {
    /// `text/…`, and the word `text` alone.
    Text,
    /// `multipart/…`: parts with a boundary between them.
    Multipart {
        /// What stands behind the slash, in lower case.
        subtype: String,
        /// What stands between the parts, without the hyphens before it (RFC 2046 section 5.1.1); not empty.
        boundary: Option<Vec<u8>>,
    },
    /// `message/…`: most often a whole message in another.
    Message,
    /// All else, also what cannot be read.
    Other,
}

/// How content was made fit for mail (RFC 2045 section 6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TransferEncoding {
    /// `7bit`: as it is.
    SevenBit,
    /// `8bit`: as it is, octets above 127 among it.
    EightBit,
    /// `binary`: as it is, and not in lines.
    Binary,
    /// `quoted-printable`.
    QuotedPrintable,
    /// `base64`.
    Base64,
    /// Another one, which we cannot read.
    Unknown,
}

/// Octets of a field that are read: a type with all its parameters has a few hundred.
const LONGEST: usize = 4096;

/// Octets that a charset's label may have; the longest one that is known has 19.
const LONGEST_CHARSET: usize = 64;

impl ContentFields {
    /// Reads the fields of a message's header.
    pub fn of(header: &HeaderBlock) -> Self {
        Self::of_message(header.as_bytes())
    }

    /// Reads the fields of a message's header: of several the one that leaves, which is the first that says something.
    pub(super) fn of_message(lines: &[u8]) -> Self {
        let first = |name: &str| fields(lines).find(|field| field.is(name) && !field.value.trim_ascii().is_empty());
        Self::read(first("Content-Type"), first("Content-Transfer-Encoding"))
    }

    /// Reads the fields of a part's header, of which all leave.
    pub(super) fn of_part(lines: &[u8]) -> Self {
        let all = |name: &'static str| fields(lines).filter(move |field| field.is(name));
        let mut said = Self::read(all("Content-Type").next(), all("Content-Transfer-Encoding").next());
        said.repeated |= ["Content-Type", "Content-Transfer-Encoding"].into_iter().any(|name| all(name).count() > 1);
        said
    }

    fn read(content_type: Option<Field<'_>>, encoding: Option<Field<'_>>) -> Self {
        let said = content_type.map_or_else(Self::default, |field| read_type(field.value));
        Self { encoding: encoding.and_then(|field| TransferEncoding::read(field.value)), ..said }
    }

    /// Whether the content is text, said or meant.
    pub fn is_text(&self) -> bool {
        match self.media {
            None | Some(Media::Text) => true,
            Some(Media::Multipart { .. } | Media::Message | Media::Other) => false,
        }
    }

    /// Whether the content stands there as it is.
    pub fn is_plain(&self) -> bool {
        self.encoding.is_none_or(TransferEncoding::is_plain)
    }
}

impl TransferEncoding {
    /// Reads a field's value, whatever its case, with or without hyphens (`8-bit`); `None` when it says nothing.
    fn read(value: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(value);
        let mut name = Vec::new();
        loop {
            reader.skip();
            match reader.word(b";(") {
                [] => break,
                word => name.extend(word.iter().filter(|octet| octet.is_ascii_alphanumeric()).map(u8::to_ascii_lowercase)),
            }
        }
        Some(match &name[..] {
            b"" => return None,
            b"7bit" => Self::SevenBit,
            b"8bit" => Self::EightBit,
            b"binary" => Self::Binary,
            b"quotedprintable" => Self::QuotedPrintable,
            b"base64" => Self::Base64,
            _ => Self::Unknown,
        })
    }

    /// Whether content in it stands there as it is.
    pub const fn is_plain(self) -> bool {
        match self {
            Self::SevenBit | Self::EightBit | Self::Binary => true,
            Self::QuotedPrintable | Self::Base64 | Self::Unknown => false,
        }
    }

    /// Its name in a header; an unknown one has none.
    pub const fn name(self) -> Option<&'static str> {
        match self {
            Self::SevenBit => Some("7bit"),
            Self::EightBit => Some("8bit"),
            Self::Binary => Some("binary"),
            Self::QuotedPrintable => Some("quoted-printable"),
            Self::Base64 => Some("base64"),
            Self::Unknown => None,
        }
    }
}

/// What a Content-Type field says.
fn read_type(value: &[u8]) -> ContentFields {
    let mut reader = Reader::new(value);
    reader.skip();
    let kind = reader.word(b"/;(").to_ascii_lowercase();
    reader.skip();
    let subtype = if reader.take(b'/') {
        reader.skip();
        reader.word(b";(").to_ascii_lowercase()
    } else {
        Vec::new()
    };
    let (mut boundary, mut boundaries, mut charset) = (None, 0, None);
    while let Some((name, value)) = reader.parameter() {
        if name.eq_ignore_ascii_case(b"boundary") {
            boundaries += 1;
            boundary.get_or_insert(value.trim_ascii_end().to_vec());
        } else if name.get(..9).is_some_and(|start| start.eq_ignore_ascii_case(b"boundary*")) {
            // RFC 2231: what few read, and those who do may take it before the other one.
            boundaries += 2;
        } else if name.eq_ignore_ascii_case(b"charset") && charset.is_none() {
            charset = Some(value);
        }
    }
    let charset = charset.filter(|label| (1..=LONGEST_CHARSET).contains(&label.len())).and_then(|label| String::from_utf8(label).ok());
    let repeated = kind == b"multipart" && boundaries > 1;
    let media = match &kind[..] {
        b"" => None,
        b"text" => Some(Media::Text),
        b"multipart" => {
            let subtype = String::from_utf8_lossy(&subtype).into_owned();
            Some(Media::Multipart { subtype, boundary: boundary.filter(|boundary| !boundary.is_empty()) })
        }
        b"message" => Some(Media::Message),
        _ => Some(Media::Other),
    };
    ContentFields { media, charset, encoding: None, repeated }
}

/// Takes the value of a field apart (RFC 2045 section 5.1), from its start to its end.
struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn new(value: &'a [u8]) -> Self {
        Self { rest: &value[..value.len().min(LONGEST)] }
    }

    /// Takes this octet, if it comes next.
    fn take(&mut self, octet: u8) -> bool {
        let taken = self.rest.strip_prefix(&[octet]);
        self.rest = taken.unwrap_or(self.rest);
        taken.is_some()
    }

    /// Passes white space, line ends and comments.
    fn skip(&mut self) {
        loop {
            self.rest = self.rest.trim_ascii_start();
            if !self.take(b'(') {
                return;
            }
            self.rest = behind_comment(self.rest);
        }
    }

    /// Takes what comes up to white space or one of these octets.
    fn word(&mut self, stops: &[u8]) -> &'a [u8] {
        let end = self.rest.iter().position(|octet| octet.is_ascii_whitespace() || stops.contains(octet)).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        word
    }

    /// Takes the next parameter that has a value: its name and that value, without quotes.
    fn parameter(&mut self) -> Option<(&'a [u8], Vec<u8>)> {
        loop {
            self.skip();
            while self.take(b';') {
                self.skip();
            }
            if self.rest.is_empty() {
                return None;
            }
            let name = self.word(b"=;(");
            self.skip();
            if self.take(b'=') {
                // No comment may be looked for behind it: parentheses belong to boundaries that lack their quotes.
                self.rest = self.rest.trim_ascii_start();
                return Some((name, self.value()));
            }
        }
    }

    fn value(&mut self) -> Vec<u8> {
        if self.take(b'"')
            && let Some((value, rest)) = quoted(self.rest)
        {
            self.rest = rest;
            return value;
        }
        self.word(b";").to_vec()
    }
}

/// What follows a comment whose first parenthesis has been taken (RFC 5322 section 3.2.2). One that is not closed goes
/// up to the end.
fn behind_comment(text: &[u8]) -> &[u8] {
    let (mut depth, mut escaped) = (1_u32, false);
    for (at, octet) in text.iter().enumerate() {
        match octet {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'(' => depth += 1,
            b')' if depth == 1 => return &text[at + 1..],
            b')' => depth -= 1,
            _ => {}
        }
    }
    &[]
}

/// A quoted string whose first quote has been taken, and what follows its last one (RFC 5322 section 3.2.4); `None` when
/// that is missing.
fn quoted(text: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let (mut value, mut escaped) = (Vec::new(), false);
    for (at, &octet) in text.iter().enumerate() {
        match octet {
            _ if escaped => {
                value.push(octet);
                escaped = false;
            }
            b'\\' => escaped = true,
            b'"' => return Some((value, &text[at + 1..])),
            // Folding is no part of the value.
            b'\r' | b'\n' => {}
            _ => value.push(octet),
        }
    }
    None
}

#[cfg(test)]
mod tests;
