//! A Microsoft 365 to rehearse with: a submission server, a token endpoint, and failures on request.
//!
//! For `mailferry demo`, `mailferry simulate`, tests and benchmarks. It speaks Microsoft's dialogue word for word
//! and is strict where the relay's own listener is lenient: it reads commands and content with rules of its own
//! (`command`, `wire`, `address`), so that a mistake of ours is refused here and not understood. What it does not
//! know: the relay.
//!
//! Pure are `address`, `command`, `wire`, `content`, `conversation`, `tenant`, `token`, `fault`, `faults` and
//! `words`; `server` has the sockets, `mailroom` what arrived, `ca` the certificates.

mod address;
mod ca;
mod command;
mod content;
mod conversation;
mod fault;
mod faults;
mod mailroom;
mod rehearsal;
mod server;
mod tenant;
#[cfg(test)]
mod tests;
mod token;
mod wire;
mod words;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;

use crate::clock::Clock;
use crate::secret::Secret;
use crate::tasks::{Group, Verdict};

pub use ca::CertificateError;
pub use command::BodyType;
pub use fault::{Entry, Fault, InvalidFault, Pattern, Planned, Stage};
pub use mailroom::{Counts, Keep, Mechanism, Received, SessionFacts};
pub use rehearsal::Rehearsal;
pub use tenant::{Account, Limits, Organisation};

use ca::Certificates;
use faults::Faults;
use mailroom::Mailroom;
use server::{Door, Service};
use tenant::Tenant;

/// What is simulated, and where.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where the submission server listens; port 0 takes a free one.
    pub smtp: SocketAddr,
    /// Where the token endpoint listens; port 0 takes a free one.
    pub token: SocketAddr,
    /// Who may sign in.
    pub organisation: Organisation,
    /// What a mailbox may do.
    pub limits: Limits,
    /// How much is kept of what arrives.
    pub keep: Keep,
    /// Host names and addresses for the certificate, beside `localhost`, loopback and Microsoft's own names.
    pub names: Vec<String>,
    /// Where the authority's certificate is written, in PEM, for a `ca_file` to point to. An existing file is replaced.
    pub ca_file: Option<PathBuf>,
    /// What goes wrong from the start.
    pub faults: Vec<Planned>,
}

impl Default for Settings {
    /// `scanner@contoso.com` with three aliases, on free loopback ports, nothing going wrong.
    fn default() -> Self {
        let loopback = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        Self {
            smtp: loopback,
            token: loopback,
            organisation: Organisation::default(),
            limits: Limits::default(),
            keep: Keep::default(),
            names: Vec::new(),
            ca_file: None,
            faults: Vec::new(),
        }
    }
}

/// Why a simulator did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// There is nobody to sign in.
    #[error("the simulator has no mailbox")]
    NoMailbox,
    /// An address could not be listened on.
    #[error("the simulator cannot listen on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// There are no certificates.
    #[error("the simulator has no certificates")]
    Certificates(#[source] CertificateError),
    /// The authority's certificate could not be written.
    #[error("the simulator cannot write its authority's certificate to {path}")]
    WriteCa {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// No token could be made.
    #[error("the system gives no random octets")]
    Random(#[source] getrandom::Error),
}

/// What all connections share.
#[derive(Debug)]
struct World {
    tenant: Tenant,
    faults: Faults,
    mailroom: Mailroom,
}

/// A simulator that runs. Dropped, it stops by itself; [`Simulator::stop`] also waits.
#[derive(Debug)]
pub struct Simulator {
    world: Arc<World>,
    clock: Clock,
    group: Group,
    smtp: SocketAddr,
    token: SocketAddr,
    ca_pem: String,
}

impl Simulator {
    /// Starts both servers. They listen when this returns.
    pub async fn start(settings: Settings, clock: Clock) -> Result<Self, StartError> {
        if settings.organisation.accounts.is_empty() {
            return Err(StartError::NoMailbox);
        }
        let certificates = Certificates::make(&settings.names).map_err(StartError::Certificates)?;
        if let Some(path) = settings.ca_file {
            tokio::fs::write(&path, &certificates.ca_pem).await.map_err(|source| StartError::WriteCa { path, source })?;
        }
        let (smtp_listener, smtp) = listen(settings.smtp).await?;
        let (token_listener, token) = listen(settings.token).await?;
        let world = Arc::new(World {
            tenant: Tenant::new(settings.organisation, settings.limits),
            faults: Faults::default(),
            mailroom: Mailroom::new(settings.keep),
        });
        world.faults.set(settings.faults);
        let group = Group::new("simulator");
        let ca_pem = certificates.ca_pem.clone();
        let service = Service { world: Arc::clone(&world), certificates, clock: clock.clone(), group: group.clone() };
        group.spawn(service.clone().listen(smtp_listener, Door::Smtp));
        group.spawn(service.listen(token_listener, Door::Token));
        Ok(Self { world, clock, group, smtp, token, ca_pem })
    }

    /// Where the submission server listens.
    pub fn smtp_addr(&self) -> SocketAddr {
        self.smtp
    }

    /// The token endpoint for the tenant that is simulated.
    pub fn token_url(&self) -> String {
        let name = &self.world.tenant.organisation().name;
        // An address that means all of them is none to connect to.
        match self.token.ip().is_unspecified() {
            true => format!("https://localhost:{}/{name}/oauth2/v2.0/token", self.token.port()),
            false => format!("https://{}/{name}/oauth2/v2.0/token", self.token),
        }
    }

    /// Who may sign in.
    pub fn organisation(&self) -> &Organisation {
        self.world.tenant.organisation()
    }

    /// The certificate of the authority that issued the servers' own, in PEM.
    pub fn ca_pem(&self) -> &str {
        &self.ca_pem
    }

    /// The messages that were taken and are kept, oldest first.
    pub fn received(&self) -> Vec<Arc<Received>> {
        self.world.mailroom.received()
    }

    /// Those behind the first `seen` that are kept, with their numbers from 1, oldest first.
    pub fn received_after(&self, seen: u64) -> Vec<(u64, Arc<Received>)> {
        self.world.mailroom.received_after(seen)
    }

    /// Waits until `messages` were taken since the start, at most `limit`; says whether they were.
    pub async fn wait_for(&self, messages: u64, limit: Duration) -> bool {
        self.world.mailroom.wait_for(messages, limit).await
    }

    /// How much of everything there was.
    pub fn counts(&self) -> Counts {
        self.world.mailroom.counts()
    }

    /// Plans these faults in the place of all others.
    pub fn set_faults(&self, faults: Vec<Planned>) {
        self.world.faults.set(faults);
    }

    /// The faults that are planned now, with the uses that are left.
    pub fn faults(&self) -> Vec<Planned> {
        self.world.faults.list()
    }

    /// Gives out a token past the token endpoint, good for `life`.
    pub fn issue_token(&self, life: Duration) -> Result<Secret, StartError> {
        self.world.tenant.issue(self.clock.now(), life).map_err(StartError::Random)
    }

    /// Makes every token that was given out worthless, as when an administrator revokes them.
    pub fn revoke_tokens(&self) {
        self.world.tenant.revoke_tokens();
    }

    /// Stops: connections that wait are told 421. Waits for them, at most `grace`.
    pub async fn stop(self, grace: Duration) -> Verdict {
        self.group.stop(grace).await
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        self.group.ask_to_stop();
    }
}

async fn listen(address: SocketAddr) -> Result<(TcpListener, SocketAddr), StartError> {
    let failed = |source| StartError::Listen { address, source };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    Ok((listener, bound))
}
