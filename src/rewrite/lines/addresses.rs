//! Fields of addresses: names and comments with raw octets become encoded words, and addresses stay addresses.

use super::pen::Pen;
use super::tokens::{self, Kind, Token};
use super::{Raw, Text, structured, text};

/// Writes a list of addresses (RFC 5322 section 3.4). Of what is not raw no octet but white space changes.
///
/// An address with raw octets cannot be written without SMTPUTF8. It becomes the name of a group without members, as
/// RFC 6857 section 3.1 has it: whoever reads the message sees it, and no server takes it for an address. Within a
/// group, where no other group may stand, it is left out, with a comma.
pub(super) fn write(pen: &mut Pen<'_>, text: &Text) {
    let tokens = tokens::all(&text.octets);
    let mut list = List { pen, raw: text.raw, in_group: false, comma: None };
    for entry in tokens.chunk_by(|token, _| token.kind != Kind::Separator) {
        match entry.split_last() {
            Some((last, entry)) if last.kind == Kind::Separator => list.write(entry, Some(*last)),
            Some(_) | None => list.write(entry, None),
        }
    }
}

/// A list that is being written.
struct List<'p, 'o, 'a> {
    pen: &'p mut Pen<'o>,
    raw: Raw,
    in_group: bool,
    /// The comma behind what was written last, when all that follows may be left out.
    comma: Option<Token<'a>>,
}

/// How an entry ends that was written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    /// It was left out.
    LeftOut,
    /// With an encoded word.
    EncodedWord,
    /// In any other way.
    Other,
}

impl<'a> List<'_, '_, 'a> {
    fn write(&mut self, entry: &[Token<'a>], separator: Option<Token<'a>>) {
        let end = match entry.iter().any(|token| self.raw.is_in(token.text)) {
            true => self.write_mended(entry),
            false => {
                self.write_comma();
                entry.iter().for_each(|token| self.pen.put(token.space, token.text));
                End::Other
            }
        };
        let Some(separator) = separator else { return };
        // White space ends an encoded word (RFC 2047 section 5, rule 3).
        let space = if end == End::EncodedWord && separator.space.is_empty() { b" " } else { separator.space };
        let separator = Token { space, ..separator };
        if separator.is(b',') && self.in_group {
            if end != End::LeftOut {
                self.comma = Some(separator);
            }
            return;
        }
        match end {
            End::LeftOut => self.comma = None,
            End::EncodedWord | End::Other => self.write_comma(),
        }
        self.pen.put(separator.space, separator.text);
        self.in_group = if separator.is(b',') { self.in_group } else { separator.is(b':') };
    }

    fn write_comma(&mut self) {
        if let Some(comma) = self.comma.take() {
            self.pen.put(comma.space, comma.text);
        }
    }

    /// Writes an entry with raw octets.
    fn write_mended(&mut self, entry: &[Token<'_>]) -> End {
        let angle = entry.iter().position(|token| token.kind == Kind::Angle);
        let has_raw_address = match angle {
            Some(angle) => self.raw.is_in(entry[angle].text),
            None => words(entry).any(|word| word.iter().any(is_address) && word.iter().any(|token| self.raw.is_in(token.text))),
        };
        if has_raw_address && self.in_group {
            return End::LeftOut;
        }
        self.write_comma();
        if has_raw_address {
            text::write_phrase(self.pen, entry[0].space, &shown(entry), self.raw);
            self.pen.put(b" ", b":;");
            return End::Other;
        }
        let is_name = |token: &Token<'_>| matches!(token.kind, Kind::Word | Kind::Quoted) && (angle.is_some() || !is_address(token));
        let mut end = End::Other;
        for run in entry.chunk_by(|token, next| is_name(token) == is_name(next)) {
            if is_name(&run[0]) && run.iter().any(|token| self.raw.is_in(token.text)) {
                text::write_phrase(self.pen, run[0].space, &shown(run), self.raw);
                end = End::EncodedWord;
            } else if let [first, rest @ ..] = run {
                let space = if end == End::EncodedWord && first.space.is_empty() { b" " } else { first.space };
                structured::write_tokens(self.pen, &[Token { space, ..*first }], self.raw);
                structured::write_tokens(self.pen, rest, self.raw);
                end = End::Other;
            }
        }
        end
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
