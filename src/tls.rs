//! Certificates and trust: files in, rustls settings out.
//!
//! Certificates and names are always checked; there is no way to turn that off. Private roots are added
//! with a file, never in the place of checking. TLS 1.2 and 1.3 only, which is all that rustls knows.
//!
//! The cryptography is named here (aws-lc-rs) and not taken from a default of the process, so two relays
//! in one process, or a library that sets its own, cannot change it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio_rustls::rustls::client::verify_server_cert_signed_by_trust_anchor;
use tokio_rustls::rustls::crypto::{CryptoProvider, aws_lc_rs};
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime, pem};
use tokio_rustls::rustls::server::ParsedCertificate;
use tokio_rustls::rustls::{self, CertificateError, ClientConfig, RootCertStore, ServerConfig};

use crate::clock::Timestamp;

/// Whom a client trusts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Trust {
    /// A PEM file of private roots, trusted beside the system's.
    pub ca_file: Option<PathBuf>,
}

/// Why trust could not be established, or a certificate not be used.
///
/// `path` is the file; for PEM that was never in a file it says `the given PEM`.
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
    #[error("{path} holds no certificate in PEM form; it must have a line -----BEGIN CERTIFICATE-----")]
    NoCertificate {
        /// The file.
        path: PathBuf,
    },
    /// A file holds no private key.
    #[error("{path} holds no private key in PEM form; it must have a line -----BEGIN PRIVATE KEY-----, and no password")]
    NoKey {
        /// The file.
        path: PathBuf,
    },
    /// The file of a key is damaged.
    #[error("{path} is damaged: the PEM in it does not decode; export the key again")]
    DamagedKey {
        /// The file.
        path: PathBuf,
        /// Where it stops making sense.
        #[source]
        source: pem::Error,
    },
    /// A file is damaged.
    #[error("{path} is damaged: the PEM in it does not decode; export it again")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where it stops making sense.
        #[source]
        source: pem::Error,
    },
    /// A certificate cannot be trusted as a root.
    #[error("a certificate in {path} cannot serve as a root; ca_file needs the authority's own certificate")]
    Root {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: rustls::Error,
    },
    /// Certificate and key do not go together, or the key is of a kind that TLS does not know.
    #[error("the certificate in {path} cannot be used with its key; they must be a pair, the server's own certificate first")]
    Pair {
        /// The certificate's file.
        path: PathBuf,
        /// What is wrong.
        #[source]
        source: rustls::Error,
    },
    /// The cryptography refused its own settings.
    #[error("cannot set TLS up")]
    Setup {
        /// Why.
        #[source]
        source: rustls::Error,
    },
}

/// The settings of a TLS client that trusts the system's roots (Mozilla's, where the system has none) and the file's.
pub fn client(trust: &Trust) -> Result<Arc<ClientConfig>, TlsError> {
    let mut roots = public_roots();
    if let Some(path) = &trust.ca_file {
        add_roots(&mut roots, &read(path)?, path)?;
    }
    client_that_trusts(roots)
}

/// The settings of a TLS client that trusts the roots in `ca_pem` and nobody else.
pub fn client_with_roots(ca_pem: &[u8]) -> Result<Arc<ClientConfig>, TlsError> {
    let mut roots = RootCertStore::empty();
    add_roots(&mut roots, ca_pem, Path::new(GIVEN))?;
    client_that_trusts(roots)
}

/// PEM, and the file that it came from.
#[derive(Clone, Copy, Debug)]
pub struct Pem<'a> {
    /// What it holds.
    pub octets: &'a [u8],
    /// What errors call it.
    pub path: &'a Path,
}

impl<'a> Pem<'a> {
    fn given(octets: &'a [u8]) -> Self {
        Self { octets, path: Path::new(GIVEN) }
    }
}

/// What stands for the path of PEM that was never in a file.
const GIVEN: &str = "the given PEM";

/// The same as [`server`] from PEM that is at hand.
pub fn server_from_pem(cert_chain_pem: &[u8], key_pem: &[u8]) -> Result<Arc<ServerConfig>, TlsError> {
    server(Pem::given(cert_chain_pem), Pem::given(key_pem))
}

/// The settings of a TLS server: its certificate, followed by those between it and the root, and its key (PKCS#8, PKCS#1 or
/// SEC1).
pub fn server(certificate: Pem<'_>, key: Pem<'_>) -> Result<Arc<ServerConfig>, TlsError> {
    let chain = certificates(certificate.octets, certificate.path)?;
    let key = PrivateKeyDer::from_pem_slice(key.octets).map_err(|source| match source {
        pem::Error::NoItemsFound => TlsError::NoKey { path: key.path.into() },
        source => TlsError::DamagedKey { path: key.path.into(), source },
    })?;
    let config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|source| TlsError::Setup { source })?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(|source| TlsError::Pair { path: certificate.path.into(), source })?;
    Ok(Arc::new(config))
}

