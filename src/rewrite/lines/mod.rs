//! Makes every field of a header fit to travel: ASCII, no control octets, no line that is too long or blank.
//!
//! Fields that are fit stay octet for octet. What a field means is not looked at, only how text may stand in it; so a field
//! that is mended here may still be one that nobody can use.
//!
//! Always true of what comes out:
//! - No octet is above 127, unless the message travels with SMTPUTF8 and all of its header is UTF-8. From is left out of
//!   this: it is text in UTF-8, and will be written anew.
//! - No octet is a control but TAB and the CRLF at the end of a line; no continuation line is only white space; no line
//!   has more than 998 octets (RFC 5322 section 2.1.1).
//! - Mended once more, it stays as it is. The time grows with the header's size, and with nothing else.

mod addresses;
mod ills;
mod parameters;
mod pen;
mod reading;
mod structured;
mod syntax;
mod text;
mod tokens;

use bytes::Bytes;

use crate::message::{Charset, Field, HeaderBlock, Repairs};

use super::fields::copy;

use ills::Ills;
use pen::Pen;
use reading::Reading;
use syntax::Syntax;

/// Octets of a field's name that is kept. A name cannot be folded; real ones have up to sixty.
const LONGEST_NAME: usize = 900;

/// A header whose fields are fit to travel.
#[derive(Debug)]
pub(super) struct Lines {
    pub(super) header: HeaderBlock,
    pub(super) repairs: Repairs,
}

impl Lines {
    /// Mends a header. `charset` is the one that the device is known to write; `utf8` says that the message travels with
    /// SMTPUTF8, so that a header in UTF-8 may stay (RFC 6532).
    pub(super) fn mend(header: &HeaderBlock, charset: Option<Charset>, utf8: bool) -> Self {
        let ills = Ills::of(header.as_bytes());
        if !ills.any() {
            return Self { header: header.clone(), repairs: Repairs::none() };
        }
        let may_stay = utf8 && ills.raw && std::str::from_utf8(header.as_bytes()).is_ok();
        let reading = if ills.raw { Reading::of(header, charset) } else { Reading::default() };
        let mut mender = Mender { reading, may_stay, repairs: Repairs::none(), out: Vec::with_capacity(header.as_bytes().len()) };
        for field in header.fields() {
            mender.mend(&field);
        }
        Self { header: HeaderBlock::new(Bytes::from(mender.out)), repairs: mender.repairs }
    }
}

/// A field of another name with the value that a fit field has; fit as well.
pub(super) fn renamed(name: &str, value: &[u8]) -> Vec<u8> {
    fit(&[name.as_bytes(), b":", value, b"\r\n"].concat())
}

/// A field that was made of fit ones; fit as well, even if a line has become too long.
pub(super) fn fit(raw: &[u8]) -> Vec<u8> {
    let may_stay = !raw.is_ascii();
    let mut mender = Mender { reading: Reading::default(), may_stay, repairs: Repairs::none(), out: Vec::with_capacity(raw.len()) };
    for field in HeaderBlock::new(raw.to_vec()).fields() {
        mender.mend(&field);
    }
    mender.out
}

/// Writes fields one after the other.
struct Mender {
    reading: Reading,
    /// Octets above 127 are UTF-8, and may stay.
    may_stay: bool,
    repairs: Repairs,
    out: Vec<u8>,
}

