//! Accepts connections and moves bytes between socket and session.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;

use crate::session::Policy;

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
    /// Limits.
    pub limits: Limits,
}

/// What a listener allows, apart from what is said.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections at once, over all listeners.
    pub connections: usize,
    /// Connections at once from one address.
    pub connections_per_client: usize,
    /// Between two commands, and between two pieces of content.
    pub idle: Duration,
    /// From connect to close.
    pub session: Duration,
}
