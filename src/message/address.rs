//! Addresses of mail.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;

/// Octets an address may have (RFC 5321 section 4.5.3.1.3, less the angle brackets).
const LONGEST: usize = 254;
/// Octets a local part may have (RFC 5321 section 4.5.3.1.1).
const LONGEST_LOCAL: usize = 64;

/// An address that can be written between angle brackets: `local@domain`.
///
/// Always true: there is a local part and a domain; no octet is a control character or an angle
/// bracket, and none is a space outside a quoted local part; at most 254 octets, 64 before the `@`. More than RFC 5321
/// allows is let through where devices and their recipients need it (doubled and trailing dots in the
/// local part, underscores in the domain, UTF-8 on both sides). Two addresses are equal when they differ
/// only in the case of ASCII letters: providers treat them so, and rules and aliases are written by people.
#[derive(Clone)]
pub struct Mailbox {
    text: Box<str>,
    at: u8,
}

/// The text is no address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no mail address: {why}")]
pub struct InvalidMailbox {
    text: String,
    why: &'static str,
}

impl Mailbox {
    /// Reads `local@domain`, without brackets, name or spaces around it.
    pub fn parse(text: &str) -> Result<Self, InvalidMailbox> {
        match split(text) {
            Ok(at) => Ok(Self { text: text.into(), at }),
            Err(why) => Err(InvalidMailbox { text: text.chars().take(80).collect(), why }),
        }
    }

    /// The whole address.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// What stands before the last `@`, with its quotes when it has them.
    pub fn local(&self) -> &str {
        &self.text[..self.at as usize]
    }

    /// What stands behind the last `@`.
    pub fn domain(&self) -> &str {
        &self.text[self.at as usize + 1..]
    }

    /// Whether the address needs SMTPUTF8 (RFC 6531) to travel.
    pub fn needs_smtputf8(&self) -> bool {
        !self.text.is_ascii()
    }
}

fn split(text: &str) -> Result<u8, &'static str> {
    if text.len() > LONGEST {
        return Err("it is longer than 254 octets");
    }
    let at = text.rfind('@').ok_or("it has no @")?;
    let (local, domain) = (&text[..at], &text[at + 1..]);
    if local.is_empty() {
        return Err("nothing stands before the @");
    }
    if local.len() > LONGEST_LOCAL {
        return Err("more than 64 octets stand before the @");
    }
    if domain.is_empty() {
        return Err("nothing stands behind the @");
    }
    check_local(local)?;
    check_domain(domain)?;
    u8::try_from(at).map_err(|_| "more than 64 octets stand before the @")
}

fn check_local(local: &str) -> Result<(), &'static str> {
    match local.strip_prefix('"') {
        Some(rest) => check_quoted(rest.strip_suffix('"').ok_or("a quote before the @ is not closed")?),
        None if local.chars().any(|c| c.is_control() || c.is_whitespace() || "<>()[]\\,;:\"@".contains(c)) => {
            Err("a character before the @ is not allowed without quotes")
        }
        None => Ok(()),
    }
}

/// Angle brackets are refused although RFC 5321 allows them between quotes: programs that look only for the first `>` would
/// read another address than we did.
fn check_quoted(content: &str) -> Result<(), &'static str> {
    let mut escaped = false;
    for c in content.chars() {
        if c.is_control() || matches!(c, '<' | '>') || (c == '"' && !escaped) {
            return Err("a character between the quotes is not allowed");
        }
        escaped = c == '\\' && !escaped;
    }
    if escaped { Err("a quote before the @ is not closed") } else { Ok(()) }
}

fn check_domain(domain: &str) -> Result<(), &'static str> {
    if let Some(literal) = domain.strip_prefix('[') {
        let inside = literal.strip_suffix(']').ok_or("a bracket behind the @ is not closed")?;
        let plain = |c: char| c.is_ascii_alphanumeric() || ".:-".contains(c);
        return if !inside.is_empty() && inside.chars().all(plain) { Ok(()) } else { Err("the address in brackets is malformed") };
    }
    let good = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_' || !(c.is_ascii() || c.is_control() || c.is_whitespace());
    let labels = domain.strip_suffix('.').unwrap_or(domain).split('.');
    for label in labels {
        if label.is_empty() {
            return Err("two dots, or a dot at an end, stand behind the @");
        }
        if label.len() > 63 || !label.chars().all(good) {
            return Err("the part behind the @ is no host name");
        }
    }
    Ok(())
}

impl PartialEq for Mailbox {
    fn eq(&self, other: &Self) -> bool {
        self.text.eq_ignore_ascii_case(&other.text)
    }
}

impl Eq for Mailbox {}

impl Hash for Mailbox {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.text.bytes().for_each(|byte| state.write_u8(byte.to_ascii_lowercase()));
    }
}

impl fmt::Debug for Mailbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{}>", self.text)
    }
}

impl fmt::Display for Mailbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for Mailbox {
    type Err = InvalidMailbox;

    fn from_str(text: &str) -> Result<Self, InvalidMailbox> {
        Self::parse(text)
    }
}

impl serde::Serialize for Mailbox {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> serde::Deserialize<'de> for Mailbox {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'_, str>::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_what_can_stand_between_brackets() {
        for good in
            ["a@b", "ilo.@host", "first..last@my_host.example", "\"a b\"@c.example", "a@[192.168.0.1]", "dör@büro.example", "x@y.example."]
        {
            let mailbox = Mailbox::parse(good).unwrap();
            assert_eq!(format!("{}@{}", mailbox.local(), mailbox.domain()), good);
        }
    }

    #[test]
    fn refuses_what_would_break_a_command() {
        for bad in [
            "",
            "scanner",
            "@b",
            "a@",
            "a b@c",
            "a@b c",
            "a@b>",
            "a\r\n@b",
            "<a@b>",
            "a@b..c",
            "\"a@b",
            "\"a\"b\"@c",
            "a@[x",
            "a@\u{7f}",
            "\"a<b\"@c",
            "\"a>b\"@c",
        ] {
            assert!(Mailbox::parse(bad).is_err(), "{bad:?}");
        }
        assert!(Mailbox::parse(&format!("{}@b", "a".repeat(65))).is_err());
    }

    #[test]
    fn case_does_not_matter() {
        assert_eq!(Mailbox::parse("Info@Contoso.COM").unwrap(), Mailbox::parse("info@contoso.com").unwrap());
    }
}
