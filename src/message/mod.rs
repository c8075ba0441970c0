//! What a message is: mailboxes, envelope, header block, body facts, id, identity, repairs, receipt.
//!
//! Words that every room shares. Nothing here reads a socket, a file or the clock.

mod address;
mod author;
mod body;
mod charset;
mod client;
mod decision;
mod envelope;
mod header;
mod id;
mod origin;
mod receipt;
mod repair;

pub use address::{InvalidMailbox, Mailbox};
pub use author::Author;
pub use body::{BodyFacts, HeaderTooLarge, Split, Splitter};
pub use charset::Charset;
pub use client::{Client, InvalidClient, Process};
pub use decision::{AccountName, Decision, DisplayName, Identity, ReplyTo};
pub use envelope::{Envelope, ReversePath};
pub use header::{Field, HeaderBlock};
pub use id::{EntryId, InvalidEntryId};
pub use origin::Origin;
pub use receipt::Receipt;
pub use repair::{Repair, Repairs};
