//! From what a device sent to what leaves: the sent header, and a plan for the body. Pure and total.
//!
//! Decided whole, then written: first every line is made fit to travel (`lines`), then it is decided what becomes of each
//! field (`plan`), and what is added to fit lines then is made fit with them. At acceptance only the decision is made, to tell
//! what will be mended; the spool keeps what the device sent, and it is rewritten at each attempt. As whom a message goes out
//! is decided elsewhere, and the body is not looked at: what becomes of it follows from what was noted while it came (`body`).
//!
//! Always true:
//! - The same entry and identity give the same octets, however often it is asked; what leaves, rewritten once more, stays as
//!   it is but for one more Received.
//! - What leaves has exactly one From, Date and Message-ID, one To or Cc or both, no Sender and no Bcc, and one more Received.
//! - It is ASCII unless it travels with SMTPUTF8, in lines of no more than 998 octets, none of them blank, without controls.
//! - Every line that needs nothing leaves octet for octet, in its place among the others; so does From when it already says
//!   what it should.
//! - No octet from a name, a HELO or an address ends a line that is written here.

mod body;
mod comments;
mod content;
mod dates;
mod fields;
mod ids;
mod lines;
mod mailboxes;
mod plan;
mod recipients;
#[cfg(test)]
mod tests;
mod trace;

use bytes::Bytes;

use crate::message::{BodyFacts, EntryId, Envelope, HeaderBlock, Identity, Mailbox, Origin, Repairs};

pub use body::{Decided, decide};
use lines::Lines;
use plan::Plan;

/// What came, and as whom it goes out.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
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
}

/// What the header is made from.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// The entry's name: a Message-ID that we add derives from it.
    pub id: EntryId,
    /// What came, and as whom it goes out.
    pub source: Source<'a>,
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
    let source = &subject.source;
    let lines = fit(source);
    let mut header = Vec::with_capacity(lines.header.as_bytes().len() + ADDED);
    trace::write_received(&mut header, subject);
    let plan = Plan::of(&lines, source);
    plan.write(subject, &mut header);
    header.extend_from_slice(b"\r\n");
    let smtputf8 = travels_with_smtputf8(source) || !header.is_ascii();
    Rewritten { header: header.into(), from: source.identity.from.clone(), body: plan.body, smtputf8 }
}

/// What [`rewrite`] mends of what came, found out without writing it.
pub fn repairs(source: &Source<'_>) -> Repairs {
    Plan::of(&fit(source), source).repairs
}

fn fit(source: &Source<'_>) -> Lines {
    let utf8 = source.envelope.smtputf8 || travels_with_smtputf8(source);
    Lines::mend(source.header, source.origin.charset, utf8)
}

/// RFC 6531 section 3.4: an address of the message is more than ASCII. A header that is counts only when the device asked for
/// SMTPUTF8, or the message needs it anyway; any other is encoded.
fn travels_with_smtputf8(source: &Source<'_>) -> bool {
    source.envelope.recipients.iter().any(Mailbox::needs_smtputf8) || mailboxes::need_smtputf8(source.identity)
}
