//! The proof that a message is safe on disk.

use super::EntryId;

/// Proof that the spool has committed an entry: the only thing that lets a session say 250 to a
/// message. It is made by a spool's commit and by nothing else (`tests/architecture.rs` looks), and it
/// is consumed by the answer, so that one commit answers one message.
#[derive(Debug)]
#[must_use = "a receipt is a promise: the device must be told"]
pub struct Receipt {
    entry: EntryId,
}

impl Receipt {
    /// Attests that `entry` is durable. Only a spool may call this, after its commit returned.
    pub fn committed(entry: EntryId) -> Self {
        Self { entry }
    }

    /// The entry that is promised.
    pub fn entry(&self) -> EntryId {
        self.entry
    }
}
