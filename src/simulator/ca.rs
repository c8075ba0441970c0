//! A certificate authority of its own, made at each start, with the certificates that the simulator shows.

use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose};
use tokio_rustls::rustls::ServerConfig;

use crate::tls::{self, TlsError};

/// Names that the good certificate carries, beside those that are asked for.
const NAMES: &[&str] = &["localhost", "127.0.0.1", "::1", "smtp.office365.com", "smtp-mail.outlook.com", "login.microsoftonline.com"];
/// The only name of the wrong certificate.
const OTHER_NAME: &str = "mail.other.example";

/// Why no certificates could be made.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// A key or certificate could not be made.
    #[error("cannot make a certificate")]
    Make(#[source] rcgen::Error),
    /// What was made could not be used.
    #[error("cannot use the certificate that was made")]
    Use(#[source] TlsError),
}

/// What the simulator shows to its clients.
#[derive(Clone, Debug)]
pub(super) struct Certificates {
    /// The authority's own certificate, in PEM.
    pub(super) ca_pem: String,
    pub(super) good: Arc<ServerConfig>,
    /// From the same authority, for another name.
    pub(super) other_name: Arc<ServerConfig>,
    /// For the right names, from an authority that nobody was told of.
    pub(super) unknown_ca: Arc<ServerConfig>,
}

impl Certificates {
    /// Makes all of them. `names` are further host names or addresses for the good one.
    pub(super) fn make(names: &[String]) -> Result<Self, CertificateError> {
        let names: Vec<String> = NAMES.iter().map(ToString::to_string).chain(names.iter().cloned()).collect();
        let known = authority("mailferry simulator CA")?;
        let unknown = authority("mailferry simulator CA that nobody knows")?;
        Ok(Self {
            ca_pem: known.pem(),
            good: server(&known, names.clone())?,
            other_name: server(&known, vec![OTHER_NAME.into()])?,
            unknown_ca: server(&unknown, names)?,
        })
    }
}

type Authority = CertifiedIssuer<'static, KeyPair>;

fn authority(name: &str) -> Result<Authority, CertificateError> {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let key = KeyPair::generate().map_err(CertificateError::Make)?;
    CertifiedIssuer::self_signed(params, key).map_err(CertificateError::Make)
}

fn server(authority: &Authority, names: Vec<String>) -> Result<Arc<ServerConfig>, CertificateError> {
    let mut params = CertificateParams::new(names).map_err(CertificateError::Make)?;
    params.distinguished_name.push(DnType::CommonName, "mailferry simulator");
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let key = KeyPair::generate().map_err(CertificateError::Make)?;
    let certificate = params.signed_by(&key, authority).map_err(CertificateError::Make)?;
    tls::server_from_pem(certificate.pem().as_bytes(), key.serialize_pem().as_bytes()).map_err(CertificateError::Use)
}
