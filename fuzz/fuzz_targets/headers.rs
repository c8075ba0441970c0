//! Headers: whatever a device writes, the sent header is whole and fit to travel, nothing it wrote becomes a line of ours, and
//! what leaves needs nothing more.
//!
//! The input is an octet of choices, a line for the HELO, a line for a fixed name, and a message.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mailferry::clock::Timestamp;
use mailferry::message::{
    Author, BodyFacts, Charset, Client, DisplayName, EntryId, Envelope, Field, HeaderBlock, Identity, Mailbox, Origin, ReplyTo, ReversePath,
    Splitter,
};
use mailferry::rewrite::{Source, Subject, repairs, rewrite};
use mailferry::senders::{Pattern, header_from};
use mailferry::smtp::ContentReader;

const RECEIVED: Timestamp = Timestamp::from_millis(1_763_757_330_120);
/// Fields of which one leaves at most.
const ONCE: [&str; 13] = [
    "From",
    "Reply-To",
    "To",
    "Cc",
    "Date",
    "Message-ID",
    "In-Reply-To",
    "References",
    "Subject",
    "MIME-Version",
    "Content-Type",
    "Content-Transfer-Encoding",
    "Content-Disposition",
];

fn mailbox(text: &str) -> Mailbox {
    Mailbox::parse(text).expect("a good address")
}

fn header_of(message: &[u8]) -> Option<(HeaderBlock, BodyFacts)> {
    let (mut reader, mut splitter, mut content) = (ContentReader::new(), Splitter::new(), Vec::new());
    reader.push(&[message, b"\r\n.\r\n"].concat(), &mut content);
    splitter.push(&content).ok()?;
    let split = splitter.finish();
    Some((split.header, split.facts))
}

fn origin(choices: u8, helo: &[u8]) -> Origin {
    Origin {
        client: if choices & 1 == 0 { Client::Address([192, 168, 10, 21].into()) } else { Client::Local(None) },
        listener: "127.0.0.1:25".into(),
        helo: (!helo.is_empty()).then(|| String::from_utf8_lossy(helo).into_owned()),
        esmtp: choices & 2 == 0,
        login: (choices & 4 != 0).then(|| "user".into()),
        tls: false,
        charset: if choices & 0x80 == 0 { None } else { Charset::of("shift_jis") },
        received: RECEIVED,
    }
}

fn identity(choices: u8, name: &[u8]) -> Identity {
    Identity {
        from: mailbox("alerts@contoso.com"),
        name: if name.is_empty() { DisplayName::Original } else { DisplayName::Fixed(String::from_utf8_lossy(name).into_owned()) },
        reply_to: match choices >> 4 & 3 {
            0 => ReplyTo::Keep,
            1 => ReplyTo::Original,
            2 => ReplyTo::None,
            _ => ReplyTo::Address(mailbox("it@contoso.com")),
        },
    }
}

fn count(block: &HeaderBlock, name: &str) -> usize {
    block.fields().filter(|field| field.is(name)).count()
}

/// Whether these lines may stand in a header that is sent.
fn is_fit(lines: &[u8], smtputf8: bool) -> bool {
    let text = lines.strip_suffix(b"\r\n").unwrap_or(lines);
    let is_control = |octet: &u8| octet.is_ascii_control() && *octet != b'\t';
    let fine = |line: &[u8]| line.len() <= 998 && !line.iter().any(is_control) && !line.trim_ascii().is_empty();
    let parts: Vec<&[u8]> = text.split(|&octet| octet == b'\n').collect();
    let last = parts.len() - 1;
    let whole = parts.iter().enumerate().all(|(at, part)| if at == last { fine(part) } else { part.strip_suffix(b"\r").is_some_and(fine) });
    whole && (lines.is_ascii() || (smtputf8 && std::str::from_utf8(lines).is_ok()))
}

/// The fields that need nothing and are not ours to judge.
fn kept(block: &HeaderBlock) -> Vec<&[u8]> {
    const OURS: [&str; 6] = ["Received", "Sender", "Bcc", "Resent-Bcc", "Content-ID", "Content-Description"];
    let is_theirs = |field: &Field<'_>| !ONCE.iter().chain(&OURS).any(|name| field.is(name));
    block.fields().filter(|field| is_theirs(field) && is_fit(field.raw, false)).map(|field| field.raw).collect()
}

fn check(before: &HeaderBlock, after: &HeaderBlock, identity: &Identity, smtputf8: bool) {
    assert!(is_fit(after.as_bytes(), smtputf8), "not fit to travel");
    assert!(ONCE.iter().all(|name| count(after, name) <= 1));
    assert_eq!([count(after, "From"), count(after, "Date"), count(after, "Message-ID")], [1; 3]);
    assert_eq!(count(after, "Sender") + count(after, "Bcc") + count(after, "Resent-Bcc"), 0);
    assert!(count(after, "To") + count(after, "Cc") > 0);
    assert_eq!(header_from(after).as_ref().map(Mailbox::as_str), Some(identity.from.as_str()));
    assert!(after.fields().next().is_some_and(|field| field.is("Received")));
    let mut left = kept(after).into_iter();
    assert!(kept(before).into_iter().all(|kept| left.any(|left| left == kept)), "a line that needed nothing changed");
}

fuzz_target!(|data: &[u8]| {
    let Some((&choices, rest)) = data.split_first() else { return };
    let mut parts = rest.splitn(3, |&octet| octet == b'\n');
    let (Some(helo), Some(name), Some(message)) = (parts.next(), parts.next(), parts.next()) else { return };
    let Some((header, facts)) = header_of(message) else { return };
    let (origin, identity) = (origin(choices, helo), identity(choices, name));
    let envelope = Envelope { sender: ReversePath::Null, recipients: vec![mailbox("a@b.test")], smtputf8: choices & 8 != 0 };
    let source = Source { origin: &origin, envelope: &envelope, header: &header, facts: &facts, identity: &identity };
    let subject = Subject { id: EntryId::first_of(RECEIVED), source, hostname: "relay.contoso.local" };
    let sent = rewrite(&subject);
    assert_eq!(sent, rewrite(&subject), "asked twice, answered differently");
    let block = HeaderBlock::new(sent.header.strip_suffix(b"\r\n").expect("an empty line ends the header").to_vec());
    check(&header, &block, &identity, sent.smtputf8);

    if sent.body.repairs.is_empty() {
        let source = Source { header: &block, ..source };
        assert!(repairs(&source).is_empty(), "something is left to be mended: {}", repairs(&source));
        let again = rewrite(&Subject { source, ..subject });
        assert!(again.header.ends_with(&sent.header), "sent once more, something changed");
    }

    let author = Author::of(&header);
    assert_eq!(author.mailbox, header_from(&header));
    if let Some(mailbox) = author.mailbox {
        assert!(Pattern::new(mailbox.as_str()).matches(mailbox.as_str()) || mailbox.as_str().contains('*'));
        assert!(Pattern::new("*@*").matches(mailbox.as_str()));
    }
});
