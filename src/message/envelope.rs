//! Who a message is from and for, apart from what its header says (RFC 5321 section 2.3.1).

use std::fmt;

use super::Mailbox;

/// What the device gave as MAIL FROM. The sender is replaced before the message leaves, so text that is
/// no address is kept as it came instead of being refused.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum ReversePath {
    /// `<>`, or nothing at all.
    Null,
    /// A proper address.
    Mailbox(Mailbox),
    /// Anything else a device calls its sender (`scanner`, `ilo.@host`).
    Other(String),
}

impl ReversePath {
    /// The text between the angle brackets.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Null => "",
            Self::Mailbox(mailbox) => mailbox.as_str(),
            Self::Other(text) => text,
        }
    }
}

/// With its angle brackets.
impl fmt::Display for ReversePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{}>", self.as_str())
    }
}

/// Sender and recipients of one message.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Envelope {
    /// What the device gave as MAIL FROM.
    pub sender: ReversePath,
    /// At least one, each only once, in the order in which they came.
    pub recipients: Vec<Mailbox>,
    /// The device asked for SMTPUTF8 (RFC 6531).
    pub smtputf8: bool,
}
