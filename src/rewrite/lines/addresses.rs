//! Fields of addresses: names and comments with raw octets become encoded words, and addresses stay addresses.

use super::pen::Pen;
use super::tokens::{self, Kind, Token};
use super::{Raw, Text, structured, text};

/// Writes a list of addresses (RFC 5322 section 3.4). Of what is not raw no octet but white space changes.
///
/// An address with raw octets cannot be written without SMTPUTF8. It becomes the name of a group without members, as
/// RFC 6857 section 3.1 has it: whoever reads the message sees it, and no server takes it for an address. Within a
/// group, where no other group may stand, it is left out.
pub(super) fn write(pen: &mut Pen<'_>, text: &Text) {
    let tokens = tokens::all(&text.octets);
    let mut in_group = false;
    for entry in tokens.chunk_by(|token, _| token.kind != Kind::Separator) {
        let (entry, separator) = match entry.split_last() {
            Some((last, entry)) if last.kind == Kind::Separator => (entry, Some(last)),
            Some(_) | None => (entry, None),
        };
        if entry.iter().any(|token| text.raw.is_in(token.text)) {
            write_entry(pen, entry, text.raw, in_group);
        } else {
            entry.iter().for_each(|token| pen.put(token.space, token.text));
        }
        if let Some(separator) = separator {
            in_group = if separator.is(b',') { in_group } else { separator.is(b':') };
            pen.put(separator.space, separator.text);
        }
    }
}

fn write_entry(pen: &mut Pen<'_>, entry: &[Token<'_>], raw: Raw, in_group: bool) {
    let angle = entry.iter().position(|token| token.kind == Kind::Angle);
    let has_raw_address = match angle {
        Some(angle) => raw.is_in(entry[angle].text),
        None => words(entry).any(|word| word.iter().any(is_address) && word.iter().any(|token| raw.is_in(token.text))),
    };
    if has_raw_address {
        if !in_group {
            text::write_phrase(pen, entry[0].space, &shown(entry), raw);
            pen.put(b"", b":;");
        }
        return;
    }
    let is_name = |token: &Token<'_>| matches!(token.kind, Kind::Word | Kind::Quoted) && (angle.is_some() || !is_address(token));
    let mut after_name = false;
    for run in entry.chunk_by(|token, next| is_name(token) == is_name(next)) {
        if is_name(&run[0]) && run.iter().any(|token| raw.is_in(token.text)) {
            text::write_phrase(pen, run[0].space, &shown(run), raw);
            after_name = true;
        } else if let [first, rest @ ..] = run {
            // White space ends an encoded word (RFC 2047 section 5, rule 3).
            let space = if after_name && first.space.is_empty() { b" " } else { first.space };
            structured::write_tokens(pen, &[Token { space, ..*first }], raw);
            structured::write_tokens(pen, rest, raw);
            after_name = false;
        }
    }
}

/// Whether a token, of which none is in angle brackets, is an address or the end of one.
fn is_address(token: &Token<'_>) -> bool {
    token.kind == Kind::Word && token.text.contains(&b'@')
}

/// Tokens with no white space between them.
fn words<'t, 'a>(entry: &'t [Token<'a>]) -> impl Iterator<Item = &'t [Token<'a>]> {
    entry.chunk_by(|_, next| next.space.is_empty() && next.kind != Kind::Comment)
}

fn shown(entry: &[Token<'_>]) -> Vec<u8> {
    let mut shown = Vec::new();
    for token in entry {
        if !shown.is_empty() && !token.space.is_empty() {
            shown.push(b' ');
        }
        shown.extend(token.shown());
    }
    shown
}
