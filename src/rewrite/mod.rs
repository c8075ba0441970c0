//! From what a device sent to what leaves: the sent header, and a plan for the body. Pure and total.
//!
//! Runs when a message is sent, not when it arrives: the spool keeps what the device sent.
//! Always true: the same entry and identity give the same octets, however often it is asked.

use bytes::Bytes;

use crate::message::{BodyFacts, EntryId, Envelope, HeaderBlock, Identity, Mailbox, Origin};

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
    pub body: BodyPlan,
    /// The header or an address needs SMTPUTF8.
    pub smtputf8: bool,
}

/// What becomes of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyPlan {
    /// It goes out octet for octet.
    Pass,
}

/// Rewrites the header.
pub fn rewrite(subject: &Subject<'_>) -> Rewritten {
    Rewritten { header: subject.header.bytes(), from: subject.identity.from.clone(), body: BodyPlan::Pass, smtputf8: false }
}
