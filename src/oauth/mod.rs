//! A valid bearer token: fetched before it is needed, once at a time, kept safely.
//!
//! Knows token endpoints and nothing of mail. Today there is one grant, client credentials (RFC 6749 section 4.4)
//! with a secret; [`Grant`] is where the others go.

use std::sync::Arc;

use tokio_rustls::rustls::ClientConfig;

use crate::secret::Secret;

/// How an account gets its tokens.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The token endpoint, `https` (or `http` to a loopback address).
    pub token_url: String,
    /// Asked for.
    pub scope: String,
    /// Who asks, and how it proves that it may.
    pub grant: Grant,
    /// Whom to trust behind `https`.
    pub tls: Arc<ClientConfig>,
}

/// How an application proves that it may have a token.
#[derive(Clone, Debug)]
pub enum Grant {
    /// RFC 6749 section 4.4 with a secret.
    ClientCredentials {
        /// The application's id.
        client_id: String,
        /// Its secret.
        client_secret: Secret,
    },
}
