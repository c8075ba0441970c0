//! One attempt to hand a message to a provider: keeps connections, classifies every reply.
//!
//! The dialogue is pure (`dialogue`), connections move octets (`connection`), `classify` gives replies meaning.
//! It knows nothing of the spool, of retries or of limits per minute.

mod classify;

pub use classify::{Meaning, Method, find_reply, meaning};

use std::sync::Arc;
use std::time::Duration;

use tokio_rustls::rustls::ClientConfig;

use crate::message::{AccountName, Mailbox};
use crate::oauth;
use crate::secret::Secret;

/// One account's way to its upstream.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The account's name, for the log.
    pub account: AccountName,
    /// The name that is dialled, and that the certificate must carry.
    pub host: String,
    /// The port.
    pub port: u16,
    /// Our name in EHLO.
    pub hostname: String,
    /// How the connection is protected.
    pub tls: TlsMode,
    /// Whom to trust.
    pub trust: Arc<ClientConfig>,
    /// Who signs in.
    pub mailbox: Mailbox,
    /// With what.
    pub credentials: Credentials,
    /// Connections at once.
    pub connections: usize,
    /// Waits.
    pub waits: Waits,
}

/// How a connection is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsMode {
    /// STARTTLS before anything else (RFC 3207); without it nothing is sent.
    StartTls,
    /// TLS from the first octet (RFC 8314).
    Implicit,
    /// No protection; then no credential is ever sent. Only for `custom` upstreams that ask for none.
    None,
}

/// What an account signs in with.
#[derive(Clone, Debug)]
pub enum Credentials {
    /// Nothing: the upstream knows us by our address.
    None,
    /// A password or app password, by LOGIN or PLAIN.
    Password(Secret),
    /// A token, by XOAUTH2.
    Token(oauth::Settings),
}

/// How long each step may take. RFC 5321 section 4.5.3.2 gives the least values.
#[derive(Clone, Copy, Debug)]
pub struct Waits {
    /// To connect.
    pub connect: Duration,
    /// For the greeting and each reply to a command.
    pub reply: Duration,
    /// For the reply to the final dot.
    pub final_reply: Duration,
    /// An idle connection is closed after this.
    pub idle: Duration,
    /// A connection is not used for longer than this.
    pub age: Duration,
    /// Nor for more messages than this.
    pub messages: u32,
}
