//! Decides which account sends a message, and as whom: match rules and aliases. Pure.

use ipnet::IpNet;

use crate::message::{AccountName, Decision, Envelope, HeaderBlock, Identity, Mailbox, Origin};

/// The rules, in the order of the configuration; the first that matches decides. Checked: each has an account
/// that may send as its address, and the last matches everything when the configuration says so.
#[derive(Clone, Debug, Default)]
pub struct Senders {
    /// The rules.
    pub rules: Vec<Rule>,
}

/// One rule.
#[derive(Clone, Debug)]
pub struct Rule {
    /// What it matches; everything when empty.
    pub when: Match,
    /// The account that signs in.
    pub account: AccountName,
    /// As whom it sends.
    pub identity: Identity,
}

/// Conditions; all that are set must hold.
#[derive(Clone, Debug, Default)]
pub struct Match {
    /// The device's address is in one of these networks.
    pub client: Vec<IpNet>,
    /// The sender's address (From of the header, or MAIL FROM where the header has none) matches one of these.
    pub from: Vec<Pattern>,
}

/// An address with `*` for any run of characters; the case of letters does not matter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern(String);

impl Pattern {
    /// The pattern as the configuration writes it.
    pub fn new(text: &str) -> Self {
        Self(text.to_lowercase())
    }

    /// Whether the whole of `text` matches.
    pub fn matches(&self, text: &str) -> bool {
        let _ = text;
        false
    }
}

/// The text of the pattern, in lower case.
impl std::fmt::Display for Pattern {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// No rule matches the message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no rule under `senders` matches client {client}, From {from}")]
pub struct NoRule {
    client: std::net::IpAddr,
    from: String,
}

impl Senders {
    /// The decision for a message, and which rule (from 0) made it.
    pub fn decide(&self, origin: &Origin, envelope: &Envelope, header: &HeaderBlock) -> Result<(usize, Decision), NoRule> {
        let (_, _, _) = (envelope, header, &self.rules);
        Err(NoRule { client: origin.client, from: String::new() })
    }
}

/// The address in the From field of a header, when one can be found.
pub fn header_from(header: &HeaderBlock) -> Option<Mailbox> {
    let _ = header;
    None
}
