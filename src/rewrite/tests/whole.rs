//! Whatever a device writes, what leaves is a whole header, and stays one.

use proptest::prelude::*;

use super::*;
use crate::message::{Author, Editor, Field, Split, Splitter};
use crate::rewrite::fields::Kind;
use crate::smtp::ContentReader;

fn any_reply_to() -> impl Strategy<Value = ReplyTo> {
    prop_oneof![
        Just(ReplyTo::Keep),
        Just(ReplyTo::None),
        Just(ReplyTo::Original),
        Just(ReplyTo::Address(Mailbox::parse("it@contoso.com").unwrap()))
    ]
}

/// Lines that are mostly the fields that matter, with text that likes to break them.
fn any_header() -> impl Strategy<Value = Vec<u8>> {
    let name = "(From|FROM |Sender|Reply-To|To|CC|Date|Message-ID|Bcc|Resent-Bcc|Subject|Content-Type|Content-Disposition|\
                Content-Transfer-Encoding|Mime-Version|References|Received|X-[a-z]{1,4}|X{890,1010})";
    let piece = prop_oneof![
        6 => "[ \t]?(<|>|,|;|\"|=\\?utf-8\\?Q\\?=0D=0A\\?=|=\\?|a@b\\.test|alerts@contoso\\.com|\r\n |\u{fc}|\\(|\\)|:|\\\\|[a-z. ]{1,9})".prop_map(String::into_bytes),
        2 => "( |<1@c>|text/plain|multipart/mixed; boundary=x|; charset=|7bit|base64|name=|Fri, 21 Nov 2025 20:35:30 \\+0000|1970|B\u{fc}ro@x)".prop_map(String::into_bytes),
        1 => proptest::collection::vec(any::<u8>(), 0..6),
        1 => (proptest::sample::select(vec!["x", " ", "\u{fc}", "a ", "a,", "\r\n ", "("]), 1_usize..1200).prop_map(|(text, times)| text.repeat(times).into_bytes()),
        1 => Just(b"\x1b$B%9%-%c%J\x1b(B".to_vec()),
    ];
    let value = proptest::collection::vec(piece, 0..9).prop_map(|pieces| pieces.concat());
    let full = ("(To|Cc|Content-Type)", "( )?(a@b, |text/plain; name=|text/plain; charset=us; a=)", 960_usize..998)
        .prop_map(|(name, start, length)| (name, format!("{start}{}", "x".repeat(length - start.len())).into_bytes()));
    proptest::collection::vec(prop_oneof![8 => (name, value), 1 => full], 0..9).prop_map(|fields| {
        let lines: Vec<u8> = fields.iter().flat_map(|(name, value)| [name.as_bytes(), b":", value, b"\r\n"].concat()).collect();
        header_of(&lines)
    })
}

/// What a listener would make of it.
fn header_of(content: &[u8]) -> Vec<u8> {
    let (mut reader, mut splitter, mut read) = (ContentReader::new(), Splitter::new(), Vec::new());
    reader.push(&[content, b"\r\n.\r\n"].concat(), &mut read);
    splitter.push(&read).unwrap();
    splitter.finish().header.as_bytes().to_vec()
}

fn any_facts() -> impl Strategy<Value = BodyFacts> {
    let charset = prop_oneof![Just(None), Just(Some(Charset::UTF_8)), Just(Charset::of("gbk"))];
    (any::<bool>(), charset).prop_map(|(eight_bit, charset)| BodyFacts { eight_bit, charset, ..BodyFacts::default() })
}

