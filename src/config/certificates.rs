//! Reads `tls`, `certificate` and `key` of a listener, and the files that they name.
//!
//! A certificate that cannot be used is a problem now, not when the first device fails: one that is damaged, or does not go
//! with its key. One that is out of its time, or soon will be, is a notice.

use std::path::PathBuf;
use std::time::Duration;

use crate::cause;
use crate::clock::Timestamp;
use crate::listener::{Certificate, Tls};
use crate::tls::{self, OutOfTime, Pem, TlsError};

use super::reader::{Field, Reader, Section};
use super::rule::Rule;
use super::secrets::open_to_others;
use super::surroundings::{self, FileRead};

/// Octets of a file of certificates or of a key: a chain of a dozen with comments has a few ten thousand.
const LARGEST: u64 = 256 * 1024;
/// How long before its end a certificate is told of: that is when those who renew by themselves do so, and when a person
/// still has time.
const SOON: Duration = Duration::from_secs(30 * 24 * 60 * 60);

#[derive(Clone, Copy)]
enum Begin {
    Never,
    StartTls,
    AtOnce,
}

/// Reads how a listener does TLS; [`Tls::None`] also beside a problem.
pub(super) fn read_tls(reader: &Reader<'_>, section: &Section<'_>) -> Tls {
    let choices = [("none", Begin::Never), ("starttls", Begin::StartTls), ("implicit", Begin::AtOnce)];
    let wrap: fn(Certificate) -> Tls = match section.or("tls", Begin::Never, |field| field.choice(reader, &choices)) {
        Begin::Never => {
            section.useless(reader, &["certificate", "key"], "this listener has `tls: none`");
            return Tls::None;
        }
        Begin::StartTls => Tls::StartTls,
        Begin::AtOnce => Tls::Implicit,
    };
    let certificate = section.require(reader, "certificate", "/etc/mailferry/relay.pem");
    let key = section.require(reader, "key", "/etc/mailferry/relay.key");
    certificate.zip(key).and_then(|(certificate, key)| read(reader, certificate, key)).map_or(Tls::None, wrap)
}

/// A file that was read.
struct Read {
    path: PathBuf,
    content: zeroize::Zeroizing<Vec<u8>>,
}

impl Read {
    fn pem(&self) -> Pem<'_> {
        Pem { octets: &self.content, path: &self.path }
    }
}

fn read(reader: &Reader<'_>, certificate: &Field<'_>, key: &Field<'_>) -> Option<Certificate> {
    let (chain, secret) = (read_file(reader, certificate), read_key(reader, key));
    let (chain, secret) = (chain?, secret?);
    let server =
        tls::server(chain.pem(), secret.pem()).map_err(|error| blame(reader, (certificate, &chain), (key, &secret), &error)).ok()?;
    tell_time(reader, certificate, &chain);
    Some(Certificate { file: chain.path, key: secret.path, server })
}

fn read_file(reader: &Reader<'_>, field: &Field<'_>) -> Option<Read> {
    read_with_mode(reader, field).map(|(read, _)| read)
}

fn read_key(reader: &Reader<'_>, field: &Field<'_>) -> Option<Read> {
    let (read, FileMode { mode, owner }) = read_with_mode(reader, field)?;
    if open_to_others(mode, owner, reader.surroundings.user) {
        field.note(reader, Rule::SecretFileOpen { path: read.path, mode });
        return None;
    }
    Some(read)
}

struct FileMode {
    mode: u32,
    owner: u32,
}

fn read_with_mode(reader: &Reader<'_>, field: &Field<'_>) -> Option<(Read, FileMode)> {
    let path = reader.path(field.text(reader)?);
    match surroundings::read(&path, LARGEST) {
        Ok(FileRead { content, mode, owner }) => Some((Read { path, content: content.into() }, FileMode { mode, owner })),
        Err(error) => {
            field.note(reader, Rule::SecretFile { path, why: surroundings::said(&error) });
            None
        }
    }
}

/// Notes at the key that is to blame why no certificate came of the two files.
fn blame(reader: &Reader<'_>, (certificate, chain): (&Field<'_>, &Read), (key, secret): (&Field<'_>, &Read), error: &TlsError) {
    let why = cause::chain(error);
    match error {
        TlsError::NoKey { .. } | TlsError::DamagedKey { .. } => key.note(reader, Rule::KeyUnusable { why }),
        TlsError::Pair { .. } => {
            certificate.note(reader, Rule::NotAPair { why, certificate: chain.path.clone(), key: secret.path.clone() })
        }
        TlsError::Read { .. }
        | TlsError::NoCertificate { .. }
        | TlsError::Damaged { .. }
        | TlsError::Root { .. }
        | TlsError::Setup { .. } => certificate.note(reader, Rule::CertificateUnusable { why }),
    }
}

/// Notices all: with a certificate that is out of time most devices are served as before, without a relay none.
fn tell_time(reader: &Reader<'_>, field: &Field<'_>, chain: &Read) {
    let now = reader.surroundings.now;
    let path = chain.path.clone();
    match tls::out_of_time(chain.pem(), now) {
        Some(OutOfTime::Expired { on }) => field.tell(reader, Rule::CertificateExpired { path, on: day(on) }),
        Some(OutOfTime::NotYet { until }) => field.tell(reader, Rule::CertificateNotYet { path, until: day(until) }),
        None => {
            if let Some(OutOfTime::Expired { on }) = tls::out_of_time(chain.pem(), now.after(SOON)) {
                field.tell(reader, Rule::CertificateExpires { path, on: day(on) });
            }
        }
    }
}

/// As in 2026-11-21, in UTC.
fn day(time: Timestamp) -> String {
    time.to_string().chars().take(10).collect()
}
