//! Who brought a message: a device by its address, or a program on this machine.

use std::fmt;
use std::net::IpAddr;
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

impl Client {
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
}
