//! What a message is: mailboxes, envelope, header block, body facts, id, identity, receipt.
//!
//! Words that every room shares. Nothing here reads a socket, a file or the clock.

mod address;
mod author;
mod body;
mod client;
mod decision;
mod envelope;
mod header;
mod id;
mod origin;
mod receipt;

pub use address::{InvalidMailbox, Mailbox};
pub use author::Author;
pub use body::{BodyFacts, HeaderTooLarge, Splitter};
pub use client::{Client, InvalidClient, Process};
pub use decision::{AccountName, Decision, DisplayName, Identity, ReplyTo};
pub use envelope::{Envelope, ReversePath};
pub use header::{Field, HeaderBlock};
pub use id::{EntryId, InvalidEntryId};
pub use origin::Origin;
pub use receipt::Receipt;
