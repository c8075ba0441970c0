//! Who brought a message: a device by its address, or a program on this machine.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

/// The other side of a conversation.
///
/// Its text is what the log, the queue and the spool's rows show: an address as such, a local program as `unix`, followed by
/// its user and process where the system told them (`unix:uid=1000,pid=4711`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum Client {
    /// It came over the network. An IPv4 address that arrived in IPv6 clothes (`::ffff:a.b.c.d`) is kept as IPv4, when
    /// this is made by `from`.
    Address(IpAddr),
    /// It came through a Unix socket; its process, when the system tells.
    Local(Option<Process>),
}

/// A process of this machine, as it was when it connected (`SO_PEERCRED` of unix(7)).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Process {
    /// Its user.
    pub user: u32,
    /// Its number; none for a process that cannot be seen from here, as one outside of our container.
    pub id: Option<u32>,
}

/// Leading bits of an IPv6 address by which its client is counted.
const NETWORK: u32 = 64;

/// What a client is counted as ([`Client::counted`]): one address, one network of IPv6, or one user of this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Counted(Client);

impl fmt::Display for Counted {
    /// As clients are shown elsewhere, but a network as such: `2001:db8:1:2::/64`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Client::Address(IpAddr::V6(_)) => write!(f, "{}/{NETWORK}", self.0),
            Client::Address(IpAddr::V4(_)) | Client::Local(_) => self.0.fmt(f),
        }
    }
}

impl Client {
    /// What it is counted as, where limits and metrics tell clients apart: an IPv4 client as its address, an IPv6 client as its
    /// network of 64 bits. Such a network is the least that a subscriber gets (RFC 6177), and every machine in it may take as many
    /// addresses as it likes (RFC 8981): by whole addresses one machine would be as many clients as it wants to be. A local
    /// program counts as its user, who can start as many as he likes, each with a number of its own.
    pub fn counted(self) -> Counted {
        Counted(match self {
            Self::Address(IpAddr::V4(_)) => self,
            Self::Address(IpAddr::V6(address)) => {
                let network = address.to_bits() & (u128::MAX << (128 - NETWORK));
                Self::Address(Ipv6Addr::from_bits(network).into())
            }
            Self::Local(process) => Self::Local(process.map(|process| Process { id: None, ..process })),
        })
    }

    /// Its address, when it has one: lists of networks and rules about addresses speak of no other client.
    pub fn address(self) -> Option<IpAddr> {
        match self {
            Self::Address(address) => Some(address),
            Self::Local(_) => None,
        }
    }
}

impl From<IpAddr> for Client {
    fn from(address: IpAddr) -> Self {
        Self::Address(address.to_canonical())
    }
}

impl fmt::Display for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::Local(None) => f.write_str("unix"),
            Self::Local(Some(Process { user, id: None })) => write!(f, "unix:uid={user}"),
            Self::Local(Some(Process { user, id: Some(id) })) => write!(f, "unix:uid={user},pid={id}"),
        }
    }
}

/// The text names no client.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is neither an address nor a local process")]
pub struct InvalidClient(String);

impl FromStr for Client {
    type Err = InvalidClient;

    /// Reads what [`fmt::Display`] wrote.
    fn from_str(text: &str) -> Result<Self, InvalidClient> {
        if let Ok(address) = text.parse::<IpAddr>() {
            return Ok(address.into());
        }
        local(text).ok_or_else(|| InvalidClient(text.chars().take(60).collect()))
    }
}

fn local(text: &str) -> Option<Client> {
    let process = text.strip_prefix("unix")?;
    if process.is_empty() {
        return Some(Client::Local(None));
    }
    let process = process.strip_prefix(":uid=")?;
    let (user, id) = match process.split_once(",pid=") {
        Some((user, id)) => (user, Some(id.parse().ok()?)),
        None => (process, None),
    };
    Some(Client::Local(Some(Process { user: user.parse().ok()?, id })))
}

impl From<Client> for String {
    fn from(client: Client) -> Self {
        client.to_string()
    }
}

impl TryFrom<String> for Client {
    type Error = InvalidClient;

    fn try_from(text: String) -> Result<Self, InvalidClient> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn are_read_as_they_are_written() {
        let process = |user, id| Client::Local(Some(Process { user, id }));
        for (client, text) in [
            (Client::Address([192, 168, 10, 21].into()), "192.168.10.21"),
            (Client::Address([0xfe80, 0, 0, 0, 0, 0, 0, 1].into()), "fe80::1"),
            (Client::Local(None), "unix"),
            (process(0, None), "unix:uid=0"),
            (process(1000, Some(4711)), "unix:uid=1000,pid=4711"),
        ] {
            assert_eq!(client.to_string(), text);
            let json = serde_json::to_string(&client).unwrap();
            assert_eq!(json, format!("\"{text}\""), "rows of the spool keep an address as they always did");
            assert_eq!(serde_json::from_str::<Client>(&json).unwrap(), client);
        }
        for bad in ["", "unix:", "unix:uid=", "unix:uid=x", "unix:uid=1,pid=", "unixuid=1", "192.168.1"] {
            assert!(bad.parse::<Client>().is_err(), "{bad}");
        }
    }

    #[test]
    fn ipv4_in_ipv6_clothes_is_ipv4() {
        assert_eq!("::ffff:10.1.2.3".parse(), Ok(Client::Address([10, 1, 2, 3].into())));
    }

    #[test]
    fn addresses_of_one_ipv6_network_and_programs_of_one_user_are_counted_as_one() {
        for (client, counted) in [
            ("192.0.2.1", "192.0.2.1"),
            ("::ffff:192.0.2.1", "192.0.2.1"),
            ("2001:db8:1:2::1", "2001:db8:1:2::/64"),
            ("2001:db8:1:2:ffff::2", "2001:db8:1:2::/64"),
            ("2001:db8:1:3::1", "2001:db8:1:3::/64"),
            ("unix:uid=1000,pid=7", "unix:uid=1000"),
            ("unix:uid=1000", "unix:uid=1000"),
            ("unix", "unix"),
        ] {
            assert_eq!(client.parse::<Client>().unwrap().counted().to_string(), counted, "{client}");
        }
        let counted = |client: &str| client.parse::<Client>().unwrap().counted();
        assert_eq!(counted("2001:db8:1:2::1"), counted("2001:db8:1:2:ffff::2"));
        assert_ne!(counted("unix:uid=1000,pid=7"), counted("unix:uid=1001,pid=7"));
    }
}
