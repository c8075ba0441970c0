//! The fields that say what the content is (RFC 2045): they are there when they are needed, and do not deny octets above
//! 127 that are there.
//!
//! Content itself is not touched here, nor is what a device says about it when it may be true.

use crate::message::{BodyFacts, Charset, ContentFields, Field, HeaderBlock, Media, Origin, Repair, Repairs, TransferEncoding};

use super::Source;
use super::body::{Decided, encoding_field};
use super::fields::{Found, Kind};
use super::lines;
use super::plan::{Change, Line};

/// The names of US-ASCII in the registry of charsets, and `ascii`, which many write. A text in it has no octets above 127.
const US_ASCII: [&str; 11] = [
    "us-ascii",
    "ascii",
    "us",
    // What `nl_langinfo` says under LANG=C, and cron writes.
    "ANSI_X3.4-1968",
    "ANSI_X3.4-1986",
    "ISO_646.irv:1991",
    "ISO646-US",
    "iso-ir-6",
    "IBM367",
    "cp367",
    "csASCII",
];

/// What becomes of the fields about the content.
#[derive(Debug)]
pub(super) struct Content<'a> {
    pub(super) version: Option<Change<'a>>,
    pub(super) media: Option<Change<'a>>,
    pub(super) encoding: Option<Change<'a>>,
}

impl<'a> Content<'a> {
    pub(super) fn plan(found: &Found<'a>, source: &Source<'a>, body: &Decided, repairs: &mut Repairs) -> Self {
        let (media, mut encoding) = if source.facts.eight_bit { declared(found, source.facts, source.origin) } else { (None, None) };
        repairs.note_if(media.is_some() || encoding.is_some(), Repair::UndeclaredBody);
        // The encoding that the body gets is the one to be told.
        if let Some(name) = body.transfer_encoding.and_then(TransferEncoding::name) {
            encoding = Some(Change::Put(Line::Octets(encoding_field(name))));
        }
        let said =
            [Kind::ContentType, Kind::ContentTransferEncoding, Kind::ContentDisposition].map(|kind| found.of(kind).telling().is_some());
        let lacks_version = found.of(Kind::MimeVersion).telling().is_none();
        repairs.note_if(lacks_version && said.contains(&true), Repair::NoMimeVersion);
        let needs_version = said.contains(&true) || media.is_some() || encoding.is_some();
        let version = (lacks_version && needs_version).then(|| put(b"MIME-Version: 1.0"));
        Self { version, media, encoding }
    }
}

/// Content-Type and Content-Transfer-Encoding of a body with octets above 127, where they do not allow for them.
fn declared<'a>(found: &Found<'a>, facts: &BodyFacts, origin: &Origin) -> (Option<Change<'a>>, Option<Change<'a>>) {
    let fields = [found.of(Kind::ContentType).telling(), found.of(Kind::ContentTransferEncoding).telling()];
    let said = said_in(&fields.iter().flatten().flat_map(|field| [field.raw, b"\r\n"].concat()).collect::<Vec<u8>>());
    if !said.is_plain() {
        return (None, None);
    }
    let charset = charset(facts, origin);
    let media = match (&said.media, fields[0]) {
        (None, _) => Some(put(format!(
            "Content-Type: text/plain; charset={}",
            said.charset.as_deref().filter(|label| is_label(label)).unwrap_or(charset)
        )
        .as_bytes())),
        (Some(Media::Text), Some(field)) => {
            with_charset(&field, said.charset.as_deref(), charset).map(|line| Change::Put(Line::Octets(line)))
        }
        (Some(Media::Text), None) | (Some(Media::Multipart { .. } | Media::Message | Media::Other), _) => None,
    };
    let encoding = match said.encoding {
        None | Some(TransferEncoding::SevenBit) => {
            may_be_eight_bit(&said, fields[0]).then(|| Change::Put(Line::Octets(encoding_field("8bit"))))
        }
        Some(
            TransferEncoding::EightBit
            | TransferEncoding::Binary
            | TransferEncoding::QuotedPrintable
            | TransferEncoding::Base64
            | TransferEncoding::Unknown,
        ) => None,
    };
    (media, encoding)
}

