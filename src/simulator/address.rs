//! Addresses to the letter: of the envelope (RFC 5321 section 4.1.2) and of header fields (RFC 5322 section 3.4).
//!
//! `Mailbox::parse` lets through what devices need; here only what the RFCs allow to be generated.

use crate::message::Mailbox;

/// Reads a path in its angle brackets; gives what stands inside, and what follows it.
pub(super) fn path(text: &str) -> Option<(&str, &str)> {
    let inside = text.strip_prefix('<')?;
    let end = close(inside)?;
    Some((&inside[..end], &inside[end + 1..]))
}

/// Where the closing bracket is: not inside quotes.
fn close(text: &str) -> Option<usize> {
    let (mut quoted, mut escaped) = (false, false);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'>' if !quoted => return Some(at),
            _ => {}
        }
    }
    None
}

/// Reads `local@domain`. `utf8` lets characters beyond ASCII in (RFC 6531). A source route is refused,
/// though a server must take it: RFC 5321 section 3.6.1 says that nobody should send one.
pub(super) fn parse(text: &str, utf8: bool) -> Option<Mailbox> {
    let (local, domain) = text.rsplit_once('@')?;
    let sound = is_local(local, utf8) && (is_domain(domain, utf8) || is_literal(domain));
    if sound { Mailbox::parse(text).ok() } else { None }
}

fn is_local(local: &str, utf8: bool) -> bool {
    match local.strip_prefix('"') {
        Some(rest) => rest.strip_suffix('"').is_some_and(|content| is_quoted(content, utf8)),
        None => local.split('.').all(|atom| !atom.is_empty() && atom.chars().all(|c| is_atext(c, utf8))),
    }
}

fn is_quoted(content: &str, utf8: bool) -> bool {
    let mut escaped = false;
    for c in content.chars() {
        let printable = c == ' ' || c.is_ascii_graphic() || (utf8 && !c.is_ascii());
        if !printable || (c == '"' && !escaped) {
            return false;
        }
        escaped = c == '\\' && !escaped;
    }
    !escaped
}

/// RFC 5322 section 3.2.3.
fn is_atext(c: char, utf8: bool) -> bool {
    c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(c) || (utf8 && !c.is_ascii())
}

/// Labels of letters, digits and inner hyphens, joined by dots.
pub(super) fn is_domain(text: &str, utf8: bool) -> bool {
    let good = |c: char| c.is_ascii_alphanumeric() || c == '-' || (utf8 && !c.is_ascii());
    let label =
        |label: &str| (1..=63).contains(&label.len()) && label.chars().all(good) && !label.starts_with('-') && !label.ends_with('-');
    text.len() <= 255 && text.split('.').all(label)
}

/// An address in square brackets (RFC 5321 section 4.1.3).
pub(super) fn is_literal(text: &str) -> bool {
    let Some(inside) = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')) else { return false };
    match inside.strip_prefix("IPv6:") {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => inside.parse::<std::net::Ipv4Addr>().is_ok(),
    }
}

/// Reads the value of From or Sender: `mailbox-list` without the obsolete forms. `None` when it is anything else.
pub(super) fn mailbox_list(value: &str) -> Option<Vec<Mailbox>> {
    let mut list = List { rest: value };
    let mut found = Vec::new();
    loop {
        found.push(list.mailbox()?);
        if list.rest.is_empty() {
            return Some(found);
        }
        list.rest = list.rest.strip_prefix(',')?;
    }
}

/// What is left of a list of mailboxes.
struct List<'a> {
    rest: &'a str,
}

