//! Fields of a word and parameters: Content-Type and Content-Disposition.

use std::fmt::Write as _;

use super::pen::Pen;
use super::tokens::{self, Kind, Token};
use super::{Raw, Text, structured};

/// Octets of a parameter that stand in one line.
const LINE: usize = 72;

/// Octets of a parameter's name; those that exist have up to twenty.
const LONGEST_NAME: usize = 40;

/// Writes a value. Parameters with raw octets are written as RFC 2231 has it, which is what receivers read a file's name
/// from; what else is raw is of no use to anybody.
pub(super) fn write(pen: &mut Pen<'_>, text: &Text) {
    let tokens = tokens::all(&text.octets);
    let parts: Vec<&[Token<'_>]> = tokens.chunk_by(|token, _| !token.is(b';')).collect();
    for (number, part) in parts.iter().enumerate() {
        let (part, semicolon) = match part.split_last() {
            Some((last, part)) if last.is(b';') => (part, Some(last)),
            Some(_) | None => (*part, None),
        };
        let parameter = if number > 0 && part.iter().any(|token| text.raw.is_in(token.text)) { Parameter::read(part) } else { None };
        match parameter {
            Some(parameter) => parameter.write(pen, text.raw),
            None => structured::write_tokens(pen, part, text.raw),
        }
        if let Some(semicolon) = semicolon {
            pen.put(b"", semicolon.text);
        }
    }
}

/// A parameter: `name=value`.
struct Parameter {
    name: String,
    value: Vec<u8>,
}

impl Parameter {
    fn read(part: &[Token<'_>]) -> Option<Self> {
        let mut octets = Vec::new();
        let mut value = None;
        for token in part.iter().filter(|token| token.kind != Kind::Comment) {
            if value.is_some() && !token.space.is_empty() {
                octets.push(b' ');
            }
            let shown = token.shown();
            match shown.iter().position(|octet| *octet == b'=') {
                Some(equals) if value.is_none() => {
                    octets.extend_from_slice(&shown[..equals]);
                    value = Some(octets.len());
                    octets.extend_from_slice(&shown[equals + 1..]);
                }
                Some(_) | None => octets.extend(shown),
            }
        }
        let value = octets.split_off(value?);
        let name = String::from_utf8(octets).ok()?;
        // One that is extended already says in its own way which octets are which.
        let is_token = (1..=LONGEST_NAME).contains(&name.len())
            && name.bytes().all(|octet| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'_' | b'.'));
        is_token.then(|| Self { name, value: value.trim_ascii().to_vec() })
    }

    /// RFC 2231 sections 3 and 4: in one piece if that fits into a line.
    fn write(&self, pen: &mut Pen<'_>, raw: Raw) {
        let charset = match raw {
            Raw::Utf8 | Raw::Stays => "utf-8",
            Raw::Unknown => "unknown-8bit",
        };
        let whole = format!("{}*={charset}''{}", self.name, escaped(&self.value));
        if whole.len() <= LINE {
            return pen.put(b" ", whole.as_bytes());
        }
        let (mut piece, mut number, mut line) = (0, 0, format!("{}*0*={charset}''", self.name));
        while piece < self.value.len() {
            let end = piece + raw.first_of(&self.value[piece..]);
            let character = escaped(&self.value[piece..end]);
            if line.len() + character.len() > LINE && !line.ends_with(['=', '\'']) {
                number += 1;
                pen.put(b" ", line.as_bytes());
                pen.put(b"", b";");
                line = format!("{}*{number}*=", self.name);
            }
            line.push_str(&character);
            piece = end;
        }
        pen.put(b" ", line.as_bytes());
    }
}

/// RFC 2231 section 7: all but `attribute-char` is written in hexadecimal.
fn escaped(value: &[u8]) -> String {
    let mut out = String::with_capacity(value.len() * 3);
    for &octet in value {
        if octet.is_ascii_alphanumeric() || b"!#$&+-.^_`{|}~".contains(&octet) {
            out.push(char::from(octet));
        } else {
            let _ = write!(out, "%{octet:02X}");
        }
    }
    out
}
