//! Opens the sockets that listen: on an address, in the file system, or inherited from whoever started the program.
//!
//! Who may connect, and what is said, is the affair of the rooms that use them. Always true:
//! - a socket in the file system can never be connected to by more users than its mode lets in;
//! - a file is replaced or removed only when it is a socket on which nobody listens, or our own;
//! - an inherited socket is used once, or refused in words.

mod inherited;
mod tcp;
#[cfg(test)]
mod tests;
mod unix;

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use tokio::net::TcpListener;

pub use inherited::{Heir, InheritError, Inherited};
pub use unix::{SocketFile, UnixSocket};

/// Connections that the kernel keeps until we take them; beyond it devices wait and try again by themselves.
const BACKLOG: u32 = 1024;
/// Octets that the path of a Unix socket may have: `sun_path` of unix(7) has 108, and the last is a NUL.
pub const LONGEST_PATH: usize = 107;

/// Where to listen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// On an address. `[::]` takes IPv4, too.
    Network(SocketAddr),
    /// On a socket in the file system.
    Unix(SocketFile),
    /// On a socket that was opened by whoever started us: the one of this name, or the next that has no name of its own here.
    Inherited(Option<String>),
}

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Self {
        Self::Network(address)
    }
}

impl Address {
    /// The address, when it is known before the socket is there.
    pub fn network(&self) -> Option<SocketAddr> {
        match self {
            Self::Network(address) => Some(*address),
            Self::Unix(_) | Self::Inherited(_) => None,
        }
    }
}

/// As the configuration writes it.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Network(address) => address.fmt(f),
            Self::Unix(file) => write!(f, "unix:{}", file.path.display()),
            Self::Inherited(None) => f.write_str("inherited"),
            Self::Inherited(Some(name)) => write!(f, "inherited:{name}"),
        }
    }
}

/// Where a socket really listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Bound {
    /// On an address, with the port that the system chose where 0 was asked for.
    Network(SocketAddr),
    /// In the file system. An inherited one need not have a path.
    Unix(Option<PathBuf>),
}

impl Bound {
    /// The address, when it is one.
    pub fn network(&self) -> Option<SocketAddr> {
        match self {
            Self::Network(address) => Some(*address),
            Self::Unix(_) => None,
        }
    }

    /// Whether only this machine can reach it.
    pub fn is_local(&self) -> bool {
        match self {
            Self::Network(address) => address.ip().to_canonical().is_loopback(),
            Self::Unix(_) => true,
        }
    }
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Network(address) => address.fmt(f),
            Self::Unix(None) => f.write_str("unix"),
            Self::Unix(Some(path)) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// A socket that listens.
#[derive(Debug)]
pub enum Socket {
    /// On an address.
    Tcp(TcpListener),
    /// In the file system.
    Unix(UnixSocket),
}

/// Why a socket cannot listen.
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
    /// The machine has no IPv6.
    #[error(
        "cannot listen on {address}: IPv6 is turned off on this machine; write 0.0.0.0 for all addresses, or 127.0.0.1 for this machine"
    )]
    NoIpv6 {
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
    /// A socket in the file system.
    #[error(transparent)]
    Unix(#[from] UnixError),
    /// A socket that was to be inherited.
    #[error(transparent)]
    Inherit(#[from] InheritError),
}

/// Why a socket cannot be made in the file system.
#[derive(Debug, thiserror::Error)]
pub enum UnixError {
    /// The path does not fit.
    #[error("cannot make the socket {path}: its path has {octets} octets, and the system takes {LONGEST_PATH}; choose a shorter one")]
    TooLong {
        /// Where it was to be.
        path: PathBuf,
        /// Its length.
        octets: usize,
    },
    /// There is no such folder.
    #[error(
        "cannot make the socket {path}: its folder does not exist; make it, or let systemd do so (`RuntimeDirectory=mailferry` makes /run/mailferry)"
    )]
    NoFolder {
        /// Where it was to be.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The folder, or what is there, is closed to us.
    #[error("cannot make the socket {path}: the user who runs this program must be able to write to its folder")]
    NotPermitted {
        /// Where it was to be.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Something else is there.
    #[error("cannot make the socket {path}: there is something that is no socket; move it away, or choose another path")]
    NotASocket {
        /// Where it was to be.
        path: PathBuf,
    },
    /// Somebody else listens there.
    #[error("cannot make the socket {path}: another program listens there; `sudo ss -lxp` names it")]
    InUse {
        /// Where it was to be.
        path: PathBuf,
    },
    /// Anything else.
    #[error("cannot make the socket {path}")]
    Failed {
        /// Where it was to be.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

/// Opens a socket of our own. Must be called within a tokio runtime.
pub fn open(address: &Address) -> Result<(Socket, Bound), ListenError> {
    match address {
        Address::Network(address) => {
            let (socket, address) = tcp::open(*address)?;
            Ok((Socket::Tcp(socket), Bound::Network(address)))
        }
        Address::Unix(file) => Ok((Socket::Unix(UnixSocket::open(file)?), Bound::Unix(Some(file.path.clone())))),
        Address::Inherited(name) => Err(InheritError::NotThere { wanted: name.clone(), names: Vec::new() }.into()),
    }
}
