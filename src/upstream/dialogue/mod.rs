//! The client's side of the conversation, without a socket.
//!
//! Replies go in, octets to send come out; `drive` does the reading and writing. [`Opening`] leads from the
//! greeting to a signed-in connection, [`Awaiting`] through one message. Each state is consumed to leave it.
//!
//! Always true:
//! - No credential and no message is sent before the protection that the account asks for is there.
//! - A transaction ends with one outcome for each recipient.

mod opening;
mod transaction;

use std::fmt;

use crate::cause::detail;
use crate::secret::Secret;

pub(in crate::upstream) use opening::{Login, Next, Opening, Terms};
pub(in crate::upstream) use transaction::{Awaiting, Done, Plan, Then, Turn};

/// Octets that go out in one write, and are answered by one reply or more.
#[derive(Clone, PartialEq, Eq)]
pub(in crate::upstream) enum Flight {
    /// Commands that anybody may see.
    Open(Vec<u8>),
    /// A line with a credential in it.
    Secret(Secret),
}

impl Flight {
    fn line(text: &str) -> Self {
        Self::Open(format!("{text}\r\n").into_bytes())
    }

    /// RSET.
    pub(in crate::upstream) fn rset() -> Self {
        Self::line("RSET")
    }

    fn secret(before: &str, secret: &Secret) -> Self {
        Self::Secret(Secret::new(format!("{before}{}\r\n", secret.reveal())))
    }

    /// What goes over the wire.
    pub(in crate::upstream) fn octets(&self) -> &[u8] {
        match self {
            Self::Open(octets) => octets,
            Self::Secret(secret) => secret.reveal().as_bytes(),
        }
    }
}

/// The commands as a log shows them, a credential left out.
impl fmt::Display for Flight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open(octets) => {
                let text = String::from_utf8_lossy(octets);
                f.write_str(&detail(&text.trim_end().replace("\r\n", " | ")))
            }
            Self::Secret(secret) => write!(f, "{secret}"),
        }
    }
}

impl fmt::Debug for Flight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests;
