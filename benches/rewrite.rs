//! What it costs to read From, to find out what will be mended at acceptance, and to rewrite the header at each attempt.

use divan::{Bencher, black_box};
use mailferry::clock::Timestamp;
use mailferry::message::{BodyFacts, DisplayName, EntryId, Envelope, HeaderBlock, Identity, Mailbox, Origin, ReplyTo, ReversePath};
use mailferry::rewrite::{Source, Subject, repairs, rewrite};
use mailferry::senders::header_from;

/// A scan as a copier sends it.
const COPIER: &[u8] = b"From: =?iso-8859-1?Q?B=FCro?= <dev@legacy.test>\r\nTo: <a@b.test>\r\nSubject: Scanned document\r\n\
MIME-Version: 1.0\r\nContent-Type: multipart/mixed;\r\n boundary=\"abcdefghijklmnop\"\r\nX-Mailer: Copier 1.0\r\nX-Priority: 3\r\n";

const RECEIVED: Timestamp = Timestamp::from_millis(1_763_757_330_120);

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

/// A message around a header.
struct Message {
    origin: Origin,
    envelope: Envelope,
    header: HeaderBlock,
    facts: BodyFacts,
    identity: Identity,
}

impl Message {
    fn new(header: impl Into<bytes::Bytes>) -> Self {
        Self {
            origin: Origin {
                client: std::net::IpAddr::from([192, 168, 10, 21]).into(),
                listener: "127.0.0.1:25".into(),
                helo: Some("copier".into()),
                esmtp: true,
                login: None,
                tls: false,
                charset: None,
                received: RECEIVED,
            },
            envelope: Envelope { sender: ReversePath::Null, recipients: vec![mailbox("a@b.test")], smtputf8: false },
            header: HeaderBlock::new(header),
            facts: BodyFacts::default(),
            identity: Identity { from: mailbox("alerts@contoso.com"), name: DisplayName::Original, reply_to: ReplyTo::Original },
        }
    }

    fn source(&self) -> Source<'_> {
        Source { origin: &self.origin, envelope: &self.envelope, header: &self.header, facts: &self.facts, identity: &self.identity }
    }

    fn subject(&self) -> Subject<'_> {
        Subject { id: EntryId::first_of(RECEIVED), source: self.source(), hostname: "relay.contoso.local" }
    }
}

#[divan::bench]
fn rewrite_header(bencher: Bencher<'_, '_>) {
    let message = Message::new(COPIER);
    bencher.bench_local(|| rewrite(black_box(&message.subject())));
}

/// What acceptance adds for a header with nothing to mend but what it lacks.
#[divan::bench]
fn find_repairs(bencher: Bencher<'_, '_>) {
    let message = Message::new(COPIER);
    bencher.bench_local(|| repairs(black_box(&message.source())));
}

#[divan::bench]
fn rewrite_raw_header(bencher: Bencher<'_, '_>) {
    let raw = [COPIER, b"Date: now\r\nSubject: B\xfcro im zweiten Stock\r\n"].concat();
    let message = Message::new(raw);
    bencher.bench_local(|| rewrite(black_box(&message.subject())));
}

/// The largest header that is taken, made of what is slowest to mend.
#[divan::bench]
fn rewrite_hostile_header(bencher: Bencher<'_, '_>) {
    let message = Message::new([b"To: ", &b"a@\xfc,".repeat(256 * 1024 / 4)[..], b"\r\n"].concat());
    bencher.bench_local(|| rewrite(black_box(&message.subject())));
}