impl Mender {
    fn mend(&mut self, field: &Field<'_>) {
        let mut ills = Ills::of(field.raw);
        ills.raw &= !self.may_stay;
        if (ills.raw || ills.controls)
            && field.is("Content-Type")
            && let Some(value) = parameters::with_fit_boundary(&unfolded(field.value), self.may_stay)
        {
            self.repairs.extend(&ills.repairs());
            let fit = HeaderBlock::new([field.name, b":", &value, b"\r\n"].concat());
            return fit.fields().for_each(|field| self.mend(&field));
        }
        if let Some(text) = self.text_of(field, ills) {
            self.repairs.extend(&Ills { raw: true, controls: ills.controls && !ills.escapes, ..ills }.repairs());
            return self.write(field.name, &text);
        }
        self.repairs.extend(&ills.repairs());
        if !ills.any() {
            return copy(field, &mut self.out);
        }
        let fit = HeaderBlock::new(ills::without(field.raw));
        for field in fit.fields() {
            if Ills::of(field.raw).long {
                self.write(field.name, &Text { octets: unfolded(field.value), raw: if self.may_stay { Raw::Stays } else { Raw::Utf8 } });
            } else {
                self.out.extend_from_slice(field.raw);
            }
        }
    }

    /// The text of a field that was written in raw octets of some charset.
    fn text_of(&self, field: &Field<'_>, ills: Ills) -> Option<Text> {
        if ills.raw {
            return Some(self.reading.text(&unfolded(field.value)));
        }
        // ISO-2022-JP is made of ASCII and escape sequences (RFC 1468).
        if ills.escapes && field.raw.is_ascii() { Reading::japanese(&unfolded(field.value)) } else { None }
    }

    /// Writes a field anew: what it says in words, folded and encoded as its syntax allows.
    fn write(&mut self, name: &[u8], text: &Text) {
        let name: Vec<u8> = name.iter().copied().filter(u8::is_ascii_graphic).collect();
        if name.len() > LONGEST_NAME {
            let mut pen = Pen::new(&mut self.out, b"X-Original-Field");
            text::write(&mut pen, &Text { octets: [&name[..], b":", &text.octets].concat(), raw: text.raw });
            return pen.end();
        }
        let syntax = Syntax::of(&name);
        if syntax == Syntax::Author {
            self.out.extend_from_slice(&[&name[..], b": ", text.as_utf8().trim().as_bytes(), b"\r\n"].concat());
            return;
        }
        let mut pen = Pen::new(&mut self.out, &name);
        match syntax {
            Syntax::Addresses => addresses::write(&mut pen, text),
            Syntax::Parameters => parameters::write(&mut pen, text),
            Syntax::Judged if !structured::is_raw_in_comments_only(text) => text::write(&mut pen, text),
            Syntax::Structured | Syntax::Judged => structured::write(&mut pen, text),
            Syntax::Text | Syntax::Author => text::write(&mut pen, text),
        }
        pen.end();
    }
}

/// The words of a field, unfolded, without controls.
#[derive(Debug)]
struct Text {
    octets: Vec<u8>,
    raw: Raw,
}

/// What the octets of a text above 127 are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Raw {
    /// UTF-8, to be encoded.
    Utf8,
    /// UTF-8, which may stay.
    Stays,
    /// Nobody knows (RFC 1428 section 3).
    Unknown,
}

impl Text {
    /// As UTF-8. What nobody knows is taken for Windows-1252, of which Latin-1 is a part: a wrong letter in a name is better
    /// than none.
    fn as_utf8(&self) -> String {
        match self.raw {
            Raw::Utf8 | Raw::Stays => String::from_utf8_lossy(&self.octets).into_owned(),
            Raw::Unknown => reading::as_latin(&self.octets),
        }
    }
}

impl Raw {
    /// Whether some octet of this must be encoded.
    fn is_in(self, octets: &[u8]) -> bool {
        match self {
            Self::Stays => false,
            Self::Utf8 | Self::Unknown => !octets.is_ascii(),
        }
    }

    /// Octets of the character at the start of this.
    fn first_of(self, octets: &[u8]) -> usize {
        match self {
            Self::Unknown => 1,
            Self::Utf8 | Self::Stays => 1 + octets.iter().skip(1).take(3).take_while(|octet| **octet & 0xc0 == 0x80).count(),
        }
    }
}

/// A value without its line ends.
fn unfolded(value: &[u8]) -> Vec<u8> {
    value.iter().copied().filter(|octet| !matches!(octet, b'\r' | b'\n')).collect()
}
