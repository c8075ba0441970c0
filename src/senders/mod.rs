//! Decides which account sends a message, and as whom: match rules and aliases. Pure.
//!
//! It looks at where a message came from and whom it says it is from. Whether an account may send as an address
//! was checked with the configuration; whether the provider agrees shows when the message is sent.
//!
//! Always true: the first rule that matches decides, and the same message and rules give the same decision.

mod pattern;
#[cfg(test)]
mod tests;

use ipnet::IpNet;

use crate::message::{AccountName, Author, Client, Decision, Envelope, HeaderBlock, Identity, Mailbox, Origin};

pub use pattern::Pattern;

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
    /// The device's address is in one of these networks; a program that came through a Unix socket has none, and is in no network.
    pub client: Vec<IpNet>,
    /// The sender's address (From of the header, or MAIL FROM where the header has none) matches one of these.
    pub from: Vec<Pattern>,
}

/// No rule matches the message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no rule under `senders` matches client {client}, From {from:?}")]
pub struct NoRule {
    client: Client,
    from: String,
}

impl Senders {
    /// The decision for a message, and which rule (from 0) made it.
    pub fn decide(&self, origin: &Origin, envelope: &Envelope, header: &HeaderBlock) -> Result<(usize, Decision), NoRule> {
        let author = header_from(header);
        let from = author.as_ref().map_or(envelope.sender.as_str(), Mailbox::as_str);
        match self.rules.iter().enumerate().find(|(_, rule)| rule.when.holds(origin.client, from)) {
            Some((number, rule)) => Ok((number, Decision { account: rule.account.clone(), identity: rule.identity.clone() })),
            None => Err(NoRule { client: origin.client, from: from.to_owned() }),
        }
    }
}

impl Match {
    fn holds(&self, client: Client, from: &str) -> bool {
        let listed = |address| self.client.iter().any(|network| network.contains(&address));
        let client_fits = self.client.is_empty() || client.address().is_some_and(listed);
        client_fits && (self.from.is_empty() || self.from.iter().any(|pattern| pattern.matches(from)))
    }
}

/// The address in the From field of a header, when one can be found.
pub fn header_from(header: &HeaderBlock) -> Option<Mailbox> {
    Author::of(header).mailbox
}
