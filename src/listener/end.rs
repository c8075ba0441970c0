//! How conversations end, in words.

use std::fmt;

use crate::session::{Closing, Farewell};

use super::foreign::Foreign;
use super::proxy::Wrong;

/// How a conversation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum End {
    /// The client closed or broke the connection.
    Gone,
    /// We end it, and say why.
    Farewell(Farewell),
    /// The session ended it; its last reply is among what was said.
    Closing(Closing),
    /// The client does not speak SMTP.
    Foreign(Foreign),
    /// A proxy did not say whose connection it brings.
    Proxy(Wrong),
}

/// In words, for the log.
impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Gone => "the client left",
            Self::Farewell(Farewell::Idle) => "nothing was sent for too long",
            Self::Farewell(Farewell::Expired) => "the connection has lasted too long",
            Self::Farewell(Farewell::Stopping) => "the relay is stopping",
            Self::Farewell(Farewell::TooManyConnections) => "the client has too many connections",
            Self::Farewell(Farewell::NotAllowed) => "the client's address is not on the list",
            Self::Closing(Closing::Quit) => "the client said QUIT",
            Self::Closing(Closing::Http) => "the client speaks HTTP",
            Self::Closing(Closing::Bdat) => "the client sends in chunks",
            Self::Closing(Closing::TooManyErrors) => "the client made too many errors",
            Self::Closing(Closing::FailedLogins) => "the client gave too many wrong logins",
            Self::Foreign(Foreign::Tls) => "the client speaks TLS on a listener without TLS",
            Self::Foreign(Foreign::Proxy) => "the client sends a PROXY header",
            Self::Proxy(Wrong::Nothing) => "the proxy left without a word",
            Self::Proxy(Wrong::Unfinished) => "the proxy left in the middle of its PROXY header",
            Self::Proxy(Wrong::Late) => "the proxy sent no PROXY header in time",
            Self::Proxy(Wrong::Missing) => "the proxy did not begin with a PROXY header",
            Self::Proxy(Wrong::Malformed) => "the proxy's PROXY header is malformed",
            Self::Proxy(Wrong::TooLong) => "the proxy's PROXY header is too long",
        })
    }
}

impl End {
    /// What a person can do about it, for the log.
    pub(super) fn remedy(self) -> Option<&'static str> {
        match self {
            Self::Gone | Self::Closing(Closing::Quit) => None,
            Self::Farewell(Farewell::Idle | Farewell::Expired | Farewell::Stopping) => None,
            Self::Farewell(Farewell::TooManyConnections) => Some("if it needs them: raise the limit of connections for one client"),
            Self::Farewell(Farewell::NotAllowed) => Some("if it may send here: add its address under `allow` of this listener"),
            Self::Closing(Closing::Http) => Some("a web client speaks to the mail port: look at what runs on that machine"),
            Self::Closing(Closing::Bdat) => Some("turn CHUNKING (BDAT) off on the device: it is not offered here"),
            Self::Closing(Closing::TooManyErrors) => Some("compare the mail settings of the device with those of this listener"),
            Self::Closing(Closing::FailedLogins) => Some("compare name and password on the device with those under `users`"),
            Self::Foreign(Foreign::Tls) => Some("turn TLS/SSL off in the mail settings of the device"),
            Self::Foreign(Foreign::Proxy) => {
                Some("a proxy whose word counts stands under `proxy` of this listener; otherwise turn PROXY headers off there")
            }
            Self::Proxy(Wrong::Nothing) => None,
            Self::Proxy(Wrong::Late | Wrong::Missing | Wrong::Unfinished) => Some(
                "turn PROXY headers on at the proxy (haproxy: `send-proxy-v2`, nginx: `proxy_protocol on`), also for its health checks, \
                 or take its address out of `proxy` of this listener",
            ),
            Self::Proxy(Wrong::Malformed) => Some("the proxy must send the PROXY protocol, version 1 or 2, for TCP"),
            Self::Proxy(Wrong::TooLong) => Some("have the proxy send fewer extensions (TLVs): 536 octets are taken"),
        }
    }
}
