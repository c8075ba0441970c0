//! Between 354 and the answer to the dot.

use crate::message::{Envelope, Receipt};
use crate::smtp::Reply;

use super::conversation::Conversation;
use super::{Introduction, Session, Transaction, replies};

/// A session whose client sends content. The only way back to commands is an answer to the dot.
#[derive(Debug)]
pub struct Receiving {
    conversation: Conversation,
    envelope: Envelope,
}

/// Why a message is not taken. The wire learns this much; the log learns the rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// No space is left to store it.
    DiskFull,
    /// Storing it failed.
    CannotStore,
    /// It has more octets than the policy allows.
    TooLarge,
    /// Its header is larger than any real one.
    HeaderTooLarge,
    /// It goes round in circles.
    Loop,
    /// No rule says as whom it should be sent.
    NoSenderRule,
}

impl Receiving {
    pub(super) fn new(conversation: Conversation, envelope: Envelope) -> Self {
        Self { conversation, envelope }
    }

    /// Who the message is from and for.
    pub fn envelope(&self) -> &Envelope {
        &self.envelope
    }

    /// What the client has said about itself.
    pub fn introduction(&self) -> &Introduction {
        &self.conversation.introduction
    }

    /// Whether the content may end at LF . LF, too ([`super::Quirks::lf_ends_data`]).
    pub fn lf_ends_data(&self) -> bool {
        self.conversation.quirks.lf_ends_data
    }

    /// The largest message in octets, after line-end repair.
    pub fn message_size(&self) -> u64 {
        self.conversation.policy.message_size
    }

    /// Answers the dot: the message is safe, and here is the proof.
    pub fn queued(self, receipt: Receipt) -> (Session, Reply) {
        (self.conversation.into_session(Transaction::None), replies::queued(receipt.entry()))
    }

    /// Answers the dot: the message is not taken.
    pub fn refused(self, refusal: Refusal) -> (Session, Reply) {
        let reply = replies::refused(refusal, self.message_size());
        (self.conversation.into_session(Transaction::None), reply)
    }
}
