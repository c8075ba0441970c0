//! The TLS handshake of one connection, and in words why it failed.
//!
//! Always true: it ends within [`WAIT`], and none of what was read in clear before it is left behind it.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};
use tokio_rustls::rustls::{self, AlertDescription, PeerIncompatible, ServerConfig};

use crate::message::Client;
use crate::session::{Farewell, tls_needed};

use super::Certificate;
use super::connection::Connection;
use super::door::Door;
use super::end::{End, Handshake};

/// How long a handshake may take: small devices do the arithmetic for seconds, and no client has reason to think for longer.
const WAIT: Duration = Duration::from_secs(30);

/// When TLS begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Begin {
    /// With the first octet of the connection.
    AtOnce,
    /// Behind the answer to STARTTLS.
    BehindStartTls,
}

/// A connection that did not come to TLS.
#[derive(Debug)]
pub(super) struct Unsecured {
    why: End,
    /// What rustls says of it.
    error: Option<io::Error>,
    /// The connection, as far as there is one: with an alert or an answer in clear as its last word.
    connection: Option<Connection>,
}

impl Door {
    /// Has a TLS handshake, in a box of its own, so that an idle conversation does not carry the room for it. Tells the log
    /// when it fails.
    pub(super) async fn secure(
        &self,
        connection: Connection,
        client: Client,
        begin: Begin,
        certificate: &Certificate,
    ) -> Result<Connection, Unsecured> {
        let secured = tokio::select! {
            biased;
            () = self.group.stopping() => Err(Unsecured::lost(End::Farewell(Farewell::Stopping))),
            secured = Box::pin(secure(connection, begin, &certificate.server)) => secured,
        };
        match &secured {
            Ok(connection) => tracing::debug!(%client, listener = self.settings.name, with = connection.tls(), "TLS has begun"),
            Err(Unsecured { why: why @ End::Handshake(_), error, .. }) => {
                tracing::debug!(%client, listener = self.settings.name, error = error.as_ref().map(tracing::field::display), "no TLS");
                self.log_refused_client(client, *why);
            }
            // Health checks connect and leave.
            Err(Unsecured { why, .. }) => tracing::debug!(%client, listener = self.settings.name, reason = %why, "ended before TLS"),
        }
        secured
    }
}

/// Puts TLS on a connection. What was read already is the beginning of the handshake.
async fn secure(mut connection: Connection, begin: Begin, server: &Arc<ServerConfig>) -> Result<Connection, Unsecured> {
    let until = Instant::now() + WAIT;
    if let Err(why) = timeout_at(until, connection.wait_for_hello()).await.unwrap_or_else(|_| Err(End::Handshake(silent(begin)))) {
        return Err(Unsecured { why, error: None, connection: Some(connection) });
    }
    if let Some(why) = connection.input.first().and_then(|&octet| judge(octet, begin)) {
        return Err(Unsecured { why: End::Handshake(why), error: None, connection: Some(connection) });
    }
    match timeout_at(until, connection.secured(server)).await {
        Ok(Ok(secured)) => Ok(secured),
        Ok(Err((error, connection))) => {
            Err(Unsecured { why: End::Handshake(reason(&error)), error: Some(error), connection: Some(connection) })
        }
        Err(_) => Err(Unsecured::lost(End::Handshake(Handshake::Late))),
    }
}

/// What a client is up to that says nothing.
fn silent(begin: Begin) -> Handshake {
    match begin {
        Begin::AtOnce => Handshake::Silent,
        Begin::BehindStartTls => Handshake::Late,
    }
}

/// What the first octet shows to be no beginning of TLS: that is 0x16 (RFC 8446 section 5.1), and SSL 2 begins with a length
/// whose highest bit is set.
fn judge(first: u8, begin: Begin) -> Option<Handshake> {
    match (first, begin) {
        (0x16, _) => None,
        (0x80.., _) => Some(Handshake::TooOld),
        (_, Begin::AtOnce) => Some(Handshake::Plain),
        (_, Begin::BehindStartTls) => Some(Handshake::InClear),
    }
}

/// Why rustls gave up.
fn reason(error: &io::Error) -> Handshake {
    use AlertDescription::{BadCertificate, CertificateExpired, CertificateRevoked, CertificateUnknown, UnknownCA, UnsupportedCertificate};
    match error.get_ref().and_then(|cause| cause.downcast_ref()) {
        Some(rustls::Error::PeerIncompatible(
            PeerIncompatible::Tls12NotOffered
            | PeerIncompatible::Tls12NotOfferedOrEnabled
            | PeerIncompatible::NoCipherSuitesInCommon
            | PeerIncompatible::NoKxGroupsInCommon
            | PeerIncompatible::NoSignatureSchemesInCommon
            | PeerIncompatible::NoEcPointFormatsInCommon
            | PeerIncompatible::SignatureAlgorithmsExtensionRequired
            | PeerIncompatible::NamedGroupsExtensionRequired,
        )) => Handshake::TooOld,
        Some(rustls::Error::AlertReceived(
            BadCertificate | UnsupportedCertificate | CertificateRevoked | CertificateExpired | CertificateUnknown | UnknownCA,
        )) => Handshake::Distrusted,
        Some(rustls::Error::AlertReceived(_)) => Handshake::BrokenOff,
        // The enum is not ours.
        Some(_) => Handshake::Failed,
        None => Handshake::BrokenOff,
    }
}

impl Unsecured {
    /// Nothing is left of the connection.
    pub(super) fn lost(why: End) -> Self {
        Self { why, error: None, connection: None }
    }

    /// Closes what is left of the connection. Who speaks plain SMTP where TLS begins at once is told so in plain SMTP, for
    /// most devices show their owner what they are told.
    pub(super) async fn close(self) {
        let Some(mut connection) = self.connection else { return };
        if matches!(self.why, End::Handshake(Handshake::Plain | Handshake::Silent)) {
            connection.say(&tls_needed());
        }
        connection.close().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_tls_by_its_first_octet() {
        for (first, begin, want) in [
            (0x16, Begin::AtOnce, None),
            (0x80, Begin::BehindStartTls, Some(Handshake::TooOld)),
            (b'E', Begin::AtOnce, Some(Handshake::Plain)),
            (b'E', Begin::BehindStartTls, Some(Handshake::InClear)),
        ] {
            assert_eq!(judge(first, begin), want, "{first}, {begin:?}");
        }
    }
}
