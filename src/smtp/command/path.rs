//! Addresses behind MAIL FROM and RCPT TO, as devices write them (RFC 5321 section 4.1.2 and worse).

use std::collections::HashSet;

use crate::message::{Mailbox, ReversePath};

/// What stands behind FROM or TO: addresses, and parameters (RFC 5321 section 4.1.1.11).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Argument<'a> {
    pub(super) addresses: &'a str,
    pub(super) parameters: &'a str,
}

impl<'a> Argument<'a> {
    /// Finds where the addresses end: before the first word that can only be a parameter.
    pub(super) fn read(text: &'a str) -> Self {
        let text = text.trim_start_matches(|c: char| c == ':' || is_space(c)).trim_end_matches(is_space);
        let mut bracketed = false;
        for (at, c) in Scan::new(text) {
            match c {
                '<' => bracketed = true,
                '>' => bracketed = false,
                _ => {}
            }
            let behind = at + c.len_utf8();
            // Of a run of spaces only the last can stand before a parameter: looking at each would take the square of its length.
            let may_divide = c == '>' || (is_space(c) && !text[behind..].starts_with(is_space));
            if may_divide && !bracketed && begins_parameters(text, behind) {
                let (addresses, parameters) = text.split_at(behind);
                return Self { addresses, parameters };
            }
        }
        Self { addresses: text, parameters: "" }
    }
}

/// Whether a parameter stands at `at`, after something that can be an address on its own.
fn begins_parameters(text: &str, at: usize) -> bool {
    let (before, rest) = text.split_at(at);
    let rest = if before.ends_with('>') { rest.trim_start_matches(is_space) } else { rest };
    let before = before.trim_end_matches(is_space);
    if before.is_empty() || before.ends_with([',', ';']) {
        return false;
    }
    let end = rest.find(|c: char| is_space(c) || "=@<>,;\"".contains(c)).unwrap_or(rest.len());
    let (keyword, behind) = rest.split_at(end);
    let (valued, alone) = (behind.starts_with('='), behind.is_empty() || behind.starts_with(is_space));
    if before.ends_with('>') {
        return (valued || alone) && !rest.is_empty();
    }
    // Without brackets a lone word may be part of a name: only `KEYWORD=` and SMTPUTF8 are certain.
    let named = !keyword.is_empty() && keyword.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    (valued && named) || (alone && keyword.eq_ignore_ascii_case("SMTPUTF8"))
}

/// The sender. Text that is no address is kept: it is replaced before the message leaves.
pub(super) fn sender(text: &str) -> ReversePath {
    match mailbox(text) {
        Some(mailbox) => ReversePath::Mailbox(mailbox),
        None => {
            let inside = inside_brackets(text).map_or(text, |(_, inside)| inside).trim_matches(is_space);
            if inside.is_empty() { ReversePath::Null } else { ReversePath::Other(inside.to_owned()) }
        }
    }
}

/// Whether this is the recipient that needs no domain.
pub(super) fn is_postmaster(text: &str) -> bool {
    let inside = inside_brackets(text).map_or(text, |(_, inside)| inside);
    inside.trim_matches(is_space).eq_ignore_ascii_case("postmaster")
}

/// Why recipients cannot be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unusable<'a> {
    /// This piece of the text is no address.
    Piece(&'a str),
    /// There are more of them than a command may have.
    TooMany,
}

/// Every recipient, once, in their order.
pub(super) fn recipients(text: &str, limit: usize) -> Result<Vec<Mailbox>, Unusable<'_>> {
    let (mut found, mut known) = (Vec::new(), HashSet::new());
    for (number, piece) in pieces(text).enumerate() {
        if number == limit {
            return Err(Unusable::TooMany);
        }
        let mailbox = mailbox(piece).ok_or(Unusable::Piece(piece))?;
        if known.insert(mailbox.clone()) {
            found.push(mailbox);
        }
    }
    Ok(found)
}

/// The word among a recipient's parameters that holds an address which would be dropped with it. Only ORCPT= has a
/// right to one (RFC 3461 section 4.2).
pub(super) fn dropped_recipient(parameters: &str) -> Option<&str> {
    parameters.split(is_space).find(|word| {
        let original = word.get(..6).is_some_and(|keyword| keyword.eq_ignore_ascii_case("ORCPT="));
        word.contains(['<', '>']) || word.matches('@').count() > usize::from(original)
    })
}

/// The text between commas and semicolons outside quotes, pieces without text left out.
fn pieces(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        while !rest.is_empty() {
            let end = Scan::new(rest).find(|&(at, c)| matches!(c, ',' | ';') && !inside_route(rest, at)).map(|(at, _)| at);
            let piece = &rest[..end.unwrap_or(rest.len())];
            rest = end.map_or("", |end| &rest[end + 1..]);
            if !piece.trim_matches(|c| is_space(c) || c == '<' || c == '>').is_empty() {
                return Some(piece);
            }
        }
        None
    })
}

