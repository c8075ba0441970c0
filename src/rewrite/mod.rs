//! From what a device sent to what leaves: the sent header, and a plan for the body. Pure and total.
//!
//! Runs when a message is sent, not when it arrives: the spool keeps what the device sent. It does not decide
//! as whom a message goes out, and it does not look at the body.
//!
//! Always true:
//! - The same entry and identity give the same octets, however often it is asked.
//! - What leaves has exactly one From and no Sender, both Date and Message-ID, one more Received, and no Bcc.
//! - Every other line of the header leaves octet for octet, in its place among the others; so does From when it
//!   already says what it should. Only a body that has to be encoded gets another Content-Transfer-Encoding.
//! - No octet from a name, a HELO or an address ends a line that is written here.

mod body;
mod fields;
mod mailboxes;
#[cfg(test)]
mod tests;
mod trace;

use bytes::Bytes;

use crate::message::{BodyFacts, EntryId, Envelope, HeaderBlock, Identity, Mailbox, Origin};

pub use body::{Decided, decide};
use fields::{Changes, Found, Kind};

/// What the header is made from.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// The entry's name: a Message-ID that we add derives from it.
    pub id: EntryId,
    /// Where the message came from.
    pub origin: &'a Origin,
    /// Sender and recipients.
    pub envelope: &'a Envelope,
    /// What the device sent, up to the empty line.
    pub header: &'a HeaderBlock,
    /// What was noted about the body.
    pub facts: &'a BodyFacts,
    /// As whom it goes out.
    pub identity: &'a Identity,
    /// Our own name, for the Received line.
    pub hostname: &'a str,
}

/// What leaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rewritten {
    /// The header block and the empty line behind it.
    pub header: Bytes,
    /// MAIL FROM: the From address.
    pub from: Mailbox,
    /// What becomes of the body.
    pub body: Decided,
    /// The header or an address needs SMTPUTF8.
    pub smtputf8: bool,
}

/// Octets that are added at most times: the Received line, From, Date, Message-ID and Reply-To.
const ADDED: usize = 640;

/// Rewrites the header.
pub fn rewrite(subject: &Subject<'_>) -> Rewritten {
    let body = body::decide(subject.header, subject.facts);
    let mut changes = Changes::plan(subject, &Found::in_header(subject.header));
    let mut header = Vec::with_capacity(subject.header.as_bytes().len() + ADDED);
    trace::write_received(&mut header, subject);
    for field in subject.header.fields() {
        match Kind::of(&field) {
            Kind::From => changes.from.write(&field, &mut header),
            Kind::ReplyTo => changes.reply_to.write(&field, &mut header),
            Kind::Date => changes.date.write(&field, &mut header),
            Kind::MessageId => changes.message_id.write(&field, &mut header),
            // With one From there is no need for a Sender, and Microsoft refuses one that is another mailbox.
            // RFC 5322 section 3.6.3: Bcc names recipients that the others shall not see.
            Kind::Sender | Kind::Bcc => {}
            Kind::Other if body.transfer_encoding.is_some() && field.is("Content-Transfer-Encoding") => {}
            Kind::Other => fields::copy(&field, &mut header),
        }
    }
    changes.write_missing(&mut header);
    body.write_fields(subject.header, &mut header);
    header.extend_from_slice(b"\r\n");
    let smtputf8 = needs_smtputf8(subject, &header);
    Rewritten { header: header.into(), from: subject.identity.from.clone(), body, smtputf8 }
}

/// RFC 6531 section 3.4: an address or the header is more than ASCII. A header in raw octets counts only when
/// the device asked for SMTPUTF8: others write Latin-1 and call it nothing, and RFC 6532 allows only UTF-8.
fn needs_smtputf8(subject: &Subject<'_>, header: &[u8]) -> bool {
    let addresses = subject.envelope.recipients.iter().any(Mailbox::needs_smtputf8) || mailboxes::need_smtputf8(subject.identity);
    addresses || (subject.envelope.smtputf8 && !header.is_ascii() && std::str::from_utf8(header).is_ok())
}
