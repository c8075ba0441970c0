//! How conversations end, in words.

use std::fmt;

use crate::message::Client;
use crate::session::{Closing, Farewell};

use super::clients::entry_with;
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
    /// TLS was to begin, and did not.
    Handshake(Handshake),
    /// A proxy did not say whose connection it brings.
    Proxy(Wrong),
}

/// Why TLS did not begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Handshake {
    /// The client said nothing, as one that waits for a greeting.
    Silent,
    /// The client speaks without TLS.
    Plain,
    /// The client said STARTTLS and goes on without TLS.
    InClear,
    /// The client knows only what is not safe any more.
    TooOld,
    /// The client does not take our certificate.
    Distrusted,
    /// The client broke off.
    BrokenOff,
    /// The client took too long.
    Late,
    /// What the client said makes no sense.
    Failed,
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
            Self::Foreign(Foreign::EarlyTls) => "the client begins with TLS on a listener that waits for STARTTLS",
            Self::Foreign(Foreign::Proxy) => "the client sends a PROXY header",
            Self::Handshake(Handshake::Silent) => "the client said nothing where TLS was to begin",
            Self::Handshake(Handshake::Plain) => "the client speaks plain SMTP where TLS was to begin",
            Self::Handshake(Handshake::InClear) => "the client said STARTTLS and went on without TLS",
            Self::Handshake(Handshake::TooOld) => "the client knows only old TLS: before 1.2, or with ciphers that are not safe any more",
            Self::Handshake(Handshake::Distrusted) => "the client does not trust the certificate of this listener",
            Self::Handshake(Handshake::BrokenOff) => "the client broke the TLS handshake off",
            Self::Handshake(Handshake::Late) => "the client took too long for the TLS handshake",
            Self::Handshake(Handshake::Failed) => "the client does not speak TLS as it should",
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
    pub(super) fn remedy(self, client: Client) -> Option<String> {
        match self {
            Self::Handshake(why) => why.remedy(client),
            Self::Gone | Self::Farewell(_) | Self::Closing(_) | Self::Foreign(_) | Self::Proxy(_) => self.usual_remedy().map(str::to_owned),
        }
    }

    fn usual_remedy(self) -> Option<&'static str> {
        match self {
            Self::Handshake(_) => None,
            Self::Gone | Self::Closing(Closing::Quit) => None,
            Self::Farewell(Farewell::Idle | Farewell::Expired | Farewell::Stopping) => None,
            Self::Farewell(Farewell::TooManyConnections) => Some("if it needs them: raise `limits.connections_per_client`"),
            Self::Farewell(Farewell::NotAllowed) => Some("if it may send here: add its address under `allow` of this listener"),
            Self::Closing(Closing::Http) => Some("a web client speaks to the mail port: look at what runs on that machine"),
            Self::Closing(Closing::Bdat) => Some("turn CHUNKING (BDAT) off on the device: it is not offered here"),
            Self::Closing(Closing::TooManyErrors) => Some("compare the mail settings of the device with those of this listener"),
            Self::Closing(Closing::FailedLogins) => Some("compare name and password on the device with those under `users`"),
            Self::Foreign(Foreign::Tls) => {
                Some("turn TLS/SSL off in the mail settings of the device, or set `tls: implicit` with a certificate on this listener")
            }
            Self::Foreign(Foreign::EarlyTls) => Some(
                "set the device to STARTTLS in the place of SSL/TLS (on some panels: \"explicit\"), or send it to a listener with `tls: implicit`",
            ),
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

impl Handshake {
    fn remedy(self, client: Client) -> Option<String> {
        const PLAIN: &str = "turn TLS (SSL) on in the mail settings of the device, or set `tls: starttls` or `tls: none` on this listener";
        const TRUST: &str = "put the certificate of the authority on the device, turn its check of certificates off, or give this \
                             listener a certificate that it trusts";
        let text = match self {
            Self::Silent => format!("a device that waits for a greeting speaks no TLS yet: {PLAIN}"),
            Self::Plain => PLAIN.to_owned(),
            Self::TooOld => "update the device, or turn TLS off on it and let it use a listener without".to_owned(),
            Self::Distrusted => TRUST.to_owned(),
            Self::BrokenOff => format!("most devices do so when they do not trust the certificate: {TRUST}"),
            Self::InClear | Self::Late | Self::Failed => "turn TLS off on the device, and let it use a listener without".to_owned(),
        };
        let entry = match self {
            Self::InClear | Self::TooOld | Self::BrokenOff | Self::Late | Self::Failed => entry_with(client, "starttls: false"),
            Self::Silent | Self::Plain | Self::Distrusted => None,
        };
        Some(match entry {
            Some(entry) => format!("{text}; where STARTTLS is offered, this keeps it from the device: {entry}"),
            None => text,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_for_administrators_quotes_what_the_log_says() {
        let page = include_str!("../../docs/devices.md");
        for end in [End::Farewell(Farewell::NotAllowed), End::Foreign(Foreign::Tls), End::Handshake(Handshake::Plain)] {
            assert!(page.contains(&format!("| `{end}` |")), "{end}");
        }
    }
}
