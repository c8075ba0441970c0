//! What is known about a body without holding it. Noted once, while the message arrives.

use std::ops::Range;

use super::{Charset, TransferEncoding};

/// Octets that a line of header or body may have, its end not counted: what every server must take (RFC 5322 section 2.1.1,
/// RFC 5321 section 4.5.3.1.6). Many refuse or cut longer ones.
pub const LONGEST_LINE: usize = 998;

/// What is known about a body.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct BodyFacts {
    /// Octets, line ends included.
    pub size: u64,
    /// Some octet is above 127.
    pub eight_bit: bool,
    /// Some octet is zero.
    pub nul: bool,
    /// Octets of the longest line, its end not counted. It may have [`LONGEST_LINE`].
    pub longest_line: u64,
    /// Of a text: octets that quoted-printable must write as three (RFC 2045 section 6.7).
    #[serde(default, skip_serializing_if = "is_zero")]
    pub special: u64,
    /// Of a text with octets above 127: UTF-8 when all of it is, otherwise what it looks like. A message that says it is
    /// something else than text has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub charset: Option<Charset>,
    /// Of a body in parts: those that have to be mended and can be, in their order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<PartFacts>,
    /// The boundaries of the multiparts that the last of `parts` leaves without their ends, from the innermost outwards. It
    /// goes up to the end of the body then.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unended: Vec<String>,
    /// What all that is not in `parts` holds, when there are some.
    #[serde(default, skip_serializing_if = "Measure::is_nothing")]
    pub rest: Measure,
    /// What the first part's header says in From, as text. Some devices put it there and not where it belongs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inner_from: Option<String>,
}

/// A part that has to be mended. Places are counted in octets from the body's first.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct PartFacts {
    /// Its Content-Transfer-Encoding field, line ends included. Empty where there is none, and one can be put.
    pub field: Range<u64>,
    /// Its content. The CRLF before the delimiter belongs to that (RFC 2046 section 5.1.1).
    pub content: Range<u64>,
    /// Whether it is text, said or meant.
    pub text: bool,
    /// How it is encoded, as its header says.
    pub encoding: Option<TransferEncoding>,
    /// What it holds.
    pub measure: Measure,
}

/// What a stretch of content holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Measure {
    /// Some octet is above 127.
    pub eight_bit: bool,
    /// Some octet is zero.
    pub nul: bool,
    /// Octets of the longest line, its end not counted.
    pub longest_line: u64,
    /// Octets that quoted-printable must write as three, where they were counted: in text that is not encoded.
    pub special: u64,
}

impl BodyFacts {
    /// What the whole body holds.
    pub fn measure(&self) -> Measure {
        Measure { eight_bit: self.eight_bit, nul: self.nul, longest_line: self.longest_line, special: self.special }
    }
}

impl Measure {
    /// Whether others refuse it as it is: RFC 5322 forbids longer lines, and Exchange Online refuses NULs with
    /// `550 5.6.11`, which RFC 5321 section 4.5.2 and RFC 5322 section 4 frown upon as well.
    pub fn must_be_mended(&self) -> bool {
        self.nul || self.longest_line > LONGEST_LINE as u64
    }

    /// What this and another stretch hold together.
    pub fn and(self, other: Self) -> Self {
        Self {
            eight_bit: self.eight_bit || other.eight_bit,
            nul: self.nul || other.nul,
            longest_line: self.longest_line.max(other.longest_line),
            special: self.special + other.special,
        }
    }

    /// Looks at octets; counts those that quoted-printable must write as three when that may be wanted.
    pub(super) fn note(&mut self, octets: &[u8], count: bool) {
        self.eight_bit |= !octets.is_ascii();
        self.nul |= !self.nul && memchr::memchr(0, octets).is_some();
        if count {
            self.special += count_special(octets);
        }
    }

    /// Notes a line of so many octets.
    pub(super) fn note_line(&mut self, length: u64) {
        self.longest_line = self.longest_line.max(length);
    }

    fn is_nothing(&self) -> bool {
        *self == Self::default()
    }
}

/// Counts special octets. All text is counted, so it is done in a way that compilers make quick: without branches, in sums
/// that fit into an octet.
fn count_special(octets: &[u8]) -> u64 {
    octets.chunks(255).map(|chunk| u64::from(chunk.iter().fold(0, |sum: u8, &octet| sum + u8::from(is_special(octet))))).sum()
}

/// Whether quoted-printable must write an octet as three wherever it stands. Of line ends it is not asked.
pub(super) fn is_special(octet: u8) -> bool {
    let plain = (b' '..=b'~').contains(&octet) & (octet != b'=');
    !(plain | (octet == b'\t') | (octet == b'\r') | (octet == b'\n'))
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks in this way")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}