/// Why a certificate is not good at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutOfTime {
    /// It was good until then.
    Expired {
        /// When it ended.
        on: Timestamp,
    },
    /// It will be good from then on.
    NotYet {
        /// When it begins.
        until: Timestamp,
    },
}

/// Whether a certificate among these is not good at a time, as a client would find.
pub fn out_of_time(certificate: Pem<'_>, at: Timestamp) -> Option<OutOfTime> {
    let at = UnixTime::since_unix_epoch(Duration::from_secs(u64::try_from(at.as_secs()).unwrap_or(0)));
    certificates(certificate.octets, certificate.path).ok()?.iter().find_map(|certificate| judge(certificate, at))
}

/// Lets the client's own checks look at a certificate. They begin with its time, and then miss its authority, for none is
/// given: only what they say of the time counts.
fn judge(certificate: &CertificateDer<'_>, at: UnixTime) -> Option<OutOfTime> {
    let parsed = ParsedCertificate::try_from(certificate).ok()?;
    let algorithms = provider().signature_verification_algorithms.all;
    match verify_server_cert_signed_by_trust_anchor(&parsed, &RootCertStore::empty(), &[], at, algorithms) {
        Err(rustls::Error::InvalidCertificate(CertificateError::ExpiredContext { not_after, .. })) => {
            Some(OutOfTime::Expired { on: timestamp(not_after) })
        }
        Err(rustls::Error::InvalidCertificate(CertificateError::NotValidYetContext { not_before, .. })) => {
            Some(OutOfTime::NotYet { until: timestamp(not_before) })
        }
        // The enum is not ours.
        Ok(()) | Err(_) => None,
    }
}

fn timestamp(time: UnixTime) -> Timestamp {
    Timestamp::default().after(Duration::from_secs(time.as_secs()))
}

fn client_that_trusts(roots: RootCertStore) -> Result<Arc<ClientConfig>, TlsError> {
    let config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|source| TlsError::Setup { source })?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

/// The system's roots, those that do not parse left out: one odd certificate must not stop all mail.
fn public_roots() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    let (used, unused) = roots.add_parsable_certificates(found.certs);
    for error in &found.errors {
        tracing::debug!(%error, "left out a certificate of the system");
    }
    tracing::debug!(used, unused, "read the system's roots");
    if roots.is_empty() {
        // A container built from nothing has no certificates: Mozilla's are compiled in.
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    roots
}

fn add_roots(roots: &mut RootCertStore, text: &[u8], path: &Path) -> Result<(), TlsError> {
    for certificate in certificates(text, path)? {
        roots.add(certificate).map_err(|source| TlsError::Root { path: path.into(), source })?;
    }
    Ok(())
}

/// All certificates in `text`; at least one.
fn certificates(text: &[u8], path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text).collect();
    let found = found.map_err(|source| TlsError::Damaged { path: path.into(), source })?;
    if found.is_empty() { Err(TlsError::NoCertificate { path: path.into() }) } else { Ok(found) }
}

fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    std::fs::read(path).map_err(|source| TlsError::Read { path: path.into(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(name: &str) -> (String, String) {
        let made = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
        (made.cert.pem(), made.signing_key.serialize_pem())
    }

    #[test]
    fn takes_a_file_of_roots_beside_the_systems() {
        let folder = tempfile::tempdir().unwrap();
        let ca_file = folder.path().join("ca.pem");
        std::fs::write(&ca_file, format!("a comment\n{}{}", pair("a.example").0, pair("b.example").0)).unwrap();
        assert!(client(&Trust { ca_file: Some(ca_file) }).is_ok());
        assert!(client(&Trust::default()).is_ok());
    }

    #[test]
    fn says_which_file_is_wrong_and_how() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ca.pem");
        let with = || client(&Trust { ca_file: Some(path.clone()) }).unwrap_err().to_string();
        assert_eq!(with(), format!("cannot read {}", path.display()));
        std::fs::write(&path, "no certificate here").unwrap();
        assert!(with().contains("holds no certificate in PEM form"), "{}", with());
        std::fs::write(&path, "-----BEGIN CERTIFICATE-----\nAAAA\n").unwrap();
        assert!(with().contains("is damaged"), "{}", with());
        std::fs::write(&path, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").unwrap();
        assert!(with().contains("cannot serve as a root"), "{}", with());
    }

    #[test]
    fn a_server_needs_a_pair() {
        let ((certificate, key), (_, other)) = (pair("a.example"), pair("b.example"));
        assert!(server_from_pem(certificate.as_bytes(), key.as_bytes()).is_ok());
        let error = |key: &str| server_from_pem(certificate.as_bytes(), key.as_bytes()).unwrap_err();
        assert!(matches!(error(&other), TlsError::Pair { .. }));
        assert!(matches!(error("nothing"), TlsError::NoKey { .. }));
        assert!(matches!(server_from_pem(b"", key.as_bytes()), Err(TlsError::NoCertificate { .. })));
    }
}
