//! Certificates and trust: files in, rustls settings out.
//!
//! Certificates and names are always checked; there is no way to turn that off. Private roots are added
//! with a file, never in the place of checking.

use std::path::PathBuf;
use std::sync::Arc;

use tokio_rustls::rustls::ClientConfig;

/// Whom a client trusts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trust {
    /// A PEM file of private roots, trusted beside the system's.
    pub ca_file: Option<PathBuf>,
}

/// Why trust could not be established, or a certificate not be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file could not be read.
    #[error("cannot read {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A file holds no certificate.
    #[error("{path} holds no certificate in PEM form")]
    NoCertificate {
        /// The file.
        path: PathBuf,
    },
}

/// The settings of a TLS client that trusts the system's roots (Mozilla's, where the system has none) and the file's.
pub fn client(trust: &Trust) -> Result<Arc<ClientConfig>, TlsError> {
    let _ = trust;
    todo!()
}
