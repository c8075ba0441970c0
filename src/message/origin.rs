//! Where a message came from.

use crate::clock::Timestamp;

use super::{Charset, Client};

/// What was known about the device and its conversation when a message arrived. It is kept with the
/// entry, so that the decision about account and identity can be made again.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Origin {
    /// Who brought it.
    pub client: Client,
    /// The listener that took the message, as the configuration writes its address.
    pub listener: String,
    /// What the device said after HELO or EHLO, as text; `None` when it said nothing.
    pub helo: Option<String>,
    /// Whether it said EHLO, for the `with` clause of the Received line (RFC 3848).
    pub esmtp: bool,
    /// The name it signed in with, when it did.
    pub login: Option<String>,
    /// Whether the message came over TLS.
    #[serde(default)]
    pub tls: bool,
    /// The charset it writes when it does not say which, as the configuration has it for this client.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub charset: Option<Charset>,
    /// When its message began.
    pub received: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_earlier_versions_stored_is_read() {
        let stored = r#"{"client":"10.0.0.1","listener":"127.0.0.1:25","helo":null,"esmtp":true,"login":null,"received":1000}"#;
        let origin: Origin = serde_json::from_str(stored).unwrap();
        assert_eq!((origin.tls, origin.charset, origin.esmtp), (false, None, true));
    }
}
