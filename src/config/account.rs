//! One account as the configuration leaves it, and what the other rooms get of it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio_rustls::rustls::ClientConfig;

use crate::cause::Values;
use crate::message::{AccountName, Mailbox};
use crate::oauth;
use crate::scheduler::AccountLimits;
use crate::secret::Secret;
use crate::tls::{TlsError, Trust};
use crate::upstream::{self, Credentials, TlsMode, Waits};

use super::problem::{Place, Problem};
use super::rule::Rule;

/// How long an upstream may take, and how long a connection is kept. RFC 5321 section 4.5.3.2 gives the replies'
/// times; Microsoft closes idle connections after about five minutes, so ours go well before.
const WAITS: Waits = Waits {
    connect: Duration::from_secs(30),
    reply: Duration::from_secs(5 * 60),
    final_reply: Duration::from_secs(10 * 60),
    idle: Duration::from_secs(60),
    age: Duration::from_secs(10 * 60),
    messages: 50,
};

/// One account, checked.
#[derive(Clone, Debug)]
pub struct Account {
    /// Its name.
    pub name: AccountName,
    /// Its provider, as the configuration names it.
    pub provider: &'static str,
    /// Who signs in.
    pub mailbox: Mailbox,
    /// The other addresses it may send as.
    pub aliases: Vec<Mailbox>,
    /// The host that is dialled.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How the connection is protected.
    pub tls: TlsMode,
    /// Private roots for it.
    pub roots: Option<Roots>,
    /// With what it signs in.
    pub sign_in: SignIn,
    /// Connections at once.
    pub connections: usize,
    /// Messages within any sixty seconds; `None` for no limit.
    pub messages_per_minute: Option<u32>,
    /// The largest message in octets; `None` for no limit of the account's own.
    pub message_size: Option<u64>,
}

/// With what an account signs in.
#[derive(Clone, Debug)]
pub enum SignIn {
    /// With nothing.
    None,
    /// With a password.
    Password(Secret),
    /// As an application, with a token (RFC 6749 section 4.4).
    Application(Box<Application>),
}

/// How an application gets its token.
#[derive(Clone, Debug)]
pub struct Application {
    /// The tenant, where the token endpoint was made from it.
    pub tenant: Option<String>,
    /// The application's id.
    pub client_id: String,
    /// Its secret.
    pub client_secret: Secret,
    /// The token endpoint.
    pub token_url: String,
    /// What is asked for.
    pub scope: String,
    /// Private roots for the token endpoint.
    pub roots: Option<Roots>,
}

/// A file of private roots, and where the configuration names it.
#[derive(Clone, Debug)]
pub struct Roots {
    /// The file.
    pub file: PathBuf,
    pub(super) place: Place,
    pub(super) path: String,
}

/// Makes the settings of a TLS client from whom to trust: [`crate::tls::client`], or a test's.
pub type MakeClient<'a> = &'a dyn Fn(&Trust) -> Result<Arc<ClientConfig>, TlsError>;

impl Account {
    /// Every address the account may send as, the mailbox first.
    pub fn addresses(&self) -> impl Iterator<Item = &Mailbox> {
        std::iter::once(&self.mailbox).chain(&self.aliases)
    }

    /// What the scheduler must know.
    pub fn limits(&self) -> AccountLimits {
        AccountLimits { account: self.name.clone(), connections: self.connections, messages_per_minute: self.messages_per_minute }
    }

    /// What remedies name.
    pub(super) fn values(&self) -> Values {
        let application = match &self.sign_in {
            SignIn::Application(application) => Some(application),
            SignIn::None | SignIn::Password(_) => None,
        };
        Values {
            account: Some(self.name.to_string()),
            mailbox: Some(self.mailbox.to_string()),
            from: None,
            host: Some(self.host.clone()),
            port: Some(self.port),
            tenant: application.and_then(|application| application.tenant.clone()),
            client_id: application.map(|application| application.client_id.clone()),
            password: matches!(self.sign_in, SignIn::Password(_)),
            detail: None,
        }
    }

    /// What the upstream must know; `hostname` is our name in EHLO. The files of private roots are read now.
    pub(super) fn upstream(&self, hostname: &str, client: MakeClient<'_>) -> Result<upstream::Settings, Vec<Problem>> {
        let (trust, credentials) = match (trust(self.roots.as_ref(), client), self.sign_in.credentials(client)) {
            (Ok(trust), Ok(credentials)) => (trust, credentials),
            (trust, credentials) => return Err(trust.err().into_iter().chain(credentials.err()).collect()),
        };
        Ok(upstream::Settings {
            account: self.name.clone(),
            host: self.host.clone(),
            port: self.port,
            hostname: hostname.to_owned(),
            tls: self.tls,
            trust,
            mailbox: self.mailbox.clone(),
            credentials,
            connections: self.connections,
            waits: WAITS,
        })
    }
}

impl SignIn {
    fn credentials(&self, client: MakeClient<'_>) -> Result<Credentials, Problem> {
        Ok(match self {
            Self::None => Credentials::None,
            Self::Password(password) => Credentials::Password(password.clone()),
            Self::Application(application) => Credentials::Token(oauth::Settings {
                token_url: application.token_url.clone(),
                scope: application.scope.clone(),
                grant: oauth::Grant::ClientCredentials {
                    client_id: application.client_id.clone(),
                    client_secret: application.client_secret.clone(),
                },
                tls: trust(application.roots.as_ref(), client)?,
            }),
        })
    }
}

fn trust(roots: Option<&Roots>, client: MakeClient<'_>) -> Result<Arc<ClientConfig>, Problem> {
    client(&Trust { ca_file: roots.map(|roots| roots.file.clone()) }).map_err(|error| {
        let mut why = error.to_string();
        let mut cause = std::error::Error::source(&error);
        while let Some(error) = cause {
            why.push_str(&format!(": {error}"));
            cause = error.source();
        }
        let (place, path) = roots.map_or((Place::Whole, ""), |roots| (roots.place.clone(), roots.path.as_str()));
        Problem::new(place, path, Rule::TrustUnusable { why })
    })
}
