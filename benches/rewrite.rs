//! What an attempt costs before its first octet leaves: reading From, and rewriting the header.

use divan::{Bencher, black_box};
use mailferry::clock::Timestamp;
use mailferry::message::{BodyFacts, DisplayName, EntryId, Envelope, HeaderBlock, Identity, Mailbox, Origin, ReplyTo, ReversePath};
use mailferry::rewrite::{Subject, rewrite};
use mailferry::senders::header_from;

/// A scan as a copier sends it.
const COPIER: &[u8] = b"From: =?iso-8859-1?Q?B=FCro?= <dev@legacy.test>\r\nTo: <a@b.test>\r\nSubject: Scanned document\r\n\
MIME-Version: 1.0\r\nContent-Type: multipart/mixed;\r\n boundary=\"abcdefghijklmnop\"\r\nX-Mailer: Copier 1.0\r\nX-Priority: 3\r\n";

fn main() {
    divan::main();
}

fn mailbox(text: &str) -> Mailbox {
    Mailbox::parse(text).expect("a good address")
}

#[divan::bench]
fn read_from(bencher: Bencher<'_, '_>) {
    let header = HeaderBlock::new(COPIER);
    bencher.bench_local(|| header_from(black_box(&header)));
}

#[divan::bench]
fn rewrite_header(bencher: Bencher<'_, '_>) {
    let received = Timestamp::from_millis(1_763_757_330_120);
    let (header, facts) = (HeaderBlock::new(COPIER), BodyFacts::default());
    let origin = Origin {
        client: std::net::IpAddr::from([192, 168, 10, 21]).into(),
        listener: "127.0.0.1:25".into(),
        helo: Some("copier".into()),
        esmtp: true,
        login: None,
        tls: false,
        charset: None,
        received,
    };
    let envelope = Envelope { sender: ReversePath::Null, recipients: vec![mailbox("a@b.test")], smtputf8: false };
    let identity = Identity { from: mailbox("alerts@contoso.com"), name: DisplayName::Original, reply_to: ReplyTo::Original };
    let subject = Subject {
        id: EntryId::first_of(received),
        origin: &origin,
        envelope: &envelope,
        header: &header,
        facts: &facts,
        identity: &identity,
        hostname: "relay.contoso.local",
    };
    bencher.bench_local(|| rewrite(black_box(&subject)));
}