fn count(fields: &[Field<'_>], name: &str) -> usize {
    fields.iter().filter(|field| field.is(name)).count()
}

/// Whether every octet may stand in a header that is sent.
fn is_fit(block: &[u8], smtputf8: bool) -> bool {
    let lines: Vec<&[u8]> = block.strip_suffix(b"\r\n").unwrap_or(block).split(|octet| *octet == b'\n').collect();
    let is_control = |octet: &u8| octet.is_ascii_control() && *octet != b'\t';
    let (last, others) = lines.split_last().unwrap();
    let bare: Vec<&[u8]> = others.iter().filter_map(|line| line.strip_suffix(b"\r")).chain([*last]).collect();
    let fine = |line: &&[u8]| line.len() <= 998 && !line.iter().any(is_control) && !line.trim_ascii().is_empty();
    bare.len() == lines.len() && bare.iter().all(fine) && (block.is_ascii() || (smtputf8 && std::str::from_utf8(block).is_ok()))
}

/// What leaves of a message, header and body, and what was mended.
fn send(content: &[u8]) -> (Vec<u8>, Repairs) {
    let (mut splitter, mut body) = (Splitter::new(), Vec::new());
    body.extend_from_slice(&splitter.push(content).unwrap());
    let Split { header, facts, .. } = splitter.finish();
    let mut case = case(header.as_bytes());
    case.facts = facts;
    let (sent, repairs) = (case.rewrite(), case.repairs());
    let (mut message, mut editor) = (sent.header.to_vec(), Editor::new(sent.body.plan));
    editor.push(&body, &mut message);
    editor.finish(&mut message);
    (message, repairs)
}

#[test]
fn a_body_is_judged_by_the_fields_that_leave() {
    let long = "x ".repeat(600);
    let parts = format!("--b\r\n\r\n{long}\r\n--b--\r\n");
    let (text, html) = ("Content-Type: text/plain\r\n", "Content-Type: text/html\r\n");
    let multipart = "Content-Type: multipart/mixed; boundary=b\r\n";
    for (fields, body, mended) in [
        (format!("{text}{html}"), &long, true),
        (format!("{text}{multipart}"), &parts, true),
        (format!("{multipart}{text}"), &parts, true),
        (format!("Content-Type: \r\n{multipart}"), &parts, true),
        ("Content-Transfer-Encoding: 8bit\r\nContent-Transfer-Encoding: base64\r\n".into(), &long, true),
        (format!("Content-Type: message/rfc822\r\n{text}"), &long, false),
        (format!("Content-Type: mess\0age/rfc822\r\n{text}"), &long, false),
    ] {
        let (sent, repairs) = send(format!("MIME-Version: 1.0\r\n{fields}\r\n{body}").as_bytes());
        assert_eq!(repairs.contains(Repair::LongBodyLine), mended, "{fields:?}");
        assert_eq!(repairs.contains(Repair::UnmendableBody), !mended, "{fields:?}");
        let (twice, left) = send(&sent);
        assert!(twice.ends_with(&sent), "{fields:?} left as {}, then as {}", sent.escape_ascii(), twice.escape_ascii());
        assert_eq!(left, if mended { Repairs::none() } else { Repairs::from_iter([Repair::UnmendableBody]) }, "{fields:?}");
    }
}

#[test]
fn what_is_added_to_a_full_line_folds_it() {
    let full = |start: &str, end: &str| format!("{start}{}{end}\r\n", "x".repeat(998 - start.len() - end.len()));
    let kind = full("Content-Type: text/plain; name=\"", " x\"");
    let aliases = full("Content-Type: text/plain; charset=us; name=", "");
    let to = |start: &str| full(start, "@b.test");
    let folded = format!("To:\r\n {}", to("To: a@b.test, ").replace("To: ", ""));
    for lists in [
        kind,
        aliases,
        format!("{}To: c@d.test\r\n", to("To:a@b.test, ")),
        format!("{}To: c@d.test\r\n", to("To: a@b.test, ")),
        format!("{folded}To: c@d.test\r\n"),
        format!("{0}{0}", to("Cc:a@b.test,").repeat(2)),
    ] {
        let mut case = case(format!("MIME-Version: 1.0\r\n{lists}"));
        case.facts = BodyFacts { eight_bit: true, charset: Some(Charset::UTF_8), ..BodyFacts::default() };
        let sent = case.rewrite();
        let block = sent.header.strip_suffix(b"\r\n").unwrap();
        assert!(is_fit(block, false), "{}", block.escape_ascii());
        assert!(!lists.starts_with("Content") || String::from_utf8_lossy(block).contains("charset=utf-8"));
        case.header = block.to_vec();
        assert_eq!(case.repairs(), Repairs::none());
    }
}

proptest! {
    #[test]
    fn the_sent_header_is_always_whole(
        header in any_header(),
        facts in any_facts(),
        name in proptest::option::of("[\\PC\r\n\t\0]{0,40}"),
        helo in proptest::option::of("[\\PC\r\n\t\0]{0,40}"),
        reply_to in any_reply_to(),
        charset in prop_oneof![Just(None), Just(Charset::of("shift_jis"))],
        smtputf8: bool,
    ) {
        let mut case = case(header).reply_to(reply_to.clone());
        case.facts = facts;
        case.origin = Origin { helo, charset, ..case.origin };
        case.envelope.smtputf8 = smtputf8;
        case.identity.name = name.map_or(DisplayName::Original, DisplayName::Fixed);
        let sent = case.rewrite();

        let block = sent.header.strip_suffix(b"\r\n").unwrap();
        prop_assert!(is_fit(block, sent.smtputf8), "{}", block.escape_ascii());
        let (before, after) = (HeaderBlock::new(case.header.clone()), HeaderBlock::new(block.to_vec()));
        let (before, after): (Vec<_>, Vec<_>) = (before.fields().collect(), after.fields().collect());

        // Exactly the fields that should be there.
        for name in ["From", "Date", "Message-ID"] {
            prop_assert_eq!(count(&after, name), 1, "{}", name);
        }
        for name in ["To", "Cc", "Reply-To", "Subject", "References", "MIME-Version", "Content-Type", "Content-Transfer-Encoding"] {
            prop_assert!(count(&after, name) < 2, "{}", name);
        }
        prop_assert!(count(&after, "To") + count(&after, "Cc") > 0);
        prop_assert_eq!(count(&after, "Sender") + count(&after, "Bcc") + count(&after, "Resent-Bcc"), 0);
        prop_assert_eq!(count(&after, "Received"), count(&before, "Received") + 1);
        prop_assert!(after[0].is("Received"));
        prop_assert_eq!(Author::of(&HeaderBlock::new(block.to_vec())).mailbox, Some(case.identity.from.clone()));
        // The rules have seen the address that becomes Reply-To.
        let came = HeaderBlock::new(case.header.clone());
        if case.header.is_ascii() && !case.header.contains(&0x1b) {
            prop_assert_eq!(Author::of(&came).mailbox, Author::of(&Lines::mend(&came, charset, smtputf8).header).mailbox);
        }
        match reply_to {
            ReplyTo::Keep => prop_assert_eq!(count(&after, "Reply-To") > 0, count(&before, "Reply-To") > 0),
            ReplyTo::None => prop_assert_eq!(count(&after, "Reply-To"), 0),
            ReplyTo::Address(_) => prop_assert_eq!(count(&after, "Reply-To"), 1),
            ReplyTo::Original => {}
        }

        // What needs nothing stays, octet for octet and in order.
        let fine = |field: &&Field<'_>| Kind::of(field) == Kind::Other && is_fit(field.raw, false);
        let kept: Vec<&[u8]> = before.iter().filter(fine).map(|field| field.raw).collect();
        let mut left = after[1..].iter().filter(fine).map(|field| field.raw);
        prop_assert!(kept.iter().all(|kept| left.any(|left| left == *kept)), "{}", block.escape_ascii());
        if case.repairs().is_empty() {
            let theirs = |field: &&Field<'_>| !["From", "Sender", "Bcc", "Resent-Bcc", "Reply-To"].iter().any(|name| field.is(name));
            let kept: Vec<&[u8]> = before.iter().filter(theirs).map(|field| field.raw).collect();
            prop_assert_eq!(kept, after[1..].iter().filter(theirs).map(|field| field.raw).collect::<Vec<_>>());
        }

        // Sent once more, nothing is left to be mended and nothing changes below the new Received line.
        let mut again = case.clone();
        again.header = block.to_vec();
        prop_assert_eq!(again.repairs(), Repairs::none(), "{}", block.escape_ascii());
        let twice = again.rewrite();
        let below = &twice.header[twice.header.len() - sent.header.len()..];
        prop_assert_eq!(below.escape_ascii().to_string(), sent.header.escape_ascii().to_string());
        prop_assert_eq!(twice.smtputf8, sent.smtputf8);
    }
}