/// RFC 2046 sections 5.2.2.1 and 5.2.3: a part of a message, and a body that is elsewhere, are 7bit whatever they hold.
fn may_be_eight_bit(said: &ContentFields, field: Option<Field<'_>>) -> bool {
    match said.media {
        None | Some(Media::Text | Media::Multipart { .. } | Media::Other) => true,
        Some(Media::Message) => field.is_some_and(|field| {
            let kind = field.value.trim_ascii().to_ascii_lowercase();
            kind.starts_with(b"message/rfc822") || kind.starts_with(b"message/global")
        }),
    }
}

/// In which charset the body is written, as far as anybody knows (RFC 1428 section 3 for when nobody does).
fn charset(facts: &BodyFacts, origin: &Origin) -> &'static str {
    match facts.charset.filter(|found| *found == Charset::UTF_8).or(origin.charset).or(facts.charset) {
        Some(charset) if charset == Charset::UTF_8 => "utf-8",
        Some(charset) => charset.name(),
        None => "unknown-8bit",
    }
}

/// A Content-Type field of text that names a charset; `None` when it does already. US-ASCII cannot be meant.
fn with_charset(field: &Field<'_>, said: Option<&str>, charset: &str) -> Option<Vec<u8>> {
    let edited = match said {
        Some(label) if !is_us_ascii(label) => return None,
        Some(label) => replaced(field.raw, label, charset),
        None => inserted(field.raw, charset),
    };
    let is_read = |line: &Vec<u8>| said_in(line).charset.as_deref() == Some(charset) && said_in(line).is_text();
    // A field that nobody could mend for sure says no more than what kind of text it is.
    edited
        .map(|line| lines::fit(&line))
        .filter(is_read)
        .or_else(|| Some(format!("Content-Type: {}; charset={charset}\r\n", kind_of_text(field.value)).into_bytes()))
}

/// The type and subtype with which a value begins, when they are those of text: HTML shown as it is written is no help.
fn kind_of_text(value: &[u8]) -> &str {
    let value = value.trim_ascii_start();
    let end = value.iter().position(|octet| !(octet.is_ascii_alphanumeric() || b"/-+.".contains(octet))).unwrap_or(value.len());
    let kind = std::str::from_utf8(&value[..end]).unwrap_or_default();
    let subtype = kind.get(..5).filter(|start| start.eq_ignore_ascii_case("text/")).map(|_| &kind[5..]);
    if subtype.is_some_and(|subtype| !subtype.is_empty() && !subtype.contains('/')) { kind } else { "text/plain" }
}

/// The field with another label in place of this one.
fn replaced(raw: &[u8], label: &str, charset: &str) -> Option<Vec<u8>> {
    let lower = raw.to_ascii_lowercase();
    let parameter = memchr::memmem::find(&lower, b"charset")?;
    let start = parameter + memchr::memmem::find(&lower[parameter..], label.to_ascii_lowercase().as_bytes())?;
    Some([&raw[..start], charset.as_bytes(), &raw[start + label.len()..]].concat())
}

/// The field with a charset before its first parameter.
fn inserted(raw: &[u8], charset: &str) -> Option<Vec<u8>> {
    let text = raw.trim_ascii_end();
    let at = memchr::memchr(b';', text).unwrap_or(text.len());
    let before = text[..at].trim_ascii_end();
    let rest = &text[at..];
    let rest = if rest == b";" { b"" } else { rest };
    Some([before, b"; charset=", charset.as_bytes(), rest, b"\r\n"].concat())
}

/// Whether a label can stand without quotes.
fn is_label(label: &str) -> bool {
    label.bytes().all(|octet| octet.is_ascii_alphanumeric() || b"-_.:+".contains(&octet)) && !is_us_ascii(label)
}

fn is_us_ascii(label: &str) -> bool {
    US_ASCII.iter().any(|name| name.eq_ignore_ascii_case(label))
}

fn said_in(lines: &[u8]) -> ContentFields {
    ContentFields::of(&HeaderBlock::new(lines.to_vec()))
}

fn put<'a>(line: &[u8]) -> Change<'a> {
    Change::Put(Line::Octets([line, b"\r\n"].concat()))
}
