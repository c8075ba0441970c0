//! Writes the value of a field: folded, and encoded words where text is not ASCII (RFC 2047).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use crate::message::LONGEST_LINE;

use super::Raw;

/// Octets of a line that holds encoded words (RFC 2047 section 2); other lines keep to it as well where they can.
const LINE: usize = 76;
/// Octets of an encoded word (RFC 2047 section 2).
const WORD: usize = 75;
/// Octets of a line that are left free behind the encoded words of a phrase or comment: for the `)` of a comment, the `;` of a group and a comma, where
/// no white space allows a fold.
pub(super) const BEHIND: usize = 3;
/// Octets of a line that are worth the beginning of an encoded word.
const WORTH: usize = 32;
/// Octets of a token that is written in one piece: with a space before it a line has room for it.
pub(super) const LONGEST_TOKEN: usize = LONGEST_LINE - 8;

/// Writes one field. White space that is folded away does not matter; all other octets stay.
pub(super) struct Pen<'a> {
    out: &'a mut Vec<u8>,
    /// Octets of the present line.
    column: usize,
    /// Something stands in the present line, so that it may end here.
    begun: bool,
    /// Something of the value has been written.
    value_begun: bool,
}

impl<'a> Pen<'a> {
    /// Begins a field.
    pub(super) fn new(out: &'a mut Vec<u8>, name: &[u8]) -> Self {
        out.extend_from_slice(name);
        out.push(b':');
        Self { out, column: name.len() + 1, begun: false, value_begun: false }
    }

    /// Ends the field.
    pub(super) fn end(self) {
        self.out.extend_from_slice(b"\r\n");
    }

    /// Writes a token behind this white space, where the line may be folded.
    pub(super) fn put(&mut self, space: &[u8], token: &[u8]) {
        if token.is_empty() {
            return;
        }
        if token.len() > LONGEST_TOKEN {
            return self.put_pieces(space, token);
        }
        let space = self.space(space);
        let end = self.column + space.len() + token.len();
        if (end > LINE && self.begun && !space.is_empty()) || end > LONGEST_LINE {
            self.fold(space);
        } else {
            self.write(space);
        }
        self.write_token(token);
    }

    /// Writes text as encoded words behind this white space, and leaves room for so many octets behind them.
    pub(super) fn encode(&mut self, space: &[u8], text: &[u8], raw: Raw, behind: usize) {
        let plain = text.iter().filter(|octet| is_plain(**octet)).count();
        // People read headers too, as long as most of a word is letters.
        let form = if plain * 2 >= text.len() { Form::Q } else { Form::B };
        let mut space = self.space(space).to_vec();
        let (mut rest, mut first) = (text, true);
        while !rest.is_empty() {
            // Each further word begins a line of its own: the one before it left no room.
            if !first || self.column + space.len() + WORTH > LINE {
                self.fold(&space);
            } else {
                self.write(&space);
            }
            let (now, later) = rest.split_at(form.fitting(rest, raw, WORD.min(LINE.saturating_sub(self.column + behind))));
            let word = form.word(now, raw);
            self.write_token(word.as_bytes());
            (rest, space, first) = (later, b" ".to_vec(), false);
        }
    }

    /// Splits a token that no line has room for: where it has white space, otherwise anywhere.
    fn put_pieces(&mut self, space: &[u8], token: &[u8]) {
        let mut space = space;
        for word in token.split(|octet| matches!(octet, b' ' | b'\t')).filter(|word| !word.is_empty()) {
            let mut rest = word;
            while !rest.is_empty() {
                let mut end = rest.len().min(LONGEST_TOKEN);
                // Not within a character (RFC 6532).
                while end < rest.len() && end > LONGEST_TOKEN - 4 && rest[end] & 0xc0 == 0x80 {
                    end -= 1;
                }
                let (now, later) = rest.split_at(end);
                self.put(space, now);
                (rest, space) = (later, b" ");
            }
        }
    }

    /// The white space to be written: the first of a value is always one space, and none is so wide that a line cannot
    /// hold it.
    fn space<'s>(&self, space: &'s [u8]) -> &'s [u8] {
        if self.value_begun { if space.len() < WORTH { space } else { &space[..1] } } else { b" " }
    }

    fn fold(&mut self, space: &[u8]) {
        self.out.extend_from_slice(b"\r\n");
        self.column = 0;
        self.begun = false;
        self.write(match space {
            [] => b" ",
            space if space.len() <= LONGEST_LINE - LONGEST_TOKEN => space,
            space => &space[..1],
        });
    }

    fn write(&mut self, space: &[u8]) {
        self.out.extend_from_slice(space);
        self.column += space.len();
    }

    fn write_token(&mut self, token: &[u8]) {
        self.write(token);
        self.begun = true;
        self.value_begun = true;
    }
}

/// Octets that stand for themselves in every kind of encoded word (RFC 2047 section 5, rule 3).
fn is_plain(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || matches!(octet, b' ' | b'!' | b'*' | b'+' | b'-' | b'/')
}

/// How the octets of an encoded word are written (RFC 2047 section 4).
#[derive(Clone, Copy)]
enum Form {
    B,
    Q,
}

impl Form {
    /// Octets of the text that fit into a word of this length: whole characters, and at least one.
    fn fitting(self, text: &[u8], raw: Raw, room: usize) -> usize {
        let room = room.saturating_sub(self.word(b"", raw).len());
        let (mut end, mut used) = (0, 0);
        while end < text.len() {
            let character = raw.first_of(&text[end..]);
            used = match self {
                Self::B => (end + character).div_ceil(3) * 4,
                Self::Q => used + text[end..end + character].iter().map(|octet| if is_plain(*octet) { 1 } else { 3 }).sum::<usize>(),
            };
            if used > room && end > 0 {
                break;
            }
            end += character;
        }
        end
    }

    fn word(self, text: &[u8], raw: Raw) -> String {
        let charset = match raw {
            Raw::Utf8 | Raw::Stays => "utf-8",
            Raw::Unknown => "unknown-8bit",
        };
        match self {
            Self::B => format!("=?{charset}?B?{}?=", BASE64.encode(text)),
            Self::Q => format!("=?{charset}?Q?{}?=", quoted(text)),
        }
    }
}

/// RFC 2047 section 4.2.
fn quoted(text: &[u8]) -> String {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let mut out = String::with_capacity(text.len());
    for &octet in text {
        match octet {
            b' ' => out.push('_'),
            octet if is_plain(octet) => out.push(char::from(octet)),
            octet => out.extend(['=', char::from(HEX[usize::from(octet >> 4)]), char::from(HEX[usize::from(octet & 15)])]),
        }
    }
    out
}
