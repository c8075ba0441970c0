//! What a message is: mailboxes, envelope, header block, content fields, body facts and plan, id, identity, repairs, receipt.
//!
//! Words that every room shares. Nothing here reads a socket, a file or the clock.

mod address;
mod author;
mod body;
mod charset;
mod client;
mod decision;
mod edit;
mod encode;
mod envelope;
mod facts;
mod guess;
mod header;
mod id;
mod media;
mod multiparts;
mod origin;
mod parts;
mod receipt;
mod repair;

pub use address::{InvalidMailbox, Mailbox};
pub use author::Author;
pub use body::{HeaderTooLarge, Split, Splitter};
pub use charset::Charset;
pub use client::{Client, Counted, InvalidClient, Process};
pub use decision::{AccountName, Decision, DisplayName, Identity, ReplyTo};
pub use edit::{BodyPlan, Edit, Editor, With};
pub use envelope::{Envelope, ReversePath};
pub use facts::{BodyFacts, LONGEST_LINE, Measure, PartFacts};
pub use header::{Field, HeaderBlock};
pub use id::{EntryId, InvalidEntryId};
pub use media::{ContentFields, Media, TransferEncoding};
pub use origin::Origin;
pub use receipt::Receipt;
pub use repair::{Repair, Repairs};
