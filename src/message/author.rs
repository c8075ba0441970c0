//! Who a header says its message is from.
//!
//! Devices write From in every wrong way: lists, quotes left open, raw octets of some code page, a name
//! without address. mail-parser takes the field apart; what it leaves unclear is settled here. What becomes
//! of name and address is decided elsewhere.
//!
//! Always true: an address is found or it is not, but reading never fails and never guesses at one that is
//! not written there.

use std::borrow::Cow;

use mail_parser::decoders::charsets::map::charset_decoder;
use mail_parser::parsers::MessageStream;
use mail_parser::{Addr, Address, HeaderValue};

use super::{HeaderBlock, Mailbox};

/// The name and the address in a From field (RFC 5322 section 3.6.2), as far as they can be read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Author {
    /// The display name, decoded; it may hold any character.
    pub name: Option<String>,
    /// The address.
    pub mailbox: Option<Mailbox>,
    /// More addresses follow it.
    pub several: bool,
}

/// Octets of a field that are read. The longest address and an encoded name fit several times; more is
/// a list of which only the first is wanted, and reading time grows faster than the text.
const LONGEST: usize = 4096;

impl Author {
    /// Reads the From field. Of several, the first that has an address is meant; if none has, the first
    /// that has a name.
    pub fn of(header: &HeaderBlock) -> Self {
        let mut nameless = Self::default();
        for field in header.fields().filter(|field| field.is("From")) {
            let author = Self::read(field.value);
            if author.mailbox.is_some() {
                return author;
            }
            nameless.name = nameless.name.or(author.name);
        }
        nameless
    }

    /// Reads the value of a field that holds addresses: the first address, and the name beside it. Line ends and other controls
    /// are passed over: they do not leave, and `a\0@b` must not be one address to a rule and another to a recipient.
    pub fn read(value: &[u8]) -> Self {
        let octets: Vec<u8> = value.iter().copied().filter(|octet| !octet.is_ascii_control() || *octet == b'\t').take(LONGEST).collect();
        let mut text = decode(&octets).into_owned();
        text.retain(|c| !c.is_control() || c == '\t');
        let author = Self::parse(text);
        // `message["From"] = f"Büro <{address}>"`, as many write it in Python, has the address encoded with the name. RFC 2047
        // section 5 does not allow that, so no parser looks for one there.
        match author.name.as_deref().filter(|name| author.mailbox.is_none() && name.contains('@')) {
            Some(name) => Some(Self::parse(name.to_owned())).filter(|inside| inside.mailbox.is_some()).unwrap_or(author),
            None => author,
        }
    }

    fn parse(mut text: String) -> Self {
        // The parser takes the last word only when the line ends.
        text.push('\n');
        let author = match MessageStream::new(text.as_bytes()).parse_address() {
            HeaderValue::Address(address) => Self::among(&address),
            _ => Self::default(),
        };
        author.or_written_in(&text)
    }

    /// The first entry with an address. Names before it belong to it: `Scan, Front Office <a@b>`, without
    /// the quotes that the comma asks for, reads as a list of two.
    fn among(address: &Address<'_>) -> Self {
        let mut names = Vec::new();
        let mut entries = address.iter();
        while let Some(entry) = entries.next() {
            let mailbox = mailbox_of(entry);
            match entry.name() {
                Some(name) if is_address(name, mailbox.as_ref()) => {}
                Some(name) => names.push(Cow::Borrowed(name)),
                None if mailbox.is_some() => {}
                None => names.extend(entry.address().map(without_addresses)),
            }
            if mailbox.is_some() {
                let several = entries.any(|entry| mailbox_of(entry).is_some());
                return Self { name: join(&names), mailbox, several };
            }
        }
        Self { name: join(&names), ..Self::default() }
    }

    /// When the parser found no address, one that stands in the text all the same: in angle brackets
    /// (`"x" <a@b> <c@d>`) or by itself (`a@b c@d`).
    fn or_written_in(mut self, text: &str) -> Self {
        if self.mailbox.is_none() && text.contains('@') {
            let bracketed = text.split('<').skip(1).filter_map(|rest| rest.split('>').next());
            let alone = text.split(|c: char| c.is_whitespace() || "<>(),;:\"'".contains(c));
            self.mailbox = bracketed.chain(alone).find_map(|word| Mailbox::parse(word.trim()).ok());
            self.name = self.name.filter(|name| !is_address(name, self.mailbox.as_ref()));
        }
        self
    }
}

