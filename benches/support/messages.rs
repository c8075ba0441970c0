//! Messages as a scanner's, ready to be stored.

use mailferry::clock::Timestamp;
use mailferry::message::{AccountName, BodyFacts, Decision, DisplayName, Envelope, HeaderBlock, Identity, Mailbox, Origin, Repairs};
use mailferry::message::{ReplyTo, ReversePath};
use mailferry::spool::NewEntry;

/// The account of [`message`].
pub(crate) fn account() -> AccountName {
    AccountName::new("office")
}

/// A message like a scanner's, to one recipient, whose body has `size` octets.
pub(crate) fn message(size: u64, received: Timestamp) -> NewEntry {
    let mailbox = |text| Mailbox::parse(text).expect("a good address");
    NewEntry {
        origin: Origin {
            client: std::net::IpAddr::from([192, 168, 10, 21]).into(),
            listener: "0.0.0.0:2525".into(),
            helo: Some("copier-2".into()),
            esmtp: true,
            login: None,
            tls: false,
            charset: None,
            received,
        },
        envelope: Envelope {
            sender: ReversePath::Mailbox(mailbox("scanner@old.local")),
            recipients: vec![mailbox("someone@contoso.com")],
            smtputf8: false,
        },
        header: HeaderBlock::new(
            &b"From: Scanner <scanner@old.local>\r\nTo: someone@contoso.com\r\nSubject: Scan from the second floor\r\n\
               Date: Sat, 21 Nov 2026 10:00:00 +0000\r\nMessage-ID: <1@old.local>\r\nMIME-Version: 1.0\r\n\
               Content-Type: multipart/mixed; boundary=\"=_scan\"\r\n"[..],
        ),
        repairs: Repairs::none(),
        facts: BodyFacts { size, longest_line: 76, ..BodyFacts::default() },
        decision: Decision {
            account: account(),
            identity: Identity { from: mailbox("noreply@contoso.com"), name: DisplayName::Original, reply_to: ReplyTo::Keep },
        },
    }
}
