//! Headers: whatever a device writes, the sent header is whole, and nothing it wrote becomes a line of ours.
//!
//! The input is an octet of choices, a line for the HELO, a line for a fixed name, and a message.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mailferry::clock::Timestamp;
use mailferry::message::{
    Author, BodyFacts, Client, DisplayName, EntryId, Envelope, Field, HeaderBlock, Identity, Mailbox, Origin, ReplyTo, ReversePath, Splitter,
};
use mailferry::rewrite::{Subject, rewrite};
use mailferry::senders::{Pattern, header_from};
use mailferry::smtp::ContentReader;

const RECEIVED: Timestamp = Timestamp::from_millis(1_763_757_330_120);
/// The fields that may change; every other stays.
const OURS: [&str; 7] = ["From", "Sender", "Reply-To", "Date", "Message-ID", "Bcc", "Resent-Bcc"];

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
        charset: None,
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

fn kept<'a>(fields: impl Iterator<Item = Field<'a>>) -> Vec<&'a [u8]> {
    fields.filter(|field| !OURS.iter().any(|name| field.is(name))).map(|field| field.raw).collect()
}

fn check(before: &HeaderBlock, after: &HeaderBlock, identity: &Identity) {
    let octets = after.as_bytes();
    assert!(octets.ends_with(b"\r\n") && !octets.windows(4).any(|part| part == b"\r\n\r\n"), "the header ends early");
    assert_eq!(count(after, "From"), 1);
    assert_eq!(count(after, "Sender") + count(after, "Bcc") + count(after, "Resent-Bcc"), 0);
    assert!(count(after, "Date") > 0 && count(after, "Message-ID") > 0);
    assert_eq!(header_from(after).as_ref().map(Mailbox::as_str), Some(identity.from.as_str()));
    assert!(after.fields().next().is_some_and(|field| field.is("Received")));
    assert_eq!(kept(before.fields()), kept(after.fields().skip(1)), "a line that is not ours changed");
    for line in octets.split(|&octet| octet == b'\n') {
        let theirs = before.as_bytes().split(|&octet| octet == b'\n').any(|theirs| theirs == line);
        assert!(theirs || line.len() <= 999, "a line of ours is too long");
    }
}

fuzz_target!(|data: &[u8]| {
    let Some((&choices, rest)) = data.split_first() else { return };
    let mut parts = rest.splitn(3, |&octet| octet == b'\n');
    let (Some(helo), Some(name), Some(message)) = (parts.next(), parts.next(), parts.next()) else { return };
    let Some((header, facts)) = header_of(message) else { return };
    let (origin, identity) = (origin(choices, helo), identity(choices, name));
    let envelope = Envelope { sender: ReversePath::Null, recipients: vec![mailbox("a@b.test")], smtputf8: choices & 8 != 0 };
    let subject = Subject {
        id: EntryId::first_of(RECEIVED),
        origin: &origin,
        envelope: &envelope,
        header: &header,
        facts: &facts,
        identity: &identity,
        hostname: "relay.contoso.local",
    };
    let sent = rewrite(&subject);
    assert_eq!(sent, rewrite(&subject), "asked twice, answered differently");
    let block = sent.header.strip_suffix(b"\r\n").expect("an empty line ends the header");
    check(&header, &HeaderBlock::new(block.to_vec()), &identity);

    let author = Author::of(&header);
    assert_eq!(author.mailbox, header_from(&header));
    if let Some(mailbox) = author.mailbox {
        assert!(Pattern::new(mailbox.as_str()).matches(mailbox.as_str()) || mailbox.as_str().contains('*'));
        assert!(Pattern::new("*@*").matches(mailbox.as_str()));
    }
});