impl List<'_> {
    /// `[display-name] "<" addr-spec ">"`, or `addr-spec`, with comments and white space around it.
    fn mailbox(&mut self) -> Option<Mailbox> {
        self.blank()?;
        let start = self.rest;
        while self.word() {
            self.blank()?;
        }
        let mailbox = if self.rest.starts_with('<') {
            let (inside, rest) = path(self.rest)?;
            self.rest = rest;
            parse(inside, true)?
        } else {
            self.rest = start;
            self.bare()?
        };
        self.blank()?;
        Some(mailbox)
    }

    /// Passes over white space, line ends and comments; `None` when a comment is not closed.
    fn blank(&mut self) -> Option<()> {
        loop {
            self.rest = self.rest.trim_start_matches([' ', '\t', '\r', '\n']);
            if !self.rest.starts_with('(') {
                return Some(());
            }
            let (mut depth, mut escaped, mut end) = (0_usize, false, None);
            for (at, byte) in self.rest.bytes().enumerate() {
                match byte {
                    _ if escaped => escaped = false,
                    b'\\' => escaped = true,
                    b'(' => depth += 1,
                    b')' if depth == 1 => {
                        end = Some(at);
                        break;
                    }
                    b')' => depth -= 1,
                    _ => {}
                }
            }
            self.rest = &self.rest[end? + 1..];
        }
    }

    /// Passes over one atom or quoted string of a display name.
    fn word(&mut self) -> bool {
        let length = match self.rest.strip_prefix('"') {
            Some(content) => quoted_end(content).map_or(0, |end| end + 2),
            None => self.rest.find(|c| !is_atext(c, true)).unwrap_or(self.rest.len()),
        };
        self.rest = &self.rest[length..];
        length > 0
    }

    /// An address without brackets.
    fn bare(&mut self) -> Option<Mailbox> {
        let quoted = match self.rest.strip_prefix('"') {
            Some(content) => quoted_end(content)? + 2,
            None => 0,
        };
        let length = self.rest[quoted..].find([' ', '\t', '\r', '\n', ',', '(', '<']).map_or(self.rest.len(), |at| quoted + at);
        let (text, rest) = self.rest.split_at(length);
        self.rest = rest;
        parse(text, true)
    }
}

/// Where the closing quote stands.
fn quoted_end(content: &str) -> Option<usize> {
    let mut escaped = false;
    content.bytes().position(|byte| {
        let closes = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        closes
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_only_what_the_rfc_lets_us_write() {
        for good in ["a@b", "first.last@host.example", "\"a \\\" b\"@c.example", "a@[192.0.2.1]", "a@[IPv6:2001:db8::1]", "x+y=z@w.example"]
        {
            assert!(parse(good, false).is_some(), "{good}");
        }
        let bad = [
            "",
            "a",
            "@b",
            "a@",
            ".a@b",
            "a.@b",
            "a..b@c",
            "a b@c",
            "a@b_c",
            "a@-b",
            "a@b-",
            "a@b.",
            "a@b..c",
            "a@[192.0.2]",
            "a@[x]",
            "\"a@b",
            "\"a\"b\"@c",
            "a@b@c",
            "dör@b",
            "<a@b>",
            "(x)a@b",
        ];
        for bad in bad {
            assert!(parse(bad, false).is_none(), "{bad}");
        }
        assert!(parse("dör@büro.example", true).is_some());
    }

    #[test]
    fn reads_header_addresses() {
        let list = |value: &str| mailbox_list(value).map(|found| found.iter().map(|m| m.to_string()).collect::<Vec<_>>().join(" "));
        let good = [
            (" a@b.example", "a@b.example"),
            (" <a@b.example>", "a@b.example"),
            (" Copier <a@b.example>", "a@b.example"),
            (" \"Copier, 2nd floor\" <a@b.example>", "a@b.example"),
            (" =?utf-8?q?B=C3=BCro?= two <a@b.example> (floor (2))", "a@b.example"),
            ("\r\n\ta@b.example,\r\n <c@d.example>", "a@b.example c@d.example"),
            (" \"a b\"@c.example", "\"a b\"@c.example"),
            (" Büro <a@b.example>", "a@b.example"),
        ];
        for (value, want) in good {
            assert_eq!(list(value).as_deref(), Some(want), "{value}");
        }
        let bad =
            ["", " ", " Copier", " Copier, 2nd <a@b.example>", " a@b.example,", " <>", " \"Copier <a@b.example>", " John Q. Public <a@b>"];
        for value in bad.into_iter().chain([" a@b.example <c@d.example>", " (a@b.example", " <a@b.example> x", " group: a@b.example;"]) {
            assert_eq!(list(value), None, "{value}");
        }
    }
}
