//! Accepts connections and moves bytes between socket and session.
//!
//! What is said is the session's affair, what becomes of a message is `intake`'s; here are sockets, buffers,
//! waits and limits. `accept` decides who may talk, `serve` carries one conversation, `receive` one message.
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
mod receive;
mod refusals;
mod serve;
mod socket;
mod stream;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;

use crate::intake::Intake;
use crate::session::Policy;
use crate::tasks::Group;

use socket::Socket;

pub use admission::Connections;
pub use clients::{ClientEntry, Clients};

/// One listener.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where it listens.
    pub address: SocketAddr,
    /// As the configuration writes it: its name in log and queue.
    pub name: String,
    /// Who may connect; loopback addresses may where the listener itself is on loopback, and when the list is empty with `auth: users` everybody.
    pub allow: Vec<IpNet>,
    /// What sessions offer and allow.
    pub policy: Arc<Policy>,
    /// What single clients need; the same for all listeners.
    pub clients: Clients,
    /// Limits.
    pub limits: Limits,
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

/// Why a listener cannot listen.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// The port belongs to the system.
    #[error(
        "cannot listen on {address}: ports below 1024 need root, the capability CAP_NET_BIND_SERVICE, or a lower \
         `sysctl net.ipv4.ip_unprivileged_port_start`"
    )]
    NotPermitted {
        /// Where it was to listen.
        address: SocketAddr,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Somebody else listens there.
    #[error("cannot listen on {address}: another program does; `sudo ss -ltnp` names it")]
    InUse {
        /// Where it was to listen.
        address: SocketAddr,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The machine has no such address.
    #[error("cannot listen on {address}: no interface of this machine has that address; `ip address` lists them")]
    NoSuchAddress {
        /// Where it was to listen.
        address: SocketAddr,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Anything else.
    #[error("cannot listen on {address}")]
    Failed {
        /// Where it was to listen.
        address: SocketAddr,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

/// A socket that listens; nobody is served yet.
#[derive(Debug)]
pub struct Listener {
    settings: Settings,
    socket: Socket,
    address: SocketAddr,
}

impl Listener {
    /// Opens the socket. Must be called within a tokio runtime.
    pub fn bind(settings: Settings) -> Result<Self, ListenError> {
        let address = settings.address;
        match socket::open(address).and_then(|socket| Ok((socket.local_addr()?, socket))) {
            Ok((address, socket)) => Ok(Self { settings, socket: Socket::Tcp(socket), address }),
            Err(source) => Err(match source.kind() {
                io::ErrorKind::PermissionDenied => ListenError::NotPermitted { address, source },
                io::ErrorKind::AddrInUse => ListenError::InUse { address, source },
                io::ErrorKind::AddrNotAvailable => ListenError::NoSuchAddress { address, source },
                _ => ListenError::Failed { address, source },
            }),
        }
    }

    /// Where it really listens: with the port that the system chose when the settings say 0.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Serves devices in tasks of `group` until the group is asked to stop. `connections` are counted over all
    /// listeners that are given the same.
    pub fn serve(self, intake: Intake, connections: Connections, group: &Group) {
        tracing::info!(listener = %self.settings.name, address = %self.address, "listening");
        group.spawn(accept::run(self.socket, Arc::new(self.settings), intake, connections, group.clone()));
    }
}
