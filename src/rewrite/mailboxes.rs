//! Fields that hold a name and an address: what name is shown, and how both are written.

use mail_builder::headers::Header as _;
use mail_builder::headers::address::EmailAddress;

use crate::message::{Author, DisplayName, Field, Identity, LONGEST_LINE, Mailbox, ReplyTo};

/// Characters of a display name that are kept: Exchange shows no more (its DisplayName has 256), and no line
/// gets near the 998 octets of RFC 5322 section 2.1.1.
const LONGEST_NAME: usize = 256;

/// The name to be shown beside the From address.
pub(super) fn name(wanted: &DisplayName, author: &Author) -> Option<String> {
    match wanted {
        DisplayName::Original => author.name.as_deref().and_then(clean),
        DisplayName::Fixed(name) => clean(name),
    }
}

/// The name without control characters (an encoded word can hold a line end), each run of white space as one
/// space; `None` when nothing is left.
pub(super) fn clean(name: &str) -> Option<String> {
    let mut kept = String::with_capacity(name.len());
    for word in name.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty()) {
        if !kept.is_empty() {
            kept.push(' ');
        }
        kept.push_str(word);
    }
    if let Some((end, _)) = kept.char_indices().nth(LONGEST_NAME) {
        kept.truncate(end);
        kept.truncate(kept.trim_end().len());
    }
    (!kept.is_empty()).then_some(kept)
}

/// A whole field: name and address folded and encoded as RFC 5322 section 3.4 and RFC 2047 ask.
pub(super) fn field(field_name: &str, name: Option<&str>, mailbox: &Mailbox) -> Vec<u8> {
    let mut line = format!("{field_name}: ").into_bytes();
    let column = line.len();
    let address = EmailAddress { name: name.map(Into::into), email: mailbox.as_str().into() };
    address.write_header(&mut line, column);
    line
}

/// Whether a From field already says exactly this, in a form that nobody can misread: then it stays as it is.
pub(super) fn says(field: &Field<'_>, name: Option<&str>, author: &Author, mailbox: &Mailbox) -> bool {
    let same_address = author.mailbox.as_ref().is_some_and(|found| found.as_str() == mailbox.as_str());
    let same_name = author.name.as_deref().and_then(clean).as_deref() == name;
    same_address && same_name && field.raw.starts_with(b"From:") && is_plain(field, mailbox.as_str())
}

/// Whether a field holds this address alone, or one phrase and this address in brackets.
fn is_plain(field: &Field<'_>, address: &str) -> bool {
    let (Ok(raw), Ok(value)) = (std::str::from_utf8(field.raw), std::str::from_utf8(field.value)) else { return false };
    let long = raw.split("\r\n").any(|line| line.len() > LONGEST_LINE);
    // RFC 5322 section 3.2.2 forbids lines of nothing but white space: some take them for the header's end.
    let blank = value.split("\r\n").skip(1).any(|line| line.trim().is_empty());
    if long || blank {
        return false;
    }
    let value = value.trim_matches(is_folding);
    let phrase = value.strip_suffix('>').and_then(|rest| rest.strip_suffix(address)).and_then(|rest| rest.strip_suffix('<'));
    value == address || phrase.is_some_and(is_phrase)
}

/// RFC 5322 section 3.2.5, less what is seldom written well: one quoted string without escapes, or bare words.
fn is_phrase(text: &str) -> bool {
    let text = text.trim_matches(is_folding);
    match text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        Some(inside) => inside.chars().all(|c| is_folding(c) || (c.is_ascii_graphic() && !matches!(c, '"' | '\\'))),
        None => text.chars().all(|c| is_folding(c) || is_atext(c)),
    }
}

fn is_folding(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\n')
}

/// RFC 5322 section 3.2.3. Encoded words are made of it too.
fn is_atext(c: char) -> bool {
    c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(c)
}

/// Whether an address of this identity needs SMTPUTF8.
pub(super) fn need_smtputf8(identity: &Identity) -> bool {
    let reply_to = match &identity.reply_to {
        ReplyTo::Address(mailbox) => mailbox.needs_smtputf8(),
        ReplyTo::Keep | ReplyTo::Original | ReplyTo::None => false,
    };
    reply_to || identity.from.needs_smtputf8()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn written(name: Option<&str>, address: &str) -> String {
        String::from_utf8(field("From", name, &Mailbox::parse(address).unwrap())).unwrap()
    }

    #[test]
    fn writes_names_as_the_rfcs_ask() {
        assert_eq!(written(None, "alerts@contoso.com"), "From: <alerts@contoso.com>\r\n");
        assert_eq!(written(Some("Copier"), "alerts@contoso.com"), "From: \"Copier\" <alerts@contoso.com>\r\n");
        assert_eq!(written(Some("Copier, 2nd floor"), "a@b.test"), "From: \"Copier, 2nd floor\" <a@b.test>\r\n");
        assert_eq!(written(Some("B\u{fc}ro"), "a@b.test"), "From: =?utf-8?B?QsO8cm8=?= <a@b.test>\r\n");
    }

    #[test]
    fn cleans_names() {
        assert_eq!(clean(" a\r\n b\t\0c ").as_deref(), Some("a b c"));
        assert_eq!(clean(" \r\n "), None);
        assert_eq!(clean(&"\u{e4}".repeat(300)).map(|name| name.chars().count()), Some(256));
    }

    proptest! {
        #[test]
        fn every_name_survives_and_no_line_is_long(name in "\\PC{0,300}", local in "[a-z]{1,50}") {
            let cleaned = clean(&name);
            let mailbox = Mailbox::parse(&format!("{local}@contoso.com")).unwrap();
            let line = String::from_utf8(field("From", cleaned.as_deref(), &mailbox)).unwrap();
            let lines: Vec<&str> = line.strip_suffix("\r\n").unwrap().split("\r\n").collect();
            prop_assert!(lines.iter().all(|line| line.len() <= 78), "{:?}", lines);
            prop_assert!(lines.iter().skip(1).all(|line| line.starts_with(' ') && !line.trim().is_empty()), "{:?}", lines);
            prop_assert!(line.is_ascii() && !line.replace("\r\n", "").contains(['\r', '\n']));
            let author = Author::read(&line.as_bytes()["From:".len()..]);
            prop_assert_eq!(author.mailbox, Some(mailbox));
            prop_assert_eq!(author.name.as_deref().and_then(clean), cleaned);
        }
    }
}
