//! Takes the value of a structured field apart (RFC 5322 section 3.2). Total: what is never closed is no more than a word.

use super::super::comments::end_of_comment;

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// `(…)`.
    Comment,
    /// `"…"`.
    Quoted,
    /// `<…>`.
    Angle,
    /// `,`, `;` or `:`.
    Separator,
    /// All else up to the next white space or one of these.
    Word,
}

/// A token, and the white space before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Token<'a> {
    pub(super) kind: Kind,
    pub(super) space: &'a [u8],
    /// With what encloses it.
    pub(super) text: &'a [u8],
}

impl Token<'_> {
    pub(super) fn is(&self, separator: u8) -> bool {
        self.kind == Kind::Separator && self.text == [separator]
    }

    /// The text that a person reads: without what encloses it, and without the backslashes of quoted pairs.
    pub(super) fn shown(&self) -> Vec<u8> {
        match self.kind {
            Kind::Comment | Kind::Quoted => {
                let mut escaped = false;
                let inside = &self.text[1..self.text.len() - 1];
                let keep = |octet: &u8| {
                    escaped = *octet == b'\\' && !escaped;
                    !escaped
                };
                inside.iter().copied().filter(keep).collect()
            }
            Kind::Angle | Kind::Separator | Kind::Word => self.text.to_vec(),
        }
    }
}

/// The tokens of a value; white space at its end is left out.
pub(super) fn all(value: &[u8]) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    let mut unclosed = Unclosed::default();
    let mut rest = value;
    loop {
        let start = rest.iter().position(|octet| !is_space(*octet)).unwrap_or(rest.len());
        let (space, behind) = rest.split_at(start);
        let Some(&first) = behind.first() else { return tokens };
        let (kind, end) = match first {
            b',' | b';' | b':' => (Kind::Separator, 1),
            _ => unclosed.enclosed(behind).unwrap_or_else(|| (Kind::Word, end_of_word(behind))),
        };
        let (text, behind) = behind.split_at(end);
        tokens.push(Token { kind, space, text });
        rest = behind;
    }
}

/// What has been found never to be closed: it is not looked for again, or a line of parentheses would take its length in
/// looks at all that follows.
#[derive(Default)]
struct Unclosed {
    comment: bool,
    quoted: bool,
    angle: bool,
}

impl Unclosed {
    fn enclosed(&mut self, text: &[u8]) -> Option<(Kind, usize)> {
        let (kind, end, unclosed) = match text.first()? {
            b'(' if !self.comment => (Kind::Comment, end_of_comment(text), &mut self.comment),
            b'"' if !self.quoted => (Kind::Quoted, end_of_quoted(text), &mut self.quoted),
            b'<' if !self.angle => (Kind::Angle, memchr::memchr(b'>', text).map(|end| end + 1), &mut self.angle),
            _ => return None,
        };
        *unclosed = end.is_none();
        end.map(|end| (kind, end))
    }
}

fn end_of_quoted(text: &[u8]) -> Option<usize> {
    let mut escaped = false;
    let closes = |octet: &u8| {
        let closes = *octet == b'"' && !escaped;
        escaped = *octet == b'\\' && !escaped;
        closes
    };
    text[1..].iter().position(closes).map(|at| at + 2)
}

fn end_of_word(text: &[u8]) -> usize {
    let ends = |octet: &u8| is_space(*octet) || matches!(octet, b',' | b';' | b':' | b'(' | b'"' | b'<');
    text.iter().skip(1).position(ends).map_or(text.len(), |at| at + 1)
}

fn is_space(octet: u8) -> bool {
    matches!(octet, b' ' | b'\t')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_what_the_grammar_says() {
        let kinds = |value: &str| all(value.as_bytes()).iter().map(|token| token.kind).collect::<Vec<_>>();
        assert_eq!(
            kinds("a \"b, \\\" c\" <d@e> (f (g) \\) h), i"),
            [Kind::Word, Kind::Quoted, Kind::Angle, Kind::Comment, Kind::Separator, Kind::Word]
        );
        assert_eq!(kinds("\"a (b <c"), [Kind::Word; 3]);
        let value = b"Team: \"a \\\"b\\\"\" <c@d>; ";
        let whole: Vec<u8> = all(value).iter().flat_map(|token| [token.space, token.text].concat()).collect();
        assert_eq!(whole, value.trim_ascii_end());
        assert_eq!(all(value)[2].shown(), b"a \"b\"");
    }
}
