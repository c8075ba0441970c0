//! What the configuration says of single clients, found by their address.

use std::cmp::Reverse;
use std::sync::Arc;

use ipnet::IpNet;

use crate::message::{Charset, Client};
use crate::session::Quirks;

/// What the configuration says of the clients in one network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientEntry {
    /// Where they are.
    pub network: IpNet,
    /// The charset they write in when they do not say which.
    pub charset: Option<Charset>,
    /// What they need.
    pub quirks: Quirks,
}

/// All entries. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Clients {
    /// The smallest networks first.
    entries: Arc<[ClientEntry]>,
}

impl Clients {
    /// These entries; of no network two.
    pub fn new(mut entries: Vec<ClientEntry>) -> Self {
        entries.sort_by_key(|entry| Reverse(entry.network.prefix_len()));
        Self { entries: entries.into() }
    }

    /// The entry that applies to a client: the one of the smallest network that it is in, and no other.
    pub(super) fn of(&self, client: Client) -> Option<&ClientEntry> {
        let address = client.address()?;
        self.entries.iter().find(|entry| entry.network.contains(&address))
    }

    /// Every entry, the smallest networks first.
    pub fn iter(&self) -> impl Iterator<Item = &ClientEntry> {
        self.entries.iter()
    }
}

/// The entry that gives this client one quirk, as a person would write it; local programs have no entries.
pub(super) fn entry_with(client: Client, quirk: &str) -> Option<String> {
    // Quotes, for the colons of IPv6.
    client.address().map(|address| format!("clients: {{ \"{address}\": {{ quirks: {{ {quirk} }} }} }}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smallest_network_wins() {
        let entry = |network: &str, lf_ends_data| ClientEntry {
            network: network.parse().unwrap(),
            charset: None,
            quirks: Quirks { lf_ends_data, ..Quirks::default() },
        };
        let clients =
            Clients::new(vec![entry("10.0.0.0/8", false), entry("10.1.2.3/32", true), entry("10.1.0.0/16", false), entry("::/0", false)]);
        let found = |client: &str| clients.of(client.parse().unwrap()).map(|entry| entry.network.to_string());
        assert_eq!(found("10.1.2.3").as_deref(), Some("10.1.2.3/32"));
        assert_eq!(found("::ffff:10.1.2.4").as_deref(), Some("10.1.0.0/16"));
        assert_eq!(found("10.2.2.3").as_deref(), Some("10.0.0.0/8"));
        assert_eq!(found("192.0.2.1"), None, "::/0 has no IPv4 in it");
        assert_eq!(found("unix:uid=0"), None);
    }
}
