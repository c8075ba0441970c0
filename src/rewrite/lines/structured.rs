//! Fields with a grammar that has no place for text but in comments.

use super::pen::Pen;
use super::tokens::{self, Kind, Token};
use super::{Raw, Text, text};

/// Writes a value. Raw octets outside of comments mean nothing to anybody: each character leaves a question mark.
pub(super) fn write(pen: &mut Pen<'_>, text: &Text) {
    write_tokens(pen, &tokens::all(&text.octets), text.raw);
}

pub(super) fn write_tokens(pen: &mut Pen<'_>, tokens: &[Token<'_>], raw: Raw) {
    for token in tokens {
        if token.kind == Kind::Comment && raw.is_in(token.text) {
            write_comment(pen, token, raw);
        } else {
            pen.put(token.space, &questioned(token.text, raw));
        }
    }
}

/// Writes a comment that holds raw octets: encoded words may stand in it (RFC 2047 section 5, rule 2).
pub(super) fn write_comment(pen: &mut Pen<'_>, token: &Token<'_>, raw: Raw) {
    pen.put(token.space, b"(");
    text::write_phrase(pen, b"", &token.shown(), raw);
    pen.put(b"", b")");
}

/// Whether comments can hold all of its raw octets.
pub(super) fn is_raw_in_comments_only(text: &Text) -> bool {
    tokens::all(&text.octets).iter().all(|token| token.kind == Kind::Comment || !text.raw.is_in(token.text))
}

fn questioned(text: &[u8], raw: Raw) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while raw.is_in(rest) {
        let end = rest.iter().position(|octet| !octet.is_ascii()).unwrap_or(0);
        out.extend_from_slice(&rest[..end]);
        out.push(b'?');
        rest = &rest[end + raw.first_of(&rest[end..])..];
    }
    out.extend_from_slice(rest);
    out
}
