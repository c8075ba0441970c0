//! Fields of a word and parameters: Content-Type and Content-Disposition.

use std::collections::HashSet;
use std::fmt::Write as _;

use super::pen::Pen;
use super::tokens::{self, Kind, Token};
use super::{Raw, Text, structured};

/// Octets of a parameter that stand in one line.
const LINE: usize = 72;

/// Octets of a parameter's name; those that exist have up to twenty.
const LONGEST_NAME: usize = 40;

/// Writes a value. Parameters with raw octets are written as RFC 2231 has it, which is what receivers read a file's name
/// from; what else is raw is of no use to anybody. A parameter that stands there in that form already is left out: receivers
/// would put both together.
pub(super) fn write(pen: &mut Pen<'_>, text: &Text) {
    let tokens = tokens::all(&text.octets);
    let mut said: HashSet<Vec<u8>> = parts(&tokens).filter_map(extended_name).collect();
    for (number, part) in parts(&tokens).enumerate() {
        let raw = number > 0 && part.iter().any(|token| text.raw.is_in(token.text));
        let parameter = if raw { Parameter::read(part).filter(|parameter| !parameter.is_boundary()) } else { None };
        if parameter.as_ref().is_some_and(|parameter| !said.insert(parameter.name.to_ascii_lowercase().into_bytes())) {
            continue;
        }
        if number > 0 {
            pen.put(b"", b";");
        }
        match parameter {
            Some(parameter) => parameter.write(pen, text.raw),
            None => structured::write_tokens(pen, part, text.raw),
        }
    }
    if tokens.last().is_some_and(|token| token.is(b';')) {
        pen.put(b"", b";");
    }
}

/// A value in which no boundary has an octet that cannot leave; `None` when it is fine. A boundary ends before the first of
/// those: what stands between the parts is not changed, and begins with what is left, by which receivers find it (RFC 2046
/// section 5.1.1). One that begins with such an octet is lost, however it is written.
pub(super) fn with_fit_boundary(value: &[u8], may_stay: bool) -> Option<Vec<u8>> {
    let is_fit = |octet: &u8| matches!(octet, b'\t' | b' '..=b'~') || (may_stay && !octet.is_ascii());
    let tokens = tokens::all(value);
    let (mut written, mut changed) = (Vec::with_capacity(value.len()), false);
    for (number, part) in parts(&tokens).enumerate() {
        if number > 0 {
            written.push(b';');
        }
        let boundary = Parameter::read(part).filter(|parameter| number > 0 && parameter.is_boundary());
        let end = boundary.as_ref().and_then(|boundary| boundary.value.iter().position(|octet| !is_fit(octet)));
        match (boundary, end) {
            (Some(boundary), Some(end @ 1..)) => {
                written.extend_from_slice(b" boundary=\"");
                let kept = boundary.value[..end].trim_ascii_end();
                written.extend(kept.iter().flat_map(|octet| [b'\\', *octet].into_iter().skip(usize::from(!b"\"\\".contains(octet)))));
                written.push(b'"');
                changed = true;
            }
            (Some(_) | None, _) => part.iter().for_each(|token| written.extend([token.space, token.text].concat())),
        }
    }
    changed.then_some(written)
}

/// What stands between semicolons.
fn parts<'t, 'a>(tokens: &'t [Token<'a>]) -> impl Iterator<Item = &'t [Token<'a>]> {
    tokens.chunk_by(|token, _| !token.is(b';')).map(|part| match part.split_last() {
        Some((last, part)) if last.is(b';') => part,
        Some(_) | None => part,
    })
}

/// The name of a parameter that is written as RFC 2231 has it, without what that adds to it (`*`, `*0`, `*0*`).
fn extended_name(part: &[Token<'_>]) -> Option<Vec<u8>> {
    let words = part.iter().filter(|token| token.kind != Kind::Comment).flat_map(Token::shown);
    let mut name: Vec<u8> = words.take_while(|octet| *octet != b'=').map(|octet| octet.to_ascii_lowercase()).collect();
    name.truncate(name.iter().position(|octet| *octet == b'*')?);
    Some(name)
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

    fn is_boundary(&self) -> bool {
        self.name.eq_ignore_ascii_case("boundary")
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