fn mailbox_of(entry: &Addr<'_>) -> Option<Mailbox> {
    let text = entry.address().or(entry.name())?.trim_matches(|c: char| c.is_whitespace() || "<>'".contains(c));
    let text = match text.get(..7) {
        Some(scheme) if scheme.eq_ignore_ascii_case("mailto:") => &text[7..],
        _ => text,
    };
    Mailbox::parse(text).ok()
}

/// Whether a name only repeats the address.
fn is_address(name: &str, mailbox: Option<&Mailbox>) -> bool {
    mailbox.is_some_and(|mailbox| mailbox.as_str().eq_ignore_ascii_case(name.trim()))
}

/// Of `Copier dev@legacy.test`, without brackets, the words that are the name.
fn without_addresses(text: &str) -> Cow<'_, str> {
    let words: Vec<&str> = text.split_whitespace().filter(|word| !word.contains('@')).collect();
    Cow::Owned(words.join(" "))
}

fn join(names: &[Cow<'_, str>]) -> Option<String> {
    let names: Vec<&str> = names.iter().map(Cow::as_ref).filter(|name| !name.trim().is_empty()).collect();
    (!names.is_empty()).then(|| names.join(", "))
}

/// The field as text. Octets that are no UTF-8 are taken for Windows-1252, of which Latin-1 is a part:
/// what most devices that don't encode their names were made with.
pub(super) fn decode(value: &[u8]) -> Cow<'_, str> {
    let value = &value[..value.len().min(LONGEST)];
    match std::str::from_utf8(value) {
        Ok(text) => Cow::Borrowed(text),
        // The limit fell into the middle of a character.
        Err(error) if error.error_len().is_none() => String::from_utf8_lossy(&value[..error.valid_up_to()]),
        Err(_) => match charset_decoder(b"windows-1252") {
            Some(decoder) => Cow::Owned(decoder(value)),
            None => String::from_utf8_lossy(value),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(value: &[u8], name: Option<&str>, mailbox: Option<&str>) {
        let author = Author::read(value);
        let found = (author.name.as_deref(), author.mailbox.as_ref().map(Mailbox::as_str));
        assert_eq!(found, (name, mailbox), "{}", value.escape_ascii());
    }

    #[test]
    fn reads_what_is_written_properly() {
        check(b" dev@legacy.test", None, Some("dev@legacy.test"));
        check(b" <dev@legacy.test>", None, Some("dev@legacy.test"));
        check(b" Copier <dev@legacy.test>", Some("Copier"), Some("dev@legacy.test"));
        check(b" \"Copier, 2nd \\\"floor\\\"\" <dev@legacy.test>", Some("Copier, 2nd \"floor\""), Some("dev@legacy.test"));
        check(b" \"Scanner\"\r\n\t<dev@legacy.test>", Some("Scanner"), Some("dev@legacy.test"));
        check(b" dev@legacy.test (Scanner)", Some("Scanner"), Some("dev@legacy.test"));
        check(b" Team: dev@legacy.test, other@legacy.test;", None, Some("dev@legacy.test"));
        check(b" <\"a b\"@legacy.test>", None, Some("\"a b\"@legacy.test"));
    }

    #[test]
    fn finds_an_address_that_was_encoded_with_its_name() {
        check(
            b" =?utf-8?q?Kopierer_B=C3=BCro_=3Ccopier=40printers=2Elocal=3E?=",
            Some("Kopierer B\u{fc}ro"),
            Some("copier@printers.local"),
        );
        check(b" =?utf-8?q?B=C3=BCro_=40_home?=", Some("B\u{fc}ro @ home"), None);
    }

    #[test]
    fn decodes_names() {
        check(b" =?iso-8859-1?Q?B=FCro?= <dev@legacy.test>", Some("B\u{fc}ro"), Some("dev@legacy.test"));
        check(b" =?utf-8?B?U2Nhbm5lciA=?=\r\n =?utf-8?B?w4Q=?= <dev@legacy.test>", Some("Scanner \u{c4}"), Some("dev@legacy.test"));
        check(b" =?ISO-2022-JP?B?GyRCSiM5ZzUhGyhC?= <dev@legacy.test>", Some("\u{8907}\u{5408}\u{6a5f}"), Some("dev@legacy.test"));
        check(b" =?Shift_JIS?B?lZWNh4tA?= <dev@legacy.test>", Some("\u{5c01}\u{5408}\u{6a5f}"), Some("dev@legacy.test"));
        check(b" B\xfcro <dev@legacy.test>", Some("B\u{fc}ro"), Some("dev@legacy.test"));
        check("\u{a0}B\u{fc}ro <dev@legacy.test>".as_bytes(), Some("\u{a0}B\u{fc}ro"), Some("dev@legacy.test"));
    }

    #[test]
    fn finds_the_address_in_what_devices_write() {
        check(b"dev@legacy.test", None, Some("dev@legacy.test"));
        check(b" dev@legacy.test, other@legacy.test", None, Some("dev@legacy.test"));
        check(b" Scan, Front Office <dev@legacy.test>", Some("Scan, Front Office"), Some("dev@legacy.test"));
        check(b" \"a@legacy.test\" <dev@legacy.test> <x@evil.test>", Some("a@legacy.test"), Some("dev@legacy.test"));
        check(b" \"dev@legacy.test\" <dev@legacy.test>", None, Some("dev@legacy.test"));
        check(b" \"dev@legacy.test\"", None, Some("dev@legacy.test"));
        check(b" <<dev@legacy.test>>", Some(">"), Some("dev@legacy.test"));
        check(b" < dev@legacy.test >", None, Some("dev@legacy.test"));
        check(b" <mailto:dev@legacy.test>", None, Some("dev@legacy.test"));
        check(b" Copier dev@legacy.test", Some("Copier"), Some("dev@legacy.test"));
        check(b" dev@legacy.test other@legacy.test", None, Some("dev@legacy.test"));
        check(b" \"Copier <dev@legacy.test>", Some("Copier <dev@legacy.test>"), Some("dev@legacy.test"));
    }

    #[test]
    fn controls_are_passed_over() {
        check(b" a\0@b", None, Some("a@b"));
        check(b" \x01Copier\x7f <dev@legacy\x1b.te\rst>", Some("Copier"), Some("dev@legacy.test"));
        check("\u{80}dev@legacy.test".as_bytes(), None, Some("dev@legacy.test"));
        check(&[&[0; 2 * LONGEST][..], b"a@b"].concat(), None, Some("a@b"));
    }

    #[test]
    fn without_address_the_name_stays() {
        check(b" DAFANG", Some("DAFANG"), None);
        check(b" \"Display Name\" <>", Some("Display Name"), None);
        check(b" Copier <scanner>", Some("Copier"), None);
        check(b"", None, None);
        check(b" ", None, None);
        check(b" <>", None, None);
    }

    #[test]
    fn of_several_fields_the_first_with_an_address_is_meant() {
        let author = |lines: &'static str| Author::of(&HeaderBlock::new(lines));
        assert_eq!(author("From: a@b\r\nFROM: c@d\r\n").mailbox, Mailbox::parse("a@b").ok());
        assert_eq!(author("From:\r\nTo: x@y\r\nfrom : c@d\r\n").mailbox, Mailbox::parse("c@d").ok());
        assert_eq!(author("From: Camera\r\nFrom: Other\r\n"), Author { name: Some("Camera".into()), ..Author::default() });
        assert_eq!(author("To: a@b\r\n"), Author::default());
    }

    #[test]
    fn a_huge_field_is_read_in_no_time() {
        let mut value = b" =?=? ".repeat(50_000);
        assert_eq!(Author::read(&value).mailbox, None);
        value.splice(..0, *b"a@b.test, ");
        assert_eq!(Author::read(&value).mailbox, Mailbox::parse("a@b.test").ok());
    }
}
