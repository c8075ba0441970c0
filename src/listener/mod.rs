//! Accepts connections and moves bytes between socket and session.
//!
//! What is said is the session's affair, what becomes of a message is `intake`'s; here are sockets, buffers,
//! waits and limits. `accept` decides who may talk (`proxy` hears who that is, where a proxy is trusted), `serve` carries one
//! conversation over whatever `stream` it came by, `receive` one message, `handshake` puts TLS on.
//! Invariants:
//! - Waiting can be interrupted by a limit, and between commands by a request to stop; storing never.
//! - A message whose end has arrived is stored, whether or not the device still listens.
//! - An idle connection holds no read buffer.

mod accept;
mod admission;
mod checks;
mod clients;
mod connection;
mod door;
mod end;
mod foreign;
mod gateway;
mod handshake;
mod proxy;
mod receive;
mod refusals;
mod serve;
mod socket;
mod stream;

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ipnet::IpNet;
use tokio_rustls::rustls::ServerConfig;

use crate::intake::Intake;
use crate::session::{Auth, Policy};
use crate::sockets::{self, Address, Bound, Heir, InheritError, ListenError, Socket};
use crate::tasks::Group;

use door::Door;
use gateway::Watch;
use refusals::Refusals;

pub use admission::Connections;
pub use clients::{ClientEntry, Clients};

/// One listener.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where it listens.
    pub address: Address,
    /// As the configuration writes it: its name in log and queue.
    pub name: String,
    /// Who may connect; loopback addresses may where the listener itself is on loopback, and when the list is empty with `auth: users` everybody.
    pub allow: Vec<IpNet>,
    /// Proxies that must say with a PROXY header who their client is, and whose word is taken for it.
    pub proxy: Vec<IpNet>,
    /// In a container: addresses behind which its engine may hide the devices that `allow` names.
    pub hiding_places: Vec<IpAddr>,
    /// Whether and when TLS begins.
    pub tls: Tls,
    /// What sessions offer and allow.
    pub policy: Arc<Policy>,
    /// What single clients need; the same for all listeners.
    pub clients: Clients,
    /// Limits.
    pub limits: Limits,
}

impl Settings {
    /// Whether it is said who may send: what a listener needs that other machines can reach.
    pub fn says_who_may_send(&self) -> bool {
        !self.allow.is_empty() || matches!(self.policy.auth, Auth::Users(_))
    }
}

/// Whether and when TLS begins.
#[derive(Clone, Debug)]
pub enum Tls {
    /// Never.
    None,
    /// When a client says STARTTLS; the policy offers it.
    StartTls(Certificate),
    /// With the first octet.
    Implicit(Certificate),
}

/// A listener's certificate, ready to be shown.
#[derive(Clone, Debug)]
pub struct Certificate {
    /// The file it came from.
    pub file: PathBuf,
    /// The file of its key.
    pub key: PathBuf,
    /// What was made of both.
    pub server: Arc<ServerConfig>,
}

/// What a listener allows, apart from what is said.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections at once, over all listeners.
    pub connections: usize,
    /// Connections at once from one IPv4 address, or one IPv6 network of 64 bits.
    pub connections_per_client: usize,
    /// Between two commands, and between two pieces of content.
    pub idle: Duration,
    /// From connect to close.
    pub session: Duration,
}

/// A socket that listens; nobody is served yet.
#[derive(Debug)]
pub struct Listener {
    settings: Settings,
    socket: Socket,
    bound: Bound,
}

impl Listener {
    /// Opens the socket. Must be called within a tokio runtime.
    pub fn bind(settings: Settings) -> Result<Self, ListenError> {
        let (socket, bound) = sockets::open(&settings.address)?;
        Ok(Self { settings, socket, bound })
    }

    /// Listens on an inherited socket. Where that listens is known only now, so only now it can be refused when strangers
    /// could use it. Must be called within a tokio runtime.
    pub fn inherit(settings: Settings, heir: Heir) -> Result<Self, ListenError> {
        let (socket, bound) = heir.open(&settings.name)?;
        if !bound.is_local() && !settings.says_who_may_send() {
            return Err(InheritError::Open { listener: settings.name, bound }.into());
        }
        Ok(Self { settings, socket, bound })
    }

    /// Where it really listens.
    pub fn bound(&self) -> &Bound {
        &self.bound
    }

    /// Serves devices in tasks of `group` until the group is asked to stop. `connections` are counted over all
    /// listeners that are given the same.
    pub fn serve(self, intake: Intake, connections: Connections, group: &Group) {
        tracing::info!(listener = %self.settings.name, address = %self.bound, "listening");
        let door = Door {
            watch: Mutex::new(Watch::new(&self.settings.hiding_places)),
            settings: self.settings,
            bound: self.bound,
            intake,
            connections,
            refusals: Refusals::default(),
            group: group.clone(),
        };
        group.spawn(accept::run(self.socket, Arc::new(door)));
    }
}