/// `<@a,@b:c@d>`: no address begins with @, so a comma before one separates hosts of a source route.
fn inside_route(text: &str, at: usize) -> bool {
    text[at + 1..].trim_start_matches(is_space).starts_with('@')
}

/// One address in whatever dress: name, brackets, quotes, source route, `mailto:`.
fn mailbox(piece: &str) -> Option<Mailbox> {
    let text = match inside_brackets(piece) {
        // Two addresses, of which a person meant we know not which.
        Some((name, _)) if name.contains('@') && !name.trim_matches(is_space).starts_with(['"', '\'']) => return None,
        Some((_, inside)) => inside,
        // The second half of `<a@b,c@d>`.
        None => piece.trim_end_matches(|c| is_space(c) || c == '>'),
    };
    let text = without_scheme(without_route(text.trim_matches(is_space)));
    let text = unquoted(text, '"').or_else(|| unquoted(text, '\'')).unwrap_or(text);
    // Octets that were no UTF-8: which letters were meant is a guess.
    if text.contains(char::REPLACEMENT_CHARACTER) {
        return None;
    }
    Mailbox::parse(text).ok().or_else(|| Mailbox::parse(&modern(text)?).ok())
}

/// What stands before the first bracket, and what inside the innermost; `None` without brackets, or with
/// text behind them.
fn inside_brackets(text: &str) -> Option<(&str, &str)> {
    let open = Scan::new(text).find(|&(_, c)| c == '<')?.0;
    let inside = text[open..].trim_start_matches(|c| is_space(c) || c == '<');
    let Some((close, _)) = Scan::new(inside).find(|&(_, c)| c == '>') else { return Some((&text[..open], inside)) };
    let behind = inside[close..].trim_start_matches(|c| is_space(c) || c == '>');
    behind.is_empty().then(|| (&text[..open], &inside[..close]))
}

/// RFC 5321 section 4.1.1.3: a server may ignore a source route. It ends at the last colon before an address.
fn without_route(text: &str) -> &str {
    if !text.starts_with('@') {
        return text;
    }
    let ends = |&(at, c): &(usize, char)| c == ':' && text[at + 1..].contains('@') && !text[at + 1..].starts_with('@');
    Scan::new(text).filter(ends).last().map_or(text, |(at, _)| text[at + 1..].trim_start_matches(is_space))
}

/// `mailto:` as in links, `SMTP:` as in Exchange's address lists.
fn without_scheme(text: &str) -> &str {
    match text.split_once(':') {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("mailto") || scheme.eq_ignore_ascii_case("smtp") => {
            rest.trim_start_matches(is_space)
        }
        _ => text,
    }
}

/// The content of a text that is quoted as a whole.
fn unquoted(text: &str, quote: char) -> Option<&str> {
    text.strip_prefix(quote)?.strip_suffix(quote).map(|inside| inside.trim_matches(is_space))
}

/// RFC 821's forms in today's spelling: `a\,b@c` as `"a\,b"@c`, `a@#2130706433` and `a@IPv6:::1` with the
/// address in brackets.
fn modern(text: &str) -> Option<String> {
    let (local, domain) = text.rsplit_once('@')?;
    let quoted = !local.starts_with('"') && local.contains('\\');
    let local = if quoted { format!("\"{local}\"") } else { local.to_owned() };
    match domain.strip_prefix('#') {
        Some(number) => Some(format!("{local}@[{}]", std::net::Ipv4Addr::from(number.parse::<u32>().ok()?))),
        None if domain.contains(':') && !domain.starts_with('[') => Some(format!("{local}@[{domain}]")),
        None => Some(format!("{local}@{domain}")),
    }
}

fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\0')
}

/// Characters outside quotes, with where they are. A backslash takes the meaning from the next character. A
/// quote that is never closed is a character like others.
struct Scan<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Scan<'a> {
    fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    /// Octets of the quoted text at the start of `text`, its quotes counted.
    fn quoted(text: &str) -> Option<usize> {
        let mut escaped = false;
        let end = text.char_indices().skip(1).find(|&(_, c)| {
            let closes = c == '"' && !escaped;
            escaped = c == '\\' && !escaped;
            closes
        });
        end.map(|(at, _)| at + 1)
    }
}

impl Iterator for Scan<'_> {
    type Item = (usize, char);

    fn next(&mut self) -> Option<(usize, char)> {
        loop {
            let (at, rest) = (self.at, &self.text[self.at..]);
            let c = rest.chars().next()?;
            self.at += match c {
                '"' => match Self::quoted(rest) {
                    Some(length) => length,
                    None => return self.plain(at, c),
                },
                '\\' => 1 + rest[1..].chars().next().map_or(0, char::len_utf8),
                _ => return self.plain(at, c),
            };
        }
    }
}

impl Scan<'_> {
    fn plain(&mut self, at: usize, c: char) -> Option<(usize, char)> {
        self.at = at + c.len_utf8();
        Some((at, c))
    }
}
