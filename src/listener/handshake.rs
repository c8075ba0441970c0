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

/// A connection that did not come to TLS.
#[derive(Debug)]
pub(super) struct Unsecured {
    pub(super) why: End,
    /// The connection, as far as there is one: with an alert or an answer in clear as its last word.
    pub(super) connection: Option<Connection>,
}

impl Door {
    /// Has a TLS handshake, in a box of its own, so that an idle conversation does not carry the room for it. Tells the log
    /// when it fails.
    pub(super) async fn secure(&self, connection: Connection, client: Client, certificate: &Certificate) -> Result<Connection, Unsecured> {
        let secured = tokio::select! {
            biased;
            () = self.group.stopping() => Err(Unsecured { why: End::Farewell(Farewell::Stopping), connection: None }),
            secured = Box::pin(secure(connection, &certificate.server)) => secured,
        };
        match &secured {
            Ok(connection) => tracing::debug!(%client, listener = self.settings.name, with = connection.tls(), "TLS has begun"),
            Err(Unsecured { why: why @ End::Handshake(_), .. }) => self.log_refused_client(client, *why),
            // Health checks connect and leave.
            Err(Unsecured { why, .. }) => tracing::debug!(%client, listener = self.settings.name, reason = %why, "ended before TLS"),
        }
        secured
    }
}

/// Puts TLS on a connection. What was read already is the beginning of the handshake.
async fn secure(mut connection: Connection, server: &Arc<ServerConfig>) -> Result<Connection, Unsecured> {
    let until = Instant::now() + WAIT;
    if connection.input.is_empty() {
        match timeout_at(until, connection.wait_for_hello()).await {
            Ok(Ok(())) => {}
            Ok(Err(why)) => return Err(Unsecured { why, connection: Some(connection) }),
            Err(_) => return Err(Unsecured { why: End::Handshake(Handshake::Silent), connection: Some(connection) }),
        }
    }
    if let Some(why) = connection.input.first().and_then(|&octet| judge(octet)) {
        return Err(Unsecured { why: End::Handshake(why), connection: Some(connection) });
    }
    match timeout_at(until, connection.secured(server)).await {
        Ok(Ok(secured)) => Ok(secured),
        Ok(Err((error, connection))) => {
            let why = reason(&error);
            tracing::debug!(%error, "TLS handshake failed");
            Err(Unsecured { why: End::Handshake(why), connection: Some(connection) })
        }
        Err(_) => Err(Unsecured { why: End::Handshake(Handshake::Late), connection: None }),
    }
}

/// What the first octet shows to be no beginning of TLS: that is 0x16 (RFC 8446 section 5.1), and SSL 2 begins with a length
/// whose highest bit is set.
fn judge(first: u8) -> Option<Handshake> {
    match first {
        0x16 => None,
        0x80.. => Some(Handshake::TooOld),
        _ => Some(Handshake::Plain),
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
    /// Closes what is left of the connection. Who speaks plain SMTP where TLS begins at once is told so in plain SMTP, for
    /// most devices show their owner what they are told.
    pub(super) async fn close(self, at_once: bool) {
        let Some(mut connection) = self.connection else { return };
        if at_once && matches!(self.why, End::Handshake(Handshake::Plain | Handshake::Silent)) {
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
        for (first, want) in
            [(0x16, None), (0x80, Some(Handshake::TooOld)), (b'E', Some(Handshake::Plain)), (b'\r', Some(Handshake::Plain))]
        {
            assert_eq!(judge(first), want);
        }
    }
}
